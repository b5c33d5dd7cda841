// Opcodes, enumerations and operand tables, all expanded from ops.def. Knows nothing of encoding or memory.
#pragma once

#include <cstdint>
#include <string_view>

namespace stridenet {

enum class Opcode : int32_t {
#define ENUM(name, values)
#define OP(name, inputs, outputs, attrs) name,
#include "native/program/ops.def"
#undef OP
#undef ENUM
  count_
};

constexpr int kOpcodeCount = static_cast<int>(Opcode::count_);
constexpr int kMaxOperands = 6;

// The number of space-separated words in a list such as "x packed bias? add?".
constexpr int countWords(std::string_view list) {
  int words = 0;
  bool inside = false;
  for (char c : list) {
    if (c != ' ' && !inside) ++words;
    inside = c != ' ';
  }
  return words;
}

// The i-th word of a list, without its marks.
constexpr std::string_view word(std::string_view list, int index) {
  while (true) {
    while (!list.empty() && list.front() == ' ') list.remove_prefix(1);
    size_t end = list.find(' ');
    std::string_view item = list.substr(0, end);
    if (index-- == 0) return item;
    if (end == std::string_view::npos) return {};
    list.remove_prefix(end);
  }
}

struct OpSignature {
  std::string_view name, inputs, outputs, attrs;
  constexpr int inputCount() const { return countWords(inputs); }
  constexpr int outputCount() const { return countWords(outputs); }
  constexpr int operandCount() const { return inputCount() + outputCount(); }
  constexpr int attrCount() const { return countWords(attrs); }
  // Operands are numbered inputs first, then outputs.
  constexpr std::string_view operand(int i) const {
    return i < inputCount() ? word(inputs, i) : word(outputs, i - inputCount());
  }
  constexpr bool isOptional(int i) const { return operand(i).find('?') != std::string_view::npos; }
  constexpr bool isUpdated(int i) const { return operand(i).find('!') != std::string_view::npos; }
};

inline constexpr OpSignature kOpSignatures[] = {
#define ENUM(name, values)
#define OP(name, inputs, outputs, attrs) {#name, inputs, outputs, attrs},
#include "native/program/ops.def"
#undef OP
#undef ENUM
};

// FNV-1a over every line of ops.def as "OP name inputs|outputs|attrs\n" and "ENUM name values\n" in file order.
// scripts/generateOpcodes.js computes the same number for TypeScript.
constexpr uint32_t hashText(uint32_t hash, std::string_view text) {
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return hash;
}

constexpr uint32_t computeOpsHash() {
  uint32_t h = 2166136261u;
#define ENUM(name, values) h = hashText(hashText(hashText(hashText(h, "ENUM " #name), " "), values), "\n");
#define OP(name, inputs, outputs, attrs) \
  h = hashText(hashText(hashText(hashText(hashText(hashText(hashText(h, "OP " #name " "), inputs), "|"), outputs), "|"), attrs), "\n");
#include "native/program/ops.def"
#undef OP
#undef ENUM
  return h;
}

constexpr uint32_t kOpsHash = computeOpsHash();

// Enumerations, numbered as in ops.def. A static_assert beside each table that uses one keeps the two together.
enum class DType : int32_t { float32, int32, uint8 };
enum class Space : int32_t { arena, state, feed, fetch, constant };
enum class Layout : int32_t { nchw, nhwc };
enum class Activation : int32_t { none, relu, sigmoid, tanh };
enum class Algorithm : int32_t { direct, winograd2x2, winograd4x4, depthwise };
enum class Direction : int32_t { forward, gradInput };
enum class UnaryKind : int32_t { copy, neg, abs, sign, exp, log, sqrt, reciprocal, relu, sigmoid, tanh };
enum class BinaryKind : int32_t { add, sub, mul, div, pow, maximum, minimum, greater, greaterEqual, equal, reluGrad, sigmoidGrad, tanhGrad };
enum class Reduction : int32_t { sum, mean, max };

constexpr int kDTypeCount = 3, kSpaceCount = 5, kActivationCount = 4, kAlgorithmCount = 4;

constexpr int enumSize(std::string_view wanted) {
#define ENUM(name, values) \
  if (wanted == #name) return countWords(values);
#define OP(name, inputs, outputs, attrs)
#include "native/program/ops.def"
#undef OP
#undef ENUM
  return -1;
}
static_assert(enumSize("dtype") == kDTypeCount && enumSize("space") == kSpaceCount && enumSize("activation") == kActivationCount &&
              enumSize("algorithm") == kAlgorithmCount && enumSize("unary_kind") == 11 && enumSize("binary_kind") == 13 &&
              enumSize("reduction") == 3 && enumSize("direction") == 2 && enumSize("layout") == 2);

constexpr size_t dtypeSize(DType dtype) { return dtype == DType::uint8 ? 1 : 4; }

}  // namespace stridenet
