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
  return variables_.bytes() + derived_.bytes();
}

Slot* State::slot(int number) {
  std::lock_guard<std::mutex> lock(slotsMutex_);
  return number >= 0 && number < static_cast<int>(slots_.size()) ? &slots_[number] : nullptr;
}

Status State::checkVariable(int number, const Slot& slot) const {
  if (!slot.derived) return Status::ok();
  return Status::error("ERR_INVALID_ARGUMENT", "Slot %d is derived: prepare lists write it, callers cannot.", number);
}

Status State::write(int number, const void* data, bool logical) {
  Slot& target = *slot(number);
  Status status = checkVariable(number, target);
  if (!status.isOk()) return status;
  std::lock_guard<std::mutex> lock(runMutex_);
  copyIn(data, logical, &target);
  target.released = target.inFile = false;
  version_++;
  return status;
}

Status State::writeFile(int number, const FileSource& source) {
  Slot& target = *slot(number);
  Status status = checkVariable(number, target);
  if (status.isOk() && target.dtype != DType::float32) {
    status = Status::error("ERR_DTYPE_MISMATCH", "Slot %d is not float32, as values in files are.", number);
  }
  if (!status.isOk()) return status;
  std::lock_guard<std::mutex> lock(runMutex_);
  target.released = false;
  target.inFile = true;
  target.source = source;
  version_++;
  return status;
}

void State::restore(int number, const void* data) {
  Slot& target = *slot(number);
  std::lock_guard<std::mutex> lock(runMutex_);
  copyIn(data, true, &target);
  target.released = false;
}

void State::releaseSources() {
  std::lock_guard<std::mutex> lock(runMutex_);
  std::lock_guard<std::mutex> listLock(slotsMutex_);
  for (Slot& slot : slots_) {
    if (slot.usedBySteps || slot.inFile) continue;
    discardPages(slot.memory, slot.bytes());
    slot.released = !slot.derived;
    slot.computedFrom = 0;
  }
}

void State::populateDerived(int threads) {
  std::lock_guard<std::mutex> lock(slotsMutex_);
  derived_.populate(threads);
}

Status State::load(const std::vector<Slot*>& slots, int threads) {
  std::vector<FileRead> reads;
  std::vector<Slot*> loaded;
  for (Slot* slot : slots) {
    if (!slot->inFile) continue;
    slot->inFile = false;  // a slot may be named twice
    reads.push_back({slot, slot->memory});
    loaded.push_back(slot);
  }
  Status status = readFiles(reads, threads);
  if (!status.isOk()) {
    for (Slot* slot : loaded) slot->inFile = true;
  }
  return status;
}

bool State::isReleased(int number) {
  Slot& target = *slot(number);
  std::lock_guard<std::mutex> lock(runMutex_);
  return target.released;
}

Status State::read(int number, void* data, bool logical) {
  Slot* source = slot(number);
  std::lock_guard<std::mutex> lock(runMutex_);
  Status status = load({source}, 1);
  if (status.isOk()) copyOut(*source, logical, data);
  return status;
}

}  // namespace stridenet
