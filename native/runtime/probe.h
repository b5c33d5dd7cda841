// Measures what this machine can do at most, with the kernels in use and all threads at once. Blocks the caller for some tenths of a
// second and claims 256 MiB meanwhile.
#pragma once

#include "native/base/status.h"
#include "native/kernels/kernel_table.h"

namespace stridenet {

struct MachinePeaks {
  double flopsPerSecond;      // fused multiply-adds in registers, two operations each
  double readBytesPerSecond;  // from memory, each byte once
  double copyBytesPerSecond;  // bytes read plus bytes written, by ordinary stores
};

// Multiply-adds of one repetition, some milliseconds: what the machine can do at this moment. Each thread's rate is taken by itself and
// summed, for processors may differ in speed.
double probeFlopsPerSecond(const KernelTable& kernels, int threads);

// The best of several repetitions. ERR_OUT_OF_MEMORY.
Status probeMachine(const KernelTable& kernels, int threads, MachinePeaks* result);

}  // namespace stridenet
