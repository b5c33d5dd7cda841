// What an instruction will take, from its plan alone: enough to choose between ways to do the same thing, not to predict a run.
#include <algorithm>

#include "native/program/program.h"

namespace stridenet {

double estimateSeconds(const Plan& plan, const KernelTable& kernels) {
  const Costs& costs = kernels.costs;
  double computing = 0;
  for (int i = 0; i < kWorkKinds; ++i) computing += plan.work.of[i] * costs.work.of[i];
  const double moving = plan.bytes * (plan.bytes <= costs.cacheBytes ? costs.nearByte : costs.farByte);
  return 1e-9 * (std::max(computing, moving) + costs.phase * plan.phases);
}

}  // namespace stridenet
