#include "native/runtime/cpu.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

#include "native/runtime/text_file.h"
#ifdef __linux__
#include <sched.h>
#endif
#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace stridenet {

CpuFeatures detectCpu() {
  CpuFeatures features;
#if defined(__x86_64__)
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d)) return features;
  const bool osxsave = c & (1u << 27), avx = c & (1u << 28), fma = c & (1u << 12);
  if (!osxsave || !avx) return features;
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  const bool ymmSaved = (low & 0x06) == 0x06;  // SSE and AVX state
  const bool zmmSaved = (low & 0xe6) == 0xe6;  // and opmask, upper halves, upper registers
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return features;
  features.avx2 = ymmSaved && fma && (b & (1u << 5));
  const unsigned wanted = (1u << 16) | (1u << 17) | (1u << 30) | (1u << 31);  // F, DQ, BW, VL
  features.avx512 = features.avx2 && zmmSaved && (b & wanted) == wanted;
#elif defined(__aarch64__)
  features.neon = true;  // part of the architecture's baseline
#endif
  return features;
}

namespace {

int physicalCores() {
  const int online = std::max(1, static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
#ifdef __linux__
  // Threads of one core share its vector units, so a core counts once.
  std::set<std::string> siblings;
  int described = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE && described < online; cpu++) {
    const std::string line = readTextFile("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list");
    if (line.empty()) break;
    siblings.insert(line);
    described++;
  }
  if (!siblings.empty() && described == online) return static_cast<int>(siblings.size());
#endif
  return online;
}

Processors askProcessors() {
  Processors result;
  result.cores = physicalCores();
  result.usable = result.cores;
  result.source = "cores";
#ifdef __linux__
  cpu_set_t mask;
  if (sched_getaffinity(0, sizeof mask, &mask) == 0 && CPU_COUNT(&mask) > 0 && CPU_COUNT(&mask) < result.usable) {
    result.usable = CPU_COUNT(&mask);
    result.source = "affinity";
  }
#endif
  const double quota = cgroupQuota("/proc");
  if (quota > 0 && std::ceil(quota) < result.usable) {
    result.usable = std::max(1, static_cast<int>(std::ceil(quota)));
    result.source = "cgroup";
  }
  return result;
}

}  // namespace

const Processors& processors() {
  static const Processors result = askProcessors();
  return result;
}

}  // namespace stridenet
