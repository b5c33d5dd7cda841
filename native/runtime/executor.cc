#include "native/runtime/executor.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <string>

#include "native/ops/worker_tasks.h"
#include "native/runtime/thread_pool.h"

namespace stridenet {

namespace {

using Clock = std::chrono::steady_clock;

// Index of the first value that is NaN or infinite, or -1.
int64_t findNotFinite(const Operand& operand) {
  if (operand.dtype != DType::float32) return -1;
  constexpr uint32_t kExponent = 0x7f800000;
  for (int64_t i = 0; i < operand.count; i++) {
    uint32_t bits;
    std::memcpy(&bits, operand.f32() + i, sizeof bits);
    if ((bits & kExponent) == kExponent) return i;
  }
  return -1;
}

// The prepare or the step list, or a part of it, on its way through the threads.
struct ListRun {
  const std::vector<Instruction>& instructions;
  const std::vector<Call>& calls;
  const uint8_t* needed;  // nullptr: all of them
  double* seconds;        // nullptr: not profiled
  Workspace& workspace;
  size_t scratchStride;
  bool validate;
  const char* name;
  int threads;          // at most
  size_t begin, end;    // the instructions to run
  uint32_t number = 0;  // of the run, for the task shares of the workspace; 0: they are not used
  Status status;        // written by thread 0 between two barriers
  bool failed = false;  // so is this

  static void run(void* self, Member& member) { static_cast<ListRun*>(self)->runThread(member); }

  void runThread(Member& member) {
    const size_t first = std::max(begin, member.position());
    bool barrierDue = false;
    for (size_t i = first; i < end; i++) {
      const Instruction& instruction = instructions[i];
      // Before the first there was a meeting.
      barrierDue |= i > first && instruction.barrierBefore;
      if (needed != nullptr && !needed[i]) {
        barrierDue |= instruction.plan.phases > 1;  // later instructions count on the barriers between its phases
        continue;
      }
      if (barrierDue && !member.meet(i)) return;
      barrierDue = false;
      if (seconds == nullptr && !validate) {
        runInstruction(i, member);
      } else {
        inspectInstruction(i, member);
        if (failed) return;
      }
    }
  }

  void runInstruction(size_t i, Member& member) {
    const Instruction& instruction = instructions[i];
    Worker worker;
    worker.threads = member.size();
    worker.thread = member.isGuest() ? kGuest : (member.number() + instruction.rotation) % member.size();
    worker.sharedScratch = workspace.sharedScratch.data();
    worker.threadScratch = workspace.threadScratch.at(scratchStride * member.number());
    if (number > 0 && !member.isAlone() && instruction.plan.phases == 1) {
      worker.shares = workspace.taskShares() + i * static_cast<size_t>(threads);
      worker.run = number;
    }
    for (worker.phase = 0; worker.phase < instruction.plan.phases; worker.phase++) {
      if (worker.phase > 0) member.barrier();
      instruction.op->run(calls[i], worker);
    }
  }

  // Alone between two barriers, so that its time and its results are its own.
  void inspectInstruction(size_t i, Member& member) {
    member.barrier();
    const auto start = Clock::now();
    runInstruction(i, member);
    member.barrier();
    if (member.number() == 0) {
      if (seconds != nullptr) seconds[i] += std::chrono::duration<double>(Clock::now() - start).count();
      if (validate) validateOutputs(i);
    }
    member.barrier();
  }

  void validateOutputs(size_t i) {
    const OpSignature& signature = kOpSignatures[static_cast<int>(instructions[i].opcode)];
    for (int operand = signature.inputCount(); operand < signature.operandCount(); operand++) {
      const int64_t index = findNotFinite(calls[i].operands[operand]);
      if (index < 0) continue;
      failed = true;
      status = Status::error("ERR_NOT_FINITE",
                             "%s instruction %zu (%s) wrote %g at element %lld of its output '%s' (STRIDENET_VALIDATE is on). "
                             "Lower the learning rate or look at its inputs.",
                             name, i, std::string(signature.name).c_str(), static_cast<double>(calls[i].operands[operand].f32()[index]),
                             static_cast<long long>(index), outputName(signature, operand).c_str());
      return;
    }
  }

  static std::string outputName(const OpSignature& signature, int operand) {
    const std::string marked(signature.operand(operand));
    return marked.substr(0, marked.find_first_of("!?"));
  }
};

bool isStale(const std::vector<Slot*>& slots, uint64_t version) {
  return std::any_of(slots.begin(), slots.end(), [version](const Slot* slot) { return slot->computedFrom != version; });
}

// Decides which prepare instructions must run: those with a stale output that a step takes, and those whose results such a one reads and
// that are not current.
bool findNeeded(BoundProgram& bound, uint64_t version) {
  bool any = false;
  std::fill(bound.needed.begin(), bound.needed.end(), 0);
  for (size_t i = bound.prepare.size(); i-- > 0;) {
    for (const Slot* slot : bound.derivedSlots[i]) bound.needed[i] |= slot->usedBySteps && slot->computedFrom != version;
    if (!bound.needed[i]) continue;
    any = true;
    for (int32_t source : bound.program.prepare[i].sources) bound.needed[source] = 1;
    for (int32_t source : bound.program.prepare[i].slotSources) bound.needed[source] |= isStale(bound.derivedSlots[source], version);
  }
  return any;
}

// Whether a variable that is to be read was released.
bool readsReleased(const BoundProgram& bound) {
  for (size_t i = 0; i < bound.prepare.size(); i++) {
    if (!bound.needed[i]) continue;
    for (const BoundProgram::Source& source : bound.sources[i]) {
      if (source.slot->released) return true;
    }
  }
  return false;
}

// Points the sources of the instructions that are needed between `begin` and `end` to their values and makes those that are outside: in
// `staging` where they stay outside.
Status readSources(BoundProgram& bound, State& state, size_t begin, size_t end, int threads, AlignedBuffer* staging) {
  std::vector<Slot*> loads;
  std::map<const Slot*, void*> staged;
  for (size_t i = begin; i < end; i++) {
    if (!bound.needed[i]) continue;
    for (const BoundProgram::Source& source : bound.sources[i]) {
      *source.pointer = source.slot->memory;
      if (!source.slot->outside) continue;
      if (!state.leavesOutside()) {
        loads.push_back(source.slot);
        continue;
      }
      if (staging->size() == 0) {
        Status status = staging->reserve(bound.stagingBytes, "weights that are about to be packed");
        if (!status.isOk()) return status;
        staging->populate(threads);
      }
      *source.pointer = staged[source.slot] = staging->at(source.offset);
    }
  }
  Status status = state.load(loads, threads);
  if (!status.isOk()) return status;
  return makeValues({staged.begin(), staged.end()}, threads);
}

// Runs what is needed of the prepare list part by part, so that little lies in memory of what stays outside, and still in the caches when
// it is used.
Status runPrepare(BoundProgram& bound, State& state, const ExecutorSettings& settings, ListRun* run) {
  AlignedBuffer staging;
  run->end = 0;
  state.populateDerived(settings.threads);
  for (size_t end : bound.prepareParts) {
    run->begin = run->end;
    run->end = end;
    const auto needed = bound.needed.begin();
    if (std::none_of(needed + run->begin, needed + end, [](uint8_t is) { return is != 0; })) continue;
    Status status = readSources(bound, state, run->begin, end, settings.threads, &staging);
    if (!status.isOk()) return status;
    ThreadPool::instance().run({settings.threads}, ListRun::run, run);
    if (run->failed) return run->status;
  }
  return Status::ok();
}

void markCurrent(BoundProgram& bound, uint64_t version) {
  for (size_t i = 0; i < bound.prepare.size(); i++) {
    if (!bound.needed[i]) continue;
    for (Slot* slot : bound.derivedSlots[i]) slot->computedFrom = version;
  }
}

}  // namespace

bool isShort(const Program& program) {
  constexpr double kSeconds = 20e-6;
  return program.secondsBefore.back() < kSeconds;
}

Status execute(BoundProgram& bound, State& state, Workspace& workspace, const ExecutorSettings& settings, int steps,
               const std::atomic<bool>* cancelled) {
  const Program& program = bound.program;
  std::lock_guard<std::mutex> lock(state.runMutex());
  if (settings.profile && bound.seconds.empty()) bound.seconds.resize(bound.prepare.size() + bound.step.size());
  double* const seconds = settings.profile ? bound.seconds.data() : nullptr;
  const int threads = isShort(program) ? 1 : settings.threads;
  const size_t stride = Workspace::scratchStride(program);
  for (Slot* slot : bound.stepSlots) {
    slot->usedBySteps = true;
    if (slot->released) return Status::error("ERR_PROGRAM_INVALID", "The program takes a variable that was released and not restored.");
  }
  Status status = state.load(bound.stepSlots, settings.threads);
  if (!status.isOk()) return status;
  for (int step = 0; step < steps && !cancelled->load(std::memory_order_relaxed); step++) {
    if (!bound.prepare.empty() && findNeeded(bound, state.version())) {
      if (readsReleased(bound)) {
        return Status::error("ERR_PROGRAM_INVALID", "The program prepares from a variable that was released and not restored.");
      }
      ListRun run = {program.prepare,
                     bound.prepare,
                     bound.needed.data(),
                     seconds,
                     workspace,
                     stride,
                     settings.validate,
                     "prepare",
                     settings.threads,
                     0,
                     0,
                     0,
                     {}};
      status = runPrepare(bound, state, settings, &run);
      if (!status.isOk()) return status;
      markCurrent(bound, state.version());
    }
    double* const stepSeconds = seconds == nullptr ? nullptr : seconds + bound.prepare.size();
    ListRun run = {program.step, bound.step, nullptr, stepSeconds,       workspace,           stride, settings.validate,
                   "step",       threads,    0,       bound.step.size(), workspace.nextRun(), {}};
    ThreadPool::instance().run({threads, Attendance::whoeverComes, &program.secondsBefore}, ListRun::run, &run);
    if (program.updatesState) state.bumpVersion();
    if (run.failed) return run.status;
  }
  return Status::ok();
}

}  // namespace stridenet
