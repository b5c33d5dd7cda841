// What an instruction will take, from its plan alone: enough to choose between ways to do the same thing, not to predict a run.
#include <algorithm>

#include "native/program/program.h"

namespace stridenet {

double estimateSeconds(const Plan& plan, const KernelTable& kernels) {
  // Assumes two multiply-add units of `lanes` numbers at 3 GHz, of which four fifths are reached. What does not fit the
  // second-level cache is read more slowly. Each phase costs a barrier and the way to its kernel.
  const double flopRate = kernels.lanes * 2 * 2 * 3e9 * 0.8;
  constexpr double kCacheBytes = 1 << 20, kCacheRate = 40e9, kMemoryRate = 20e9;
  constexpr double kPhaseSeconds = 0.3e-6;
  return std::max(plan.flops / flopRate, plan.bytes / (plan.bytes <= kCacheBytes ? kCacheRate : kMemoryRate)) + kPhaseSeconds * plan.phases;
}

}  // namespace stridenet
