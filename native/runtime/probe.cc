#include "native/runtime/probe.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "native/runtime/memory.h"
#include "native/runtime/thread_pool.h"

namespace stridenet {

namespace {

constexpr size_t kBytes = size_t{256} << 20;  // well beyond any cache
constexpr int64_t kRounds = 2'000'000;
constexpr int kRepetitions = 7;

using Clock = std::chrono::steady_clock;

// One repetition on every thread; thread 0 takes the time between two barriers.
struct Probe {
  enum class Kind { multiplyAdd, read, copy };

  const KernelTable& kernels;
  Kind kind;
  float* memory;
  double seconds = 0;
  float results[kMaxThreads] = {};  // so that no work can be left out

  static void run(void* context, int thread, Team& team) {
    Probe& probe = *static_cast<Probe*>(context);
    const ProbeKernels& kernels = probe.kernels.probe;
    const int64_t floats = static_cast<int64_t>(kBytes / sizeof(float)), share = floats / team.size();
    float* const own = probe.memory + thread * share;
    team.barrier();
    const Clock::time_point start = Clock::now();
    switch (probe.kind) {
      case Kind::multiplyAdd:
        probe.results[thread] = kernels.multiplyAdd(kRounds, 0.5f, 0.5f);
        break;
      case Kind::read:
        probe.results[thread] = kernels.read(own, share);
        break;
      case Kind::copy:
        kernels.copy(own, own + share / 2, share / 2);
        break;
    }
    team.barrier();
    if (thread == 0) probe.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  }
};

}  // namespace

Status probeMachine(const KernelTable& kernels, int threads, MachinePeaks* result) {
  AlignedBuffer buffer;
  Status status = buffer.reserve(kBytes, "measuring memory bandwidth");
  if (!status.isOk()) return status;
  // Memory that was never written is one page of zeros however often it is mapped: reading it would measure a cache.
  std::memset(buffer.data(), 1, kBytes);
  const auto best = [&](Probe::Kind kind, double amount) {
    double rate = 0;
    for (int i = 0; i < kRepetitions; ++i) {
      Probe probe = {kernels, kind, static_cast<float*>(buffer.data())};
      ThreadPool::instance().run(threads, Probe::run, &probe);
      rate = std::max(rate, amount / probe.seconds);
    }
    return rate;
  };
  result->flopsPerSecond = best(Probe::Kind::multiplyAdd, static_cast<double>(kRounds) * kernels.probe.flopsPerRound * threads);
  result->copyBytesPerSecond = best(Probe::Kind::copy, static_cast<double>(kBytes));
  result->readBytesPerSecond = best(Probe::Kind::read, static_cast<double>(kBytes));
  return Status::ok();
}

}  // namespace stridenet
