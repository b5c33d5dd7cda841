// What an operation is to a program and to the executor: how to check an instruction, what it will cost, and how to run one thread's
// share. The operations themselves are native/ops, one Op per opcode. They know neither N-API nor intrinsics: they cut the problem into
// tiles and call the KernelTable of the chosen instruction set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <type_traits>

#include "native/base/status.h"
#include "native/kernels/kernel_table.h"
#include "native/program/ops.h"
#include "native/program/worker.h"

namespace stridenet {

constexpr int kMaxRank = 6;

// One operand of an instruction. Extents are physical. `data` is null while planning.
struct Operand {
  DType dtype = DType::float32;
  int rank = 0;
  int64_t dims[kMaxRank] = {1, 1, 1, 1, 1, 1};
  int64_t count = 0;  // product of dims[0..rank)
  void* data = nullptr;

  bool present() const { return count > 0; }
  size_t bytes() const { return static_cast<size_t>(count) * dtypeSize(dtype); }
  float* f32() const { return static_cast<float*>(data); }
  int32_t* i32() const { return static_cast<int32_t*>(data); }
  uint8_t* u8() const { return static_cast<uint8_t*>(data); }
};

// An instruction bound to its operands. Absent optional operands have present() == false.
struct Call {
  Opcode opcode;
  Operand operands[kMaxOperands];  // inputs first, then outputs, as in ops.def
  const int32_t* attrs = nullptr;
  const KernelTable* kernels = nullptr;
  const void* shape = nullptr;  // what Op::shape read, if the op has one

  template <typename Shape>
  const Shape& shapeAs() const {
    return *static_cast<const Shape*>(shape);
  }

  // The attribute words of an instruction of native/base/instructions.h.
  template <typename Instruction>
  auto attributes() const {
    typename Instruction::Attributes result;
    constexpr OpSignature kSignature = kOpSignatures[static_cast<int>(Instruction::kOpcode)];
    static_assert(sizeof(result) == sizeof(int32_t) * kSignature.attrCount());
    std::memcpy(static_cast<void*>(&result), attrs, sizeof(result));
    return result;
  }
};

// The answer to the cost query: a pure function of shapes, attributes and the kernel table, never of the thread count.
struct Plan {
  int phases = 1;            // the executor puts a barrier between phases
  size_t sharedScratch = 0;  // bytes, one block seen by all threads during the instruction
  size_t threadScratch = 0;  // bytes, one block for each thread
  WorkNumbers work = {};     // what the algorithm really does, lane waste included
  double bytes = 0;          // bytes read and written, each operand once

  void add(Work kind, double amount) { work[kind] += amount; }
  void add(const WorkNumbers& more) {
    for (int i = 0; i < kWorkKinds; ++i) work.of[i] += more.of[i];
  }
};

// How an op reads the extents and attributes of an instruction into a struct of its own. That happens once, when the instruction is
// verified; the struct is kept beside the instruction, where verify, plan and every run find it as Call::shapeAs.
struct ShapeReader {
  size_t bytes = 0;  // 0: the op has no such struct
  Status (*read)(const Call&, void* shape) = nullptr;
};

// The reader that calls `kRead`, which refuses an instruction whose extents and attributes are not possible.
template <typename Shape, Status (*kRead)(const Call&, Shape*)>
constexpr ShapeReader shapeReader() {
  static_assert(std::is_trivially_copyable_v<Shape>, "a shape is numbers, and nothing destroys it");
  return {sizeof(Shape), [](const Call& call, void* shape) { return kRead(call, new (shape) Shape{}); }};
}

struct Op {
  Status (*verify)(const Call&);  // operand ranks, extents and dtypes agree with each other and with the attributes
  Plan (*plan)(const Call&);      // called after verify
  void (*run)(const Call&, const Worker&);
  ShapeReader shape = {};
};

// Entries are complete: every opcode has one. Defined above this layer, in native/ops/op_table.cc.
const Op& opFor(Opcode opcode);

}  // namespace stridenet
