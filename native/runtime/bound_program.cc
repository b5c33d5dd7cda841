#include "native/runtime/bound_program.h"

namespace stridenet {

Status Workspace::reserve(const Program& program, int threads) {
  const auto grow = [=](AlignedBuffer* buffer, size_t bytes, const char* purpose) {
    if (bytes <= buffer->size()) return Status::ok();
    Status status = buffer->reserve(bytes, purpose);
    if (status.isOk()) buffer->populate(threads);
    return status;
  };
  Status status = grow(&arena, program.arenaBytes(), "the intermediate values of a program");
  if (status.isOk()) status = grow(&sharedScratch, program.sharedScratch, "the scratch memory of a program");
  if (status.isOk()) status = grow(&threadScratch, scratchStride(program) * threads, "the scratch memory of a program's threads");
  // All zero: no run has number 0, so a share that was never written is never taken.
  if (status.isOk()) status = grow(&shares, sharesFor(program, threads), "the shares of a program's threads in its instructions");
  return status;
}

size_t Workspace::bytesFor(const Program& program, int threads) {
  return program.arenaBytes() + program.sharedScratch + scratchStride(program) * threads + sharesFor(program, threads);
}

size_t Workspace::sharesFor(const Program& program, int threads) {
  return program.step.size() * static_cast<size_t>(threads) * sizeof(TaskShare);
}

Status BoundProgram::bind(std::weak_ptr<const Program> owner, const Program& program, State& state, std::unique_ptr<BoundProgram>* result) {
  for (const SlotUse& use : program.slots) {
    Slot* slot = state.slot(use.slot);
    if (slot == nullptr) {
      return Status::error("ERR_PROGRAM_INVALID", "The program uses slot %d but its State has only %d.", use.slot, state.slotCount());
    }
    if (slot->dtype != use.dtype || static_cast<int64_t>(slot->bytes()) != use.bytes) {
      return Status::error("ERR_PROGRAM_INVALID", "The program takes slot %d to have %lld bytes of dtype %d but it has %zu of dtype %d.",
                           use.slot, static_cast<long long>(use.bytes), static_cast<int>(use.dtype), slot->bytes(),
                           static_cast<int>(slot->dtype));
    }
    if (slot->derived != use.derived) {
      return Status::error("ERR_PROGRAM_INVALID", "Slot %d is %s but the program's prepare list %s it.", use.slot,
                           slot->derived ? "derived" : "a variable", slot->derived ? "does not write" : "writes");
    }
    state.takeDerived(slot);
  }
  result->reset(new BoundProgram(std::move(owner), program, state));
  return Status::ok();
}

BoundProgram::BoundProgram(std::weak_ptr<const Program> owner, const Program& program, State& state)
    : program(program),
      owner(std::move(owner)),
      seconds(program.prepare.size() + program.step.size()),
      feedPointers_(program.feedTensors.size()),
      fetchPointers_(program.fetchTensors.size()) {
  bindList(program.prepare, state, &prepare);
  bindList(program.step, state, &step);
  preparation.bind(program, state, prepare);
  for (const Instruction& instruction : program.step) {
    for (int i = 0; i < kMaxOperands; i++) {
      if (instruction.operands[i] < 0) continue;
      const Tensor& tensor = program.tensors[instruction.operands[i]];
      if (tensor.space == Space::state) stepSlots.push_back(state.slot(tensor.offset));
    }
  }
}

void BoundProgram::bindList(const std::vector<Instruction>& list, State& state, std::vector<Call>* calls) {
  calls->reserve(list.size());  // it must not move, since pointers into it are kept
  for (const Instruction& instruction : list) {
    Call& call = calls->emplace_back(describeCall(program, instruction));
    for (int i = 0; i < kMaxOperands; i++) {
      if (instruction.operands[i] < 0) continue;
      const Tensor& tensor = program.tensors[instruction.operands[i]];
      void** pointer = &call.operands[i].data;
      switch (tensor.space) {
        case Space::arena:
          arenaPointers_.push_back({pointer, tensor.offset * kLineBytes});
          break;
        case Space::state:
          *pointer = state.slot(tensor.offset)->memory;
          break;
        case Space::constant:  // verify.cc refuses programs that write to constants
          *pointer = program.constants.get() + tensor.offset;
          break;
        case Space::feed:
          feedPointers_[tensor.offset].push_back(pointer);
          break;
        case Space::fetch:
          fetchPointers_[tensor.offset].push_back(pointer);
          break;
      }
    }
  }
}

void BoundProgram::setArena(char* arena) {
  arena_ = arena;
  for (const ArenaPointer& entry : arenaPointers_) *entry.pointer = arena + entry.offset;
}

void BoundProgram::setFeed(size_t index, const void* data) {
  for (void** pointer : feedPointers_[index]) *pointer = const_cast<void*>(data);
}

void BoundProgram::setFetch(size_t index, void* data) {
  for (void** pointer : fetchPointers_[index]) *pointer = data;
}

}  // namespace stridenet
