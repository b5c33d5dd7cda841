// From words to a Program: sizes, counts, the tensor table, the instruction lists. What an instruction may do is verify.cc.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <new>
#include <unordered_map>

#include "native/program/program.h"

namespace stridenet {

namespace {

enum HeaderWord { kMagic, kHash, kTotal, kArenaLines, kTensors, kPrepare, kStep, kConstants, kFeeds, kFetches, kFirstZero };

#define REFUSE(...) return Status::error("ERR_PROGRAM_INVALID", __VA_ARGS__)

class Decoder {
 public:
  Decoder(const int32_t* words, size_t count, DecodeMode mode, Program* program)
      : words_(words), count_(static_cast<int64_t>(count)), mode_(mode), program_(*program) {}

  Status decode() {
    Status status = readHeader();
    if (status.isOk()) status = readTensors();
    if (status.isOk()) status = readList(words_[kPrepare], "prepare", &program_.prepare);
    if (status.isOk()) status = readList(words_[kStep], "step", &program_.step);
    if (!status.isOk()) return status;
    if (count_ - at_ != words_[kConstants]) {
      REFUSE("The program has %lld words after its instructions but declares %d constant words.", static_cast<long long>(count_ - at_),
             words_[kConstants]);
    }
    if (mode_ != DecodeMode::execute || at_ == count_) return Status::ok();
    const size_t words = static_cast<size_t>(count_ - at_);
    program_.constants.reset(new (std::nothrow) int32_t[words]);
    if (program_.constants == nullptr) {
      return Status::error("ERR_OUT_OF_MEMORY", "%.1f MiB for the constants of a program could not be allocated.",
                           static_cast<double>(words * sizeof(int32_t)) / (1 << 20));
    }
    std::copy_n(words_ + at_, words, program_.constants.get());
    return Status::ok();
  }

 private:
  Status readHeader() {
    if (count_ < kHeaderWords) REFUSE("The program has %lld words; its header alone has %d.", static_cast<long long>(count_), kHeaderWords);
    if (words_[kMagic] != kProgramMagic) REFUSE("The program begins with 0x%x; 0x%x was expected.", words_[kMagic], kProgramMagic);
    if (static_cast<uint32_t>(words_[kHash]) != kOpsHash) {
      REFUSE(
          "The program was made for another instruction set (ops.def has hash %08x in TypeScript, %08x in the native binary): the build is "
          "stale. Rebuild with npm run build.",
          static_cast<uint32_t>(words_[kHash]), kOpsHash);
    }
    if (words_[kTotal] != count_) REFUSE("The program has %lld words but declares %d.", static_cast<long long>(count_), words_[kTotal]);
    for (int i = kArenaLines; i < kFirstZero; i++) {
      if (words_[i] < 0) REFUSE("Header word %d of the program is negative (%d).", i, words_[i]);
    }
    for (int i = kFirstZero; i < kHeaderWords; i++) {
      if (words_[i] != 0) REFUSE("Header word %d of the program must be zero but is %d.", i, words_[i]);
    }
    if (words_[kTensors] > (count_ - kHeaderWords) / kTensorWords) REFUSE("%d tensors do not fit into the program.", words_[kTensors]);
    if (words_[kFeeds] > words_[kTensors] || words_[kFetches] > words_[kTensors]) {
      REFUSE("The program declares %d feeds and %d fetches but only %d tensors.", words_[kFeeds], words_[kFetches], words_[kTensors]);
    }
    if (words_[kConstants] > count_) REFUSE("%d constant words do not fit into the program.", words_[kConstants]);
    program_.arenaLines = words_[kArenaLines];
    at_ = kHeaderWords;
    return Status::ok();
  }

  Status readTensors() {
    program_.feedTensors.assign(words_[kFeeds], -1);
    program_.fetchTensors.assign(words_[kFetches], -1);
    program_.tensors.resize(words_[kTensors]);
    for (int i = 0; i < words_[kTensors]; i++, at_ += kTensorWords) {
      Status status = readTensor(i, words_ + at_, &program_.tensors[i]);
      if (!status.isOk()) return status;
    }
    if (mode_ != DecodeMode::execute) return Status::ok();
    for (size_t i = 0; i < program_.feedTensors.size(); i++) {
      if (program_.feedTensors[i] < 0) REFUSE("No tensor describes feed %zu.", i);
    }
    for (size_t i = 0; i < program_.fetchTensors.size(); i++) {
      if (program_.fetchTensors[i] < 0) REFUSE("No tensor describes fetch %zu.", i);
    }
    return Status::ok();
  }

  Status readTensor(int index, const int32_t* entry, Tensor* tensor) {
    const int32_t dtype = entry[0], space = entry[1], offset = entry[2], rank = entry[3];
    if (dtype < 0 || dtype >= kDTypeCount) REFUSE("Tensor %d has dtype %d.", index, dtype);
    if (space < 0 || space >= kSpaceCount) REFUSE("Tensor %d lies in space %d.", index, space);
    if (offset < 0) REFUSE("Tensor %d has offset %d.", index, offset);
    if (rank < 0 || rank > kMaxRank) REFUSE("Tensor %d has rank %d; the largest is %d.", index, rank, kMaxRank);
    if (entry[10] != 0 || entry[11] != 0) REFUSE("Tensor %d has reserved words that are not zero.", index);
    *tensor = {
        .dtype = static_cast<DType>(dtype),
        .space = static_cast<Space>(space),
        .offset = offset,
        .rank = rank,
        .dims = {},
        .count = 1,
    };
    for (int i = 0; i < kMaxRank; i++) {
      const int32_t extent = entry[4 + i];
      if (extent < 1 || (i >= rank && extent != 1)) REFUSE("Tensor %d has extent %d on axis %d of rank %d.", index, extent, i, rank);
      tensor->dims[i] = extent;
      if (tensor->count > kMaxTensorBytes / extent) REFUSE("Tensor %d is larger than 2^40 bytes.", index);
      tensor->count *= extent;
    }
    if (tensor->bytes() > kMaxTensorBytes) REFUSE("Tensor %d is larger than 2^40 bytes.", index);
    return placeTensor(index, *tensor);
  }

  // Checks the offset against what the header declares.
  Status placeTensor(int index, const Tensor& tensor) {
    const bool checked = mode_ == DecodeMode::execute;
    switch (tensor.space) {
      case Space::arena:
        if (checked && tensor.offset * kLineBytes + tensor.bytes() > program_.arenaLines * kLineBytes) {
          REFUSE("Tensor %d ends behind the arena of %lld lines.", index, static_cast<long long>(program_.arenaLines));
        }
        return Status::ok();
      case Space::constant:
        if (checked && tensor.offset * int64_t{4} + tensor.bytes() > words_[kConstants] * int64_t{4}) {
          REFUSE("Tensor %d ends behind the %d constant words.", index, words_[kConstants]);
        }
        return Status::ok();
      case Space::state:
        return noteSlot(index, tensor);
      case Space::feed:
        return noteExternal(index, tensor, "feed", &program_.feedTensors);
      case Space::fetch:
        if (tensor.bytes() > kMaxFetchBytes) REFUSE("Tensor %d is a fetch of more than 2^32 bytes.", index);
        return noteExternal(index, tensor, "fetch", &program_.fetchTensors);
    }
    return Status::ok();
  }

  // All tensors that name one feed, fetch or slot must have equally many bytes; their shapes may differ.
  Status noteExternal(int index, const Tensor& tensor, const char* kind, std::vector<int32_t>* table) {
    if (mode_ != DecodeMode::execute) return Status::ok();
    if (tensor.offset >= static_cast<int64_t>(table->size())) {
      REFUSE("Tensor %d is %s %d of %zu.", index, kind, tensor.offset, table->size());
    }
    int32_t& first = (*table)[tensor.offset];
    if (first < 0) first = index;
    const Tensor& known = program_.tensors[first];
    if (known.dtype != tensor.dtype || known.bytes() != tensor.bytes()) {
      REFUSE("Tensors %d and %d describe %s %d differently.", first, index, kind, tensor.offset);
    }
    return Status::ok();
  }

  Status noteSlot(int index, const Tensor& tensor) {
    const auto [known, isNew] = slotUses_.emplace(tensor.offset, program_.slots.size());
    if (isNew) {
      program_.slots.push_back({
          .slot = tensor.offset,
          .dtype = tensor.dtype,
          .bytes = tensor.bytes(),
          .derived = false,
          .updated = false,
      });
      return Status::ok();
    }
    const SlotUse& use = program_.slots[known->second];
    if (mode_ == DecodeMode::execute && (use.dtype != tensor.dtype || use.bytes != tensor.bytes())) {
      REFUSE("Tensor %d describes slot %d differently than one before.", index, tensor.offset);
    }
    return Status::ok();
  }

  Status readList(int32_t count, const char* name, std::vector<Instruction>* list) {
    if (count > (count_ - at_) / 3) REFUSE("%d %s instructions do not fit into the program.", count, name);
    list->resize(count);
    for (int i = 0; i < count; i++) {
      Status status = readInstruction(name, i, &(*list)[i]);
      if (!status.isOk()) return status;
    }
    return Status::ok();
  }

  Status readInstruction(const char* list, int index, Instruction* instruction) {
    if (count_ - at_ < 3) REFUSE("The program ends within %s instruction %d.", list, index);
    const int32_t opcode = words_[at_], operands = words_[at_ + 1], attrs = words_[at_ + 2];
    at_ += 3;
    if (opcode < 0 || opcode >= kOpcodeCount) REFUSE("The opcode of %s instruction %d is %d.", list, index, opcode);
    const OpSignature& signature = kOpSignatures[opcode];
    const std::string name(signature.name);
    if (operands != signature.operandCount() || attrs != signature.attrCount()) {
      REFUSE("%s instruction %d (%s) has %d operands and %d attributes; %d and %d were expected.", list, index, name.c_str(), operands,
             attrs, signature.operandCount(), signature.attrCount());
    }
    if (count_ - at_ < operands + attrs) REFUSE("The program ends within %s instruction %d (%s).", list, index, name.c_str());
    instruction->opcode = static_cast<Opcode>(opcode);
    instruction->op = &opFor(instruction->opcode);
    for (int i = 0; i < kMaxOperands; i++) {
      const int32_t tensor = i < operands ? words_[at_ + i] : -1;
      instruction->operands[i] = tensor;
      if (i >= operands) continue;
      if (tensor < -1 || tensor >= static_cast<int64_t>(program_.tensors.size())) {
        REFUSE("Operand %d of %s instruction %d (%s) is tensor %d of %zu.", i, list, index, name.c_str(), tensor, program_.tensors.size());
      }
      if (tensor < 0 && !signature.isOptional(i)) REFUSE("%s instruction %d (%s) lacks operand %d.", list, index, name.c_str(), i);
    }
    at_ += operands;
    instruction->attrs.assign(words_ + at_, words_ + at_ + attrs);
    at_ += attrs;
    return Status::ok();
  }

  const int32_t* words_;
  int64_t count_;
  DecodeMode mode_;
  Program& program_;
  int64_t at_ = 0;
  std::unordered_map<int32_t, size_t> slotUses_;  // slot -> position in Program::slots
};

constexpr bool operandsFit() {
  for (const OpSignature& signature : kOpSignatures) {
    if (signature.operandCount() > kMaxOperands) return false;
  }
  return true;
}
static_assert(operandsFit());

}  // namespace

Operand describeOperand(const Program& program, int32_t tensor) {
  Operand operand;
  if (tensor < 0) return operand;
  const Tensor& described = program.tensors[tensor];
  operand.dtype = described.dtype;
  operand.rank = described.rank;
  std::copy(described.dims, described.dims + kMaxRank, operand.dims);
  operand.count = described.count;
  return operand;
}

Call describeCall(const Program& program, const Instruction& instruction) {
  Call call;
  call.opcode = instruction.opcode;
  for (int i = 0; i < kMaxOperands; i++) call.operands[i] = describeOperand(program, instruction.operands[i]);
  call.attrs = instruction.attrs.data();
  call.kernels = program.kernels;
  call.shape = instruction.shape.get();
  return call;
}

Status decodeProgram(const int32_t* words, size_t count, const KernelTable& kernels, std::shared_ptr<const Program>* result,
                     DecodeMode mode) {
  static std::atomic<uint64_t> nextId{1};
  auto program = std::make_shared<Program>();
  program->id = nextId.fetch_add(1, std::memory_order_relaxed);
  program->kernels = &kernels;
  Status status = Decoder(words, count, mode, program.get()).decode();
  if (status.isOk() && mode != DecodeMode::outline) {
    status = verifyProgram(program.get(), mode);
    if (status.isOk()) findHazards(program.get());
  }
  if (!status.isOk()) return status;
  *result = std::move(program);
  return Status::ok();
}

}  // namespace stridenet
