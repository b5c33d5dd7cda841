#include "native/runtime/cpu.h"

#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
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

std::string readLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

#ifdef __linux__
// Where a cgroup hierarchy is mounted, and which of its folders is the root of that mount.
struct CgroupMount {
  std::string root, point;
  bool found() const { return !point.empty(); }
};

bool hasWord(const std::string& list, const std::string& word) {
  std::istringstream stream(list);
  for (std::string item; std::getline(stream, item, ',');) {
    if (item == word) return true;
  }
  return false;
}

// The mount of cgroup v2, or of the v1 hierarchy that has the cpu controller. Format: proc(5), /proc/[pid]/mountinfo.
CgroupMount findMount(const std::string& procRoot, bool v2) {
  std::ifstream file(procRoot + "/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::istringstream before(line), after(line.substr(dash + 3));
    std::string id, parent, device, root, point, type, source, options;
    before >> id >> parent >> device >> root >> point;
    after >> type >> source >> options;
    if (v2 ? type == "cgroup2" : type == "cgroup" && hasWord(options, "cpu")) return {root, point};
  }
  return {};
}

// The quota in one folder of a hierarchy, in CPUs; 0 when there is none.
double folderQuota(const std::string& folder, bool v2) {
  double quota = 0, period = 0;
  if (v2) {
    std::istringstream line(readLine(folder + "/cpu.max"));  // "max 100000" or "150000 100000"
    std::string first;
    line >> first >> period;
    quota = std::atof(first.c_str());
  } else {
    quota = std::atof(readLine(folder + "/cpu.cfs_quota_us").c_str());
    period = std::atof(readLine(folder + "/cpu.cfs_period_us").c_str());
  }
  return quota > 0 && period > 0 ? quota / period : 0;
}
#endif

}  // namespace

double cgroupQuota(const char* procRoot) {
  double smallest = 0;
#ifdef __linux__
  std::ifstream file(std::string(procRoot) + "/self/cgroup");
  for (std::string line; std::getline(file, line);) {  // "0::/path" for v2, "4:cpu,cpuacct:/path" for v1
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    const bool v2 = controllers.empty();
    if (!v2 && !hasWord(controllers, "cpu")) continue;
    const CgroupMount mount = findMount(procRoot, v2);
    if (!mount.found()) continue;
    // In a container the path is the host's while only a part of the tree is mounted.
    if (mount.root != "/") path = path.rfind(mount.root, 0) == 0 ? path.substr(mount.root.size()) : "";
    while (true) {  // every ancestor limits too
      const double quota = folderQuota(mount.point + path, v2);
      if (quota > 0 && (smallest == 0 || quota < smallest)) smallest = quota;
      const size_t slash = path.rfind('/');
      if (path.empty() || slash == std::string::npos) break;
      path.resize(slash);
    }
  }
#else
  (void)procRoot;
#endif
  return smallest;
}

namespace {

int physicalCores() {
  const int online = std::max(1, static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));
#ifdef __linux__
  // Threads of one core share its vector units, so a core counts once.
  std::set<std::string> siblings;
  int described = 0;
  for (int cpu = 0; cpu < CPU_SETSIZE && described < online; cpu++) {
    const std::string line = readLine("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list");
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

Status defaultThreads(ThreadChoice* result) {
  const char* text = std::getenv("STRIDENET_THREADS");
  if (text == nullptr || *text == '\0') {
    *result = {std::min(processors().usable, kMaxThreads), processors().source};
    return Status::ok();
  }
  char* end = nullptr;
  const long value = std::strtol(text, &end, 10);
  if (*end != '\0' || value < 1 || value > kMaxThreads) {
    return Status::error("ERR_INVALID_ARGUMENT", "STRIDENET_THREADS expects an integer from 1 to %d but is '%.100s'.", kMaxThreads, text);
  }
  *result = {static_cast<int>(value), "STRIDENET_THREADS"};
  return Status::ok();
}

}  // namespace stridenet
