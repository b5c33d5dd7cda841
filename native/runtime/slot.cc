#include "native/runtime/slot.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "native/runtime/dispatch.h"
#include "native/runtime/memory.h"
#include "native/runtime/thread_pool.h"

namespace stridenet {

namespace {

// What a thread reads at a time: it stays in the second-level cache until it is transposed, and threads share a large value evenly.
constexpr int64_t kReadBytes = int64_t{512} << 10;

// dst[j][i] = src[i][j] for every one of `batch` matrices of `rows` x `columns`. Bits are moved, so any kernel table gives the same.
void transposeEach(DType dtype, const void* src, void* dst, int64_t batch, int64_t rows, int64_t columns) {
  const LayoutKernels& kernels = availableKernels().back()->layout;
  const size_t size = dtypeSize(dtype);
  const auto transpose = size == 1 ? kernels.transpose1 : kernels.transpose4;
  const char* from = static_cast<const char*>(src);
  char* to = static_cast<char*>(dst);
  const size_t bytes = static_cast<size_t>(rows * columns) * size;
  for (int64_t b = 0; b < batch; b++, from += bytes, to += bytes) transpose(from, columns, to, rows, rows, columns);
}

int64_t planeOf(const Slot& slot) {
  return slot.dims[1] * slot.dims[2];
}

// Whether logical and physical order differ.
bool isMoved(const Slot& slot) {
  return slot.rank == 4 && slot.dims[3] > 1 && planeOf(slot) > 1;
}

// A value is read in a number of these: the least that can be put in order by itself.
int64_t entriesOf(const Slot& slot) {
  return isMoved(slot) ? slot.dims[0] : slot.count;
}

int64_t entryBytes(const Slot& slot) {
  return static_cast<int64_t>(slot.bytes()) / entriesOf(slot);
}

// Some entries of a value.
struct Piece {
  FileRead read;
  int64_t first, count;
};

class FileReading {
 public:
  explicit FileReading(const std::vector<FileRead>& reads) {
    for (const FileRead& read : reads) {
      const int64_t entries = entriesOf(*read.first), most = std::max<int64_t>(1, kReadBytes / entryBytes(*read.first));
      for (int64_t first = 0; first < entries; first += most) pieces_.push_back({read, first, std::min(most, entries - first)});
    }
  }

  Status run(int threads) {
    ThreadPool::instance().run({std::min<int>(threads, static_cast<int>(pieces_.size()))}, runThread, this);
    return status_;
  }

 private:
  static void runThread(void* self, Member&) { static_cast<FileReading*>(self)->work(); }

  void work() {
    AlignedBuffer buffer;
    for (size_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < pieces_.size();) {
      const Status status = readPiece(pieces_[i], &buffer);
      if (status.isOk()) continue;
      next_.store(pieces_.size(), std::memory_order_relaxed);
      std::lock_guard<std::mutex> lock(mutex_);
      status_ = status;
    }
  }

  static Status readPiece(const Piece& piece, AlignedBuffer* buffer) {
    const Slot& slot = *piece.read.first;
    const int64_t entry = entryBytes(slot);
    const int64_t bytes = piece.count * entry, position = slot.source.offset + piece.first * entry;
    char* target = static_cast<char*>(piece.read.second) + piece.first * entry;
    if (!isMoved(slot)) return readFully(slot.source.descriptor, position, bytes, target);
    Status status = buffer->reserve(static_cast<size_t>(bytes), "reading a value");
    if (status.isOk()) status = readFully(slot.source.descriptor, position, bytes, buffer->at(0));
    if (status.isOk()) transposeEach(slot.dtype, buffer->data(), target, piece.count, slot.dims[3], planeOf(slot));
    return status;
  }

  static Status readFully(int descriptor, int64_t position, int64_t bytes, char* target) {
    while (bytes > 0) {
      const ssize_t got = pread(descriptor, target, static_cast<size_t>(bytes), position);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return Status::error("ERR_FILE_ACCESS", "A file of weights could not be read: %s.", std::strerror(errno));
      if (got == 0) return Status::error("ERR_BAD_FILE", "A file of weights ends at byte %lld.", static_cast<long long>(position));
      position += got;
      bytes -= got;
      target += got;
    }
    return Status::ok();
  }

  std::vector<Piece> pieces_;
  std::atomic<size_t> next_{0};
  std::mutex mutex_;
  Status status_;
};

}  // namespace

void copyIn(const void* data, bool logical, Slot* slot) {
  if (logical && isMoved(*slot)) {
    transposeEach(slot->dtype, data, slot->memory, slot->dims[0], slot->dims[3], planeOf(*slot));
  } else {
    std::memcpy(slot->memory, data, slot->bytes());
  }
}

void copyOut(const Slot& slot, bool logical, void* data) {
  if (logical && isMoved(slot)) {
    transposeEach(slot.dtype, slot.memory, data, slot.dims[0], planeOf(slot), slot.dims[3]);
  } else {
    std::memcpy(data, slot.memory, slot.bytes());
  }
}

Status readFiles(const std::vector<FileRead>& reads, int threads) {
  return reads.empty() ? Status::ok() : FileReading(reads).run(threads);
}

}  // namespace stridenet
