// Depthwise 3x3 convolution of a few neighbouring output lines; contract in depthwise_kernels.h.
//
// A tile of R lines x P positions of one vector of channels loads every source pixel once, for the up to nine outputs that it
// contributes to, and holds the nine weights in registers where there are enough of them. Line by line (depthwise.inl.h) every
// multiply-add loads its pixel anew, and every pixel comes from the second-level cache for three lines. Tiles pass over all channels,
// so what they read is contiguous. Source pixels in order are taps in order: sums are those of `line` to the bit.

constexpr int kDepthwiseBlockPixels = 4;

// The pixels of a tile's window, 3 + stride * (lines - 1) x 3 + stride * (positions - 1), that exist: bit i is row or column i.
struct DepthwiseWindow {
  uint32_t rows, columns;
};

// Which of the `count` pixels from `first` on lie in [0, extent).
inline uint32_t existingPixels(int64_t first, int64_t count, int64_t extent) {
  uint32_t mask = 0;
  for (int64_t i = 0; i < count; ++i) mask |= static_cast<uint32_t>(first + i >= 0 && first + i < extent) << i;
  return mask;
}

// Pointers are those of the window's first pixel, which need not exist, and of the tile's first position.
template <int S, int R, int P>
void depthwiseBlockTile(const DepthwiseBlock& block, const DepthwiseWindow& window, const float* source, const float* weight,
                        const float* bias, const float* addend, Activation activation, float* dst) {
  constexpr int kRows = 3 + S * (R - 1), kColumns = 3 + S * (P - 1);
  for (int64_t c = 0; c < block.channels; c += kLanes) {
    Vec taps[3][3], acc[R][P];
#pragma GCC unroll 3
    for (int i = 0; i < 3; ++i)
#pragma GCC unroll 3
      for (int j = 0; j < 3; ++j) taps[i][j] = load(weight + i * block.kernelRow + j * block.kernelTap + c);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) acc[r][p] = zero();
    if (block.isFar) {  // fetches what the next block reads and this one does not
      for (int y = kRows; y < kRows + S * R; ++y)
        for (int x = kColumns - S * P; x < kColumns; ++x) prefetchFar(source + y * block.rowStep + x * block.pixelStep + c);
    }
#pragma GCC unroll 9
    for (int y = 0; y < kRows; ++y) {
      if ((window.rows >> y & 1) == 0) continue;
#pragma GCC unroll 9
      for (int x = 0; x < kColumns; ++x) {
        if ((window.columns >> x & 1) == 0) continue;
        const Vec pixel = load(source + y * block.rowStep + x * block.pixelStep + c);
#pragma GCC unroll 3
        for (int i = 0; i < 3; ++i)
#pragma GCC unroll 3
          for (int j = 0; j < 3; ++j) {
            const int r = (y - i) / S, p = (x - j) / S;
            if (y >= i && r * S == y - i && r < R && x >= j && p * S == x - j && p < P) acc[r][p] = fma(pixel, taps[i][j], acc[r][p]);
          }
      }
    }
    auto place = [&](int r, int p) STRIDENET_LAMBDA { return r * block.dstRow + p * block.dstStep + c; };
    finishTile(
        acc, bias != nullptr, [&](int) STRIDENET_LAMBDA { return load(bias + c); }, addend != nullptr,
        [&](int r, int p) STRIDENET_LAMBDA { return load(addend + place(r, p)); }, activation);
#pragma GCC unroll 4
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) store(dst + place(r, p), acc[r][p]);
  }
}

using DepthwiseBlockTile = void (*)(const DepthwiseBlock&, const DepthwiseWindow&, const float*, const float*, const float*, const float*,
                                    Activation, float*);

template <int S, int R, int P>
constexpr DepthwiseBlockTile chooseDepthwiseBlockTile() {
  if constexpr (R <= kTileSizes.depthwiseLines) {
    return &depthwiseBlockTile<S, R, P>;
  } else {
    return nullptr;
  }
}

#define STRIDENET_POSITIONS(S, R)                                                                                  \
  {                                                                                                                \
    chooseDepthwiseBlockTile<S, R, 1>(), chooseDepthwiseBlockTile<S, R, 2>(), chooseDepthwiseBlockTile<S, R, 3>(), \
        chooseDepthwiseBlockTile<S, R, 4>()                                                                        \
  }
// [stride - 1][lines - 1][positions - 1]
constexpr DepthwiseBlockTile kDepthwiseBlockTiles[2][4][kDepthwiseBlockPixels] = {
    {STRIDENET_POSITIONS(1, 1), STRIDENET_POSITIONS(1, 2), STRIDENET_POSITIONS(1, 3), STRIDENET_POSITIONS(1, 4)},
    {STRIDENET_POSITIONS(2, 1), STRIDENET_POSITIONS(2, 2), STRIDENET_POSITIONS(2, 3), STRIDENET_POSITIONS(2, 4)},
};
#undef STRIDENET_POSITIONS

void depthwiseBlock3x3(const DepthwiseBlock& block, const float* image, const float* weight, const float* bias, const float* add,
                       Activation activation, float* dst) {
  DepthwiseWindow window;
  window.rows = existingPixels(block.row, 3 + block.stride * (block.lines - 1), block.height);
  const float* source = image + block.row * block.rowStep + block.column * block.pixelStep;
  const DepthwiseBlockTile* tileOf = kDepthwiseBlockTiles[block.stride - 1][block.lines - 1];
  // Cuts positions into as few tiles as possible, and as equal as possible.
  const int64_t tiles = (block.positions + kDepthwiseBlockPixels - 1) / kDepthwiseBlockPixels;
  for (int64_t i = 0; i < tiles; ++i) {
    const int64_t q = i * block.positions / tiles, positions = (i + 1) * block.positions / tiles - q;
    const int64_t column = q * block.stride, at = q * block.dstStep;
    window.columns = existingPixels(block.column + column, 3 + block.stride * (positions - 1), block.width);
    tileOf[positions - 1](block, window, source + column * block.pixelStep, weight, bias, add == nullptr ? nullptr : add + at, activation,
                          dst + at);
  }
  finishStored(dst, block.lines, block.dstRow, block.positions, block.dstStep, block.channels, activation);
}

constexpr DepthwiseKernels kDepthwiseKernels = {depthwiseLine, depthwiseGradWeightLine, depthwiseBlock3x3};
