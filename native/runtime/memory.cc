#include "native/runtime/memory.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace stridenet {

namespace {
// Above this a block is worth whole huge pages (2 MiB on x86-64 and arm64).
constexpr size_t kMapThreshold = size_t{4} << 20;
constexpr size_t kHugePage = size_t{2} << 20;
}  // namespace

void AlignedBuffer::swap(AlignedBuffer& other) {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapped_, other.mapped_);
}

void AlignedBuffer::release() {
  if (mapped_) {
    munmap(data_, size_);
  } else {
    std::free(data_);
  }
  data_ = nullptr;
  size_ = 0;
  mapped_ = false;
}

void AlignedBuffer::discard() {
#ifdef __linux__                      // elsewhere MADV_DONTNEED is a hint about access
  constexpr uintptr_t kPage = 65536;  // the largest there is
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(data_) + kPage - 1) / kPage * kPage;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(data_) + size_) / kPage * kPage;
  if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
#endif
}

Status AlignedBuffer::reserve(size_t bytes, const char* purpose) {
  if (bytes <= size_) return Status::ok();
  release();
  if (bytes >= kMapThreshold) {
    const size_t rounded = (bytes + kHugePage - 1) / kHugePage * kHugePage;
    void* block = rounded < bytes ? MAP_FAILED : mmap(nullptr, rounded, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block != MAP_FAILED) {
#ifdef MADV_HUGEPAGE
      madvise(block, rounded, MADV_HUGEPAGE);
#endif
      data_ = block;
      size_ = rounded;
      mapped_ = true;
    }
  } else if (posix_memalign(&data_, kAlignment, alignUp(bytes)) == 0) {
    size_ = alignUp(bytes);
    std::memset(data_, 0, size_);
  } else {
    data_ = nullptr;
  }
  if (data_ != nullptr) return Status::ok();
  return Status::error("ERR_OUT_OF_MEMORY", "%.1f MiB for %s could not be allocated. Use a smaller batch.",
                       static_cast<double>(bytes) / (1 << 20), purpose);
}

}  // namespace stridenet
