// How many threads a team has beside other load, on a clock and with speeds made for the test: time that is lost leads to a try with fewer
// threads, the faster way stays, all threads are tried again after pauses that grow and last while processors are shared, and short
// absences of a quiet machine change nothing.
#include "native/runtime/crowding.h"

#include "test/native/check.h"

namespace stridenet {
namespace {

using namespace std::chrono_literals;
using Duration = Crowding::Clock::duration;

// A team of two whose work by second depends on how many take part.
class Machine {
 public:
  Machine(double fewer, double all) : fewer_(fewer), all_(all) {}

  int threads() { return crowding_.limit(2, now_); }
  // One thread waits for its processor this part of the time from here on.
  void share(double part) { part_ = part; }
  void work(Duration time) {
    now_ += time;
    waits_ += std::chrono::duration_cast<Duration>(part_ * time);
    if (crowding_.asksForWaits(now_)) crowding_.hasWaited(waits_, now_);
    const double speed = threads() < 2 ? fewer_ : all_;
    crowding_.did(speed * std::chrono::duration<double>(time).count(), time, now_);
  }
  void lose(Duration time) {
    now_ += time;
    crowding_.did(0, time, now_);
    crowding_.lost(time, 2, 1, now_);
  }
  // The part of `total` that two threads work, while a neighbour takes `slice` of every `period` of theirs.
  double shareOfAll(Duration total, Duration period, Duration slice) {
    const auto end = now_ + total;
    Duration both{}, sinceSlice{};
    while (now_ < end) {
      const bool isBoth = threads() == 2;
      work(1ms);
      if (!isBoth) continue;
      both += 1ms;
      sinceSlice += 1ms;
      if (sinceSlice < period) continue;
      sinceSlice = {};
      both += slice;
      lose(slice);
    }
    return std::chrono::duration<double>(both) / std::chrono::duration<double>(total);
  }
  void becomes(double fewer, double all) { fewer_ = fewer, all_ = all; }
  const Crowding& crowding() const { return crowding_; }

 private:
  Crowding crowding_;
  Crowding::Clock::time_point now_ = Crowding::Clock::time_point{} + 1h;
  double fewer_, all_, part_ = 0;
  Duration waits_{};
};

void testQuiet() {
  Machine machine(1, 1.8);
  for (int i = 0; i < 1000; i++) {
    machine.work(50ms);
    machine.lose(1ms);
    CHECK(machine.threads() == 2);
  }
  CHECK(!machine.crowding().isWatching());
}

// A slice of 3 ms after every 4 ms: two threads would come to three quarters of one.
void testNeighbour() {
  Machine machine(1, 1.3);
  machine.shareOfAll(1s, 4ms, 3ms);
  CHECK(machine.shareOfAll(10s, 4ms, 3ms) < 0.03);
}

// Two threads stay where they are faster all the same.
void testWorthwhile() {
  Machine machine(1, 1.8);
  machine.shareOfAll(1s, 20ms, 3ms);
  CHECK(machine.shareOfAll(10s, 20ms, 3ms) > 0.97);
}

// All threads are tried more seldom where even one waits for half of the time, but tried all the same, and soon once it does not wait.
void testShared() {
  Machine machine(1, 1.3);
  machine.shareOfAll(1s, 4ms, 3ms);
  machine.share(0.5);
  const double share = machine.shareOfAll(100s, 4ms, 3ms);
  CHECK(share > 0 && share < 0.001);
  machine.share(0.1);
  CHECK(machine.shareOfAll(2s, 1h, 0ms) > 0.3);
}

void testEnd() {
  Machine machine(1, 1.3);
  machine.shareOfAll(10s, 4ms, 3ms);
  CHECK(machine.shareOfAll(2s, 1h, 0ms) > 0.3);  // the longest pause is over by then
  CHECK(machine.shareOfAll(10s, 1h, 0ms) == 1);
}

// No more than what is wanted, and at least one.
void testBounds() {
  Crowding crowding;
  const auto now = Crowding::Clock::time_point{} + 1h;
  crowding.lost(5ms, 4, 3, now);
  CHECK(crowding.limit(8, now) == 1);
  CHECK(crowding.limit(1, now) == 1);
  Crowding other;
  other.lost(5ms, 4, 1, now);
  CHECK(other.limit(8, now) == 3);
  CHECK(other.limit(2, now) == 2);
}

}  // namespace
}  // namespace stridenet

int main() {
  using namespace stridenet;
  testQuiet();
  testNeighbour();
  testWorthwhile();
  testShared();
  testEnd();
  testBounds();
  std::puts("crowding_test: ok");
  return 0;
}
