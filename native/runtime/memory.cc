#include "native/runtime/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "native/runtime/pages.h"

namespace stridenet {

namespace {
// Larger blocks are mapped on whole huge pages.
constexpr size_t kMapThreshold = size_t{4} << 20;
// The size of a BlockPool's first mapping; each further one is twice as large, up to kLastMapping. For AddressSanitizer
// every block is an allocation of its own, because it sees no borders within a mapping.
#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kFirstMapping = 0, kLastMapping = 0;
#else
constexpr size_t kFirstMapping = size_t{256} << 10, kLastMapping = size_t{64} << 20;
#endif

// Maps memory that begins on a huge page.
void* mapAligned(size_t bytes) {
  void* const block = mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (block == MAP_FAILED) return block;
  char* const begin = static_cast<char*>(block);
  const size_t before = kHugePage - 1 - (reinterpret_cast<uintptr_t>(block) + kHugePage - 1) % kHugePage;
  if (before > 0) munmap(begin, before);
  munmap(begin + before + bytes, kHugePage - before);
  return begin + before;
}

}  // namespace

void discardPages(void* data, size_t bytes) {
#ifdef __linux__  // elsewhere MADV_DONTNEED is a hint about access
  const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(data) + page - 1) / page * page;
  const uintptr_t end = (reinterpret_cast<uintptr_t>(data) + bytes) / page * page;
  if (begin >= end) return;
  forgetPages(reinterpret_cast<void*>(begin), end - begin);
  madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
#else
  (void)data;
  (void)bytes;
#endif
}

void AlignedBuffer::swap(AlignedBuffer& other) {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapped_, other.mapped_);
}

void AlignedBuffer::populate(int threads) {
  if (mapped_) populatePages(data_, size_, threads);
}

void AlignedBuffer::release() {
  if (mapped_) {
    forgetPages(data_, size_);
    munmap(data_, size_);
  } else {
    std::free(data_);
  }
  data_ = nullptr;
  size_ = 0;
  mapped_ = false;
}

Status AlignedBuffer::reserve(size_t bytes, const char* purpose) {
  if (bytes <= size_) return Status::ok();
  release();
  if (bytes >= kMapThreshold) {
    const size_t rounded = (bytes + kHugePage - 1) / kHugePage * kHugePage;
    void* block = rounded < bytes ? MAP_FAILED : mapAligned(rounded);
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

Status BlockPool::take(size_t bytes, const char* purpose, void** block) {
  const size_t size = alignUp(bytes);
  auto mapping = std::find_if(mappings_.begin(), mappings_.end(), [size](const Mapping& some) { return some.left() >= size; });
  if (mapping == mappings_.end()) {
    const size_t wanted = mappings_.empty() ? kFirstMapping : std::min(kLastMapping, 2 * mappings_.back().memory.size());
    Mapping made;
    Status status = made.memory.reserve(std::max(size, wanted), purpose);
    if (!status.isOk()) return status;
    mapping = mappings_.insert(mappings_.end(), std::move(made));
  }
  *block = mapping->memory.at(mapping->used);
  mapping->used += size;
  bytes_ += size;
  return Status::ok();
}

void BlockPool::expect(size_t bytes) {
  Mapping mapping;
  if (kLastMapping == 0 || bytes < kMapThreshold || !mapping.memory.reserve(bytes, "the expected").isOk()) return;
  mapping.ahead = bytes;
  populatePagesAhead(mapping.memory.data(), bytes);
  mappings_.push_back(std::move(mapping));
}

void BlockPool::populate(int threads) {
  for (Mapping& mapping : mappings_) {
    if (mapping.memory.size() >= kMapThreshold) {
      populatePages(mapping.memory.at(mapping.populated), mapping.used - mapping.populated, threads);
    }
    if (mapping.used < mapping.ahead) discardPages(mapping.memory.at(mapping.used), mapping.ahead - mapping.used);
    mapping.populated = mapping.used;
    mapping.ahead = 0;
  }
}

}  // namespace stridenet
