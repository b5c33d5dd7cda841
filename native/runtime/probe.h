// Measures what this machine can do at most, with the kernels in use and all threads at once. Blocks the caller for some tenths of a
// second and claims 256 MiB meanwhile.
#pragma once

#include "native/kernels/kernel_table.h"
#include "native/runtime/status.h"

namespace stridenet {

struct MachinePeaks {
  double flopsPerSecond;      // fused multiply-adds in registers, two operations each
  double readBytesPerSecond;  // from memory, each byte once
  double copyBytesPerSecond;  // bytes read plus bytes written, by ordinary stores
};

// The best of several repetitions. ERR_OUT_OF_MEMORY.
Status probeMachine(const KernelTable& kernels, int threads, MachinePeaks* result);

}  // namespace stridenet
