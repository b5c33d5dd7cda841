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
  CHECK(presentPages(buffer.data(), kBytes) == kBytes / static_cast<size_t>(sysconf(_SC_PAGESIZE)));
}

void testPart() {
  AlignedBuffer buffer;
  CHECK_OK(buffer.reserve(kBytes, "test"));
  const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  populatePages(buffer.at(100), kHugePage + 3 * page, 2);  // from within a page, to within a huge page
  CHECK(presentPages(buffer.data(), kHugePage) == kHugePage / page);
  CHECK(presentPages(buffer.at(kHugePage), kHugePage) == 4);
  populatePages(buffer.at(kHugePage + 2 * page), kHugePage, 2);
  CHECK(presentPages(buffer.data(), kBytes) == 2 * kHugePage / page + 2);
}

void testAhead() {
  for (int i = 0; i < 20; i++) {
    AlignedBuffer buffer;
    CHECK_OK(buffer.reserve(kBytes, "test"));
    *buffer.at(5) = 7;
    populatePagesAhead(buffer.data(), kBytes);
    if (i % 4 == 0) continue;  // it goes at once
    usleep(static_cast<useconds_t>(i * 100));
    populatePages(buffer.data(), kBytes / 2, 1 + i % 3);
    CHECK(presentPages(buffer.data(), kBytes / 2) == kBytes / 2 / static_cast<size_t>(sysconf(_SC_PAGESIZE)));
    const size_t beyond = presentPages(buffer.at(kBytes / 2), kBytes / 2);
    usleep(1000);
    CHECK(presentPages(buffer.at(kBytes / 2), kBytes / 2) == beyond);
    CHECK(*buffer.at(5) == 7 && *buffer.at(kBytes / 2) == 0);
  }
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

void testExpected() {
  BlockPool pool;
  pool.expect(kBytes);
  void *first, *second, *large;
  CHECK_OK(pool.take(kHugePage, "test", &first));
  CHECK_OK(pool.take(64, "test", &second));
  CHECK(static_cast<char*>(second) == static_cast<char*>(first) + kHugePage);
  CHECK(pool.bytes() == kHugePage + 64);
  usleep(2000);
  pool.populate(2);
  CHECK(presentPages(first, kHugePage) == kHugePage / static_cast<size_t>(sysconf(_SC_PAGESIZE)));
  CHECK(presentPages(second, kBytes - kHugePage) <= 1);  // what was expected in vain is given back
  CHECK_OK(pool.take(2 * kBytes, "test", &large));       // needs a mapping of its own
  CHECK_OK(pool.take(64, "test", &first));
  CHECK(static_cast<char*>(first) == static_cast<char*>(second) + 64);  // there is room left in the first
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
  stridenet::testPart();
  stridenet::testAhead();
#if !defined(__SANITIZE_ADDRESS__)
  stridenet::testBlocksAlone();
  stridenet::testExpected();
#endif
#endif
  stridenet::testContents();
  stridenet::testForgotten();
  std::puts("pages: ok");
  return 0;
}
