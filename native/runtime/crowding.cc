#include "native/runtime/crowding.h"

#include <algorithm>

namespace stridenet {

namespace {
using namespace std::chrono_literals;
using Seconds = std::chrono::duration<double>;
using Duration = Crowding::Clock::duration;

// A team may lose one part in kForgivenParts of its time, and kBearable at once, without any consequence. The latter is
// less than the slice of some 3 ms that the system gives to another process, and more than the other threads of this
// process take, such as the garbage collector's.
constexpr int kForgivenParts = 50;
constexpr Duration kBearable = 2ms;
// A try takes as long as some time slices of the other process. At the longest pause, tries take a hundredth of the
// time.
constexpr Duration kTryTime = 12ms, kShortestPause = 20ms, kLongestPause = 1280ms;
constexpr int kPauseGrowth = 4;
// Where fewer threads wait for processors during one part in kPartOfWaits of the time, all threads would wait longer.
// So each time that this is seen the pause begins again, until it has lasted kMostProlonged times its length. The
// threads of a single process wait for each other during about a sixth of the time, which is not a sign of others.
constexpr int kPartOfWaits = 4, kMostProlonged = 32;
constexpr Duration kTimeOfWaits = 10ms;
// A pause is longer than the one before if its cause comes back within so many times the length of that one. Even a
// machine that is not shared loses some milliseconds a second to the system: there all threads must soon be tried
// again, and fewer threads must not.
constexpr int kMemoryOfNeighbours = 10, kMemoryOfVainTries = 100;
// The current speed is an average over about this time.
constexpr Duration kMemory = 40ms;
// How much faster all threads must be than fewer, and how much where time is lost. Lost time means that another process
// uses the processors too. Two threads need more processor time than one does for the same work, so two processes that
// each tried to gain a little would both lose.
constexpr double kWorthwhile = 1.05, kWorthContending = 1.3;
// A loss of one part in so many of the time means that other processes want the processors.
constexpr int kPartOfOthers = 50;
}  // namespace

void Crowding::Pause::begin(Clock::time_point now, int memory) {
  length = now - end < memory * length ? std::min(kPauseGrowth * length, kLongestPause) : kShortestPause;
  begun = now;
  end = now + length;
}

void Crowding::Pause::prolong(Clock::time_point now) {
  end = std::min(now + length, begun + kMostProlonged * length);
}

int Crowding::limit(int wanted, Clock::time_point now) {
  if (state_ == State::fewer && now >= untilAll_.end) enter(State::tryingAll);
  return state_ == State::fewer || state_ == State::tryingFewer ? std::min(wanted, fewer_) : wanted;
}

void Crowding::lost(Clock::duration time, int size, int absent, Clock::time_point now) {
  lost_ += time;
  debt_ = std::max(Duration::zero(), debt_ - (now - debtSince_) / kForgivenParts) + time;
  debtSince_ = now;
  if (debt_ < kBearable) return;
  debt_ = {};
  if (state_ == State::tryingAll) {
    untilAll_.begin(now, kMemoryOfNeighbours);
    enter(State::fewer);
  } else if (state_ == State::all && now >= untilFewer_.end) {
    fewer_ = std::max(1, size - absent);
    enter(State::tryingFewer);
  }
}

void Crowding::hasWaited(Duration sum, Clock::time_point now) {
  const Duration waited = sum - waits_, passed = now - askedAt_;
  waits_ = sum;
  askedAt_ = now;
  const bool isFirst = asksAt_ == Clock::time_point{};
  asksAt_ = now + kTimeOfWaits;
  if (isFirst || waited * kPartOfWaits < passed) return;
  untilAll_.prolong(now);
  sharedUntil_ = now + kLongestPause;
}

void Crowding::did(double work, Clock::duration time, Clock::time_point now) {
  work_ += work;
  time_ += time;
  switch (state_) {
    case State::all:
    case State::fewer:
      if (time_ > kMemory) {
        work_ /= 2;
        time_ /= 2;
      }
      break;
    case State::tryingFewer:
      if (time_ < kTryTime) break;
      if (speedBefore_ <= kWorthContending * speed()) {
        untilAll_.begin(now, kMemoryOfNeighbours);
        enter(State::fewer);
      } else {
        untilFewer_.begin(now, kMemoryOfVainTries);
        enter(State::all);
      }
      break;
    case State::tryingAll:
      if (time_ < kTryTime) break;
      if (speed() >= (now < sharedUntil_ || lost_ * kPartOfOthers >= time_ ? kWorthContending : kWorthwhile) * speedBefore_) {
        enter(State::all);
      } else {
        untilAll_.begin(now, kMemoryOfNeighbours);
        enter(State::fewer);
      }
  }
}

void Crowding::enter(State state) {
  speedBefore_ = speed();
  if (state == State::fewer) asksAt_ = {};
  state_ = state;
  work_ = 0;
  time_ = lost_ = {};
}

double Crowding::speed() const {
  return time_ > Duration::zero() ? work_ / Seconds(time_).count() : 0;
}

}  // namespace stridenet
