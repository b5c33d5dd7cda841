#include "native/runtime/prepare.h"

#include <algorithm>
#include <map>

namespace stridenet {

namespace {

bool isStale(const std::vector<Slot*>& slots, uint64_t version) {
  return std::any_of(slots.begin(), slots.end(), [version](const Slot* slot) { return slot->computedFrom != version; });
}

}  // namespace

void Preparation::bind(const Program& program, State& state, std::vector<Call>& calls) {
  program_ = &program;
  entries_.resize(program.prepare.size());
  needed_.resize(program.prepare.size());
  for (size_t i = 0; i < entries_.size(); i++) {
    const Instruction& instruction = program.prepare[i];
    const OpSignature& signature = kOpSignatures[static_cast<int>(instruction.opcode)];
    for (int k = 0; k < signature.operandCount(); k++) {
      if (instruction.operands[k] < 0) continue;
      const Tensor& tensor = program.tensors[instruction.operands[k]];
      if (tensor.space != Space::state) continue;
      Slot* slot = state.slot(tensor.offset);
      if (k < signature.inputCount()) {
        entries_[i].inputs.push_back({slot, &calls[i].operands[k].data, 0});
      } else {
        entries_[i].outputs.push_back(slot);
      }
    }
  }
  cutIntoParts();
}

void Preparation::cutIntoParts() {
  constexpr size_t kPartBytes = size_t{8} << 20;
  std::map<const Slot*, size_t> offsets;  // where the values that the part reads lie in staging memory
  size_t bytes = 0;
  for (size_t i = 0; i < entries_.size(); i++) {
    const auto place = [&] {
      for (Input& input : entries_[i].inputs) {
        const auto [entry, isNew] = offsets.try_emplace(input.slot, bytes);
        input.stagingOffset = entry->second;
        if (isNew) bytes += alignUp(input.slot->bytes());
      }
    };
    const size_t before = bytes;
    place();
    if (before > 0 && bytes > kPartBytes) {
      parts_.push_back(i);
      stagingBytes_ = std::max(stagingBytes_, before);
      offsets.clear();
      bytes = 0;
      place();
    }
  }
  if (!entries_.empty()) parts_.push_back(entries_.size());
  stagingBytes_ = std::max(stagingBytes_, bytes);
}

bool Preparation::findNeeded(uint64_t version) {
  bool any = false;
  std::fill(needed_.begin(), needed_.end(), 0);
  for (size_t i = entries_.size(); i-- > 0;) {
    for (const Slot* slot : entries_[i].outputs) needed_[i] |= slot->usedBySteps && slot->computedFrom != version;
    if (!needed_[i]) continue;
    any = true;
    for (int32_t source : program_->prepare[i].sources) needed_[source] = 1;
    for (int32_t source : program_->prepare[i].slotSources) needed_[source] |= isStale(entries_[source].outputs, version);
  }
  return any;
}

PreparePass::PreparePass(Preparation& preparation, State& state, int threads)
    : preparation_(preparation), state_(state), threads_(threads) {
  if (readsReleased()) {
    status_ = Status::error("ERR_PROGRAM_INVALID", "The program prepares from a variable that was released and not restored.");
  } else {
    state.populateDerived(threads);
  }
}

bool PreparePass::readsReleased() const {
  for (size_t i = 0; i < preparation_.entries_.size(); i++) {
    if (!preparation_.needed_[i]) continue;
    for (const Preparation::Input& input : preparation_.entries_[i].inputs) {
      if (input.slot->released) return true;
    }
  }
  return false;
}

bool PreparePass::next(size_t* begin, size_t* end) {
  const auto needed = preparation_.needed_.begin();
  while (status_.isOk() && part_ < preparation_.parts_.size()) {
    *begin = part_ == 0 ? 0 : preparation_.parts_[part_ - 1];
    *end = preparation_.parts_[part_++];
    if (std::none_of(needed + *begin, needed + *end, [](uint8_t is) { return is != 0; })) continue;
    status_ = readInputs(*begin, *end);
    return status_.isOk();
  }
  return false;
}

// Sets the pointers of all inputs of the needed instructions between `begin` and `end`. Values outside of memory are
// made first: in their slots, or in staging memory where they are to stay outside.
Status PreparePass::readInputs(size_t begin, size_t end) {
  std::vector<Slot*> loads;
  std::map<const Slot*, void*> staged;
  for (size_t i = begin; i < end; i++) {
    if (!preparation_.needed_[i]) continue;
    for (const Preparation::Input& input : preparation_.entries_[i].inputs) {
      *input.pointer = input.slot->memory;
      if (!input.slot->outside) continue;
      if (!state_.leavesOutside()) {
        loads.push_back(input.slot);
        continue;
      }
      if (staging_.size() == 0) {
        Status status = staging_.reserve(preparation_.stagingBytes_, "weights that are about to be packed");
        if (!status.isOk()) return status;
        staging_.populate(threads_);
      }
      *input.pointer = staged[input.slot] = staging_.at(input.stagingOffset);
    }
  }
  Status status = state_.load(loads, threads_);
  if (!status.isOk()) return status;
  return makeValues({staged.begin(), staged.end()}, threads_);
}

Status PreparePass::finish() {
  if (!status_.isOk()) return status_;
  for (size_t i = 0; i < preparation_.entries_.size(); i++) {
    if (!preparation_.needed_[i]) continue;
    for (Slot* slot : preparation_.entries_[i].outputs) slot->computedFrom = state_.version();
  }
  return status_;
}

}  // namespace stridenet
