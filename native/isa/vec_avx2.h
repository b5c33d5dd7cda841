// The vector vocabulary for AVX2 with FMA: eight float lanes. Meaning of every name: vec_scalar.h.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "native/kernels/tile_sizes.h"

#define STRIDENET_INLINE static inline __attribute__((always_inline))

namespace stridenet::avx2 {

static constexpr InstructionSet kIsa = kAvx2;
static constexpr int kLanes = kIsa.lanes;
static constexpr int kVectorRegisters = kIsa.registers;

using Vec = __m256;
using Mask = __m256;  // all ones or all zeros in each lane

STRIDENET_INLINE __m256i firstLanesInt(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

STRIDENET_INLINE Vec zero() {
  return _mm256_setzero_ps();
}
STRIDENET_INLINE Vec set1(float x) {
  return _mm256_set1_ps(x);
}
STRIDENET_INLINE Vec load(const float* p) {
  return _mm256_loadu_ps(p);
}
STRIDENET_INLINE void store(float* p, Vec v) {
  _mm256_storeu_ps(p, v);
}
STRIDENET_INLINE void stream(float* p, Vec v) {
  _mm256_stream_ps(p, v);
}
STRIDENET_INLINE void streamFence() {
  _mm_sfence();
}
STRIDENET_INLINE void prefetch(const float* p) {
  _mm_prefetch(p, _MM_HINT_T0);
}
STRIDENET_INLINE void prefetchFar(const float* p) {
  _mm_prefetch(p, _MM_HINT_T1);
}
STRIDENET_INLINE Vec loadPartial(const float* p, int n) {
  return _mm256_maskload_ps(p, firstLanesInt(n));
}
STRIDENET_INLINE void storePartial(float* p, Vec v, int n) {
  _mm256_maskstore_ps(p, firstLanesInt(n), v);
}
STRIDENET_INLINE Vec loadU8(const uint8_t* p) {
  return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
STRIDENET_INLINE Vec loadU8Partial(const uint8_t* p, int n) {
  uint8_t bytes[8] = {};
  for (int i = 0; i < n; ++i) bytes[i] = p[i];
  return loadU8(bytes);
}
STRIDENET_INLINE Vec loadI32(const int32_t* p) {
  return _mm256_cvtepi32_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
STRIDENET_INLINE Vec loadI32Partial(const int32_t* p, int n) {
  return _mm256_cvtepi32_ps(_mm256_maskload_epi32(reinterpret_cast<const int*>(p), firstLanesInt(n)));
}

STRIDENET_INLINE Vec add(Vec a, Vec b) {
  return _mm256_add_ps(a, b);
}
STRIDENET_INLINE Vec sub(Vec a, Vec b) {
  return _mm256_sub_ps(a, b);
}
STRIDENET_INLINE Vec mul(Vec a, Vec b) {
  return _mm256_mul_ps(a, b);
}
STRIDENET_INLINE Vec div(Vec a, Vec b) {
  return _mm256_div_ps(a, b);
}
STRIDENET_INLINE Vec fma(Vec a, Vec b, Vec c) {
  return _mm256_fmadd_ps(a, b, c);
}
STRIDENET_INLINE Vec max(Vec a, Vec b) {
  return _mm256_max_ps(a, b);
}
STRIDENET_INLINE Vec min(Vec a, Vec b) {
  return _mm256_min_ps(a, b);
}
STRIDENET_INLINE Vec sqrt(Vec a) {
  return _mm256_sqrt_ps(a);
}
STRIDENET_INLINE Vec neg(Vec a) {
  return _mm256_xor_ps(a, _mm256_set1_ps(-0.0f));
}
STRIDENET_INLINE Vec abs(Vec a) {
  return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
STRIDENET_INLINE Vec copySign(Vec a, Vec b) {
  const Vec sign = _mm256_set1_ps(-0.0f);
  return _mm256_or_ps(_mm256_andnot_ps(sign, a), _mm256_and_ps(sign, b));
}

STRIDENET_INLINE Mask greater(Vec a, Vec b) {
  return _mm256_cmp_ps(a, b, _CMP_GT_OQ);
}
STRIDENET_INLINE Mask greaterEqual(Vec a, Vec b) {
  return _mm256_cmp_ps(a, b, _CMP_GE_OQ);
}
STRIDENET_INLINE Mask less(Vec a, Vec b) {
  return _mm256_cmp_ps(a, b, _CMP_LT_OQ);
}
STRIDENET_INLINE Mask lessEqual(Vec a, Vec b) {
  return _mm256_cmp_ps(a, b, _CMP_LE_OQ);
}
STRIDENET_INLINE Mask equal(Vec a, Vec b) {
  return _mm256_cmp_ps(a, b, _CMP_EQ_OQ);
}
STRIDENET_INLINE Mask notEqual(Vec a, Vec b) {
  return _mm256_cmp_ps(a, b, _CMP_NEQ_UQ);
}
STRIDENET_INLINE Mask maskAnd(Mask a, Mask b) {
  return _mm256_and_ps(a, b);
}
STRIDENET_INLINE Mask maskOr(Mask a, Mask b) {
  return _mm256_or_ps(a, b);
}
STRIDENET_INLINE Mask maskNot(Mask a) {
  return _mm256_xor_ps(a, _mm256_castsi256_ps(_mm256_set1_epi32(-1)));
}
STRIDENET_INLINE bool maskAny(Mask m) {
  return _mm256_movemask_ps(m) != 0;
}
STRIDENET_INLINE Mask firstLanes(int n) {
  return _mm256_castsi256_ps(firstLanesInt(n));
}
STRIDENET_INLINE Vec select(Mask m, Vec a, Vec b) {
  return _mm256_blendv_ps(b, a, m);
}

STRIDENET_INLINE Vec round(Vec x) {
  return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
STRIDENET_INLINE Vec scaleByPowerOfTwo(Vec x, Vec n) {
  const __m256i bias = _mm256_set1_epi32(127);
  __m256i k = _mm256_cvtps_epi32(n);
  __m256i half = _mm256_srai_epi32(k, 1);
  __m256i rest = _mm256_sub_epi32(k, half);
  Vec first = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
  Vec second = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
  return _mm256_mul_ps(_mm256_mul_ps(x, first), second);
}
STRIDENET_INLINE Vec splitExponent(Vec x, Vec* mantissa) {
  __m256i bits = _mm256_castps_si256(x);
  *mantissa = _mm256_castsi256_ps(_mm256_or_si256(_mm256_and_si256(bits, _mm256_set1_epi32(0x007fffff)), _mm256_set1_epi32(0x3f800000)));
  return _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_srli_epi32(bits, 23), _mm256_set1_epi32(127)));
}

using Index = __m256i;
STRIDENET_INLINE Index loadIndex(const int32_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
STRIDENET_INLINE Vec pick(Vec a, Vec b, Index index) {
  const __m256i fromB = _mm256_cmpgt_epi32(index, _mm256_set1_epi32(kLanes - 1));
  return _mm256_blendv_ps(_mm256_permutevar8x32_ps(a, index), _mm256_permutevar8x32_ps(b, index), _mm256_castsi256_ps(fromB));
}

STRIDENET_INLINE void transposeSquare(Vec (&v)[kLanes]) {
  // First transposes squares of four within each half of the vectors, then exchanges halves among vectors that are four
  // apart.
  Vec t[kLanes];
#pragma GCC unroll 2
  for (int i = 0; i < kLanes; i += 4) {
    const Vec a = _mm256_unpacklo_ps(v[i], v[i + 1]), b = _mm256_unpacklo_ps(v[i + 2], v[i + 3]);
    const Vec c = _mm256_unpackhi_ps(v[i], v[i + 1]), d = _mm256_unpackhi_ps(v[i + 2], v[i + 3]);
    t[i] = _mm256_shuffle_ps(a, b, 0x44);
    t[i + 1] = _mm256_shuffle_ps(a, b, 0xee);
    t[i + 2] = _mm256_shuffle_ps(c, d, 0x44);
    t[i + 3] = _mm256_shuffle_ps(c, d, 0xee);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    v[i] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x20);
    v[i + 4] = _mm256_permute2f128_ps(t[i], t[i + 4], 0x31);
  }
}

using Words = __m256i;
STRIDENET_INLINE Words setWords(uint32_t x) {
  return _mm256_set1_epi32(static_cast<int>(x));
}
STRIDENET_INLINE Words rampWords(uint32_t first) {
  return _mm256_add_epi32(setWords(first), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
STRIDENET_INLINE Words xorWords(Words a, Words b) {
  return _mm256_xor_si256(a, b);
}
STRIDENET_INLINE Words mulWords(Words a, uint32_t b, Words* high) {
  const __m256i even = _mm256_mul_epu32(a, setWords(b)), odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), setWords(b));
  *high = _mm256_blend_epi32(_mm256_srli_epi64(even, 32), odd, 0xaa);
  return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}
STRIDENET_INLINE Vec upperBits(Words w) {
  return _mm256_cvtepi32_ps(_mm256_srli_epi32(w, 8));
}

STRIDENET_INLINE float reduceAdd(Vec v) {
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  s = _mm_add_ss(s, _mm_movehdup_ps(s));
  return _mm_cvtss_f32(s);
}
STRIDENET_INLINE float reduceMax(Vec v) {
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  s = _mm_max_ss(s, _mm_movehdup_ps(s));
  return _mm_cvtss_f32(s);
}

}  // namespace stridenet::avx2
