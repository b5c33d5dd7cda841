// Blocks of scratch memory: how many bytes an op asks for in its plan, and how it cuts what it gets into pieces.
#pragma once

#include <cstddef>
#include <cstdint>

namespace stridenet {

constexpr size_t floatBytes(int64_t count) {
  return static_cast<size_t>(count) * sizeof(float);
}

// Bytes of a piece of scratch, rounded so that what follows is 64-byte aligned.
constexpr size_t scratchBytes(size_t bytes) {
  return (bytes + 63) & ~static_cast<size_t>(63);
}

// Hands out consecutive aligned pieces of a block.
class ScratchCursor {
 public:
  explicit ScratchCursor(void* memory) : next_(static_cast<char*>(memory)) {}
  template <typename T>
  T* take(size_t count) {
    T* result = reinterpret_cast<T*>(next_);
    next_ += scratchBytes(count * sizeof(T));
    return result;
  }
  float* floats(int64_t count) { return take<float>(static_cast<size_t>(count)); }
  void* takeBytes(size_t bytes) { return take<char>(bytes); }

 private:
  char* next_;
};

}  // namespace stridenet
