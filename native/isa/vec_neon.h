// The vector vocabulary for arm64 NEON: four float lanes, fused multiply-add. Meaning of every name: vec_scalar.h.
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

#include "native/kernels/tile_sizes.h"

#define STRIDENET_INLINE static inline __attribute__((always_inline))

namespace stridenet::neon {

static constexpr InstructionSet kIsa = kNeon;
static constexpr int kLanes = kIsa.lanes;
static constexpr int kVectorRegisters = kIsa.registers;

using Vec = float32x4_t;
using Mask = uint32x4_t;

STRIDENET_INLINE Mask firstLanes(int n) {
  const int32x4_t iota = {0, 1, 2, 3};
  return vcltq_s32(iota, vdupq_n_s32(n));
}

STRIDENET_INLINE Vec zero() {
  return vdupq_n_f32(0.0f);
}
STRIDENET_INLINE Vec set1(float x) {
  return vdupq_n_f32(x);
}
STRIDENET_INLINE Vec load(const float* p) {
  return vld1q_f32(p);
}
STRIDENET_INLINE void store(float* p, Vec v) {
  vst1q_f32(p, v);
}
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
  Vec v = {n > 0 ? p[0] : 0.0f, n > 1 ? p[1] : 0.0f, n > 2 ? p[2] : 0.0f, n > 3 ? p[3] : 0.0f};
  return v;
}
STRIDENET_INLINE void storePartial(float* p, Vec v, int n) {
  if (n > 0) vst1q_lane_f32(p, v, 0);
  if (n > 1) vst1q_lane_f32(p + 1, v, 1);
  if (n > 2) vst1q_lane_f32(p + 2, v, 2);
  if (n > 3) vst1q_lane_f32(p + 3, v, 3);
}
STRIDENET_INLINE Vec loadU8(const uint8_t* p) {
  uint32x4_t v = {p[0], p[1], p[2], p[3]};
  return vcvtq_f32_u32(v);
}
STRIDENET_INLINE Vec loadU8Partial(const uint8_t* p, int n) {
  uint32x4_t v = {n > 0 ? p[0] : 0u, n > 1 ? p[1] : 0u, n > 2 ? p[2] : 0u, n > 3 ? p[3] : 0u};
  return vcvtq_f32_u32(v);
}
STRIDENET_INLINE Vec loadI32(const int32_t* p) {
  return vcvtq_f32_s32(vld1q_s32(p));
}
STRIDENET_INLINE Vec loadI32Partial(const int32_t* p, int n) {
  int32x4_t v = {n > 0 ? p[0] : 0, n > 1 ? p[1] : 0, n > 2 ? p[2] : 0, n > 3 ? p[3] : 0};
  return vcvtq_f32_s32(v);
}

STRIDENET_INLINE Vec add(Vec a, Vec b) {
  return vaddq_f32(a, b);
}
STRIDENET_INLINE Vec sub(Vec a, Vec b) {
  return vsubq_f32(a, b);
}
STRIDENET_INLINE Vec mul(Vec a, Vec b) {
  return vmulq_f32(a, b);
}
STRIDENET_INLINE Vec div(Vec a, Vec b) {
  return vdivq_f32(a, b);
}
STRIDENET_INLINE Vec fma(Vec a, Vec b, Vec c) {
  return vfmaq_f32(c, a, b);
}

STRIDENET_INLINE Mask greater(Vec a, Vec b) {
  return vcgtq_f32(a, b);
}
STRIDENET_INLINE Mask greaterEqual(Vec a, Vec b) {
  return vcgeq_f32(a, b);
}
STRIDENET_INLINE Mask less(Vec a, Vec b) {
  return vcltq_f32(a, b);
}
STRIDENET_INLINE Mask lessEqual(Vec a, Vec b) {
  return vcleq_f32(a, b);
}
STRIDENET_INLINE Mask equal(Vec a, Vec b) {
  return vceqq_f32(a, b);
}
STRIDENET_INLINE Mask notEqual(Vec a, Vec b) {
  return vmvnq_u32(vceqq_f32(a, b));
}
STRIDENET_INLINE Mask maskAnd(Mask a, Mask b) {
  return vandq_u32(a, b);
}
STRIDENET_INLINE Mask maskOr(Mask a, Mask b) {
  return vorrq_u32(a, b);
}
STRIDENET_INLINE Mask maskNot(Mask a) {
  return vmvnq_u32(a);
}
STRIDENET_INLINE bool maskAny(Mask m) {
  return vmaxvq_u32(m) != 0;
}
STRIDENET_INLINE Vec select(Mask m, Vec a, Vec b) {
  return vbslq_f32(m, a, b);
}

// A comparison and a select, because vmaxq_f32 would give NaN when either is NaN.
STRIDENET_INLINE Vec max(Vec a, Vec b) {
  return select(greater(a, b), a, b);
}
STRIDENET_INLINE Vec min(Vec a, Vec b) {
  return select(less(a, b), a, b);
}
STRIDENET_INLINE Vec sqrt(Vec a) {
  return vsqrtq_f32(a);
}
STRIDENET_INLINE Vec neg(Vec a) {
  return vnegq_f32(a);
}
STRIDENET_INLINE Vec abs(Vec a) {
  return vabsq_f32(a);
}
STRIDENET_INLINE Vec copySign(Vec a, Vec b) {
  return vbslq_f32(vdupq_n_u32(0x7fffffffu), a, b);
}

STRIDENET_INLINE Vec round(Vec x) {
  return vrndnq_f32(x);
}
STRIDENET_INLINE Vec scaleByPowerOfTwo(Vec x, Vec n) {
  const int32x4_t bias = vdupq_n_s32(127);
  int32x4_t k = vcvtq_s32_f32(n);
  int32x4_t half = vshrq_n_s32(k, 1);
  Vec first = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(half, bias), 23));
  Vec second = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vsubq_s32(k, half), bias), 23));
  return vmulq_f32(vmulq_f32(x, first), second);
}
STRIDENET_INLINE Vec splitExponent(Vec x, Vec* mantissa) {
  uint32x4_t bits = vreinterpretq_u32_f32(x);
  *mantissa = vreinterpretq_f32_u32(vorrq_u32(vandq_u32(bits, vdupq_n_u32(0x007fffffu)), vdupq_n_u32(0x3f800000u)));
  return vcvtq_f32_s32(vsubq_s32(vreinterpretq_s32_u32(vshrq_n_u32(bits, 23)), vdupq_n_s32(127)));
}

using Index = uint8x16_t;
STRIDENET_INLINE Index loadIndex(const int32_t* p) {
  // Turns numbers of lanes into the numbers of their four bytes.
  const uint32x4_t lane = vreinterpretq_u32_s32(vld1q_s32(p));
  return vreinterpretq_u8_u32(vmlaq_n_u32(vdupq_n_u32(0x03020100u), lane, 0x04040404u));
}
STRIDENET_INLINE Vec pick(Vec a, Vec b, Index index) {
  const uint8x16x2_t table = {{vreinterpretq_u8_f32(a), vreinterpretq_u8_f32(b)}};
  return vreinterpretq_f32_u8(vqtbl2q_u8(table, index));
}

STRIDENET_INLINE void transposeSquare(Vec (&v)[kLanes]) {
  const float32x4x2_t a = vtrnq_f32(v[0], v[1]), b = vtrnq_f32(v[2], v[3]);
  v[0] = vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0]));
  v[1] = vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1]));
  v[2] = vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0]));
  v[3] = vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1]));
}

using Words = uint32x4_t;
STRIDENET_INLINE Words setWords(uint32_t x) {
  return vdupq_n_u32(x);
}
STRIDENET_INLINE Words rampWords(uint32_t first) {
  const uint32x4_t iota = {0, 1, 2, 3};
  return vaddq_u32(setWords(first), iota);
}
STRIDENET_INLINE Words xorWords(Words a, Words b) {
  return veorq_u32(a, b);
}
STRIDENET_INLINE Words mulWords(Words a, uint32_t b, Words* high) {
  const uint32x4_t first = vreinterpretq_u32_u64(vmull_u32(vget_low_u32(a), vdup_n_u32(b)));
  const uint32x4_t last = vreinterpretq_u32_u64(vmull_u32(vget_high_u32(a), vdup_n_u32(b)));
  *high = vuzp2q_u32(first, last);
  return vuzp1q_u32(first, last);
}
STRIDENET_INLINE Vec upperBits(Words w) {
  return vcvtq_f32_u32(vshrq_n_u32(w, 8));
}

STRIDENET_INLINE float reduceAdd(Vec v) {
  float32x2_t s = vadd_f32(vget_low_f32(v), vget_high_f32(v));
  return vget_lane_f32(s, 0) + vget_lane_f32(s, 1);
}
STRIDENET_INLINE float reduceMax(Vec v) {
  Vec s = max(v, vextq_f32(v, v, 2));
  s = max(s, vextq_f32(s, s, 1));
  return vgetq_lane_f32(s, 0);
}

}  // namespace stridenet::neon
