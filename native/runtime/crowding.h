// How many threads are worth having while other processes want the processors too. A team whose threads meet at barriers stands still
// while the system runs something else in the place of one of them, for some milliseconds each time; a smaller team goes on.
#pragma once

#include <chrono>
#include <cstdint>

namespace stridenet {

// Decides from the time that teams lost and from how fast they worked: a team that lost time is made smaller for a moment and stays so if
// that was faster; from time to time all threads are tried again. Not for several threads at a time: the team asks while all its other
// threads wait.
class Crowding {
 public:
  using Clock = std::chrono::steady_clock;

  // Threads of a team of `wanted` that may take part now.
  int limit(int wanted, Clock::time_point now);
  // Whether it may give less than is wanted, now or soon: else it need not be asked, and told what was done only once a run.
  bool isWatching() const { return state_ != State::all; }
  // A team of `size` threads waited this long for `absent` of them, which did not run.
  void lost(Clock::duration time, int size, int absent, Clock::time_point now);
  // Whether it wants to be told how long the caller of the run has waited for a processor, which says whether somebody else has it.
  bool asksForWaits(Clock::time_point now) const { return state_ == State::fewer && now >= asksAt_; }
  // In all, since the thread began.
  void hasWaited(Clock::duration sum, Clock::time_point now);
  // What a team did since the last time, in seconds of one thread as programs estimate them, and how long it took.
  void did(double work, Clock::duration time, Clock::time_point now);

 private:
  enum class State {
    all,
    tryingFewer,  // until it is known whether that is faster
    fewer,        // until it is time to try all again
    tryingAll,    // until it is known whether that is faster
  };

  // Grows while its cause comes back soon.
  struct Pause {
    Clock::duration length{};
    Clock::time_point begun{}, end{};
    void begin(Clock::time_point now, int memory);
    // Begins again at its length, though not for ever.
    void prolong(Clock::time_point now);
  };

  void enter(State state);
  // Work by second since the state began, or of late.
  double speed() const;

  State state_ = State::all;
  int fewer_ = 1;
  Clock::duration debt_{};         // lost time that has not been forgiven
  Clock::time_point debtSince_{};  // forgiven up to here
  Pause untilAll_, untilFewer_;    // when they are tried at the earliest
  Clock::time_point askedAt_{}, asksAt_{};
  Clock::duration waits_{};          // until it asked last
  Clock::time_point sharedUntil_{};  // fewer threads shared their processors of late
  double work_ = 0;
  Clock::duration time_{};  // for that work
  Clock::duration lost_{};  // since the state began
  double speedBefore_ = 0;  // in the state before
};

}  // namespace stridenet
