// Counter-based random numbers; contract in random_kernels.h.

constexpr int kPhiloxRounds = 10;

// The four words of the blocks `block`, `block` + 1, ...
STRIDENET_INLINE void philoxBlocks(const RandomStream& stream, uint32_t block, Words out[4]) {
  Words c0 = rampWords(block), c1 = setWords(stream.low), c2 = setWords(stream.high), c3 = setWords(stream.purpose);
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
        const int64_t at = group + j * kRandomBlocks + b;
        if (at >= n) break;
        const Vec factor = select(greaterEqual(upperBits(words[j]), threshold), scale, zero());
        const int count = lanesFrom(at, n);
        storeLanes(y + at, mul(loadLanes(x + at, count), factor), count);
      }
    }
  }
}

// Numbers that one round of the loops below makes, from kFillNumbers / 4 blocks.
constexpr int kFillNumbers = 256;

// The words of neighbouring blocks in their order: block after block.
inline void drawWords(const RandomStream& stream, uint32_t block, uint32_t out[kFillNumbers]) {
  for (int b = 0; b < kFillNumbers / 4; b += kLanes) {
    Words words[4];
    philoxBlocks(stream, block + static_cast<uint32_t>(b), words);
    uint32_t lanes[4][kLanes];
    __builtin_memcpy(lanes, words, sizeof lanes);
    for (int l = 0; l < kLanes; ++l) {
      for (int j = 0; j < 4; ++j) out[4 * (b + l) + j] = lanes[j][l];
    }
  }
}

// The loops below are in double precision, without the vector vocabulary: addition, multiplication, division and square root round the same
// everywhere, so their results have the same bits as lib/random.ts, which explains the formulas.

inline void uniform(const RandomStream& stream, uint32_t block, double low, double span, float* y, int64_t n) {
  for (int64_t at = 0; at < n; at += kFillNumbers) {
    uint32_t words[kFillNumbers];
    float numbers[kFillNumbers];
    drawWords(stream, block + static_cast<uint32_t>(at / 4), words);
    for (int i = 0; i < kFillNumbers; ++i) {
      numbers[i] = static_cast<float>(low + span * (static_cast<double>(static_cast<int32_t>(words[i] >> 8)) * 0x1p-24));
    }
    const int64_t rest = n - at;
    __builtin_memcpy(y + at, numbers, sizeof(float) * static_cast<size_t>(rest < kFillNumbers ? rest : kFillNumbers));
  }
}

// Minus the natural logarithm of (word + 0.5) / 2^32.
STRIDENET_INLINE double minusLog(uint32_t word) {
  const double x = static_cast<double>(static_cast<int32_t>(word ^ 0x80000000u)) + (0x1p31 + 0.5);
  int64_t bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  // x = m 2^k with m in [sqrt(1/2), sqrt(2)).
  bits += int64_t{0x3ff00000 - 0x3fe6a09e} << 32;
  const int64_t mantissa = (bits & 0xfffffffffffff) + (int64_t{0x3fe6a09e} << 32);
  const int64_t exponent = static_cast<int64_t>(static_cast<uint64_t>(bits) >> 52) | 0x4330000000000000;
  double m, k;
  __builtin_memcpy(&m, &mantissa, sizeof m);
  __builtin_memcpy(&k, &exponent, sizeof k);
  k -= 0x1p52 + 1023 + 32;
  const double f = m - 1, s = f / (2 + f), z = s * s, w = z * z, half = 0.5 * f * f;
  const double even = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
  const double odd =
      z * (6.666666666666735130e-01 + w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
  return -(s * (half + (odd + even)) + k * 1.90821492927058770002e-10 - half + f + k * 6.93147180369123816490e-01);
}

inline void normal(const RandomStream& stream, uint32_t block, double mean, double std, float* y, int64_t n) {
  for (int64_t at = 0; at < n; at += kFillNumbers) {
    uint32_t words[kFillNumbers];
    float numbers[kFillNumbers];
    drawWords(stream, block + static_cast<uint32_t>(at / 4), words);
    for (int i = 0; i < kFillNumbers; i += 2) {
      const double radius = std * __builtin_sqrt(2 * minusLog(words[i]));
      const uint32_t turn = words[i + 1], quadrant = (turn + 0x20000000u) >> 30;
      const double angle = static_cast<double>(static_cast<int32_t>(turn - (quadrant << 30))) * 1.4629180792671596e-9;
      const double z = angle * angle, w = z * z, half = 0.5 * z, one = 1 - half;
      const double sine =
          angle + angle * z *
                      (-1.66666666666666324348e-01 +
                       z * (8.33333333332248946124e-03 +
                            z * (-1.98412698298579493134e-04 +
                                 z * (2.75573137070700676789e-06 + z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)))));
      const double tail = z * (4.16666666666666019037e-02 + z * (-1.38888888888741095749e-03 + z * 2.48015872894767294178e-05)) +
                          w * w * (-2.75573143513906633035e-07 + z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11));
      const double cosine = one + (((1 - one) - half) + z * tail);
      const bool swapped = (quadrant & 1) != 0;
      const double c = swapped ? sine : cosine, s = swapped ? cosine : sine;
      const double cosineSign = ((quadrant + 1) & 2) != 0 ? -1.0 : 1.0, sineSign = (quadrant & 2) != 0 ? -1.0 : 1.0;
      numbers[i] = static_cast<float>(mean + radius * (c * cosineSign));
      numbers[i + 1] = static_cast<float>(mean + radius * (s * sineSign));
    }
    const int64_t rest = n - at;
    __builtin_memcpy(y + at, numbers, sizeof(float) * static_cast<size_t>(rest < kFillNumbers ? rest : kFillNumbers));
  }
}

constexpr RandomKernels kRandomKernels = {dropout, uniform, normal};
