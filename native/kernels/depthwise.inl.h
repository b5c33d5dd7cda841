// Depthwise convolution over one line; contract in depthwise_kernels.h.
//
// The line falls into positions whose taps all exist and those at either border. The first are computed in register tiles of P pixels
// x V vectors of channels: one weight vector serves P pixels, and neighbouring taps find their pixels in the first-level cache. Border
// positions are tiles of one pixel with fewer taps, wide in channels. So no tile ever asks whether a pixel exists.

constexpr int kDepthwisePixels = 8;
constexpr int kDepthwiseVectors = 4;
// Pixels of the tallest tile of that many vectors.
constexpr int depthwisePixels(int vectors) {
  return vectors == 1 || kVectorRegisters >= 32 ? kDepthwisePixels : 6;
}

// One tile: its operands begin at its first pixel, first existing tap and first channel.
struct DepthwiseTile {
  const float* source;
  const float* weight;
  int64_t taps;
  int channels;           // within the last of the tile's vectors
  const float* bias;      // or null
  const float* add;       // or null
  Activation activation;  // if it is small; others are applied to the finished line
  float* dst;
};

template <int P, int V, bool kTail>
void depthwiseTile(const DepthwiseLine& line, const DepthwiseTile& t) {
  const TileRow<V, kTail> channels(t.channels);
  Vec acc[P][V];
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) acc[p][v] = zero();
  const int64_t pixel = line.srcStep * line.pixelStep, tap = line.tapStep * line.pixelStep;
  for (int64_t i = 0; i < line.rows; ++i) {
    const float* x = t.source + i * line.rowStep;
    const float* w = t.weight + i * line.kernelRow;
    for (int64_t j = 0; j < t.taps; ++j, x += tap, w += line.kernelTap) {
      Vec weight[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) weight[v] = load(w + v * kLanes);
#pragma GCC unroll 8
      for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) acc[p][v] = fma(channels.get(x + p * pixel, v), weight[v], acc[p][v]);
    }
  }
  finishTile(
      acc, t.bias != nullptr, [&](int v) STRIDENET_LAMBDA { return channels.get(t.bias, v); }, t.add != nullptr,
      [&](int p, int v) STRIDENET_LAMBDA { return channels.get(t.add + p * line.dstStep, v); }, t.activation);
#pragma GCC unroll 8
  for (int p = 0; p < P; ++p)
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) channels.put(t.dst + p * line.dstStep, v, acc[p][v]);
}

using DepthwiseTileKernel = void (*)(const DepthwiseLine&, const DepthwiseTile&);

template <int P, int V>
void depthwiseTileOf(const DepthwiseLine& line, const DepthwiseTile& t) {
  if (line.rows * t.taps > kTileChainTerms && line.rows > 1) {
    // The rows of a large kernel in parts, each of which adds to what those before have left in dst.
    const int64_t most = t.taps < kTileChainTerms ? kTileChainTerms / t.taps : 1;
    for (int64_t row = 0; row < line.rows; row += most) {
      DepthwiseLine part = line;
      part.rows = line.rows - row < most ? line.rows - row : most;
      DepthwiseTile tile = t;
      tile.source += row * line.rowStep, tile.weight += row * line.kernelRow;
      if (row > 0) tile.bias = nullptr, tile.add = t.dst;
      if (row + most < line.rows) tile.activation = Activation::none;
      depthwiseTileOf<P, V>(part, tile);
    }
    return;
  }
  t.channels == V* kLanes ? depthwiseTile<P, V, false>(line, t) : depthwiseTile<P, V, true>(line, t);
}

template <int P, int V>
constexpr DepthwiseTileKernel chooseDepthwiseTile() {
  if constexpr (P <= depthwisePixels(V)) {
    return &depthwiseTileOf<P, V>;
  } else {
    return nullptr;
  }
}

// [vectors - 1][pixels - 1]
constexpr DepthwiseTileKernel kDepthwiseTiles[2][kDepthwisePixels] = {
    {chooseDepthwiseTile<1, 1>(), chooseDepthwiseTile<2, 1>(), chooseDepthwiseTile<3, 1>(), chooseDepthwiseTile<4, 1>(),
     chooseDepthwiseTile<5, 1>(), chooseDepthwiseTile<6, 1>(), chooseDepthwiseTile<7, 1>(), chooseDepthwiseTile<8, 1>()},
    {chooseDepthwiseTile<1, 2>(), chooseDepthwiseTile<2, 2>(), chooseDepthwiseTile<3, 2>(), chooseDepthwiseTile<4, 2>(),
     chooseDepthwiseTile<5, 2>(), chooseDepthwiseTile<6, 2>(), chooseDepthwiseTile<7, 2>(), chooseDepthwiseTile<8, 2>()},
};
constexpr DepthwiseTileKernel kDepthwiseBorderTiles[kDepthwiseVectors] = {
    depthwiseTileOf<1, 1>,
    depthwiseTileOf<1, 2>,
    depthwiseTileOf<1, 3>,
    depthwiseTileOf<1, 4>,
};

// Positions [begin, end) read existing columns only.
struct DepthwiseInside {
  int64_t begin, end;
  explicit DepthwiseInside(const DepthwiseLine& line) : begin(0), end(0) {
    if (line.taps == 0) {
      end = line.positions;
      return;
    }
    if (line.src < 0) begin = (-line.src + line.srcStep - 1) / line.srcStep;
    if (begin > line.positions) begin = line.positions;
    const int64_t last = line.width - 1 - (line.taps - 1) * line.tapStep - line.src;
    end = last < 0 ? 0 : last / line.srcStep + 1;
    if (end > line.positions) end = line.positions;
    if (end < begin) end = begin;
  }
};

// Taps [begin, end) of position q exist.
struct DepthwiseTaps {
  int64_t column, begin, end;
  DepthwiseTaps(const DepthwiseLine& line, int64_t q) : column(q * line.srcStep + line.src), begin(0), end(0) {
    if (column < 0) begin = (-column + line.tapStep - 1) / line.tapStep;
    if (column < line.width) end = (line.width - column + line.tapStep - 1) / line.tapStep;
    if (end > line.taps) end = line.taps;
    if (end < begin) begin = end = 0;
  }
};

void depthwiseLine(const DepthwiseLine& line, const float* source, const float* weight, const float* bias, const float* add,
                   Activation activation, float* dst) {
  const DepthwiseInside inside(line);
  DepthwiseTile t;
  t.activation = activation;
  auto place = [&](int64_t q, int64_t firstTap, int64_t taps, int64_t c, int64_t channels) {
    t.source = taps == 0 ? source : source + (q * line.srcStep + line.src + firstTap * line.tapStep) * line.pixelStep + c;
    t.weight = weight + firstTap * line.kernelTap + c;
    t.taps = taps;
    t.channels = static_cast<int>(channels);
    t.bias = bias == nullptr ? nullptr : bias + c;
    t.add = add == nullptr ? nullptr : add + q * line.dstStep + c;
    t.dst = dst + q * line.dstStep + c;
  };
  auto border = [&](int64_t begin, int64_t end) {
    for (int64_t q = begin; q < end; ++q) {
      const DepthwiseTaps taps(line, q);
      for (int64_t c = 0; c < line.channels; c += kDepthwiseVectors * kLanes) {
        const int64_t channels = line.channels - c < kDepthwiseVectors * kLanes ? line.channels - c : kDepthwiseVectors * kLanes;
        place(q, taps.begin, taps.end - taps.begin, c, channels);
        kDepthwiseBorderTiles[(channels - 1) / kLanes](line, t);
      }
    }
  };
  border(0, inside.begin);
  const int64_t count = inside.end - inside.begin;
  for (int64_t c = 0; c < line.channels && count > 0; c += 2 * kLanes) {
    const int64_t channels = line.channels - c < 2 * kLanes ? line.channels - c : 2 * kLanes;
    const int vectors = channels > kLanes ? 2 : 1;
    // As few tiles as possible, and as equal as possible.
    const int64_t tiles = (count + depthwisePixels(vectors) - 1) / depthwisePixels(vectors);
    for (int64_t i = 0, q = 0; i < tiles; ++i) {
      const int64_t end = (i + 1) * count / tiles;
      place(inside.begin + q, 0, line.taps, c, channels);
      kDepthwiseTiles[vectors - 1][end - q - 1](line, t);
      q = end;
    }
  }
  border(inside.end, line.positions);
  finishStored(dst, 1, 0, line.positions, line.dstStep, line.channels, activation);
}

// Sums of R kernel rows x T taps in registers while the positions pass.
template <int R, int T, bool kTail>
STRIDENET_INLINE void depthwiseSums(const DepthwiseLine& line, const float* source, const float* dy, int64_t positions, int channels,
                                    float* sums) {
  const TileRow<1, kTail> lanes(channels);
  Vec acc[R][T];
#pragma GCC unroll 3
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 3
    for (int j = 0; j < T; ++j) acc[i][j] = zero();
  const int64_t pixel = line.srcStep * line.pixelStep, tap = line.tapStep * line.pixelStep;
  for (int64_t q = 0; q < positions; ++q, source += pixel, dy += line.pixelStep) {
    const Vec d = lanes.get(dy, 0);
#pragma GCC unroll 3
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 3
      for (int j = 0; j < T; ++j) acc[i][j] = fma(lanes.get(source + i * line.rowStep + j * tap, 0), d, acc[i][j]);
  }
#pragma GCC unroll 3
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 3
    for (int j = 0; j < T; ++j) {
      float* sum = sums + i * line.kernelRow + j * line.kernelTap;
      lanes.put(sum, 0, add(lanes.get(sum, 0), acc[i][j]));
    }
}

template <int R, int T>
void depthwiseSumsOf(const DepthwiseLine& line, const float* source, const float* dy, int64_t positions, int channels, float* sums) {
  channels == kLanes ? depthwiseSums<R, T, false>(line, source, dy, positions, channels, sums)
                     : depthwiseSums<R, T, true>(line, source, dy, positions, channels, sums);
}

// [rows - 1][taps - 1]
constexpr void (*kDepthwiseSums[3][3])(const DepthwiseLine&, const float*, const float*, int64_t, int, float*) = {
    {depthwiseSumsOf<1, 1>, depthwiseSumsOf<1, 2>, depthwiseSumsOf<1, 3>},
    {depthwiseSumsOf<2, 1>, depthwiseSumsOf<2, 2>, depthwiseSumsOf<2, 3>},
    {depthwiseSumsOf<3, 1>, depthwiseSumsOf<3, 2>, depthwiseSumsOf<3, 3>},
};

void depthwiseGradWeightLine(const DepthwiseLine& line, const float* source, const float* dy, float* sums) {
  const DepthwiseInside inside(line);
  // Positions [q, q + positions), all of which have taps [firstTap, endTap).
  auto sum = [&](int64_t q, int64_t positions, int64_t firstTap, int64_t endTap) {
    if (positions <= 0) return;
    for (int64_t c = 0; c < line.channels; c += kLanes) {
      const int channels = lanesFrom(c, line.channels);
      for (int64_t i = 0; i < line.rows; i += 3) {
        const int64_t rows = line.rows - i < 3 ? line.rows - i : 3;
        for (int64_t j = firstTap; j < endTap; j += 3) {
          const int64_t taps = endTap - j < 3 ? endTap - j : 3;
          const int64_t column = q * line.srcStep + line.src + j * line.tapStep;
          kDepthwiseSums[rows - 1][taps - 1](line, source + i * line.rowStep + column * line.pixelStep + c, dy + q * line.pixelStep + c,
                                             positions, channels, sums + i * line.kernelRow + j * line.kernelTap + c);
        }
      }
    }
  };
  auto border = [&](int64_t begin, int64_t end) {
    for (int64_t q = begin; q < end; ++q) {
      const DepthwiseTaps taps(line, q);
      sum(q, 1, taps.begin, taps.end);
    }
  };
  border(0, inside.begin);
  for (int64_t q = inside.begin; q < inside.end; q += kTileChainTerms)
    sum(q, inside.end - q < kTileChainTerms ? inside.end - q : kTileChainTerms, 0, line.taps);
  border(inside.end, line.positions);
}
