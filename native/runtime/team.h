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

// Which threads must be there before a run begins.
enum class Attendance {
  whoeverComes,  // the caller at once, others when they are there; fewer than wanted while the machine is crowded
  everybody,     // all that are wanted, together
};

// How a run is to be carried out.
struct Undertaking {
  int threads;  // how many are wanted, the caller included
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
  // How many threads share the work until the next barrier: those with numbers below this.
  int size() const { return size_; }
  // Whether this thread came since the last meeting: it then has no share of its own, but may take tasks that others
  // have not begun.
  bool isGuest() const { return number_ >= size_; }
  // Where the team was when this thread came: the position of the last meeting, at first 0.
  size_t position() const { return position_; }
  // Whether no other thread can join.
  bool isAlone() const { return team_ == nullptr; }

  // Returns when all threads of the team have called it; what they wrote before is visible after. Size and numbers stay.
  void barrier();
  // A barrier at which guests become members and threads may have to leave. Returns false if this thread must leave: it
  // must then return from the body at once. Threads that come later begin at `position`. Until the next meeting these
  // are guests, so all instructions on their way must either ignore guests or share out their tasks (worker_tasks.h).
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
  // Begins a run. Only one thread may be the leader at a time, the caller of the run. Workers are called by numbers
  // from 0 on.
  void open(const Undertaking& undertaking, Member* leader);
  // Ends a run: waits for all members and lets nobody join any more. Only for the leader.
  void close(Member* leader);

  // For the workers: awaitCall waits until a run needs the worker, and enter makes it a member, or returns false when
  // it is not needed after all.
  void awaitCall(int worker, uint32_t* seen);
  bool enter(Member* member);
  // To be called last by a worker in a run.
  void finish(Member* member);

 private:
  friend class Member;

  // What threads must see at one moment: how many barriers there were so far, and how many threads there are.
  struct Phase {
    uint32_t generation;
    uint32_t size, present, arrived;  // numbers of threads; `present` includes guests
    bool isOpen;                      // guests may join

    static Phase unpack(uint64_t word);
    uint64_t pack() const;
  };

  enum class Barrier { plain, meeting, last };
  // Waits at a barrier, and returns whether the member stays.
  bool arrive(Member* member, Barrier barrier, size_t position);
  // Called by the last thread to arrive: begins the next phase.
  void release(const Phase& complete, Barrier barrier, size_t position);
  void await(const Phase& phase);
  void gather(int expected);
  // How many threads may take part from now on, by what happened since the last call.
  int limitNow(size_t position);
  // Whether enough was done since the last look to see again whether others may join.
  bool isTimeToLook(size_t position) const;
  void account(size_t position, Crowding::Clock::time_point now);
  void call(int workers);
  void spread(const Member& member);

  std::atomic<uint64_t> phase_{0};
  EventCount released_;  // threads wait here for the next generation
  // Written while all others wait, or by the leader before a run.
  std::atomic<size_t> position_{0};
  std::atomic<int> limit_{1};
  std::atomic<uint32_t> gathering_{0};  // the generation in which the threads of a run come together
  Undertaking undertaking_{1};
  Crowding crowding_;
  size_t accountedTo_ = 0;  // the position up to which crowding_ knows what was done
  Crowding::Clock::time_point accountedAt_{};

  // Written by threads that waited, and read at the next meeting.
  std::atomic<int64_t> lostNanoseconds_{0};
  std::atomic<int> lostSize_{0}, lostAbsent_{0};

  // By number of a thread: at which barrier it arrived last, and the clock that tells whether it runs.
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
