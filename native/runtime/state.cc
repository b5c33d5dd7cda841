#include "native/runtime/state.h"

#include <algorithm>
#include <cstring>

namespace stridenet {

namespace {

// dst[j][i] = src[i][j] for every one of `batch` matrices of `rows` x `columns`, in blocks that fit the first-level cache.
template <typename Element>
void transposeEach(const Element* src, Element* dst, int64_t batch, int64_t rows, int64_t columns) {
  constexpr int64_t kBlock = 32;
  for (int64_t b = 0; b < batch; b++, src += rows * columns, dst += rows * columns) {
    for (int64_t i0 = 0; i0 < rows; i0 += kBlock) {
      const int64_t i1 = std::min(rows, i0 + kBlock);
      for (int64_t j0 = 0; j0 < columns; j0 += kBlock) {
        const int64_t j1 = std::min(columns, j0 + kBlock);
        for (int64_t j = j0; j < j1; j++) {
          for (int64_t i = i0; i < i1; i++) dst[j * rows + i] = src[i * columns + j];
        }
      }
    }
  }
}

void transposeEach(DType dtype, const void* src, void* dst, int64_t batch, int64_t rows, int64_t columns) {
  if (dtypeSize(dtype) == 1) {
    transposeEach(static_cast<const uint8_t*>(src), static_cast<uint8_t*>(dst), batch, rows, columns);
  } else {
    transposeEach(static_cast<const uint32_t*>(src), static_cast<uint32_t*>(dst), batch, rows, columns);
  }
}

}  // namespace

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

Status State::write(int number, const void* data, bool logical) {
  Slot& target = *slot(number);
  if (target.derived) {
    return Status::error("ERR_INVALID_ARGUMENT", "Slot %d is derived: prepare lists write it, callers cannot.", number);
  }
  std::lock_guard<std::mutex> lock(runMutex_);
  copyIn(target, data, logical);
  version_++;
  return Status::ok();
}

void State::restore(int number, const void* data) {
  std::lock_guard<std::mutex> lock(runMutex_);
  copyIn(*slot(number), data, true);
}

void State::copyIn(Slot& target, const void* data, bool logical) {
  if (logical && target.rank == 4) {  // [n, c, h, w] outside is [n][c][hw], inside [n][hw][c]
    transposeEach(target.dtype, data, target.memory, target.dims[0], target.dims[3], target.dims[1] * target.dims[2]);
  } else {
    std::memcpy(target.memory, data, target.bytes());
  }
  target.released = false;
}

void State::releaseSources() {
  std::lock_guard<std::mutex> lock(runMutex_);
  std::lock_guard<std::mutex> listLock(slotsMutex_);
  for (Slot& slot : slots_) {
    if (slot.usedBySteps) continue;
    discardPages(slot.memory, slot.bytes());
    slot.released = !slot.derived;
    slot.computedFrom = 0;
  }
}

bool State::isReleased(int number) {
  Slot& target = *slot(number);
  std::lock_guard<std::mutex> lock(runMutex_);
  return target.released;
}

void State::read(int number, void* data, bool logical) {
  Slot& source = *slot(number);
  std::lock_guard<std::mutex> lock(runMutex_);
  if (logical && source.rank == 4) {
    transposeEach(source.dtype, source.memory, data, source.dims[0], source.dims[1] * source.dims[2], source.dims[3]);
  } else {
    std::memcpy(data, source.memory, source.bytes());
  }
}

}  // namespace stridenet
