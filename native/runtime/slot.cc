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

// A thread makes this many bytes at a time. They stay in the second-level cache until they are transposed, and threads
// share a large value evenly.
constexpr int64_t kPieceBytes = int64_t{512} << 10;

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

// How many entries a value has. An entry is the smallest share of a value that can be converted to physical order by
// itself.
int64_t entriesOf(const Slot& slot) {
  return isMoved(slot) ? slot.dims[0] : slot.count;
}

int64_t entryBytes(const Slot& slot) {
  return static_cast<int64_t>(slot.bytes()) / entriesOf(slot);
}

// Consecutive entries of a value, which one thread makes at a time.
struct Piece {
  Making value;
  int64_t first, count;
};

class ValueMaking {
 public:
  explicit ValueMaking(const std::vector<Making>& values) {
    for (const Making& value : values) {
      const int64_t entries = entriesOf(*value.first), most = std::max<int64_t>(1, kPieceBytes / entryBytes(*value.first));
      for (int64_t first = 0; first < entries; first += most) pieces_.push_back({value, first, std::min(most, entries - first)});
    }
  }

  Status run(int threads) {
    ThreadPool::instance().run({std::min<int>(threads, static_cast<int>(pieces_.size()))}, runThread, this);
    return status_;
  }

 private:
  static void runThread(void* self, Member&) { static_cast<ValueMaking*>(self)->work(); }

  void work() {
    AlignedBuffer buffer;
    for (size_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < pieces_.size();) {
      const Status status = makePiece(pieces_[i], &buffer);
      if (status.isOk()) continue;
      next_.store(pieces_.size(), std::memory_order_relaxed);
      std::lock_guard<std::mutex> lock(mutex_);
      status_ = status;
    }
  }

  static Status makePiece(const Piece& piece, AlignedBuffer* buffer) {
    const Slot& slot = *piece.value.first;
    const int64_t entry = entryBytes(slot);
    const int64_t bytes = piece.count * entry, position = piece.first * entry;
    char* target = static_cast<char*>(piece.value.second) + position;
    if (!isMoved(slot)) return makeBytes(slot.source, position, bytes, target);
    Status status = buffer->reserve(static_cast<size_t>(bytes), "a value on its way to its place");
    if (status.isOk()) status = makeBytes(slot.source, position, bytes, buffer->at(0));
    if (status.isOk()) transposeEach(slot.dtype, buffer->data(), target, piece.count, slot.dims[3], planeOf(slot));
    return status;
  }

  // Reads the file of a source from byte `position` on.
  static Status makeBytes(const Source& source, int64_t position, int64_t bytes, char* target) {
    if (source.kind == Source::Kind::file) return readFully(source.descriptor, source.offset + position, bytes, target);
    float* numbers = reinterpret_cast<float*>(target);
    const int64_t count = bytes / 4;
    if (source.kind == Source::Kind::constant) {
      std::fill_n(numbers, count, static_cast<float>(source.first));
    } else {
      draw(source, position / 4, count, numbers);
    }
    return Status::ok();
  }

  // Draws the numbers of a random source from number `first` on. The generator makes them in blocks of four.
  static void draw(const Source& source, int64_t first, int64_t count, float* numbers) {
    const RandomKernels& kernels = availableKernels().back()->random;
    const auto fill = source.kind == Source::Kind::normal ? kernels.normal : kernels.uniform;
    uint32_t block = static_cast<uint32_t>(first / 4);
    const int64_t skipped = first % 4;
    if (skipped > 0) {
      float start[4];
      fill(source.stream, block++, source.first, source.second, start, 4);
      const int64_t taken = std::min(count, 4 - skipped);
      std::copy_n(start + skipped, taken, numbers);
      numbers += taken;
      count -= taken;
    }
    const int64_t whole = count / 4 * 4;
    fill(source.stream, block, source.first, source.second, numbers, whole);
    if (whole == count) return;
    float end[4];
    fill(source.stream, block + static_cast<uint32_t>(whole / 4), source.first, source.second, end, 4);
    std::copy_n(end, count - whole, numbers + whole);
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

bool isCopyable(const Slot& slot, bool logical, int64_t first, int64_t count) {
  const int64_t unit = logical && isMoved(slot) ? slot.count / slot.dims[0] : 1;
  return first >= 0 && count >= 0 && first <= slot.count - count && first % unit == 0 && count % unit == 0;
}

void copyIn(const void* data, bool logical, int64_t first, int64_t count, Slot* slot) {
  const size_t size = dtypeSize(slot->dtype);
  char* const target = static_cast<char*>(slot->memory) + static_cast<size_t>(first) * size;
  if (logical && isMoved(*slot)) {
    transposeEach(slot->dtype, data, target, count / (slot->count / slot->dims[0]), slot->dims[3], planeOf(*slot));
  } else {
    std::memcpy(target, data, static_cast<size_t>(count) * size);
  }
}

void copyOut(const Slot& slot, bool logical, int64_t first, int64_t count, void* data) {
  const size_t size = dtypeSize(slot.dtype);
  const char* const source = static_cast<const char*>(slot.memory) + static_cast<size_t>(first) * size;
  if (logical && isMoved(slot)) {
    transposeEach(slot.dtype, source, data, count / (slot.count / slot.dims[0]), planeOf(slot), slot.dims[3]);
  } else {
    std::memcpy(data, source, static_cast<size_t>(count) * size);
  }
}

Status makeValues(const std::vector<Making>& values, int threads) {
  return values.empty() ? Status::ok() : ValueMaking(values).run(threads);
}

}  // namespace stridenet
