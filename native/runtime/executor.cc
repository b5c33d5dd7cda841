#include "native/runtime/executor.h"

#include <algorithm>
#include <chrono>
#include <cstring>
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
  Workspace& workspace;
  const size_t scratchStride;
  const bool validate;
  const char* name = "step";
  const uint8_t* needed = nullptr;  // by instruction, whether it is to run; nullptr: all are
  double* seconds = nullptr;        // nullptr: not profiled
  int threads;                      // the most that take part
  size_t begin = 0, end;            // the instructions to run
  uint32_t number = 0;              // the run's, which tells its task shares from stale ones; 0: it uses none
  Status status;                    // written by thread 0 between two barriers
  bool failed = false;              // also written by thread 0 between two barriers

  ListRun(const Program& program, const std::vector<Instruction>& instructions, const std::vector<Call>& calls, Workspace& workspace,
          const ExecutorSettings& settings)
      : instructions(instructions),
        calls(calls),
        workspace(workspace),
        scratchStride(Workspace::scratchStride(program)),
        validate(settings.validate),
        threads(settings.threads),
        end(calls.size()) {}

  static void run(void* self, Member& member) { static_cast<ListRun*>(self)->runThread(member); }

  void runThread(Member& member) {
    const size_t first = std::max(begin, member.position());
    bool barrierDue = false;
    for (size_t i = first; i < end; i++) {
      const Instruction& instruction = instructions[i];
      // The threads have just met, so the first instruction needs no barrier.
      barrierDue |= i > first && instruction.barrierBefore;
      if (needed != nullptr && !needed[i]) {
        barrierDue |= instruction.plan.phases > 1;  // later instructions rely on the barriers between its phases
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

  // Runs an instruction between two barriers, so that nothing else adds to its time and its results can be looked at.
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

// Runs what is needed of the prepare list.
Status runPrepare(BoundProgram& bound, State& state, Workspace& workspace, const ExecutorSettings& settings) {
  ListRun run(bound.program, bound.program.prepare, bound.prepare, workspace, settings);
  run.name = "prepare";
  run.needed = bound.preparation.needed();
  if (settings.profile) run.seconds = bound.seconds.data();
  PreparePass pass(bound.preparation, state, settings.threads);
  while (pass.next(&run.begin, &run.end)) {
    ThreadPool::instance().run({settings.threads}, ListRun::run, &run);
    if (run.failed) return run.status;
  }
  return pass.finish();
}

Status runStep(BoundProgram& bound, Workspace& workspace, const ExecutorSettings& settings) {
  ListRun run(bound.program, bound.program.step, bound.step, workspace, settings);
  if (settings.profile) run.seconds = bound.seconds.data() + bound.prepare.size();
  if (isShort(bound.program)) run.threads = 1;
  run.number = workspace.nextRun();
  ThreadPool::instance().run({run.threads, Attendance::whoeverComes, &bound.program.secondsBefore}, ListRun::run, &run);
  return run.status;
}

}  // namespace

bool isShort(const Program& program) {
  constexpr double kSeconds = 20e-6;
  return program.secondsBefore.back() < kSeconds;
}

Status execute(BoundProgram& bound, State& state, Workspace& workspace, const ExecutorSettings& settings, int steps,
               const std::atomic<bool>* cancelled) {
  std::lock_guard<std::mutex> lock(state.runMutex());
  for (Slot* slot : bound.stepSlots) {
    slot->usedBySteps = true;
    if (slot->released) return Status::error("ERR_PROGRAM_INVALID", "The program takes a variable that was released and not restored.");
  }
  Status status = state.load(bound.stepSlots, settings.threads);
  for (int step = 0; status.isOk() && step < steps && !cancelled->load(std::memory_order_relaxed); step++) {
    if (bound.preparation.findNeeded(state.version())) status = runPrepare(bound, state, workspace, settings);
    if (!status.isOk()) break;
    status = runStep(bound, workspace, settings);
    if (bound.program.updatesState) state.bumpVersion();
  }
  return status;
}

}  // namespace stridenet
