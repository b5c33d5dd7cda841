// The processor time that control groups (v1 and v2) leave to this process.
#include <cstdlib>

#include "native/runtime/cpu.h"
#include "native/runtime/text_file.h"

namespace stridenet {

#ifdef __linux__

namespace {

// Where a cgroup hierarchy is mounted, and which of its folders is the root of that mount.
struct CgroupMount {
  std::string root, point;
  bool found() const { return !point.empty(); }
};

bool hasWord(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    if (nextPart(&list, ',') == word) return true;
  }
  return false;
}

// The mount of cgroup v2, or of the v1 hierarchy that has the cpu controller. Format: proc(5), /proc/[pid]/mountinfo:
// id parent device root point options [tags...] - type source options
CgroupMount findMount(const std::string& procRoot, bool v2) {
  const std::string text = readTextFile(procRoot + "/self/mountinfo");
  for (std::string_view rest = text; !rest.empty();) {
    std::string_view before = nextPart(&rest, '\n');
    const size_t dash = before.find(" - ");
    if (dash == std::string_view::npos) continue;
    std::string_view after = before.substr(dash + 3);
    for (int i = 0; i < 3; i++) nextPart(&before, ' ');
    const std::string_view root = nextPart(&before, ' '), point = nextPart(&before, ' ');
    const std::string_view type = nextPart(&after, ' ');
    nextPart(&after, ' ');
    if (v2 ? type == "cgroup2" : type == "cgroup" && hasWord(after, "cpu")) return {std::string(root), std::string(point)};
  }
  return {};
}

// The quota in one folder of a hierarchy, in CPUs; 0 when there is none.
double folderQuota(const std::string& folder, bool v2) {
  std::string quota, period;
  if (v2) {
    const std::string text = readTextFile(folder + "/cpu.max");  // "max 100000" or "150000 100000"
    std::string_view rest = text;
    quota = nextPart(&rest, ' ');
    period = rest;
  } else {
    quota = readTextFile(folder + "/cpu.cfs_quota_us");
    period = readTextFile(folder + "/cpu.cfs_period_us");
  }
  const double q = std::atof(quota.c_str()), p = std::atof(period.c_str());
  return q > 0 && p > 0 ? q / p : 0;
}

// The smallest quota of a group and its ancestors.
double groupQuota(const CgroupMount& mount, std::string path, bool v2) {
  // In a container the path is that of the host, although only a part of the tree is mounted.
  if (mount.root != "/") path = path.rfind(mount.root, 0) == 0 ? path.substr(mount.root.size()) : "";
  double smallest = 0;
  while (true) {
    const double quota = folderQuota(mount.point + path, v2);
    if (quota > 0 && (smallest == 0 || quota < smallest)) smallest = quota;
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos) return smallest;
    path.resize(slash);
  }
}

}  // namespace

double cgroupQuota(const char* procRoot) {
  double smallest = 0;
  const std::string text = readTextFile(std::string(procRoot) + "/self/cgroup");
  for (std::string_view rest = text; !rest.empty();) {  // "0::/path" for v2, "4:cpu,cpuacct:/path" for v1
    std::string_view path = nextPart(&rest, '\n');
    nextPart(&path, ':');
    const std::string_view controllers = nextPart(&path, ':');
    const bool v2 = controllers.empty();
    if (!v2 && !hasWord(controllers, "cpu")) continue;
    const CgroupMount mount = findMount(procRoot, v2);
    if (!mount.found()) continue;
    const double quota = groupQuota(mount, std::string(path), v2);
    if (quota > 0 && (smallest == 0 || quota < smallest)) smallest = quota;
  }
  return smallest;
}

#else

double cgroupQuota(const char*) {
  return 0;
}

#endif

}  // namespace stridenet
