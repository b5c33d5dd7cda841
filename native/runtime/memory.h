// Aligned memory whose absence is a Status and not a crash. Holds bytes; knows nothing of tensors.
#pragma once

#include <cstddef>

#include "native/runtime/status.h"

namespace stridenet {

constexpr size_t kAlignment = 64;

constexpr size_t alignUp(size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// A block of 64-byte aligned memory that grows and never shrinks. Large blocks come from mmap on huge pages.
class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  ~AlignedBuffer() { release(); }
  AlignedBuffer(AlignedBuffer&& other) noexcept { swap(other); }
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    swap(other);
    return *this;
  }
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;

  // At least `bytes` bytes of zeros, or what is there if that is enough; what was there is lost when it grows.
  // ERR_OUT_OF_MEMORY names `purpose` and leaves the buffer empty.
  Status reserve(size_t bytes, const char* purpose);
  void release();
  // Gives the memory back to the system, where it can; the addresses stay valid and what they hold is lost.
  void discard();

  void* data() const { return data_; }
  char* at(size_t offset) const { return static_cast<char*>(data_) + offset; }
  size_t size() const { return size_; }

 private:
  void swap(AlignedBuffer& other);

  void* data_ = nullptr;
  size_t size_ = 0;
  bool mapped_ = false;
};

}  // namespace stridenet
