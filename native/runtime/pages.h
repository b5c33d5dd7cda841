// Gives large memory its pages before it is written: the system clears a page when it hands it out, and a virtual machine may have to fetch
// it from its host first. Decides between huge and small pages; knows nothing of what the memory holds.
#pragma once

#include <cstddef>

namespace stridenet {

// 2 MiB on x86-64 and arm64.
constexpr size_t kHugePage = size_t{2} << 20;

// Gives pages to memory that will all be written, on up to `threads` threads; what is there stays. On other systems than Linux the first
// write does it.
//
// Pages are huge as long as the system has them at hand. When one took as long as fetching it from the host does, those that follow are
// small; while no run is under way they become huge later.
void populatePages(void* begin, size_t bytes, int threads);

// Begins to populate memory with small pages on a background thread. A later populatePages of memory with the same
// begin takes over what is not done yet, and nothing beyond its end is populated.
void populatePagesAhead(void* begin, size_t bytes);

// Must be called before memory that was populated is unmapped or discarded: no thread touches it afterwards.
void forgetPages(void* begin, size_t bytes);

}  // namespace stridenet
