// The vector vocabulary for AVX-512 (F, BW, DQ and VL): sixteen float lanes. Meaning of every name: vec_scalar.h.
// Where an intrinsic has a zero-masked form, that form is used with all lanes on: g++ 12 warns about the undefined pass-through
// register of the plain one.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "native/kernels/tile_sizes.h"

#define STRIDENET_INLINE static inline __attribute__((always_inline))

namespace stridenet::avx512 {

static constexpr InstructionSet kIsa = kAvx512;
static constexpr int kLanes = kIsa.lanes;
static constexpr int kVectorRegisters = kIsa.registers;
static constexpr __mmask16 kAllLanes = 0xffff;

using Vec = __m512;
using Mask = __mmask16;

STRIDENET_INLINE Mask firstLanes(int n) {
  return static_cast<Mask>((1u << n) - 1u);
}

STRIDENET_INLINE Vec zero() {
  return _mm512_setzero_ps();
}
STRIDENET_INLINE Vec set1(float x) {
  return _mm512_set1_ps(x);
}
STRIDENET_INLINE Vec load(const float* p) {
  return _mm512_loadu_ps(p);
}
STRIDENET_INLINE void store(float* p, Vec v) {
  _mm512_storeu_ps(p, v);
}
STRIDENET_INLINE void stream(float* p, Vec v) {
  _mm512_stream_ps(p, v);
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
  return _mm512_maskz_loadu_ps(firstLanes(n), p);
}
STRIDENET_INLINE void storePartial(float* p, Vec v, int n) {
  _mm512_mask_storeu_ps(p, firstLanes(n), v);
}
STRIDENET_INLINE Vec fromInt(__m512i v) {
  return _mm512_maskz_cvtepi32_ps(kAllLanes, v);
}
STRIDENET_INLINE Vec loadU8(const uint8_t* p) {
  return fromInt(_mm512_maskz_cvtepu8_epi32(kAllLanes, _mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
STRIDENET_INLINE Vec loadU8Partial(const uint8_t* p, int n) {
  return fromInt(_mm512_maskz_cvtepu8_epi32(kAllLanes, _mm_maskz_loadu_epi8(firstLanes(n), p)));
}
STRIDENET_INLINE Vec loadI32(const int32_t* p) {
  return fromInt(_mm512_loadu_si512(p));
}
STRIDENET_INLINE Vec loadI32Partial(const int32_t* p, int n) {
  return fromInt(_mm512_maskz_loadu_epi32(firstLanes(n), p));
}

STRIDENET_INLINE Vec add(Vec a, Vec b) {
  return _mm512_add_ps(a, b);
}
STRIDENET_INLINE Vec sub(Vec a, Vec b) {
  return _mm512_sub_ps(a, b);
}
STRIDENET_INLINE Vec mul(Vec a, Vec b) {
  return _mm512_mul_ps(a, b);
}
STRIDENET_INLINE Vec div(Vec a, Vec b) {
  return _mm512_div_ps(a, b);
}
STRIDENET_INLINE Vec fma(Vec a, Vec b, Vec c) {
  return _mm512_fmadd_ps(a, b, c);
}
STRIDENET_INLINE Vec max(Vec a, Vec b) {
  return _mm512_maskz_max_ps(kAllLanes, a, b);
}
STRIDENET_INLINE Vec min(Vec a, Vec b) {
  return _mm512_maskz_min_ps(kAllLanes, a, b);
}
STRIDENET_INLINE Vec sqrt(Vec a) {
  return _mm512_maskz_sqrt_ps(kAllLanes, a);
}
STRIDENET_INLINE Vec neg(Vec a) {
  return _mm512_xor_ps(a, _mm512_set1_ps(-0.0f));
}
STRIDENET_INLINE Vec abs(Vec a) {
  return _mm512_andnot_ps(_mm512_set1_ps(-0.0f), a);
}
STRIDENET_INLINE Vec copySign(Vec a, Vec b) {
  const Vec sign = _mm512_set1_ps(-0.0f);
  return _mm512_or_ps(_mm512_andnot_ps(sign, a), _mm512_and_ps(sign, b));
}

STRIDENET_INLINE Mask greater(Vec a, Vec b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ);
}
STRIDENET_INLINE Mask greaterEqual(Vec a, Vec b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ);
}
STRIDENET_INLINE Mask less(Vec a, Vec b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_LT_OQ);
}
STRIDENET_INLINE Mask lessEqual(Vec a, Vec b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_LE_OQ);
}
STRIDENET_INLINE Mask equal(Vec a, Vec b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}
STRIDENET_INLINE Mask notEqual(Vec a, Vec b) {
  return _mm512_cmp_ps_mask(a, b, _CMP_NEQ_UQ);
}
STRIDENET_INLINE Mask maskAnd(Mask a, Mask b) {
  return static_cast<Mask>(a & b);
}
STRIDENET_INLINE Mask maskOr(Mask a, Mask b) {
  return static_cast<Mask>(a | b);
}
STRIDENET_INLINE Mask maskNot(Mask a) {
  return static_cast<Mask>(~a);
}
STRIDENET_INLINE bool maskAny(Mask m) {
  return m != 0;
}
STRIDENET_INLINE Vec select(Mask m, Vec a, Vec b) {
  return _mm512_mask_blend_ps(m, b, a);
}

STRIDENET_INLINE Vec round(Vec x) {
  return _mm512_maskz_roundscale_ps(kAllLanes, x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
STRIDENET_INLINE Vec scaleByPowerOfTwo(Vec x, Vec n) {
  return _mm512_maskz_scalef_ps(kAllLanes, x, n);
}
STRIDENET_INLINE Vec splitExponent(Vec x, Vec* mantissa) {
  *mantissa = _mm512_maskz_getmant_ps(kAllLanes, x, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_src);
  return _mm512_maskz_getexp_ps(kAllLanes, x);
}

using Index = __m512i;
STRIDENET_INLINE Index loadIndex(const int32_t* p) {
  return _mm512_loadu_si512(p);
}
STRIDENET_INLINE Vec pick(Vec a, Vec b, Index index) {
  return _mm512_permutex2var_ps(a, index, b);
}

STRIDENET_INLINE void transposeSquare(Vec (&v)[kLanes]) {
  // First transposes squares of four within each quarter of the vectors, then exchanges quarters among vectors that are
  // four apart.
  Vec t[kLanes];
#pragma GCC unroll 4
  for (int i = 0; i < kLanes; i += 4) {
    const Vec a = _mm512_maskz_unpacklo_ps(kAllLanes, v[i], v[i + 1]), b = _mm512_maskz_unpacklo_ps(kAllLanes, v[i + 2], v[i + 3]);
    const Vec c = _mm512_maskz_unpackhi_ps(kAllLanes, v[i], v[i + 1]), d = _mm512_maskz_unpackhi_ps(kAllLanes, v[i + 2], v[i + 3]);
    t[i] = _mm512_maskz_shuffle_ps(kAllLanes, a, b, 0x44);
    t[i + 1] = _mm512_maskz_shuffle_ps(kAllLanes, a, b, 0xee);
    t[i + 2] = _mm512_maskz_shuffle_ps(kAllLanes, c, d, 0x44);
    t[i + 3] = _mm512_maskz_shuffle_ps(kAllLanes, c, d, 0xee);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const Vec a = _mm512_maskz_shuffle_f32x4(kAllLanes, t[i], t[i + 4], 0x88),
              b = _mm512_maskz_shuffle_f32x4(kAllLanes, t[i + 8], t[i + 12], 0x88);
    const Vec c = _mm512_maskz_shuffle_f32x4(kAllLanes, t[i], t[i + 4], 0xdd),
              d = _mm512_maskz_shuffle_f32x4(kAllLanes, t[i + 8], t[i + 12], 0xdd);
    v[i] = _mm512_maskz_shuffle_f32x4(kAllLanes, a, b, 0x88);
    v[i + 4] = _mm512_maskz_shuffle_f32x4(kAllLanes, c, d, 0x88);
    v[i + 8] = _mm512_maskz_shuffle_f32x4(kAllLanes, a, b, 0xdd);
    v[i + 12] = _mm512_maskz_shuffle_f32x4(kAllLanes, c, d, 0xdd);
  }
}

using Words = __m512i;
STRIDENET_INLINE Words setWords(uint32_t x) {
  return _mm512_set1_epi32(static_cast<int>(x));
}
STRIDENET_INLINE Words rampWords(uint32_t first) {
  return _mm512_add_epi32(setWords(first), _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}
STRIDENET_INLINE Words xorWords(Words a, Words b) {
  return _mm512_xor_si512(a, b);
}
STRIDENET_INLINE Words mulWords(Words a, uint32_t b, Words* high) {
  const __m512i even = _mm512_maskz_mul_epu32(0xff, a, setWords(b));
  const __m512i odd = _mm512_maskz_mul_epu32(0xff, _mm512_maskz_srli_epi64(0xff, a, 32), setWords(b));
  *high = _mm512_mask_blend_epi32(0xaaaa, _mm512_maskz_srli_epi64(0xff, even, 32), odd);
  return _mm512_mask_blend_epi32(0xaaaa, even, _mm512_maskz_slli_epi64(0xff, odd, 32));
}
STRIDENET_INLINE Vec upperBits(Words w) {
  return fromInt(_mm512_maskz_srli_epi32(kAllLanes, w, 8));
}

STRIDENET_INLINE float reduceAdd(Vec v) {
  __m256 h = _mm256_add_ps(_mm512_maskz_extractf32x8_ps(0xff, v, 0), _mm512_maskz_extractf32x8_ps(0xff, v, 1));
  __m128 s = _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  s = _mm_add_ps(s, _mm_movehl_ps(s, s));
  s = _mm_add_ss(s, _mm_movehdup_ps(s));
  return _mm_cvtss_f32(s);
}
STRIDENET_INLINE float reduceMax(Vec v) {
  __m256 h = _mm256_max_ps(_mm512_maskz_extractf32x8_ps(0xff, v, 0), _mm512_maskz_extractf32x8_ps(0xff, v, 1));
  __m128 s = _mm_max_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
  s = _mm_max_ps(s, _mm_movehl_ps(s, s));
  s = _mm_max_ss(s, _mm_movehdup_ps(s));
  return _mm_cvtss_f32(s);
}

}  // namespace stridenet::avx512
