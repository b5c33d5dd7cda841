#include "native/runtime/state.h"

namespace stridenet {

Status State::addSlot(DType dtype, int rank, const int64_t* dims, bool derived, int* number) {
  Slot slot;
  slot.dtype = dtype;
  slot.rank = rank;
  slot.count = 1;
  for (int i = 0; i < kMaxRank; i++) {
    slot.dims[i] = i < rank ? dims[i] : 1;
    slot.count *= slot.dims[i];
  }
  slot.derived = derived;
  std::lock_guard<std::mutex> lock(slotsMutex_);
  Status status = (derived ? derived_ : variables_).take(slot.bytes(), "a variable", &slot.memory);
  if (!status.isOk()) return status;
  *number = static_cast<int>(slots_.size());
  slots_.push_back(slot);
  return Status::ok();
}

int State::slotCount() const {
  std::lock_guard<std::mutex> lock(slotsMutex_);
  return static_cast<int>(slots_.size());
}

size_t State::bytes() const {
  std::lock_guard<std::mutex> lock(slotsMutex_);
  return variables_.bytes() + derived_.bytes() - droppedBytes_;
}

Slot* State::slot(int number) {
  std::lock_guard<std::mutex> lock(slotsMutex_);
  return number >= 0 && number < static_cast<int>(slots_.size()) ? &slots_[number] : nullptr;
}

Status State::checkVariable(int number, const Slot& slot) const {
  if (!slot.derived) return Status::ok();
  return Status::error("ERR_INVALID_ARGUMENT", "Slot %d is derived: prepare lists write it, callers cannot.", number);
}

Status State::checkPart(int number, const Slot& slot, bool logical, int64_t first, int64_t* elements) {
  if (*elements == kRest) *elements = slot.count - first;
  const int64_t count = *elements;
  if (isCopyable(slot, logical, first, count)) return Status::ok();
  return Status::error("ERR_SHAPE_MISMATCH", "Slot %d of %lld elements has no part of %lld from element %lld on that can be copied.",
                       number, static_cast<long long>(slot.count), static_cast<long long>(count), static_cast<long long>(first));
}

Status State::write(int number, const void* data, bool logical, int64_t first, int64_t count) {
  Slot& target = *slot(number);
  Status status = checkVariable(number, target);
  if (status.isOk()) status = checkPart(number, target, logical, first, &count);
  if (!status.isOk()) return status;
  std::lock_guard<std::mutex> lock(runMutex_);
  copyIn(data, logical, first, count, &target);
  target.released = target.outside = target.blank = false;
  version_++;
  return status;
}

Status State::writeSource(int number, const Source& source) {
  Slot& target = *slot(number);
  Status status = checkVariable(number, target);
  if (status.isOk() && target.dtype != DType::float32) {
    status = Status::error("ERR_DTYPE_MISMATCH", "Slot %d is not float32, as what sources give.", number);
  }
  if (!status.isOk()) return status;
  std::lock_guard<std::mutex> lock(runMutex_);
  const bool isThere = target.blank && source.kind == Source::Kind::constant && source.first == 0;
  target.released = false;
  target.outside = !isThere || leavesOutside();
  target.source = source;
  version_++;
  return status;
}

Status State::restore(int number, const void* data, int64_t first, int64_t count) {
  Slot& target = *slot(number);
  Status status = checkPart(number, target, true, first, &count);
  if (!status.isOk()) return status;
  std::lock_guard<std::mutex> lock(runMutex_);
  copyIn(data, true, first, count, &target);
  target.released = first + count < target.count;
  return status;
}

void State::releaseSources() {
  std::lock_guard<std::mutex> lock(runMutex_);
  std::lock_guard<std::mutex> listLock(slotsMutex_);
  for (Slot& slot : slots_) {
    if (slot.usedBySteps || slot.outside) continue;
    discardPages(slot.memory, slot.bytes());
    slot.released = !slot.derived;
    slot.computedFrom = 0;
  }
}

Status State::dropDerived(int number) {
  Slot& target = *slot(number);
  if (!target.derived) return Status::error("ERR_INVALID_ARGUMENT", "Slot %d is a variable: it stays.", number);
  if (target.dropped) return Status::ok();
  discardPages(target.memory, target.bytes());
  target.computedFrom = 0;
  target.usedBySteps = false;
  target.dropped = true;
  droppedBytes_ += target.bytes();
  return Status::ok();
}

void State::takeDerived(Slot* slot) {
  if (!slot->dropped) return;
  slot->dropped = false;
  droppedBytes_ -= slot->bytes();
}

void State::populateDerived(int threads) {
  std::lock_guard<std::mutex> lock(slotsMutex_);
  derived_.populate(threads);
}

Status State::load(const std::vector<Slot*>& slots, int threads) {
  std::vector<Making> values;
  std::vector<Slot*> loaded;
  for (Slot* slot : slots) {
    slot->blank = false;  // a step may write it
    if (!slot->outside) continue;
    slot->outside = false;  // set at once, since the list may name a slot twice
    values.push_back({slot, slot->memory});
    loaded.push_back(slot);
  }
  Status status = makeValues(values, threads);
  if (!status.isOk()) {
    for (Slot* slot : loaded) slot->outside = true;
  }
  return status;
}

bool State::isReleased(int number) {
  Slot& target = *slot(number);
  std::lock_guard<std::mutex> lock(runMutex_);
  return target.released;
}

Status State::read(int number, void* data, bool logical, int64_t first, int64_t count) {
  Slot* source = slot(number);
  Status status = checkPart(number, *source, logical, first, &count);
  if (!status.isOk()) return status;
  std::lock_guard<std::mutex> lock(runMutex_);
  status = load({source}, 1);
  if (status.isOk()) copyOut(*source, logical, first, count, data);
  return status;
}

Status State::readAll(const std::vector<int>& numbers, const std::vector<void*>& data) {
  std::vector<Slot*> sources;
  for (int number : numbers) sources.push_back(slot(number));
  std::lock_guard<std::mutex> lock(runMutex_);
  Status status = load(sources, 1);
  for (size_t i = 0; status.isOk() && i < sources.size(); i++) copyOut(*sources[i], true, 0, sources[i]->count, data[i]);
  return status;
}

}  // namespace stridenet
