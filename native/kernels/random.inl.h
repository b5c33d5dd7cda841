// Counter-based random numbers, a vector of blocks at a time; contract in random_kernels.h.

constexpr int kPhiloxRounds = 10;
constexpr uint32_t kPurposeDropout = 2;

// The four words of the blocks `block`, `block` + 1, ...
STRIDENET_INLINE void philoxBlocks(const RandomStream& stream, uint32_t block, Words out[4]) {
  Words c0 = rampWords(block), c1 = setWords(stream.step), c2 = setWords(stream.node), c3 = setWords(kPurposeDropout);
  uint32_t k0 = stream.seedLow, k1 = stream.seedHigh;
  for (int round = 0; round < kPhiloxRounds; ++round) {
    Words high0, high1;
    const Words low0 = mulWords(c0, 0xd2511f53u, &high0), low1 = mulWords(c2, 0xcd9e8d57u, &high1);
    c0 = xorWords(xorWords(high1, c1), setWords(k0));
    c2 = xorWords(xorWords(high0, c3), setWords(k1));
    c1 = low1;
    c3 = low0;
    k0 += 0x9e3779b9u;
    k1 += 0xbb67ae85u;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

inline void dropout(const RandomStream& stream, float p, int64_t first, const float* x, float* y, int64_t n) {
  const Vec threshold = set1(p * 16777216.0f), scale = set1(1.0f / (1.0f - p));
  for (int64_t group = 0; group < n; group += kRandomGroup) {
    const uint32_t block = static_cast<uint32_t>((first + group) / kRandomGroup * kRandomBlocks);
    for (int b = 0; b < kRandomBlocks; b += kLanes) {
      if (group + b >= n) break;
      Words words[4];
      philoxBlocks(stream, block + static_cast<uint32_t>(b), words);
      for (int j = 0; j < 4; ++j) {
        const int64_t at = group + j * kRandomBlocks + b, rest = n - at;
        if (rest <= 0) break;
        const Vec factor = select(greaterEqual(upperBits(words[j]), threshold), scale, zero());
        if (rest >= kLanes) {
          store(y + at, mul(load(x + at), factor));
        } else {
          storePartial(y + at, mul(loadPartial(x + at, static_cast<int>(rest)), factor), static_cast<int>(rest));
        }
      }
    }
  }
}

constexpr RandomKernels kRandomKernels = {dropout};
