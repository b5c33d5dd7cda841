/** The style sheet of reports: readable in light and dark, on paper and on small screens. */

export const STYLE = `
:root{color-scheme:light dark;--page:#f6f7f9;--card:#fff;--text:#1a1f27;--muted:#59636f;--line:#dfe3e8;--train:#1f62d0;--val:#c8500a;--good:31 98 208;--bad:200 80 10;--badge:#e6eefb;--badge-text:#174a9e}
@media(prefers-color-scheme:dark){:root{--page:#12151a;--card:#1b2027;--text:#e6e9ee;--muted:#a2abb8;--line:#323a45;--train:#7db0ff;--val:#ffa162;--good:110 160 255;--bad:255 150 80;--badge:#22385c;--badge-text:#cfe0ff}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",sans-serif}
main{max-width:1080px;margin:0 auto;padding:28px 20px 60px}
header{display:flex;flex-wrap:wrap;align-items:baseline;gap:4px 14px}
h1{font-size:26px;line-height:1.25;margin:0;overflow-wrap:anywhere}
h2{font-size:18px;margin:34px 0 10px}
.badge{background:var(--badge);color:var(--badge-text);border-radius:999px;padding:2px 12px;font-size:13px;font-weight:600}
.muted,.note{color:var(--muted)}
.note{margin:-4px 0 12px;font-size:14px}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:14px 16px}
.scroll{overflow-x:auto}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:12px;margin-top:20px}
.tile b{display:block;font-size:24px;line-height:1.3;font-variant-numeric:tabular-nums}
.tile span{color:var(--muted);font-size:13px}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(420px,100%),1fr));gap:14px}
svg{display:block;width:100%;height:auto;font-size:12px}
svg text{fill:var(--text)}
svg .title{font-size:14px;font-weight:600}
svg .tick{fill:var(--muted)}
svg .grid{stroke:var(--line)}
svg .axis{stroke:var(--muted)}
svg polyline,svg g line{fill:none;stroke-width:2;stroke-linejoin:round}
svg .training polyline,svg .training line{stroke:var(--train)}
svg .validation polyline,svg .validation line{stroke:var(--val)}
svg .training circle{fill:var(--train)}
svg .validation rect{fill:var(--val)}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:5px 10px;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th{color:var(--muted);font-weight:600;font-size:13px}
tbody tr:last-child>*{border-bottom:0}
.left{text-align:left}
.facts td{text-align:left;white-space:normal;overflow-wrap:anywhere}
.facts td:first-child{color:var(--muted);width:11em;vertical-align:top}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(420px,100%),1fr));gap:14px;align-items:start}
.two h2{margin-top:20px}
.beside{display:flex;flex-wrap:wrap;gap:14px;align-items:flex-start}
.beside>*{flex:1 1 280px;max-width:100%}
.beside>:first-child{flex:0 1 auto}
.confusion{width:auto}
.confusion thead .corner{vertical-align:bottom;text-align:right}
.confusion td,.confusion thead th{text-align:center;min-width:40px;padding:5px 6px;border:1px solid var(--line)}
.confusion tbody tr:last-child>*{border-bottom:1px solid var(--line)}
.confusion thead th{vertical-align:bottom}
.confusion .name span{writing-mode:vertical-rl;transform:rotate(180deg);max-height:9em;overflow:hidden;text-overflow:ellipsis}
.confusion tbody th{text-align:right;border-right:0;max-width:14em;overflow:hidden;text-overflow:ellipsis}
.confusion .zero{color:transparent}
.confusion .right{background:rgb(var(--good)/calc(.1 + .45*var(--share)))}
.confusion .wrong{background:rgb(var(--bad)/calc(.08 + .5*var(--share)))}
.pairs{font-size:14px}
.pairs td,.pairs th{padding:5px 5px}
.pairs .name{max-width:6.8em;overflow:hidden;text-overflow:ellipsis}
.mistakes{display:grid;grid-template-columns:repeat(auto-fill,minmax(138px,1fr));gap:12px}
.mistakes figure{margin:0;padding:10px;font-size:13px;line-height:1.35}
.mistakes img{display:block;width:100%;aspect-ratio:1;object-fit:contain;background:#0001;border-radius:6px;margin-bottom:8px}
.mistakes img.small{image-rendering:pixelated}
.mistakes figcaption div{display:flex;justify-content:space-between;gap:6px;white-space:nowrap}
.mistakes figcaption span:first-child{overflow:hidden;text-overflow:ellipsis}
.is{color:var(--train);font-weight:600}
.taken{color:var(--val);font-weight:600}
.norms td,.norms th{padding:5px 8px}
.norms .over{text-align:center}
.norms .heat{background:rgb(var(--good)/calc(.04 + .46*var(--share)))}
.bar{background:linear-gradient(90deg,rgb(var(--good)/.25) calc(100%*var(--share)),transparent 0)}
details summary{cursor:pointer;color:var(--muted)}
details[open] summary{margin-bottom:8px}
@media print{body{background:#fff}.card{break-inside:avoid}}
`
  .trim()
  .replaceAll('\n', '');
