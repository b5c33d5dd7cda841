// The vector vocabulary of the baseline table: four float lanes in GCC's portable vector type, which the compiler lowers to
// whatever the target guarantees (SSE2 on x86-64, NEON on arm64). vec_avx2.h, vec_avx512.h and vec_neon.h define the same names
// with the same meaning; kernels are written against this vocabulary and know no intrinsics.
//
// Rules that hold in every vec header
//   load, store           no alignment needed
//   ...Partial(p, n)      touch the first n lanes only, 0 <= n <= kLanes; lanes that are not loaded are zero
//   prefetch(p)           asks for the cache line at p, which need not be mapped; prefetchFar asks the second-level cache only
//   fma(a, b, c)          a * b + c (one rounding where the hardware has it)
//   max(a, b)             a > b ? a : b, so b when either is NaN; min likewise with <. Put the value whose NaN must survive second.
//   comparisons           ordered (false when either is NaN), except notEqual
//   round(x)              to the nearest integer, ties to even, for |x| < 2^22
//   scaleByPowerOfTwo     x * 2^n for an integral-valued n in [-252, 254]
//   splitExponent         x = mantissa * 2^result with mantissa in [1, 2), for finite, positive, normal x
//   pick(a, b, index)     lane i is lane index[i] of a followed by b, 0 <= index[i] < 2 kLanes
//   transposeSquare(v)    lane j of v[i] becomes lane i of v[j]; moves bits, so that any numbers of four bytes may be in the lanes
//   Words                 kLanes uint32: rampWords(first) = first + lane; mulWords(a, b, &high) = low halves of the 64-bit products, and
//                         the high ones; upperBits(w) = w >> 8 as float, exactly
//   reduce...             combine the lanes in one fixed order
// Everything is static: an object compiled with ISA flags must not export anything but its KernelTable.
#pragma once

#include <cstddef>
#include <cstdint>

#include "native/kernels/tile_sizes.h"

#define STRIDENET_INLINE static inline __attribute__((always_inline))

namespace stridenet::scalar {

static constexpr InstructionSet kIsa = kScalar;
static constexpr int kLanes = kIsa.lanes;
static constexpr int kVectorRegisters = kIsa.registers;

typedef float Vec __attribute__((vector_size(16)));
typedef int32_t IntVec __attribute__((vector_size(16)));
typedef IntVec Mask;  // each lane is all ones or all zeros

STRIDENET_INLINE Vec zero() {
  return Vec{0, 0, 0, 0};
}
STRIDENET_INLINE Vec set1(float x) {
  return Vec{x, x, x, x};
}
STRIDENET_INLINE Vec load(const float* p) {
  Vec v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
STRIDENET_INLINE void store(float* p, Vec v) {
  __builtin_memcpy(p, &v, sizeof v);
}
// Stores to an aligned address, past the caches where the instruction set can. streamFence must follow before other
// threads read it.
STRIDENET_INLINE void stream(float* p, Vec v) {
  store(p, v);
}
STRIDENET_INLINE void streamFence() {}
STRIDENET_INLINE void prefetch(const float* p) {
  __builtin_prefetch(p, 0, 3);
}
STRIDENET_INLINE void prefetchFar(const float* p) {
  __builtin_prefetch(p, 0, 2);
}
STRIDENET_INLINE Vec loadPartial(const float* p, int n) {
  return Vec{n > 0 ? p[0] : 0.0f, n > 1 ? p[1] : 0.0f, n > 2 ? p[2] : 0.0f, n > 3 ? p[3] : 0.0f};
}
STRIDENET_INLINE void storePartial(float* p, Vec v, int n) {
  if (n > 0) p[0] = v[0];
  if (n > 1) p[1] = v[1];
  if (n > 2) p[2] = v[2];
  if (n > 3) p[3] = v[3];
}
STRIDENET_INLINE Vec loadU8(const uint8_t* p) {
  return Vec{static_cast<float>(p[0]), static_cast<float>(p[1]), static_cast<float>(p[2]), static_cast<float>(p[3])};
}
STRIDENET_INLINE Vec loadU8Partial(const uint8_t* p, int n) {
  return Vec{n > 0 ? static_cast<float>(p[0]) : 0.0f, n > 1 ? static_cast<float>(p[1]) : 0.0f, n > 2 ? static_cast<float>(p[2]) : 0.0f,
             n > 3 ? static_cast<float>(p[3]) : 0.0f};
}
STRIDENET_INLINE Vec loadI32(const int32_t* p) {
  IntVec v;
  __builtin_memcpy(&v, p, sizeof v);
  return __builtin_convertvector(v, Vec);
}
STRIDENET_INLINE Vec loadI32Partial(const int32_t* p, int n) {
  return __builtin_convertvector((IntVec{n > 0 ? p[0] : 0, n > 1 ? p[1] : 0, n > 2 ? p[2] : 0, n > 3 ? p[3] : 0}), Vec);
}

STRIDENET_INLINE Vec add(Vec a, Vec b) {
  return a + b;
}
STRIDENET_INLINE Vec sub(Vec a, Vec b) {
  return a - b;
}
STRIDENET_INLINE Vec mul(Vec a, Vec b) {
  return a * b;
}
STRIDENET_INLINE Vec div(Vec a, Vec b) {
  return a / b;
}
STRIDENET_INLINE Vec fma(Vec a, Vec b, Vec c) {
  return a * b + c;
}

STRIDENET_INLINE Mask greater(Vec a, Vec b) {
  return (Mask)(a > b);
}
STRIDENET_INLINE Mask greaterEqual(Vec a, Vec b) {
  return (Mask)(a >= b);
}
STRIDENET_INLINE Mask less(Vec a, Vec b) {
  return (Mask)(a < b);
}
STRIDENET_INLINE Mask lessEqual(Vec a, Vec b) {
  return (Mask)(a <= b);
}
STRIDENET_INLINE Mask equal(Vec a, Vec b) {
  return (Mask)(a == b);
}
STRIDENET_INLINE Mask notEqual(Vec a, Vec b) {
  return (Mask)(a != b);
}
STRIDENET_INLINE Mask maskAnd(Mask a, Mask b) {
  return a & b;
}
STRIDENET_INLINE Mask maskOr(Mask a, Mask b) {
  return a | b;
}
STRIDENET_INLINE Mask maskNot(Mask a) {
  return ~a;
}
STRIDENET_INLINE bool maskAny(Mask m) {
  return (m[0] | m[1] | m[2] | m[3]) != 0;
}
STRIDENET_INLINE Mask firstLanes(int n) {
  return (Mask)(IntVec{0, 1, 2, 3} < IntVec{n, n, n, n});
}
STRIDENET_INLINE Vec select(Mask m, Vec a, Vec b) {
  return (Vec)((m & (IntVec)a) | (~m & (IntVec)b));
}

STRIDENET_INLINE Vec max(Vec a, Vec b) {
  return select(greater(a, b), a, b);
}
STRIDENET_INLINE Vec min(Vec a, Vec b) {
  return select(less(a, b), a, b);
}
STRIDENET_INLINE Vec neg(Vec a) {
  return -a;
}
STRIDENET_INLINE Vec abs(Vec a) {
  return (Vec)((IntVec)a & 0x7fffffff);
}
// The magnitude of a with the sign of b.
STRIDENET_INLINE Vec copySign(Vec a, Vec b) {
  return (Vec)(((IntVec)a & 0x7fffffff) | ((IntVec)b & ~0x7fffffff));
}
STRIDENET_INLINE Vec sqrt(Vec a) {
  return Vec{__builtin_sqrtf(a[0]), __builtin_sqrtf(a[1]), __builtin_sqrtf(a[2]), __builtin_sqrtf(a[3])};
}

STRIDENET_INLINE Vec round(Vec x) {
  // Adding 1.5 * 2^23 leaves no bits for a fraction; the sum is in a variable of its own so that nothing folds it away.
  const Vec magic = set1(12582912.0f);
  Vec sum = x + magic;
  return sum - magic;
}
STRIDENET_INLINE Vec scaleByPowerOfTwo(Vec x, Vec n) {
  IntVec k = __builtin_convertvector(n, IntVec);
  IntVec half = k >> 1;
  Vec first = (Vec)((half + 127) << 23);
  Vec second = (Vec)((k - half + 127) << 23);
  return x * first * second;
}
STRIDENET_INLINE Vec splitExponent(Vec x, Vec* mantissa) {
  IntVec bits = (IntVec)x;
  *mantissa = (Vec)((bits & 0x007fffff) | 0x3f800000);
  return __builtin_convertvector((bits >> 23) - 127, Vec);
}

using Index = IntVec;
STRIDENET_INLINE Index loadIndex(const int32_t* p) {
  return Index{p[0], p[1], p[2], p[3]};
}
STRIDENET_INLINE Vec pick(Vec a, Vec b, Index index) {
  float lanes[2 * kLanes];
  store(lanes, a);
  store(lanes + kLanes, b);
  return Vec{lanes[index[0]], lanes[index[1]], lanes[index[2]], lanes[index[3]]};
}

STRIDENET_INLINE void transposeSquare(Vec (&v)[kLanes]) {
#if defined(__clang__)
#define STRIDENET_SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define STRIDENET_SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, IntVec{i, j, k, l})
#endif
  const Vec a = STRIDENET_SHUFFLE(v[0], v[1], 0, 4, 1, 5), b = STRIDENET_SHUFFLE(v[2], v[3], 0, 4, 1, 5);
  const Vec c = STRIDENET_SHUFFLE(v[0], v[1], 2, 6, 3, 7), d = STRIDENET_SHUFFLE(v[2], v[3], 2, 6, 3, 7);
  v[0] = STRIDENET_SHUFFLE(a, b, 0, 1, 4, 5);
  v[1] = STRIDENET_SHUFFLE(a, b, 2, 3, 6, 7);
  v[2] = STRIDENET_SHUFFLE(c, d, 0, 1, 4, 5);
  v[3] = STRIDENET_SHUFFLE(c, d, 2, 3, 6, 7);
#undef STRIDENET_SHUFFLE
}

// Words: unsigned integers of 32 bits for random numbers.
typedef uint32_t Words __attribute__((vector_size(16)));
STRIDENET_INLINE Words setWords(uint32_t x) {
  return Words{x, x, x, x};
}
STRIDENET_INLINE Words rampWords(uint32_t first) {
  return Words{first, first + 1, first + 2, first + 3};
}
STRIDENET_INLINE Words xorWords(Words a, Words b) {
  return a ^ b;
}
STRIDENET_INLINE Words mulWords(Words a, uint32_t b, Words* high) {
  Words low;
  for (int i = 0; i < kLanes; ++i) {
    const uint64_t product = static_cast<uint64_t>(a[i]) * b;
    low[i] = static_cast<uint32_t>(product);
    (*high)[i] = static_cast<uint32_t>(product >> 32);
  }
  return low;
}
STRIDENET_INLINE Vec upperBits(Words w) {
  return __builtin_convertvector((IntVec)(w >> 8), Vec);
}

STRIDENET_INLINE float reduceAdd(Vec v) {
  return (v[0] + v[2]) + (v[1] + v[3]);
}
STRIDENET_INLINE float reduceMax(Vec v) {
  float a = v[0] > v[2] ? v[0] : v[2], b = v[1] > v[3] ? v[1] : v[3];
  return a > b ? a : b;
}

}  // namespace stridenet::scalar
