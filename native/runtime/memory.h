// Aligned memory. Running out of it is a Status and not a crash. It holds bytes and knows nothing of tensors.
#pragma once

#include <cstddef>
#include <vector>

#include "native/base/status.h"

namespace stridenet {

constexpr size_t kAlignment = 64;

constexpr size_t alignUp(size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

// Gives whole pages between the addresses back to the system, where it can; the addresses stay valid and what they hold is lost.
void discardPages(void* data, size_t bytes);

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

  // Makes room for `bytes` bytes. When the block has to grow, what it held is lost and all of it is zero.
  // ERR_OUT_OF_MEMORY names `purpose` and leaves the buffer empty.
  Status reserve(size_t bytes, const char* purpose);
  void release();
  // Gives a large block its pages in advance (pages.h); all of it should be about to be written.
  void populate(int threads);

  void* data() const { return data_; }
  char* at(size_t offset) const { return static_cast<char*>(data_) + offset; }
  size_t size() const { return size_; }

 private:
  void swap(AlignedBuffer& other);

  void* data_ = nullptr;
  size_t size_ = 0;
  bool mapped_ = false;
};

// Hands out blocks that live as long as the pool. They lie side by side in few large mappings, so that the system
// clears a page when it is first written and not before.
class BlockPool {
 public:
  // Hands out `bytes` bytes of zeros. ERR_OUT_OF_MEMORY names `purpose`.
  Status take(size_t bytes, const char* purpose, void** block);
  // To be called before the first block is taken: all blocks together will have at least so many bytes, whose pages are
  // made in the background from now on (pages.h).
  void expect(size_t bytes);
  // Gives their pages to the blocks that were handed out since the last call (pages.h); all of them should be about to
  // be written.
  void populate(int threads);
  // Bytes of the blocks handed out.
  size_t bytes() const { return bytes_; }

 private:
  struct Mapping {
    AlignedBuffer memory;
    size_t used = 0, populated = 0, ahead = 0;  // bytes from its begin on; ahead: those that are expected to be used
    size_t left() const { return memory.size() - used; }
  };
  std::vector<Mapping> mappings_;
  size_t bytes_ = 0;
};

}  // namespace stridenet
