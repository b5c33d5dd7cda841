// Whether a decoded Program may be executed: which spaces its instructions read and write, that nothing is read before it was
// written, that outputs overlap nothing they must not, and what each Op says to its own operands. Offsets are decode.cc's business.
#include <unordered_map>

#include "native/program/memory_range.h"

namespace stridenet {

namespace {

class Verifier {
 public:
  Verifier(Program* program, DecodeMode mode) : program_(*program), mode_(mode) {
    for (size_t i = 0; i < program_.slots.size(); i++) slotUses_[program_.slots[i].slot] = i;
  }

  Status verify() {
    noteWrittenSlots(program_.prepare, &SlotUse::derived);
    noteWrittenSlots(program_.step, &SlotUse::updated);
    Status status = verifyList(program_.prepare, "prepare");
    if (status.isOk()) status = verifyList(program_.step, "step");
    if (!status.isOk() || mode_ == DecodeMode::query) return status;
    for (size_t i = 0; i < program_.fetchTensors.size(); i++) {
      if (!written_.covers(rangeOf(program_.tensors[program_.fetchTensors[i]]))) {
        return Status::error("ERR_PROGRAM_INVALID", "Nothing in the step list writes fetch %zu.", i);
      }
    }
    return Status::ok();
  }

 private:
  void noteWrittenSlots(const std::vector<Instruction>& list, bool SlotUse::*mark) {
    for (const Instruction& instruction : list) {
      const OpSignature& signature = kOpSignatures[static_cast<int>(instruction.opcode)];
      for (int i = signature.inputCount(); i < signature.operandCount(); i++) {
        if (instruction.operands[i] < 0) continue;
        const Tensor& tensor = program_.tensors[instruction.operands[i]];
        if (tensor.space == Space::state) program_.slots[slotUses_[tensor.offset]].*mark = true;
      }
    }
    for (const SlotUse& use : program_.slots) program_.updatesState |= use.updated;
  }

  Status verifyList(std::vector<Instruction>& list, const char* name) {
    written_ = {};  // the step list must not rely on what the prepare list left in the arena
    inPrepare_ = &list == &program_.prepare;
    for (size_t i = 0; i < list.size(); i++) {
      Status status = verifyInstruction(&list[i]);
      if (!status.isOk()) {
        return Status::error("ERR_PROGRAM_INVALID", "%s instruction %zu: %s", name, i, status.message().c_str());
      }
    }
    return Status::ok();
  }

  Status verifyInstruction(Instruction* instruction) {
    opcode_ = kOpSignatures[static_cast<int>(instruction->opcode)].name;
    if (mode_ == DecodeMode::execute) {
      Status status = verifyMemory(*instruction);
      if (!status.isOk()) return status;
    }
    const Op& op = *instruction->op;
    Call call = describeCall(program_, *instruction);
    if (op.shape.bytes > 0) {
      instruction->shape.reset(new std::byte[op.shape.bytes]);
      call.shape = instruction->shape.get();
      Status status = op.shape.read(call, instruction->shape.get());
      if (!status.isOk()) return status;
    }
    Status status = op.verify(call);
    if (!status.isOk()) return status;
    const Plan& plan = instruction->plan = op.plan(call);
    if (plan.phases < 1) return refuse("its plan has no phase");
    program_.sharedScratch = std::max(program_.sharedScratch, plan.sharedScratch);
    program_.threadScratch = std::max(program_.threadScratch, plan.threadScratch);
    std::vector<double>& before = program_.secondsBefore;
    if (!inPrepare_) before.push_back(before.back() + estimateSeconds(plan, *program_.kernels));
    return Status::ok();
  }

  Status verifyMemory(const Instruction& instruction) {
    const OpSignature& signature = kOpSignatures[static_cast<int>(instruction.opcode)];
    for (int i = 0; i < signature.operandCount(); i++) {
      if (instruction.operands[i] < 0) continue;
      const bool isOutput = i >= signature.inputCount();
      if (!isOutput || signature.isUpdated(i)) {
        Status status = verifyRead(i, program_.tensors[instruction.operands[i]]);
        if (!status.isOk()) return status;
      }
    }
    for (int i = signature.inputCount(); i < signature.operandCount(); i++) {
      if (instruction.operands[i] < 0) continue;
      const Tensor& tensor = program_.tensors[instruction.operands[i]];
      Status status = verifyWrite(i, tensor, signature.isUpdated(i));
      if (status.isOk()) status = verifyAliasing(instruction, signature, i);
      if (!status.isOk()) return status;
    }
    for (int i = signature.inputCount(); i < signature.operandCount(); i++) {
      if (instruction.operands[i] >= 0) written_.add(rangeOf(program_.tensors[instruction.operands[i]]));
    }
    return Status::ok();
  }

  Status verifyRead(int operand, const Tensor& tensor) {
    switch (tensor.space) {
      case Space::arena:
      case Space::fetch:
        if (!written_.covers(rangeOf(tensor))) return refuse("operand %d is read before it is written", operand);
        return Status::ok();
      case Space::feed:
        if (inPrepare_) return refuse("operand %d is a feed, but the prepare list sees variables and constants only", operand);
        return Status::ok();
      case Space::state:
        if (inPrepare_ && program_.slots[slotUses_[tensor.offset]].derived && !written_.covers(rangeOf(tensor))) {
          return refuse("operand %d is a derived slot that is read before it is written", operand);
        }
        return Status::ok();
      case Space::constant:
        return Status::ok();
    }
    return Status::ok();
  }

  Status verifyWrite(int operand, const Tensor& tensor, bool isUpdated) {
    switch (tensor.space) {
      case Space::arena:
        return Status::ok();
      case Space::fetch:
        if (inPrepare_) return refuse("output operand %d is a fetch in the prepare list", operand);
        return Status::ok();
      case Space::state:
        // Derived values are functions of variables, which may be computed again at any time: nothing may be updated in
        // place.
        if (inPrepare_ && isUpdated) return refuse("operand %d updates a slot in the prepare list", operand);
        if (!inPrepare_ && program_.slots[slotUses_[tensor.offset]].derived) {
          return refuse("operand %d is a derived slot, which only the prepare list may write", operand);
        }
        return Status::ok();
      case Space::feed:
      case Space::constant:
        return refuse("output operand %d lies in read-only memory", operand);
    }
    return Status::ok();
  }

  // An output must not overlap another operand, except that output 0 may have exactly the memory of an in-place input.
  Status verifyAliasing(const Instruction& instruction, const OpSignature& signature, int output) {
    const MemoryRange range = rangeOf(program_.tensors[instruction.operands[output]]);
    for (int i = 0; i < signature.operandCount(); i++) {
      if (i == output || instruction.operands[i] < 0) continue;
      const MemoryRange other = rangeOf(program_.tensors[instruction.operands[i]]);
      if (!range.overlaps(other)) continue;
      const bool inPlace = output == signature.inputCount() && signature.isInPlaceInput(i) && range == other;
      if (!inPlace) return refuse("output operand %d overlaps operand %d", output, i);
    }
    return Status::ok();
  }

  [[gnu::format(printf, 2, 3)]] Status refuse(const char* format, ...) const {
    char text[256];
    va_list args;
    va_start(args, format);
    std::vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return Status::error("ERR_PROGRAM_INVALID", "%s: %s", std::string(opcode_).c_str(), text);
  }

  Program& program_;
  DecodeMode mode_;
  bool inPrepare_ = false;
  std::string_view opcode_;  // of the instruction that is being verified
  ByteSet written_;          // by the list that is being verified, up to here
  std::unordered_map<int32_t, size_t> slotUses_;
};

}  // namespace

Status verifyProgram(Program* program, DecodeMode mode) {
  return Verifier(program, mode).verify();
}

}  // namespace stridenet
