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

// One repetition on every thread.
struct Probe {
  enum class Kind { multiplyAdd, read, copy };

  const KernelTable& kernels;
  Kind kind;
  float* memory;
  double seconds[kMaxThreads] = {};  // what each thread took
  double longest = 0;                // between two barriers
  float results[kMaxThreads] = {};   // used, so that the compiler cannot leave the work out

  static void run(void* context, Member& member) {
    Probe& probe = *static_cast<Probe*>(context);
    const ProbeKernels& kernels = probe.kernels.probe;
    const int64_t floats = static_cast<int64_t>(kBytes / sizeof(float)), share = floats / member.size();
    const int thread = member.number();
    float* const own = probe.memory == nullptr ? nullptr : probe.memory + thread * share;
    member.barrier();
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
    auto elapsed = [start] { return std::chrono::duration<double>(Clock::now() - start).count(); };
    probe.seconds[thread] = elapsed();
    member.barrier();
    if (thread == 0) probe.longest = elapsed();
  }
};

}  // namespace

double probeFlopsPerSecond(const KernelTable& kernels, int threads) {
  Probe probe = {kernels, Probe::Kind::multiplyAdd, nullptr};
  ThreadPool::instance().run({threads, Attendance::everybody}, Probe::run, &probe);
  double rate = 0;
  for (int thread = 0; thread < threads; ++thread) {
    rate += static_cast<double>(kRounds) * kernels.probe.flopsPerRound / probe.seconds[thread];
  }
  return rate;
}

Status probeMachine(const KernelTable& kernels, int threads, MachinePeaks* result) {
  AlignedBuffer buffer;
  Status status = buffer.reserve(kBytes, "measuring memory bandwidth");
  if (!status.isOk()) return status;
  // Memory that was never written is one page of zeros however often it is mapped: reading it would measure a cache.
  std::memset(buffer.data(), 1, kBytes);
  const auto bandwidth = [&](Probe::Kind kind) {
    double rate = 0;
    for (int i = 0; i < kRepetitions; ++i) {
      Probe probe = {kernels, kind, static_cast<float*>(buffer.data())};
      ThreadPool::instance().run({threads, Attendance::everybody}, Probe::run, &probe);
      rate = std::max(rate, static_cast<double>(kBytes) / probe.longest);
    }
    return rate;
  };
  result->flopsPerSecond = 0;
  for (int i = 0; i < kRepetitions; ++i) result->flopsPerSecond = std::max(result->flopsPerSecond, probeFlopsPerSecond(kernels, threads));
  result->copyBytesPerSecond = bandwidth(Probe::Kind::copy);
  result->readBytesPerSecond = bandwidth(Probe::Kind::read);
  return Status::ok();
}

}  // namespace stridenet
