// See winograd_narrow_kernels.h and winograd_transforms.inl.h.

// Pixels [first, first + columns) of a line, every M-th of them, in `Vectors` vectors each or, for 0, in as many as it takes.
template <int M, int Vectors>
STRIDENET_INLINE void winogradNarrowResidue(const float* line, int64_t width, int64_t first, int64_t columns, int64_t channels, float* to) {
  const int64_t vectors = Vectors > 0 ? Vectors : (channels + kLanes - 1) / kLanes;
  const int tail = static_cast<int>(channels - (vectors - 1) * kLanes);
  for (int64_t q = 0; q < columns; q += M, to += channels) {
    const bool isInside = first + q >= 0 && first + q < width;
    const float* pixel = line + (first + q) * channels;
    // What the last vector writes beyond the channels, the next pixel overwrites.
    for (int64_t i = 0; i < vectors; ++i) {
      const Vec numbers = !isInside ? zero() : i + 1 < vectors ? load(pixel + i * kLanes) : loadPartial(pixel + i * kLanes, tail);
      store(to + i * kLanes, numbers);
    }
  }
}

template <int M>
void winogradNarrowSplit(const float* line, int64_t width, int64_t first, int64_t columns, int64_t channels, float* residues,
                         int64_t residueLength) {
  for (int m = 0; m < M; ++m) {
    if (channels < kLanes) {
      winogradNarrowResidue<M, 1>(line, width, first + m, columns - m, channels, residues + m * residueLength);
    } else {
      winogradNarrowResidue<M, 0>(line, width, first + m, columns - m, channels, residues + m * residueLength);
    }
  }
}

template <int M>
void winogradNarrowAlongLine(const float* residues, int64_t residueLength, int64_t channels, int64_t numbers, float* to, int64_t toColumn) {
  for (int64_t n = 0; n < numbers; n += kLanes) {
    Vec d[6], t[6];
#pragma GCC unroll 6
    for (int k = 0; k < 6; ++k) d[k] = load(residues + k % M * residueLength + k / M * channels + n);
    winogradInput(d, t);
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) store(to + j * toColumn + n, t[j]);
  }
}

inline void winogradNarrowAcrossLines(const float* const* lines, int64_t numbers, float* to, int64_t toLine) {
  for (int64_t n = 0; n < numbers; n += kLanes) {
    Vec d[6], t[6];
#pragma GCC unroll 6
    for (int k = 0; k < 6; ++k) d[k] = load(lines[k] + n);
    winogradInput(d, t);
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) store(to + i * toLine + n, t[i]);
  }
}

// A column of points of T tiles at a time is summed over the channels and transformed; then the lines that this makes.
template <int M, int T>
void winogradNarrowResults(const WinogradNarrowTiles& w) {
  alignas(64) float lines[T][M][6][kLanes];
  const float* u = w.u;
  const int64_t channels = w.channels;
  for (int j = 0; j < 6; ++j) {
    Vec points[T][6];
    const float* v[6];
    int64_t at[T];
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) v[i] = w.v + i * w.vLine + j * w.vColumn;
#pragma GCC unroll 5
    for (int t = 0; t < T; ++t) {
      at[t] = t * channels;
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) points[t][i] = zero();
    }
    for (int64_t c = 0; c < channels; ++c, u += 6 * kLanes) {
#pragma GCC unroll 6
      for (int i = 0; i < 6; ++i) {
        const Vec weight = load(u + i * kLanes);
#pragma GCC unroll 5
        for (int t = 0; t < T; ++t) points[t][i] = fma(set1(v[i][at[t]]), weight, points[t][i]);
      }
#pragma GCC unroll 5
      for (int t = 0; t < T; ++t) ++at[t];
    }
#pragma GCC unroll 5
    for (int t = 0; t < T; ++t) {
      Vec column[M];
      winogradResults<M, false>(points[t], column);
#pragma GCC unroll 4
      for (int i = 0; i < M; ++i) store(lines[t][i][j], column[i]);
    }
  }
  const WinogradOutput output(w.bias, w.count, w.activation);
  for (int t = 0; t < T; ++t) {
    for (int i = 0; i < w.lines; ++i) {
      Vec d[6], results[M];
#pragma GCC unroll 6
      for (int j = 0; j < 6; ++j) d[j] = load(lines[t][i][j]);
      winogradResults<M, false>(d, results);
      const int64_t at = i * w.lineStride + t * M * w.pixelStride;
      output.write<M>(results, w.pixels - t * M, w.pixelStride, w.add == nullptr ? nullptr : w.add + at, w.y + at);
    }
  }
  finishStored(w.y, w.lines, w.lineStride, w.pixels, w.pixelStride, w.count, w.activation);
}

template <int M>
void winogradNarrowGradient(const float* const* lines, int64_t pixels, int64_t pixelStride, int count, float* e, int64_t eLine,
                            float* sum) {
  Vec total = zero();
  for (int64_t q = 0; q < pixels; ++q) {
    Vec d[M], t[6];
#pragma GCC unroll 4
    for (int m = 0; m < M; ++m) {
      d[m] = loadLanes(lines[m] + q * pixelStride, count);
      total = add(total, d[m]);
    }
    winogradFilter<M, false>(d, t);
#pragma GCC unroll 6
    for (int i = 0; i < 6; ++i) store(e + i * eLine + q * kLanes, t[i]);
  }
  store(sum, add(load(sum), total));
}

template <int M, int C>
void winogradNarrowSums(const WinogradNarrowSums& w) {
  Vec sums[6][C];
#pragma GCC unroll 6
  for (int j = 0; j < 6; ++j)
#pragma GCC unroll 3
    for (int c = 0; c < C; ++c) sums[j][c] = zero();
  const int64_t tiles = w.tiles, channels = w.channels;
  for (int64_t line = 0; line < w.lines; ++line) {
    const float* v[6];
#pragma GCC unroll 6
    for (int j = 0; j < 6; ++j) v[j] = w.v + line * w.vLine + j * w.vColumn;
    const float* e = w.e + line * w.eLine;
    int64_t at = 0;
    for (int64_t t = 0; t < tiles; ++t, at += channels, e += M * kLanes) {
      Vec d[M], g[6];
#pragma GCC unroll 4
      for (int m = 0; m < M; ++m) d[m] = load(e + m * kLanes);
      winogradFilter<M, false>(d, g);
#pragma GCC unroll 6
      for (int j = 0; j < 6; ++j)
#pragma GCC unroll 3
        for (int c = 0; c < C; ++c) sums[j][c] = fma(set1(v[j][at + c]), g[j], sums[j][c]);
    }
  }
#pragma GCC unroll 6
  for (int j = 0; j < 6; ++j)
#pragma GCC unroll 3
    for (int c = 0; c < C; ++c) {
      float* sum = w.sums + j * w.sumColumn + c * kLanes;
      store(sum, add(load(sum), sums[j][c]));
    }
}

static_assert(kTileSizes.winogradNarrowTiles <= kMostWinogradNarrowTiles);

template <int M, int T>
constexpr auto chooseWinogradNarrowResults() -> void (*)(const WinogradNarrowTiles&) {
  if constexpr (T <= kTileSizes.winogradNarrowTiles) {
    return &winogradNarrowResults<M, T>;
  } else {
    return nullptr;
  }
}

template <int M>
constexpr WinogradNarrowSizeKernels winogradNarrowSize() {
  return {winogradNarrowSplit<M>,
          winogradNarrowAlongLine<M>,
          winogradNarrowAcrossLines,
          {nullptr, chooseWinogradNarrowResults<M, 1>(), chooseWinogradNarrowResults<M, 2>(), chooseWinogradNarrowResults<M, 3>(),
           chooseWinogradNarrowResults<M, 4>(), chooseWinogradNarrowResults<M, 5>()},
          winogradNarrowGradient<M>,
          {nullptr, winogradNarrowSums<M, 1>, winogradNarrowSums<M, 2>, winogradNarrowSums<M, 3>}};
}

constexpr WinogradNarrowKernels kWinogradNarrowKernels = {winogradNarrowSize<4>(), winogradNarrowSize<2>()};
