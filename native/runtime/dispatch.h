// What this process uses of what the machine offers: the kernel table, which is the best that the processor runs or the one that
// STRIDENET_ISA names, and the number of threads.
#pragma once

#include <string>
#include <vector>

#include "native/base/status.h"
#include "native/kernels/kernel_table.h"

namespace stridenet {

// The tables that this processor can run, the most capable last. Never empty: scalar is always there.
const std::vector<const KernelTable*>& availableKernels();

// Decided at the first call and kept for the life of the process: mixed tables would make packed weights unreadable.
// ERR_UNSUPPORTED_ISA when STRIDENET_ISA names a table that the processor cannot run; otherwise what readSwitches says.
Status selectKernels(const KernelTable** result);

// A table of sizes without kernels, which is all that plans and packed lengths need. There is one for every instruction
// set, whatever this processor has. ERR_UNSUPPORTED_ISA when there is none of that name.
Status planningTable(const std::string& isa, const KernelTable** result);

struct ThreadChoice {
  int threads;
  const char* source;  // that of Processors, or "STRIDENET_THREADS"
};

// The default number of threads; STRIDENET_THREADS if it is set; fails as readSwitches does.
Status defaultThreads(ThreadChoice* result);

}  // namespace stridenet
