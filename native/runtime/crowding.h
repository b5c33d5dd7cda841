// How many threads are worth having while other processes want the processors too. A team whose threads meet at barriers stands still
// while the system runs something else in the place of one of them, for some milliseconds each time; a smaller team goes on.
#pragma once

#include <chrono>
#include <cstdint>

namespace stridenet {

// Decides from the time that teams lost and from how fast they worked: a team that lost time is made smaller for a
// moment and stays so if that was faster; from time to time all threads are tried again. It is not thread-safe: one
// thread of a team calls it while all others wait.
class Crowding {
 public:
  using Clock = std::chrono::steady_clock;

  // How many threads of a team that wants `wanted` may take part now.
  int limit(int wanted, Clock::time_point now);
  // Whether `limit` may be less than what is wanted, now or soon. Otherwise it need not be asked, and it is enough to
  // call `did` once a run.
  bool isWatching() const { return state_ != State::all; }
  // A team of `size` threads waited this long for `absent` of them, which did not run.
  void lost(Clock::duration time, int size, int absent, Clock::time_point now);
  // Whether `hasWaited` is to be called: how long the caller of a run waited for a processor tells whether others use
  // it.
  bool asksForWaits(Clock::time_point now) const { return state_ == State::fewer && now >= asksAt_; }
  // The caller of the run has waited this long for a processor in all, since the thread began.
  void hasWaited(Clock::duration sum, Clock::time_point now);
  // A team did this much work since the last call, in seconds of one thread as programs estimate them, in this time.
  void did(double work, Clock::duration time, Clock::time_point now);

 private:
  enum class State {
    all,
    tryingFewer,  // until it is known whether that is faster
    fewer,        // until it is time to try all again
    tryingAll,    // until it is known whether that is faster
  };

  // A time during which something is not tried. It gets longer each time that its cause comes back soon.
  struct Pause {
    Clock::duration length{};
    Clock::time_point begun{}, end{};
    void begin(Clock::time_point now, int memory);
    // Begins again with the same length, but not more often than a fixed number of times.
    void prolong(Clock::time_point now);
  };

  void enter(State state);
  // Work per second: since the state began while something is being tried, else the current average.
  double speed() const;

  State state_ = State::all;
  int fewer_ = 1;
  Clock::duration debt_{};         // lost time that has no consequence yet
  Clock::time_point debtSince_{};  // when debt_ was last reduced
  Pause untilAll_, untilFewer_;    // all, or fewer, threads are not tried before these end
  Clock::time_point askedAt_{}, asksAt_{};
  Clock::duration waits_{};          // what hasWaited was last told
  Clock::time_point sharedUntil_{};  // until then the processors count as shared with others
  double work_ = 0;
  Clock::duration time_{};  // that work_ took
  Clock::duration lost_{};  // lost since the state began
  double speedBefore_ = 0;  // the speed in the state before this one
};

}  // namespace stridenet
