#include "native/runtime/dispatch.h"

#include <algorithm>

#include "native/runtime/cpu.h"
#include "native/runtime/switches.h"

namespace stridenet {

namespace scalar {
extern const KernelTable kTable;
}
#if defined(__x86_64__)
namespace avx2 {
extern const KernelTable kTable;
}
namespace avx512 {
extern const KernelTable kTable;
}
#elif defined(__aarch64__)
namespace neon {
extern const KernelTable kTable;
}
#endif

const std::vector<const KernelTable*>& availableKernels() {
  static const std::vector<const KernelTable*> tables = [] {
    const CpuFeatures cpu = detectCpu();
    std::vector<const KernelTable*> result = {&scalar::kTable};
#if defined(__x86_64__)
    if (cpu.avx2) result.push_back(&avx2::kTable);
    if (cpu.avx512) result.push_back(&avx512::kTable);
#elif defined(__aarch64__)
    if (cpu.neon) result.push_back(&neon::kTable);
#endif
    return result;
  }();
  return tables;
}

namespace {

struct Selection {
  const KernelTable* table = nullptr;
  Status status;
};

Selection decide() {
  const auto& tables = availableKernels();
  Switches switches;
  const Status status = readSwitches(&switches);
  if (!status.isOk()) return {nullptr, status};
  if (switches.isa.empty()) return {tables.back(), Status::ok()};
  std::string names;
  for (const KernelTable* table : tables) {
    if (table->isa == switches.isa) return {table, Status::ok()};
    names += (names.empty() ? "" : ", ") + std::string(table->isa);
  }
  return {nullptr, Status::error("ERR_UNSUPPORTED_ISA", "STRIDENET_ISA is '%s' but this processor and build offer: %s. Unset it to get %s.",
                                 switches.isa.c_str(), names.c_str(), tables.back()->isa)};
}

}  // namespace

Status selectKernels(const KernelTable** result) {
  static const Selection selection = decide();
  *result = selection.table;
  return selection.status;
}

namespace {

constexpr KernelTable withoutKernels(const InstructionSet& isa) {
  KernelTable table = {};
  table.isa = isa.name;
  table.lanes = isa.lanes;
  table.tiles = tileSizes(isa);
  table.costs = *isa.costs;
  return table;
}

constexpr KernelTable kPlanningTables[] = {withoutKernels(kScalar), withoutKernels(kAvx2), withoutKernels(kAvx512), withoutKernels(kNeon)};

}  // namespace

Status planningTable(const std::string& isa, const KernelTable** result) {
  for (const KernelTable& table : kPlanningTables) {
    if (isa != table.isa) continue;
    *result = &table;
    return Status::ok();
  }
  return Status::error("ERR_UNSUPPORTED_ISA", "There is no instruction set '%s'.", isa.c_str());
}

Status defaultThreads(ThreadChoice* result) {
  Switches switches;
  const Status status = readSwitches(&switches);
  if (switches.threads > 0) {
    *result = {switches.threads, "STRIDENET_THREADS"};
  } else {
    *result = {std::min(processors().usable, kMaxThreads), processors().source};
  }
  return status;
}

}  // namespace stridenet
