// A Program: what one run computes and where in memory, as a flat list of 32-bit words made by lib/compile/encode.ts.
//
// Header (16 words)
//    0 magic 'SNP1' (0x31504e53)   1 ops hash (ops.h)        2 total words          3 arena size in 64-byte lines
//    4 tensor count                5 prepare count           6 step count           7 constant words
//    8 feed count                  9 fetch count            10..15 zero
// Tensors (12 words each)
//    0 dtype   1 space   2 offset   3 rank   4..9 extents (1 beyond the rank)   10, 11 zero
//    offset: arena - 64-byte lines; state - slot; feed, fetch - index; constant - word in the constant block.
//    A state tensor may be smaller than its slot only if it is the slot's whole extent in another shape (equal bytes).
// Instructions (prepare list, then step list)
//    opcode, operand count, attribute count, operands (tensor indices, -1 = absent; inputs then outputs), attributes
// Constants: raw words, read only.
//
// The prepare list runs before the step list when a state slot that it writes is older than the State's version.
// Two tensors may share arena memory: live ranges are the encoder's business, bounds and aliasing within an instruction are verified.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "native/ops/op.h"
#include "native/runtime/status.h"

namespace stridenet {

constexpr int32_t kProgramMagic = 0x31504e53;
constexpr int kHeaderWords = 16;
constexpr int kTensorWords = 12;
constexpr int64_t kLineBytes = 64;

struct Tensor {
  DType dtype;
  Space space;
  int32_t offset;
  int rank;
  int64_t dims[kMaxRank];
  int64_t count;
  int64_t bytes() const { return count * static_cast<int64_t>(dtypeSize(dtype)); }
};

struct Instruction {
  Opcode opcode;
  int32_t operands[kMaxOperands];  // tensor index or -1
  std::vector<int32_t> attrs;
  Plan plan;
  bool barrierBefore;  // depends on an instruction since the last barrier
};

struct Program {
  int64_t arenaLines = 0;
  std::vector<Tensor> tensors;
  std::vector<Instruction> prepare, step;
  std::vector<int32_t> constants;
  std::vector<int32_t> feedTensors, fetchTensors;  // feed or fetch index -> tensor index
  size_t sharedScratch = 0, threadScratch = 0;     // largest over the instructions
  double cost = 0;                                 // flops-equivalent of one step, decides between inline and pool
};

// Decodes and verifies. The Program that comes out can be executed against any State whose slots match; a malformed list of
// words is refused with ERR_PROGRAM_INVALID and a message naming the instruction.
Status decodeProgram(const int32_t* words, size_t count, const KernelTable& kernels, std::shared_ptr<const Program>* result);

}  // namespace stridenet
