// What the machine offers: instruction sets and processors this process may use. Compiled without instruction set flags, so it is
// safe to call on any processor. Chooses nothing: that is dispatch.
#pragma once

namespace stridenet {

struct CpuFeatures {
  bool avx2 = false;    // AVX2 and FMA
  bool avx512 = false;  // F, BW, DQ and VL
  bool neon = false;
};

// CPUID says what the processor has, XGETBV what the operating system saves on a context switch; both are needed.
CpuFeatures detectCpu();

struct Processors {
  int cores;           // physical cores that are online
  int usable;          // the smallest of cores, affinity mask and cgroup quota (rounded up), at least 1
  const char* source;  // which of them it was: "cores", "affinity" or "cgroup"
};

// Asked once and remembered.
const Processors& processors();

constexpr int kMaxThreads = 256;

// CPUs' worth of time that the cgroup (v1 or v2) of this process allows; 0 when there is no limit. `procRoot` is /proc but in tests.
// Defined in cgroup.cc.
double cgroupQuota(const char* procRoot);

}  // namespace stridenet
