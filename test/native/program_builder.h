// Writes the words of a Program by hand, for tests of the decoder and the executor. Places every arena tensor after the last one.
#pragma once

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <vector>

#include "native/ops/packed_length.h"
#include "native/program/program.h"

namespace stridenet {

class ProgramBuilder {
 public:
  using Dims = std::vector<int32_t>;
  using Attrs = std::vector<int32_t>;

  int arena(const Dims& dims, DType dtype = DType::float32) {
    const int index = tensor(dtype, Space::arena, arenaLines_, dims);
    arenaLines_ += static_cast<int32_t>((bytesOf(dims, dtype) + kLineBytes - 1) / kLineBytes);
    return index;
  }
  int feed(const Dims& dims, DType dtype = DType::float32) { return tensor(dtype, Space::feed, feeds_++, dims); }
  int fetch(const Dims& dims, DType dtype = DType::float32) { return tensor(dtype, Space::fetch, fetches_++, dims); }
  int slot(int number, const Dims& dims, DType dtype = DType::float32) { return tensor(dtype, Space::state, number, dims); }
  int constant(const Dims& dims, const std::vector<float>& values) {
    const int index = tensor(DType::float32, Space::constant, static_cast<int32_t>(constants_.size()), dims);
    for (float value : values) constants_.push_back(bits(value));
    return index;
  }
  int tensor(DType dtype, Space space, int32_t offset, const Dims& dims) {
    tensors_.insert(tensors_.end(), {static_cast<int32_t>(dtype), static_cast<int32_t>(space), offset, static_cast<int32_t>(dims.size())});
    for (size_t i = 0; i < kMaxRank; i++) tensors_.push_back(i < dims.size() ? dims[i] : 1);
    tensors_.insert(tensors_.end(), {0, 0});
    return static_cast<int>(tensors_.size()) / kTensorWords - 1;
  }

  // Where an arena tensor lies, for another view of its memory.
  int32_t lineOf(int index) const { return tensors_[static_cast<size_t>(index) * kTensorWords + 2]; }

  void prepare(Opcode opcode, const std::vector<int32_t>& operands, const Attrs& attrs) {
    append(&prepare_, opcode, operands, attrs), prepares_++;
  }
  void step(Opcode opcode, const std::vector<int32_t>& operands, const Attrs& attrs) { append(&step_, opcode, operands, attrs), steps_++; }
  // An instruction of native/base/instructions.h whose attributes are named: step<Pad2d>({x, y}, {.pt = 3, .pl = 2}).
  template <typename Instruction>
  void prepare(const std::vector<int32_t>& operands, const typename Instruction::Attributes& attributes) {
    prepare(Instruction::kOpcode, operands, wordsOf<Instruction>(attributes));
  }
  template <typename Instruction>
  void step(const std::vector<int32_t>& operands, const typename Instruction::Attributes& attributes) {
    step(Instruction::kOpcode, operands, wordsOf<Instruction>(attributes));
  }

  std::vector<int32_t> words() const {
    std::vector<int32_t> result(kHeaderWords);
    for (const auto* part : {&tensors_, &prepare_, &step_, &constants_}) result.insert(result.end(), part->begin(), part->end());
    const int32_t header[] = {kProgramMagic,
                              static_cast<int32_t>(kOpsHash),
                              static_cast<int32_t>(result.size()),
                              arenaLines_,
                              static_cast<int32_t>(tensors_.size()) / kTensorWords,
                              prepares_,
                              steps_,
                              static_cast<int32_t>(constants_.size()),
                              feeds_,
                              fetches_};
    std::memcpy(result.data(), header, sizeof header);
    return result;
  }

  static int32_t bits(float value) {
    int32_t word;
    std::memcpy(&word, &value, sizeof word);
    return word;
  }

  // The extent of the packed buffer of `opcode` for a weight.
  static int32_t packedExtent(const KernelTable& kernels, Opcode opcode, const Dims& weight, const Attrs& attrs) {
    Call call;
    call.opcode = opcode;
    call.kernels = &kernels;
    call.attrs = attrs.data();
    call.operands[0].rank = static_cast<int>(weight.size());
    call.operands[0].count = 1;
    for (size_t i = 0; i < weight.size(); i++) call.operands[0].count *= call.operands[0].dims[i] = weight[i];
    return static_cast<int32_t>(packedLength(call));
  }
  static int32_t packedExtent(const KernelTable& kernels, const Dims& weight, const Conv2dPack::Attributes& attrs) {
    return packedExtent(kernels, Opcode::conv2d_pack, weight, wordsOf<Conv2dPack>(attrs));
  }

 private:
  template <typename Instruction>
  static Attrs wordsOf(const typename Instruction::Attributes& attributes) {
    constexpr size_t kCount = kOpSignatures[static_cast<int>(Instruction::kOpcode)].attrCount();
    static_assert(sizeof attributes == kCount * sizeof(int32_t));
    Attrs words(kCount);
    std::memcpy(words.data(), &attributes, sizeof attributes);
    return words;
  }
  static int64_t bytesOf(const Dims& dims, DType dtype) {
    int64_t bytes = static_cast<int64_t>(dtypeSize(dtype));
    for (int32_t extent : dims) bytes *= extent;
    return bytes;
  }
  static void append(std::vector<int32_t>* list, Opcode opcode, const std::vector<int32_t>& operands, const Attrs& attrs) {
    list->insert(list->end(), {static_cast<int32_t>(opcode), static_cast<int32_t>(operands.size()), static_cast<int32_t>(attrs.size())});
    list->insert(list->end(), operands.begin(), operands.end());
    list->insert(list->end(), attrs.begin(), attrs.end());
  }

  std::vector<int32_t> tensors_, prepare_, step_, constants_;
  int32_t arenaLines_ = 0, feeds_ = 0, fetches_ = 0, prepares_ = 0, steps_ = 0;
};

}  // namespace stridenet
