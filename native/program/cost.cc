// What an instruction will take, from its plan alone: enough to choose between ways to do the same thing, not to predict a run.
#include <algorithm>

#include "native/program/program.h"

namespace stridenet {

double estimateSeconds(const Plan& plan, const KernelTable& kernels) {
  // Two multiply-add units of `lanes` numbers at 3 GHz, four fifths of it reached; what does not fit the second-level cache comes
  // slower; and a phase costs a barrier and finding the way to the kernel.
  const double flopRate = kernels.lanes * 2 * 2 * 3e9 * 0.8;
  constexpr double kCacheBytes = 1 << 20, kCacheRate = 40e9, kMemoryRate = 20e9;
  constexpr double kPhaseSeconds = 0.3e-6;
  return std::max(plan.flops / flopRate, plan.bytes / (plan.bytes <= kCacheBytes ? kCacheRate : kMemoryRate)) + kPhaseSeconds * plan.phases;
}

}  // namespace stridenet
