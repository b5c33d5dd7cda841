// Pages given ahead of the first write: they are there, keep what was written before, and go with their memory.
#include "native/runtime/pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "native/runtime/memory.h"
#include "test/native/check.h"

namespace stridenet {
namespace {

constexpr size_t kBytes = 8 * kHugePage;

#ifdef __linux__
// How many pages of this memory the system has given.
size_t presentPages(const void* begin, size_t bytes) {
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  std::vector<unsigned char> present(bytes / page);
  CHECK(mincore(const_cast<void*>(begin), bytes, present.data()) == 0);
  return static_cast<size_t>(std::count_if(present.begin(), present.end(), [](unsigned char state) { return state & 1; }));
}

void testPresent() {
  AlignedBuffer buffer;
  CHECK_OK(buffer.reserve(kBytes, "test"));
  CHECK(presentPages(buffer.data(), kBytes) == 0);
  buffer.populate(3);
  // Whole huge pages; the block may begin and end within one.
  CHECK(presentPages(buffer.data(), kBytes) >= (kBytes - kHugePage) / static_cast<size_t>(sysconf(_SC_PAGESIZE)));
}

#if !defined(__SANITIZE_ADDRESS__)  // every block is an allocation of its own there
void testBlocksAlone() {
  BlockPool pool;
  void *small, *large, *next;
  CHECK_OK(pool.take(64, "test", &small));
  CHECK_OK(pool.take(kBytes, "test", &large));
  pool.populate(2);
  CHECK(presentPages(static_cast<char*>(large) + kHugePage, kBytes - 2 * kHugePage) > 0);
  CHECK_OK(pool.take(kBytes, "test", &next));
  CHECK(presentPages(static_cast<char*>(next) + kHugePage, kBytes - 2 * kHugePage) == 0);
}
#endif
#endif

void testContents() {
  AlignedBuffer buffer;
  CHECK_OK(buffer.reserve(kBytes, "test"));
  for (size_t i = 0; i < kBytes / 2; i += 1000) *buffer.at(i) = static_cast<char>(i / 1000 % 100);
  buffer.populate(3);
  for (size_t i = 0; i < kBytes; i += 1000) CHECK(*buffer.at(i) == (i < kBytes / 2 ? static_cast<char>(i / 1000 % 100) : 0));
}

void testForgotten() {
  for (int i = 0; i < 20; i++) {
    AlignedBuffer buffer;
    CHECK_OK(buffer.reserve(kBytes, "test"));
    buffer.populate(1 + i % 3);
    if (i == 10) usleep(1100 * 1000);  // small pages become huge now, if there are any
  }
}

}  // namespace
}  // namespace stridenet

int main() {
#ifdef __linux__
  stridenet::testPresent();
#if !defined(__SANITIZE_ADDRESS__)
  stridenet::testBlocksAlone();
#endif
#endif
  stridenet::testContents();
  stridenet::testForgotten();
  std::puts("pages: ok");
  return 0;
}
