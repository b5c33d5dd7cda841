// Every instruction that ops.def lists as UPDATE: checks, cost and tiles, which are the same for all. Elements are updated each by
// itself, so tiles need no order. What is computed is the kernel's business.
#include <algorithm>
#include <cmath>
#include <string>
#include <type_traits>

#include "native/ops/checks.h"

namespace stridenet {
namespace {

// The operands of an update: inputs first, of which all but operand 0 hold one number, then variables.
int inputCount(const Call& call) {
  return signatureOf(call).inputCount();
}
int operandCount(const Call& call) {
  return signatureOf(call).operandCount();
}

Status verifyUpdate(const Call& call) {
  if (Status status = expectFloats(call); !status.isOk()) return status;
  const OpSignature& signature = signatureOf(call);
  const auto text = [](std::string_view name) { return std::string(name); };
  for (int i = 0; i < signature.attrCount(); ++i) {
    const std::string_view attribute = word(signature.attrs, i);
    const bool isFlag = attribute.find(':') == std::string_view::npos;
    if (isFlag && call.attrs[i] != 0 && call.attrs[i] != 1) {
      return refuse(call, "%s must be 0 or 1, got %d", text(attribute).c_str(), call.attrs[i]);
    }
  }
  const int first = inputCount(call);
  for (int i = 0; i < operandCount(call); ++i) {
    const Operand &x = call.operands[i], &variable = call.operands[first];
    if (!x.present()) continue;
    const bool isNumber = i > 0 && i < first;
    if (isNumber && x.count != 1)
      return refuse(call, "%s must hold one number, got %s", text(signature.operand(i)).c_str(), ShapeText(x).text);
    if (isNumber || sameShape(x, variable)) continue;
    return refuse(call, "%s %s must have %s's shape %s", text(signature.operand(i)).c_str(), ShapeText(x).text,
                  text(signature.operand(first)).c_str(), ShapeText(variable).text);
  }
  return Status::ok();
}

// Some two operations for each number that is read. Variables are read and written.
Plan planUpdate(const Call& call) {
  Plan plan = planOf(call, 2.0 * static_cast<double>(call.operands[0].count));
  for (int i = inputCount(call); i < operandCount(call); ++i) {
    plan.add(Work::arithmetic, 2.0 * static_cast<double>(call.operands[i].count) / call.kernels->lanes);
    plan.bytes += static_cast<double>(call.operands[i].bytes());
  }
  return plan;
}

template <typename Instruction, auto kKernel>
void runUpdate(const Call& call, const Worker& worker) {
  const Range own = worker.share(call.operands[0].count, kTileElements);
  if (own.isEmpty()) return;
  float numbers[kMaxOperands] = {};
  for (int i = 1; i < inputCount(call); ++i) {
    if (call.operands[i].present()) numbers[i - 1] = *call.operands[i].f32();
    if (!std::isfinite(numbers[i - 1])) return;
  }
  float* variables[kMaxOperands] = {};
  for (int i = inputCount(call); i < operandCount(call); ++i) {
    if (call.operands[i].present()) variables[i - inputCount(call)] = call.operands[i].f32() + own.first;
  }
  typename Instruction::Attributes attributes;
  if constexpr (!std::is_empty_v<typename Instruction::Attributes>) attributes = call.attributes<Instruction>();
  (call.kernels->update.*kKernel)(attributes, {call.operands[0].f32() + own.first, numbers, variables, own.count()});
}

}  // namespace

#define DEFINE(Name, name)     \
  extern const Op k##Name##Op; \
  const Op k##Name##Op = {.verify = verifyUpdate, .plan = planUpdate, .run = runUpdate<Name, &UpdateKernels::name>};
STRIDENET_UPDATES(DEFINE)
#undef DEFINE

}  // namespace stridenet
