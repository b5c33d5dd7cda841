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

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "native/base/status.h"
#include "native/program/op.h"

namespace stridenet {

constexpr int32_t kProgramMagic = 0x31504e53;
constexpr int kHeaderWords = 16;
constexpr int kTensorWords = 12;
constexpr int64_t kLineBytes = 64;

// The largest tensor. The limit keeps every product of extents and element sizes far from overflow.
constexpr int64_t kMaxTensorBytes = int64_t{1} << 40;
// The largest fetch, which must fit one ArrayBuffer.
constexpr int64_t kMaxFetchBytes = int64_t{1} << 32;

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
  const Op* op;
  int32_t operands[kMaxOperands];  // tensor index or -1
  std::vector<int32_t> attrs;
  Plan plan;
  std::unique_ptr<std::byte[]> shape;  // what Op::shape read, if the op has one
  bool barrierBefore = false;          // it depends on an instruction since the last barrier
  // thread t runs share t + rotation, so that several small instructions between two barriers use several threads
  int rotation = 0;
  // For the prepare list: positions of the instructions whose results this one reads, from the arena, and from slots,
  // which outlive the run.
  std::vector<int32_t> sources, slotSources;
};

// How a Program uses a slot of the State; checked when it is bound to one.
struct SlotUse {
  int32_t slot;
  DType dtype;
  int64_t bytes;
  bool derived;  // written by the prepare list
  bool updated;  // written by the step list
};

struct Program {
  uint64_t id = 0;  // never used twice in a process
  const KernelTable* kernels = nullptr;
  int64_t arenaLines = 0;
  std::vector<Tensor> tensors;
  std::vector<Instruction> prepare, step;
  std::unique_ptr<int32_t[]> constants;            // 32-bit words
  std::vector<int32_t> feedTensors, fetchTensors;  // feed or fetch index -> tensor index
  std::vector<SlotUse> slots;
  bool updatesState = false;
  size_t sharedScratch = 0, threadScratch = 0;  // the most that an instruction needs
  std::vector<double> secondsBefore{0};         // estimate for one thread, before each instruction of a step and at its end

  size_t arenaBytes() const { return static_cast<size_t>(arenaLines) * kLineBytes; }
};

enum class DecodeMode {
  execute,  // everything is verified
  query,    // for costs: offsets mean nothing, so bounds, aliasing and order of writes are not looked at
  outline,  // for what is not decided yet: instructions are not verified either
};

// Decodes and, but for an outline, verifies. The Program that comes out can be executed against any State whose slots match; a malformed
// list of words is refused with ERR_PROGRAM_INVALID and a message naming the instruction.
Status decodeProgram(const int32_t* words, size_t count, const KernelTable& kernels, std::shared_ptr<const Program>* result,
                     DecodeMode mode = DecodeMode::execute);

// One operand as an Op sees it, without data.
Operand describeOperand(const Program& program, int32_t tensor);
// An instruction as an Op sees it, without data.
Call describeCall(const Program& program, const Instruction& instruction);

// The estimate of one instruction's seconds on one thread, a roofline with typical constants of the instruction set. Choices made
// by it must be the same for any number of threads, since other choices give other bits.
double estimateSeconds(const Plan& plan, const KernelTable& kernels);

// The parts of decodeProgram, in this order.

// Operands, spaces, aliasing, order of writes; then Op::verify and Op::plan, whose answer is stored.
Status verifyProgram(Program* program, DecodeMode mode);
// Fills in barrierBefore, rotation and both lists of sources of a verified program.
void findHazards(Program* program);

}  // namespace stridenet
