// Refusals and small shape helpers shared by the ops' verify and plan functions.
#pragma once

#include <cstdarg>
#include <cstdio>
#include <initializer_list>

#include "native/ops/scratch.h"
#include "native/program/op.h"

namespace stridenet {

// The numbers of one task of elementwise work: 32 KiB, which take some microseconds, so that a barrier costs little
// beside them and threads share evenly.
constexpr int64_t kTileElements = 8192;

constexpr int64_t ceilDiv(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

inline const OpSignature& signatureOf(const Call& call) {
  return kOpSignatures[static_cast<int>(call.opcode)];
}

// Makes an ERR_PROGRAM_INVALID whose message begins with the opcode.
[[gnu::format(printf, 2, 3)]] inline Status refuse(const Call& call, const char* format, ...) {
  char text[400];
  va_list args;
  va_start(args, format);
  std::vsnprintf(text, sizeof text, format, args);
  va_end(args);
  const std::string_view name = signatureOf(call).name;
  return Status::error("ERR_PROGRAM_INVALID", "%.*s: %s", static_cast<int>(name.size()), name.data(), text);
}

// The extents as they stand in messages: "[256, 28, 28, 6]".
struct ShapeText {
  char text[kMaxRank * 22 + 4];
  explicit ShapeText(const Operand& x) {
    size_t at = static_cast<size_t>(std::snprintf(text, sizeof text, "["));
    for (int i = 0; i < x.rank; ++i) {
      at += static_cast<size_t>(std::snprintf(text + at, sizeof text - at, i == 0 ? "%lld" : ", %lld", static_cast<long long>(x.dims[i])));
    }
    std::snprintf(text + at, sizeof text - at, "]");
  }
};

inline bool sameShape(const Operand& a, const Operand& b) {
  if (a.rank != b.rank) return false;
  for (int i = 0; i < a.rank; ++i)
    if (a.dims[i] != b.dims[i]) return false;
  return true;
}

// Whether x broadcasts to y: their ranks are equal, and every extent of x is that of y or 1.
inline bool broadcastsTo(const Operand& x, const Operand& y) {
  if (x.rank != y.rank) return false;
  for (int i = 0; i < x.rank; ++i)
    if (x.dims[i] != y.dims[i] && x.dims[i] != 1) return false;
  return true;
}

// The operands on the two sides of an operation on images, x -> y. Its derivative, dy -> dx, has them the other way
// round; if it reads x as well, that has the shape of dx.
template <typename Instruction>
const Operand& imageOf(const Call& call) {
  if constexpr (requires { Instruction::x; }) {
    return call.operands[Instruction::x];
  } else {
    return call.operands[Instruction::dx];
  }
}
template <typename Instruction>
const Operand& resultOf(const Call& call) {
  if constexpr (requires { Instruction::y; }) {
    return call.operands[Instruction::y];
  } else {
    return call.operands[Instruction::dy];
  }
}

// Whether an attribute is one of the `count` values of its enumeration.
template <typename Enum>
constexpr bool isOneOf(Enum value, int count) {
  return static_cast<int>(value) >= 0 && static_cast<int>(value) < count;
}

inline Status expectDType(const Call& call, int operand, DType dtype, const char* dtypeName) {
  const std::string_view name = signatureOf(call).operand(operand);
  if (call.operands[operand].dtype == dtype) return Status::ok();
  return refuse(call, "expects %.*s to be %s", static_cast<int>(name.size()), name.data(), dtypeName);
}

// Refuses operands that are present and not float32, except the one numbered `except`.
inline Status expectFloats(const Call& call, int except = -1) {
  for (int i = 0; i < signatureOf(call).operandCount(); ++i) {
    if (i == except || !call.operands[i].present()) continue;
    Status status = expectDType(call, i, DType::float32, "float32");
    if (!status.isOk()) return status;
  }
  return Status::ok();
}

// The plan of an instruction that reads or writes every operand once.
inline Plan planOf(const Call& call, double operations, int phases = 1) {
  Plan plan;
  plan.phases = phases;
  plan.add(Work::arithmetic, operations / call.kernels->lanes);
  for (int i = 0; i < signatureOf(call).operandCount(); ++i) plan.bytes += static_cast<double>(call.operands[i].bytes());
  return plan;
}

}  // namespace stridenet
