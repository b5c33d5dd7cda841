// The threads of one run, which execute the same function and meet at barriers (SPMD). A thread that the system keeps busy elsewhere is
// not waited for before it has begun: threads may come while a run is under way, and leave where the team is better off without them.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "native/runtime/cpu.h"
#include "native/runtime/crowding.h"
#include "native/runtime/threading.h"

namespace stridenet {

class Team;

// Who begins a run.
enum class Attendance {
  whoeverComes,  // the caller at once, others when they are there; fewer than wanted while the machine is crowded
  everybody,     // all that are wanted, together
};

// What a run is.
struct Undertaking {
  int threads;  // wanted, the caller included
  Attendance attendance = Attendance::whoeverComes;
  // Estimated seconds of one thread's work before each position, and at the end before the end; nullptr: unknown.
  const std::vector<double>* workBefore = nullptr;
};

// One thread's place in a team. Numbers are given in the order of coming; 0 is the caller of the run.
class Member {
 public:
  // A team of one.
  Member() = default;

  int number() const { return number_; }
  // How many share the work out between this barrier and the next: those with the numbers below.
  int size() const { return size_; }
  // Came since the last meeting: it has no share of its own, but may take what others have not begun.
  bool isGuest() const { return number_ >= size_; }
  // Where the team was when this thread came: what was given to `meet`, at first 0.
  size_t position() const { return position_; }
  // Whether nobody else can come.
  bool isAlone() const { return team_ == nullptr; }

  // Returns when all threads of the team have called it; what they wrote before is visible after. Size and numbers stay.
  void barrier();
  // A barrier where guests become members and threads may have to leave: false says that this one does, and must return from the body
  // at once. `position` tells those who come from here on where to begin; before the next meeting they must find nothing but
  // instructions that have no work for guests except tasks that are shared out.
  bool meet(size_t position);

 private:
  friend class Team;
  Team* team_ = nullptr;
  int number_ = 0;
  int size_ = 1;
  size_t position_ = 0;
  uint32_t generation_ = 0;
  bool hasLeft_ = false;
};

class Team {
 public:
  // For the caller of a run, whom nobody else may be at the time. Workers are called by numbers from 0 on.
  void open(const Undertaking& undertaking, Member* leader);
  // Waits for all members, and lets nobody in any more. Only for the leader.
  void close(Member* leader);

  // For the workers. Waits until the run needs it, and takes part: false when it does not need it after all.
  void awaitCall(int worker, uint32_t* seen);
  bool enter(Member* member);
  // The last that a worker does in a run.
  void finish(Member* member);

 private:
  friend class Member;

  // All that threads must see at once: the number of barriers so far, and of the threads.
  struct Phase {
    uint32_t generation;
    uint32_t size, present, arrived;  // of whom `present` includes guests
    bool isOpen;                      // for guests

    static Phase unpack(uint64_t word);
    uint64_t pack() const;
  };

  enum class Barrier { plain, meeting, last };
  // Whether the member stays.
  bool arrive(Member* member, Barrier barrier, size_t position);
  // For the last to arrive: begins the next phase.
  void release(const Phase& complete, Barrier barrier, size_t position);
  void await(const Phase& phase);
  void gather(int expected);
  // Takes into account what happened since the last time.
  int limitNow(size_t position);
  // Whether so much was done since then that it is worth looking whether others may come.
  bool isTimeToLook(size_t position) const;
  void account(size_t position, Crowding::Clock::time_point now);
  void call(int workers);
  void spread(const Member& member);

  std::atomic<uint64_t> phase_{0};
  EventCount released_;  // the generation, to wait for
  // Written while all others wait, or by the leader before a run.
  std::atomic<size_t> position_{0};
  std::atomic<int> limit_{1};
  std::atomic<uint32_t> gathering_{0};  // the generation in which the threads of a run come together
  Undertaking undertaking_{1};
  Crowding crowding_;
  size_t accountedTo_ = 0;  // a position
  Crowding::Clock::time_point accountedAt_{};

  // Reported by whoever waited, taken into account at the next meeting.
  std::atomic<int64_t> lostNanoseconds_{0};
  std::atomic<int> lostSize_{0}, lostAbsent_{0};

  // By number: who is missing at a barrier, and whether it runs.
  struct alignas(64) Place {
    std::atomic<uint32_t> arrivedIn{0};  // a generation
    std::atomic<int64_t> clock{0};       // a ThreadClock
  };
  class Missing;
  Place places_[kMaxThreads];
  EventCount calls_[kMaxThreads];
  // By number: the processor that the thread was last seen on. Only a hint.
  std::atomic<int> processors_[kMaxThreads] = {};
};

}  // namespace stridenet
