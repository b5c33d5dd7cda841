// Where threads must wait for each other. Instructions between two barriers run at the same time on different threads, so they form
// a group in which nobody touches what another one writes, and at most one uses the shared scratch block.
#include "native/program/memory_range.h"

namespace stridenet {

namespace {

struct Accesses {
  std::vector<MemoryRange> reads, writes;
};

Accesses accessesOf(const Program& program, const Instruction& instruction) {
  const OpSignature& signature = kOpSignatures[static_cast<int>(instruction.opcode)];
  Accesses result;
  for (int i = 0; i < signature.operandCount(); i++) {
    if (instruction.operands[i] < 0) continue;
    const MemoryRange range = rangeOf(program.tensors[instruction.operands[i]]);
    const bool isOutput = i >= signature.inputCount();
    if (isOutput) result.writes.push_back(range);
    if (!isOutput || signature.isUpdated(i)) result.reads.push_back(range);
  }
  return result;
}

// The instructions since the last barrier.
struct Group {
  ByteSet reads, writes;
  bool usesSharedScratch = false;
  int size = 0;

  bool conflictsWith(const Accesses& accesses, const Plan& plan) const {
    if (usesSharedScratch && plan.sharedScratch > 0) return true;
    for (const MemoryRange& range : accesses.reads) {
      if (writes.intersects(range)) return true;
    }
    for (const MemoryRange& range : accesses.writes) {
      if (writes.intersects(range) || reads.intersects(range)) return true;
    }
    return false;
  }
  void add(const Accesses& accesses, const Plan& plan) {
    for (const MemoryRange& range : accesses.reads) reads.add(range);
    for (const MemoryRange& range : accesses.writes) writes.add(range);
    usesSharedScratch |= plan.sharedScratch > 0;
    size++;
  }
};

void placeBarriers(const Program& program, std::vector<Instruction>* list) {
  Group group;
  for (Instruction& instruction : *list) {
    const Accesses accesses = accessesOf(program, instruction);
    instruction.barrierBefore = group.conflictsWith(accesses, instruction.plan);
    // An instruction of several phases has barriers inside, which also separate what comes before it from what follows.
    if (instruction.barrierBefore || instruction.plan.phases > 1) group = {};
    instruction.rotation = group.size;
    group.add(accesses, instruction.plan);
  }
}

void findSources(Program* program) {
  std::vector<Accesses> accesses;
  for (size_t i = 0; i < program->prepare.size(); i++) {
    accesses.push_back(accessesOf(*program, program->prepare[i]));
    for (const MemoryRange& read : accesses[i].reads) {
      Instruction& reader = program->prepare[i];
      auto& sources = read.region == static_cast<int64_t>(Space::arena) ? reader.sources : reader.slotSources;
      for (size_t j = 0; j < i; j++) {
        for (const MemoryRange& write : accesses[j].writes) {
          if (write.overlaps(read)) sources.push_back(static_cast<int32_t>(j));
        }
      }
    }
  }
}

}  // namespace

void findHazards(Program* program) {
  placeBarriers(*program, &program->prepare);
  placeBarriers(*program, &program->step);
  findSources(program);
}

}  // namespace stridenet
