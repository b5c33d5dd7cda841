"""Writes zoo.json: what PyTorch and torchvision compute for the networks of lib/models. Run by hand; the test reads the file and needs no Python.

    python test/golden/generateZoo.py [FAMILY ...]      # only these anew

Nothing large is stored. Weights, running statistics and images come from `formula` of generate.py and formula.ts, bit for bit equal in both languages;
the seed of a tensor is a hash of its name, so names are checked as well. Everything is computed in float64 from inputs rounded to float32; the float32
losses of PyTorch stand beside the float64 ones and say how far rounding alone leads. Training cases stay clear of kinks (kinks.py): `moves` are added
to single biases, and `images` is the seed of images without ties under maximum pooling.
"""

import json
import math
import pathlib
import sys

import numpy
import torch
import torch.nn.functional as F
from torch import nn

import kinks
from torchvisionCpu import torchvision

models = torchvision.models

HERE = pathlib.Path(__file__).parent
torch.use_deterministic_algorithms(True)
PERIOD = 10007


def formula(shape, seed, scale=1.0, shift=0.0):
    """float32(shift + scale * (2 r / 10007 - 1)), r = (31 i^2 + 4099 i + 7919 seed) mod 10007 for flat index i: repeats after 10007 elements."""
    i = numpy.arange(PERIOD, dtype=numpy.float64)
    r = numpy.mod(31 * i * i + 4099 * i + 7919 * seed, PERIOD)
    once = (shift + scale * (2 * r / PERIOD - 1)).astype(numpy.float32).astype(numpy.float64)
    return torch.from_numpy(numpy.resize(once, math.prod(shape)).reshape(shape))


def labels(count, classes, seed):
    """(7 i + 3 seed) mod classes"""
    return torch.tensor([(7 * i + 3 * seed) % classes for i in range(count)])


def seed_of(name):
    """FNV-1a of the name, modulo 10007."""
    h = 0x811C9DC5
    for c in name.encode():
        h = ((h ^ c) * 0x01000193) & 0xFFFFFFFF
    return h % PERIOD


def value_of(name, shape, gain):
    """The formula-made value of a parameter or running statistic."""
    seed, last = seed_of(name), name.rsplit(".", 1)[-1]
    if last == "running_mean":
        return formula(shape, seed, 0.25)
    if last == "running_var":
        return formula(shape, seed, 0.5, 1.0)
    if last == "bias":
        return formula(shape, seed, 0.125)
    if len(shape) == 1:
        return formula(shape, seed, 0.25, 1.0)
    return formula(shape, seed, math.sqrt(gain / math.prod(shape[1:])))


def fill(model, gain):
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                value.copy_(value_of(name, value.shape, gain))
    return model


def nin(classes):
    """Network in network as the course builds it (d2l.ai, 8.3)."""

    def block(inputs, outputs, kernel, stride, padding):
        return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, padding), nn.ReLU(), nn.Conv2d(outputs, outputs, 1), nn.ReLU(),
                             nn.Conv2d(outputs, outputs, 1), nn.ReLU())

    return nn.Sequential(block(3, 96, 11, 4, 0), nn.MaxPool2d(3, 2), block(96, 256, 5, 1, 2), nn.MaxPool2d(3, 2), block(256, 384, 3, 1, 1),
                         nn.MaxPool2d(3, 2), nn.Dropout(0.5), block(384, classes, 3, 1, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())


class CifarBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.stride, self.more = stride, outputs - inputs

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        # Option A of the paper: every second pixel, zeros for the new channels, half of them on either side.
        shortcut = x if self.more == 0 else F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.more // 2, self.more - self.more // 2))
        return F.relu(y + shortcut)


class ResNetCifar(nn.Module):
    """The networks of He et al. (2015), section 4.2: 6 n + 2 layers of 16, 32 and 64 channels."""

    def __init__(self, depth, classes):
        super().__init__()
        n = (depth - 2) // 6
        self.conv1, self.bn1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16)
        for k, (inputs, outputs) in enumerate(((16, 16), (16, 32), (32, 64)), 1):
            blocks = [CifarBlock(inputs if i == 0 else outputs, outputs, 2 if i == 0 and k > 1 else 1) for i in range(n)]
            setattr(self, f"layer{k}", nn.Sequential(*blocks))
        self.linear = nn.Linear(64, classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return self.linear(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))


def googlenet(classes=1000, **options):
    return models.googlenet(weights=None, num_classes=classes, init_weights=False, **options)


def resnet18_cifar():
    """The stem for small images: 3x3, stride 1, no pooling."""
    model = models.resnet18(num_classes=10)
    model.conv1, model.maxpool = nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.Identity()
    return model


def vgg11_bn_small():
    """One linear layer in place of the 120 million weights of the three."""
    model = models.vgg11_bn(num_classes=10, init_weights=False)
    model.classifier = nn.Sequential(nn.Linear(512 * 7 * 7, 10))
    return model


# family, constructor, images, extent, gain of the weights: sqrt(gain / fan in) is the largest weight
LOGITS = [
    ("alexnet", lambda: models.alexnet(), 1, 224, 6),
    ("vgg11", lambda: models.vgg11(init_weights=False), 1, 64, 6),
    ("vgg11bn", lambda: models.vgg11_bn(num_classes=10, init_weights=False), 1, 64, 6),
    ("googlenet", lambda: googlenet(), 1, 224, 4),
    ("resnet18", lambda: models.resnet18(), 2, 224, 2),
    ("resnet50", lambda: models.resnet50(), 1, 224, 2),
    ("densenet121", lambda: models.densenet121(), 1, 224, 4),
    ("mobilenetV2", lambda: models.mobilenet_v2(), 2, 224, 4),
    ("nin", lambda: nin(10), 1, 224, 6),
    ("resnetCifar", lambda: ResNetCifar(20, 10), 2, 32, 3),
]
# family, constructor, extent, gain, learning rate
TRAINING = [
    ("alexnet", lambda: models.alexnet(num_classes=10, dropout=0.0), 64, 6, 0.002),
    ("vgg11bn", vgg11_bn_small, 32, 6, 0.00005),
    ("resnet18", resnet18_cifar, 32, 2, 0.0001),
    ("googlenet", lambda: googlenet(10, aux_logits=False, dropout=0.0), 64, 4, 0.000002),
    ("googlenetAux", lambda: googlenet(10, dropout=0.0, dropout_aux=0.0), 64, 4, 0.000001),
    ("densenet121", lambda: models.densenet121(num_classes=10), 64, 4, 0.000005),
    ("mobilenetV2", lambda: models.mobilenet_v2(num_classes=10, dropout=0.0), 64, 4, 0.0000005),
]
BATCH, STEPS = 4, 10


def short(values, digits=7):
    return [float(f"{v:.{digits}g}") for v in values]


def image(count, extent, step=0, seed=100):
    """float32(0.75 cells + 0.25 noise): cells of 8 x 8 pixels make images differ from each other, which noise alone does not after some averaging."""
    noise = formula((count, 3, extent, extent), seed + step % 2)
    cells = noise[:, :, ::8, ::8].repeat_interleave(8, 2).repeat_interleave(8, 3)[:, :, :extent, :extent]
    return (0.75 * cells + 0.25 * noise).float().double()


def shape_of(model):
    return {"parameters": sum(p.numel() for p in model.parameters()), "names": sum(1 for _ in model.parameters())}


def logits_case(family, make, count, extent, gain):
    model = fill(make(), gain).double().eval()
    with torch.no_grad():
        y = model(image(count, extent))
    print(family, "logits", y[0, :4].tolist(), "norm", y.norm().item(), "differ", (y[0] - y[-1]).norm().item() if count > 1 else "")
    return {"family": family, "batch": count, "extent": extent, "gain": gain, **shape_of(model), "classes": y.shape[1],
            "logits": [short(row[:16].tolist(), 9) for row in y], "norms": short([row.norm().item() for row in y], 9)}


def gradient(parameter):
    """Norm over all elements and three of them: the first, the one in the middle and the last."""
    flat = parameter.grad.reshape(-1)
    return short([flat.norm().item(), *(flat[i].item() for i in (0, len(flat) // 2, len(flat) - 1))])


def loss_of(y, target):
    """Cross-entropy; the auxiliary classifiers of GoogLeNet take part with 0.3."""
    if not isinstance(y, tuple):
        return F.cross_entropy(y, target)
    return F.cross_entropy(y[0], target) + 0.3 * (F.cross_entropy(y[1], target) + F.cross_entropy(y[2], target))


def training_case(family, make, extent, gain, rate):
    filled = lambda: fill(make(), gain)
    units = kinks.rounding(filled, image(BATCH, extent))
    clear = ((s, kinks.clear(filled, image(BATCH, extent, 0, s), units)) for s in range(100, 2000, 2))
    seed, moves = next((s, m) for s, m in clear if m is not None)

    def run(dtype):
        model, result, first, logits = kinks.apply(filled(), moves).to(dtype).train(), [], None, None
        optimizer = torch.optim.SGD(model.parameters(), lr=rate)
        for step in range(STEPS):
            optimizer.zero_grad()
            y = model(image(BATCH, extent, step, seed).to(dtype))
            value = loss_of(y, labels(BATCH, 10, step % 2))
            y = y[0] if isinstance(y, tuple) else y
            value.backward()
            if first is None:
                first, logits = {n: gradient(p) for n, p in model.named_parameters()}, y[0].tolist()
            optimizer.step()
            result.append(value.item())
        buffers = {n: short([b.norm().item()])[0] for n, b in model.named_buffers() if not n.endswith("num_batches_tracked")}
        return model, result, first, logits, buffers

    model, exact, first, logits, buffers = run(torch.float64)
    rounded_model, rounded, rounded_first, _, _ = run(torch.float32)
    drift = max(abs(a - b) / b for a, b in zip(rounded, exact))
    worst = max(abs(rounded_first[n][0] - g[0]) / max(g[0], 1e-12) for n, g in first.items())
    print(family, "losses", short(exact, 4), "logits", short(logits[:3], 4), f"float32: losses {drift:.1e}, gradient norms {worst:.1e};",
          f"images {seed}, {sum(map(len, moves.values()))} biases moved")
    return {"family": family, "extent": extent, "gain": gain, "lr": rate, **shape_of(model), "images": seed, "moves": moves, "losses": short(exact, 9), "float32Losses": short(rounded, 9),
            "gradients": first, "statistics": buffers}


def main():
    only = sys.argv[1:]
    path = HERE / "zoo.json"
    before = json.loads(path.read_text()) if only else {}

    def rows(kind, table, make):
        known = {row["family"]: row for row in before.get(kind, [])}
        return [known[row[0]] if only and row[0] not in only else make(*row) for row in table]

    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__, "numpy": numpy.__version__, "generator": "test/golden/generateZoo.py"}
    result = {"versions": versions, "batch": BATCH, "logits": rows("logits", LOGITS, logits_case), "training": rows("training", TRAINING, training_case)}
    text = json.dumps(result, separators=(",", ":")).replace('{"family"', '\n{"family"').replace('"gradients":{', '\n"gradients":{\n') + "\n"
    path.write_text(text)
    print("zoo.json", len(text), "bytes")


main()
