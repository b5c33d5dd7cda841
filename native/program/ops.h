// Opcodes and their signatures, expanded from ops.def. Knows nothing of encoding or memory.
#pragma once

#include <cstdint>
#include <string_view>

#include "native/base/instructions.h"

namespace stridenet {

constexpr int kMaxOperands = 9;

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

// The i-th word of a list.
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

// Operands are numbered inputs first, then outputs.
struct OpSignature {
  std::string_view name, inputs, outputs, attrs;
  constexpr int inputCount() const { return countWords(inputs); }
  constexpr int outputCount() const { return countWords(outputs); }
  constexpr int operandCount() const { return inputCount() + outputCount(); }
  constexpr int attrCount() const { return countWords(attrs); }
  // The name of an operand, and whether it has one of the marks that ops.def explains.
  constexpr std::string_view operand(int i) const { return operandWord(i).substr(0, operandWord(i).find_first_of("?!~")); }
  constexpr bool isOptional(int i) const { return isMarked(i, '?'); }
  constexpr bool isUpdated(int i) const { return isMarked(i, '!'); }
  constexpr bool isInPlaceInput(int i) const { return isMarked(i, '~'); }

 private:
  constexpr std::string_view operandWord(int i) const { return i < inputCount() ? word(inputs, i) : word(outputs, i - inputCount()); }
  constexpr bool isMarked(int i, char mark) const { return operandWord(i).find(mark) != std::string_view::npos; }
};

inline constexpr OpSignature kOpSignatures[] = {
#define ENUM(name, values)
#define OP(name, inputs, outputs, attrs) {#name, inputs, outputs, attrs},
#include "native/program/ops.def"
#undef OP
#undef ENUM
};

// FNV-1a over every line of ops.def as "OP name inputs|outputs|attrs\n" and "ENUM name values\n" in file order.
// scripts/opcodes/opsDef.js computes the same number for TypeScript.
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
static_assert(kOpsHash == kInstructionsHash, "native/program/ops.def has changed: run node scripts/generateOpcodes.js");

constexpr size_t dtypeSize(DType dtype) {
  return dtype == DType::uint8 ? 1 : 4;
}

}  // namespace stridenet
