// Bodies of probe_kernels.h. Twelve chains hide the latency of every processor in question (latency times units is at most 10)
// and fit the sixteen registers of AVX2 together with the two operands. Included inside the anonymous namespace of one
// instruction set; see table.inl.h.

constexpr int kProbeChains = 12;

float probeMultiplyAdd(int64_t rounds, float factor, float term) {
  Vec s[kProbeChains];
#pragma GCC unroll 16
  for (int i = 0; i < kProbeChains; ++i) s[i] = set1(static_cast<float>(i));
  const Vec f = set1(factor), t = set1(term);
  for (int64_t r = 0; r < rounds; ++r) {
#pragma GCC unroll 16
    for (int i = 0; i < kProbeChains; ++i) s[i] = fma(s[i], f, t);
  }
#pragma GCC unroll 16
  for (int i = 1; i < kProbeChains; ++i) s[0] = add(s[0], s[i]);
  return reduceAdd(s[0]);
}

float probeRead(const float* x, int64_t count) {
  constexpr int kStep = 8;
  Vec s[kStep];
#pragma GCC unroll 8
  for (int i = 0; i < kStep; ++i) s[i] = zero();
  int64_t at = 0;
  for (; at + kStep * kLanes <= count; at += kStep * kLanes) {
#pragma GCC unroll 8
    for (int i = 0; i < kStep; ++i) s[i] = add(s[i], load(x + at + i * kLanes));
  }
  for (; at < count; at += kLanes) s[0] = add(s[0], loadPartial(x + at, lanesFrom(at, count)));
#pragma GCC unroll 8
  for (int i = 1; i < kStep; ++i) s[0] = add(s[0], s[i]);
  return reduceAdd(s[0]);
}

void probeCopy(const float* x, float* y, int64_t count) {
  mapVectors(
      count, y, [](Vec v) { return v; }, x);
}

constexpr ProbeKernels kProbeKernels = {probeMultiplyAdd, 2 * kProbeChains* kLanes, probeRead, probeCopy};
