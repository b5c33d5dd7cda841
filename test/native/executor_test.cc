// Programs on their way through decoder, executor and session: barriers, in-place updates, prepare lists by version, the queue, the
// switches, and one refusal for every rule of the verifier. Run under ThreadSanitizer and AddressSanitizer.
#include "native/runtime/executor.h"

#include <cmath>
#include <functional>
#include <string>
#include <thread>

#include "native/runtime/dispatch.h"
#include "native/runtime/session.h"
#include "test/native/check.h"
#include "test/native/program_builder.h"

namespace stridenet {
namespace {

using Builder = ProgramBuilder;
constexpr int32_t kCopy = static_cast<int32_t>(UnaryKind::copy), kNeg = static_cast<int32_t>(UnaryKind::neg),
                  kLog = static_cast<int32_t>(UnaryKind::log), kAdd = static_cast<int32_t>(BinaryKind::add),
                  kMul = static_cast<int32_t>(BinaryKind::mul);

const KernelTable& kernels() {
  const KernelTable* table = nullptr;
  CHECK_OK(selectKernels(&table));
  return *table;
}

std::shared_ptr<const Program> decode(const std::vector<int32_t>& words) {
  std::shared_ptr<const Program> program;
  CHECK_OK(decodeProgram(words.data(), words.size(), kernels(), &program));
  return program;
}

std::string refusal(const std::vector<int32_t>& words) {
  std::shared_ptr<const Program> program;
  const Status status = decodeProgram(words.data(), words.size(), kernels(), &program);
  if (status.isOk()) return "accepted";
  CHECK(std::string(status.code()) == "ERR_PROGRAM_INVALID");
  return status.message();
}

void expectRefusal(const Builder& builder, const char* part) {
  const std::string message = refusal(builder.words());
  if (message.find(part) == std::string::npos) std::fprintf(stderr, "expected '%s' in '%s'\n", part, message.c_str());
  CHECK(message.find(part) != std::string::npos);
}

// y = -(x + x) + x, through the arena, one output in place; enough elements to be worth the pool.
constexpr int32_t kMany = 1 << 18;
std::vector<int32_t> chainWords() {
  Builder b;
  const int x = b.feed({kMany}), y = b.fetch({kMany}), sum = b.arena({kMany}), negated = b.arena({kMany});
  b.step(Opcode::binary, {x, x, sum}, {kAdd});
  b.step(Opcode::unary, {sum, negated}, {kNeg});
  b.step(Opcode::unary, {negated, negated}, {kCopy});  // in place
  b.step(Opcode::binary, {negated, x, y}, {kAdd});
  return b.words();
}

void testThreads() {
  const auto program = decode(chainWords());
  CHECK(!program->step[0].barrierBefore && program->step[1].barrierBefore && program->step[2].barrierBefore);
  auto state = std::make_shared<State>();
  for (int threads : {1, 2, 5}) {
    ExecutorSettings settings;
    settings.threads = threads;
    Session session(
        state, settings, [](void*) {}, nullptr);
    Job job;
    CHECK_OK(job.fit(program));
    auto* x = static_cast<float*>(job.feeds[0]);
    for (int i = 0; i < kMany; i++) x[i] = static_cast<float>(i % 1000);
    CHECK_OK(session.runNow(job));
    for (int i = 0; i < kMany; i++) CHECK(static_cast<float*>(job.fetches[0])[i] == -x[i]);
  }
}

// derived = -w in the prepare list, by way of the arena; step: y = derived * x and w += 1.
void testPrepare() {
  auto state = std::make_shared<State>();
  const int64_t dims[] = {4};
  int w, derived;
  CHECK_OK(state->addSlot(DType::float32, 1, dims, false, &w));
  CHECK_OK(state->addSlot(DType::float32, 1, dims, true, &derived));
  Builder b;
  const int weight = b.slot(w, {4}), negative = b.slot(derived, {4}), x = b.feed({4}), y = b.fetch({4}), t = b.arena({4});
  const int one = b.constant({4}, {1, 1, 1, 1});
  b.prepare(Opcode::unary, {weight, t}, {kNeg});
  b.prepare(Opcode::unary, {t, negative}, {kCopy});
  b.step(Opcode::binary, {negative, x, y}, {kMul});
  b.step(Opcode::binary, {weight, one, weight}, {kAdd});
  const auto program = decode(b.words());
  CHECK(program->updatesState && program->prepare[1].sources == std::vector<int32_t>{0});

  const float start[4] = {1, 2, 3, 4};
  CHECK_OK(state->write(w, start, false));
  Session session(
      state, {}, [](void*) {}, nullptr);
  Job job;
  CHECK_OK(job.fit(program));
  for (int i = 0; i < 4; i++) static_cast<float*>(job.feeds[0])[i] = 10;
  const auto first = [&] { return static_cast<float*>(job.fetches[0])[0]; };
  CHECK_OK(session.runNow(job));
  CHECK(first() == -10);
  CHECK_OK(session.runNow(job));
  CHECK(first() == -20);  // the first run changed w
  job.steps = 3;
  CHECK_OK(session.runNow(job));
  CHECK(first() == -50);
  CHECK_OK(state->write(w, start, false));
  job.steps = 1;
  CHECK_OK(session.runNow(job));
  CHECK(first() == -10);

  // A program that reads the derived slot without making it is refused by this State.
  Builder reader;
  const int from = reader.slot(derived, {4}), to = reader.fetch({4});
  reader.step(Opcode::unary, {from, to}, {kCopy});
  CHECK_OK(job.fit(decode(reader.words())));
  CHECK(session.runNow(job).message().find("does not write") != std::string::npos);
  Builder wrongSize;
  const int five = wrongSize.slot(w, {5}), five2 = wrongSize.fetch({5});
  wrongSize.step(Opcode::unary, {five, five2}, {kCopy});
  CHECK_OK(job.fit(decode(wrongSize.words())));
  CHECK(!session.runNow(job).isOk());
}

// Jobs come back in order; two sessions on one State exclude each other; stop() in the middle of long runs returns.
void testQueue() {
  const auto program = decode(chainWords());
  auto state = std::make_shared<State>();
  std::atomic<int> notified{0};
  const auto notify = [](void* count) { static_cast<std::atomic<int>*>(count)->fetch_add(1); };
  ExecutorSettings settings;
  settings.threads = 2;
  Session first(state, settings, notify, &notified), second(state, settings, notify, &notified);
  for (int i = 0; i < 12; i++) {
    Session& session = i % 2 ? second : first;
    Status status;
    auto job = session.makeJob(program, &status);
    CHECK_OK(status);
    job->tag = reinterpret_cast<void*>(static_cast<intptr_t>(i));
    for (int k = 0; k < kMany; k++) static_cast<float*>(job->feeds[0])[k] = static_cast<float>(i);
    CHECK_OK(session.submit(job));
  }
  Job now;
  CHECK_OK(now.fit(program));
  CHECK_OK(first.runNow(now));  // after the queue of `first`
  for (int i = 0; i < 12; i += 2) {
    auto job = first.takeFinished();
    CHECK(job != nullptr && reinterpret_cast<intptr_t>(job->tag) == i && job->status.isOk());
    CHECK(static_cast<float*>(job->fetches[0])[kMany - 1] == -static_cast<float>(i));
    first.recycle(std::move(job));
  }
  while (notified.load() < 12) std::this_thread::yield();

  Status status;
  for (int i = 0; i < 3; i++) {
    auto job = second.makeJob(program, &status);
    job->steps = 1 << 30;
    CHECK_OK(second.submit(job));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  CHECK(second.cancelPending().size() == 2);
  second.stop();
}

void testSwitches() {
  auto state = std::make_shared<State>();
  Builder b;
  const int x = b.feed({8}), y = b.fetch({8}), t = b.arena({8});
  b.step(Opcode::unary, {x, t}, {kCopy});
  b.step(Opcode::unary, {t, y}, {kLog});
  const auto program = decode(b.words());
  ExecutorSettings settings;
  settings.profile = settings.validate = true;
  Session session(
      state, settings, [](void*) {}, nullptr);
  Job job;
  CHECK_OK(job.fit(program));
  for (int i = 0; i < 8; i++) static_cast<float*>(job.feeds[0])[i] = 1;
  CHECK_OK(session.runNow(job));
  std::vector<double> seconds;
  session.takeProfile(*program, &seconds);
  CHECK(seconds.size() == 2 && seconds[0] > 0 && seconds[1] > 0);
  static_cast<float*>(job.feeds[0])[5] = -1;
  const Status status = session.runNow(job);
  CHECK(std::string(status.code()) == "ERR_NOT_FINITE");
  CHECK(status.message().find("step instruction 1 (unary)") == 0 && status.message().find("element 5") != std::string::npos);
}

// Bound programs of which nobody has the Program any more are let go.
void testManyPrograms() {
  auto state = std::make_shared<State>();
  Session session(
      state, {}, [](void*) {}, nullptr);
  Job job;
  for (int i = 0; i < 200; i++) {
    Builder b;
    const int y = b.fetch({1}), c = b.constant({1}, {static_cast<float>(i)});
    b.step(Opcode::unary, {c, y}, {kCopy});
    CHECK_OK(job.fit(decode(b.words())));
    CHECK_OK(session.runNow(job));
    CHECK(*static_cast<float*>(job.fetches[0]) == static_cast<float>(i));
  }
}

void testBarriers() {
  Builder b;
  const int x = b.feed({8}), a = b.arena({8}), c = b.arena({8}), y = b.fetch({8}), z = b.fetch({8});
  b.step(Opcode::unary, {x, a}, {kCopy});
  b.step(Opcode::unary, {x, c}, {kCopy});  // independent
  b.step(Opcode::unary, {a, y}, {kCopy});  // reads a
  b.step(Opcode::unary, {c, z}, {kCopy});
  b.step(Opcode::unary, {x, c}, {kNeg});  // writes what the one before reads
  const auto program = decode(b.words());
  const auto& step = program->step;
  CHECK(!step[0].barrierBefore && !step[1].barrierBefore && step[2].barrierBefore && !step[3].barrierBefore && step[4].barrierBefore);
  CHECK(step[1].rotation == 1 && step[2].rotation == 0 && step[3].rotation == 1);
}

void testRefusals() {
  const std::vector<int32_t> good = chainWords();
  const auto changed = [&](size_t word, int32_t value) {
    std::vector<int32_t> words = good;
    words[word] = value;
    return refusal(words);
  };
  CHECK(refusal({}).find("0 words") != std::string::npos);
  CHECK(changed(0, 1).find("begins with") != std::string::npos);
  CHECK(changed(1, 1).find("stale") != std::string::npos);
  CHECK(changed(2, 1).find("declares 1") != std::string::npos);
  CHECK(changed(3, 1).find("behind the arena") != std::string::npos);
  CHECK(changed(4, 1 << 30).find("do not fit") != std::string::npos);
  CHECK(changed(7, 1).find("constant words") != std::string::npos);
  CHECK(changed(8, 2).find("No tensor describes feed 1") != std::string::npos);
  CHECK(changed(10, 1).find("must be zero") != std::string::npos);
  const size_t tensor = kHeaderWords;
  CHECK(changed(tensor, 3).find("dtype") != std::string::npos);
  CHECK(changed(tensor + 1, 5).find("space") != std::string::npos);
  CHECK(changed(tensor + 2, -1).find("offset") != std::string::npos);
  CHECK(changed(tensor + 2, 1).find("feed 1 of 1") != std::string::npos);
  CHECK(changed(tensor + 3, 7).find("rank") != std::string::npos);
  CHECK(changed(tensor + 4, 0).find("extent") != std::string::npos);
  CHECK(changed(tensor + 5, 2).find("extent") != std::string::npos);
  CHECK(changed(tensor + 11, 1).find("reserved") != std::string::npos);
  const size_t code = kHeaderWords + 4 * kTensorWords;
  CHECK(changed(code, kOpcodeCount).find("opcode") != std::string::npos);
  CHECK(changed(code + 1, 2).find("operands") != std::string::npos);
  CHECK(changed(code + 3, 99).find("tensor 99") != std::string::npos);
  CHECK(changed(code + 3, -1).find("lacks operand") != std::string::npos);

  Builder tooLarge;
  tooLarge.tensor(DType::float32, Space::arena, 0, {1 << 30, 1 << 30, 1 << 30});
  expectRefusal(tooLarge, "2^40");
  Builder twoShapes;
  twoShapes.feed({4});
  twoShapes.tensor(DType::float32, Space::feed, 0, {5});
  expectRefusal(twoShapes, "differently");
  Builder twoSlots;
  twoSlots.slot(0, {4});
  twoSlots.slot(0, {5});
  expectRefusal(twoSlots, "differently");
  Builder unwritten;
  unwritten.fetch({4});
  expectRefusal(unwritten, "writes fetch 0");

  const auto step = [](const std::function<void(Builder&)>& fill, const char* part) {
    Builder b;
    fill(b);
    expectRefusal(b, part);
  };
  step([](Builder& b) { b.step(Opcode::unary, {b.arena({4}), b.arena({4})}, {kCopy}); }, "read before it is written");
  step([](Builder& b) { b.step(Opcode::unary, {b.slot(0, {4}), b.feed({4})}, {kCopy}); }, "read-only");
  step([](Builder& b) { b.step(Opcode::unary, {b.slot(0, {4}), b.constant({4}, {1, 2, 3, 4})}, {kCopy}); }, "read-only");
  step([](Builder& b) { b.prepare(Opcode::unary, {b.feed({4}), b.slot(0, {4})}, {kCopy}); }, "is a feed");
  step([](Builder& b) { b.prepare(Opcode::unary, {b.slot(0, {4}), b.fetch({4})}, {kCopy}); }, "is a fetch");
  step(
      [](Builder& b) {
        const int derived = b.slot(1, {4});
        b.prepare(Opcode::unary, {b.slot(0, {4}), derived}, {kCopy});
        b.step(Opcode::unary, {b.slot(0, {4}), derived}, {kCopy});
      },
      "only the prepare list");
  step(
      [](Builder& b) {
        const int derived = b.slot(1, {4}), t = b.arena({4});
        b.prepare(Opcode::unary, {derived, t}, {kCopy});
        b.prepare(Opcode::unary, {t, derived}, {kCopy});
      },
      "derived slot that is read before");
  step(
      [](Builder& b) {  // what prepare leaves in the arena may be gone
        const int t = b.arena({4}), y = b.fetch({4});
        b.prepare(Opcode::unary, {b.slot(0, {4}), t}, {kCopy});
        b.step(Opcode::unary, {t, y}, {kCopy});
      },
      "read before it is written");
  step(
      [](Builder& b) {  // two tensors half over each other
        b.arena({64});
        const int low = b.tensor(DType::float32, Space::arena, 0, {32}), high = b.tensor(DType::float32, Space::arena, 1, {32});
        b.step(Opcode::unary, {b.slot(0, {32}), low}, {kCopy});
        b.step(Opcode::unary, {low, high}, {kCopy});
      },
      "overlaps");
  step(
      [](Builder& b) {  // in place, but on an input that must not be
        const int t = b.arena({1, 4});
        b.step(Opcode::unary, {b.slot(0, {1, 4}), t}, {kCopy});
        b.step(Opcode::transpose, {t, t}, {0, 1, 2, 3, 4, 5});
      },
      "overlaps");
  step([](Builder& b) { b.step(Opcode::unary, {b.slot(0, {4}), b.arena({5})}, {kCopy}); }, "step instruction 0: unary");
  step(
      [](Builder& b) {
        const int derived = b.slot(1, {4}), one = b.constant({1}, {1});
        b.prepare(Opcode::unary, {b.slot(0, {4}), derived}, {kCopy});
        b.prepare<Sgd>({b.slot(0, {4}), one, -1, derived, -1}, {});
      },
      "updates a slot in the prepare list");
}

// For queries offsets mean nothing.
void testQuery() {
  Builder b;
  const int x = b.tensor(DType::float32, Space::arena, 0, {64}), y = b.tensor(DType::float32, Space::arena, 0, {64});
  b.step(Opcode::unary, {x, y}, {kNeg});
  const std::vector<int32_t> words = b.words();
  std::shared_ptr<const Program> program;
  CHECK(!decodeProgram(words.data(), words.size(), kernels(), &program).isOk());
  CHECK_OK(decodeProgram(words.data(), words.size(), kernels(), &program, DecodeMode::query));
  const double seconds = estimateSeconds(program->step[0].plan, kernels());
  CHECK(seconds > 0 && seconds < 1e-3 && std::isfinite(seconds));
}

}  // namespace
}  // namespace stridenet

int main() {
  using namespace stridenet;
  testThreads();
  testPrepare();
  testQueue();
  testSwitches();
  testManyPrograms();
  testBarriers();
  testRefusals();
  testQuery();
  std::puts("executor_test: ok");
  return 0;
}
