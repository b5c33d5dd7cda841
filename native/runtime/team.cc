#include "native/runtime/team.h"

#include <sched.h>

#include <algorithm>

namespace stridenet {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

namespace {
// A worker that has finished stays awake this long: the next run of a loop finds it running instead of waiting some 50 us for it.
constexpr microseconds kIdleAwake{30};
// The caller of a run waits this long for workers that are awake.
constexpr microseconds kGatherTime{2};
// At a barrier the others have at most one task left. After this time it is worth asking the system whether they run at
// all, which takes some 0.3 us; it is asked again after twice the time, and so on.
constexpr microseconds kUntilFirstLook{10};
// A thread that has waited this long at a barrier goes to sleep.
constexpr microseconds kLongestAwake{2000};
// At most so many of the missing threads are looked at.
constexpr int kLookedAt = 4;
}  // namespace

// The threads that a waiter misses, and how long they have run since it first looked.
class Team::Missing {
 public:
  Missing(const Team& team, uint32_t generation) : team_(team) {
    const int present = static_cast<int>(Phase::unpack(team.phase_.load(std::memory_order_relaxed)).present);
    for (int number = 0; number < present && count_ < kLookedAt; number++) {
      if (team.places_[number].arrivedIn.load(std::memory_order_relaxed) == generation) continue;
      numbers_[count_] = number;
      first_[count_] = last_[count_] = timeOf(number);
      count_++;
    }
  }

  // How many have run for less than half of `passed` since the last look.
  int absent(Clock::duration passed) {
    int result = 0;
    for (int i = 0; i < count_; i++) {
      const int64_t now = timeOf(numbers_[i]);
      result += now >= 0 && std::chrono::nanoseconds(now - last_[i]) < passed / 2;
      last_[i] = now;
    }
    return result;
  }

  // The longest that one of them did not run, of `passed` since the first look.
  Clock::duration lost(Clock::duration passed) const {
    Clock::duration longest{};
    for (int i = 0; i < count_; i++) {
      const int64_t now = timeOf(numbers_[i]);
      if (now >= 0)
        longest = std::max(longest, passed - std::chrono::duration_cast<Clock::duration>(std::chrono::nanoseconds(now - first_[i])));
    }
    return longest;
  }

 private:
  int64_t timeOf(int number) const { return ThreadClock(team_.places_[number].clock.load(std::memory_order_relaxed)).nanoseconds(); }

  const Team& team_;
  int count_ = 0;
  int numbers_[kLookedAt];
  int64_t first_[kLookedAt], last_[kLookedAt];
};

Team::Phase Team::Phase::unpack(uint64_t word) {
  const auto part = [word](int from) { return static_cast<uint32_t>(word >> from & 0x1ff); };
  return {
      .generation = static_cast<uint32_t>(word >> 32),
      .size = part(0),
      .present = part(9),
      .arrived = part(18),
      .isOpen = (word >> 27 & 1) != 0,
  };
}

uint64_t Team::Phase::pack() const {
  return uint64_t{generation} << 32 | uint64_t{isOpen} << 27 | uint64_t{arrived} << 18 | uint64_t{present} << 9 | size;
}

void Member::barrier() {
  if (team_ != nullptr) team_->arrive(this, Team::Barrier::plain, 0);
}

bool Member::meet(size_t position) {
  return team_ == nullptr || team_->arrive(this, Team::Barrier::meeting, position);
}

void Team::open(const Undertaking& undertaking, Member* leader) {
  undertaking_ = undertaking;
  const bool isComplete = undertaking.attendance == Attendance::everybody;
  accountedTo_ = 0;
  accountedAt_ = Clock::now();
  if (crowding_.asksForWaits(accountedAt_)) crowding_.hasWaited(waitsOfCaller(), accountedAt_);
  const int limit = limitNow(0);
  const uint32_t generation = Phase::unpack(phase_.load(std::memory_order_relaxed)).generation + 1;
  int expected = isComplete ? limit : 1;
  for (int worker = 0; worker < limit - 1 && !isComplete; worker++) expected += !calls_[worker].hasSleepers();
  leader->team_ = this;
  leader->generation_ = generation;
  places_[0].clock.store(ThreadClock::ofCaller().id(), std::memory_order_relaxed);
  spread(*leader);
  position_.store(0, std::memory_order_relaxed);
  limit_.store(limit, std::memory_order_relaxed);
  gathering_.store(generation, std::memory_order_relaxed);
  const Phase first = {.generation = generation, .size = 1, .present = 1, .arrived = 0, .isOpen = true};
  phase_.store(first.pack(), std::memory_order_release);
  released_.advance();
  call(limit - 1);
  if (expected > 1) gather(expected);
  arrive(leader, Barrier::meeting, 0);
}

// Waits until `expected` threads are present, but not for long unless all of them have to take part.
void Team::gather(int expected) {
  const auto isThere = [&] { return Phase::unpack(phase_.load(std::memory_order_relaxed)).present >= static_cast<uint32_t>(expected); };
  const auto end = Clock::now() + kGatherTime;
  while (!isThere()) {
    relax();
    if (Clock::now() < end) continue;
    if (undertaking_.attendance != Attendance::everybody) return;
    sched_yield();
  }
}

void Team::close(Member* leader) {
  arrive(leader, Barrier::last, 0);
  if (undertaking_.workBefore != nullptr) account(undertaking_.workBefore->size() - 1, Clock::now());
}

void Team::finish(Member* member) {
  if (!member->hasLeft_) arrive(member, Barrier::last, 0);
}

void Team::awaitCall(int worker, uint32_t* seen) {
  calls_[worker].await(*seen, kIdleAwake);
  *seen = calls_[worker].value();
}

bool Team::enter(Member* member) {
  uint64_t word = phase_.load(std::memory_order_acquire);
  Phase phase;
  while (true) {
    phase = Phase::unpack(word);
    if (phase.present == 0 || phase.present >= static_cast<uint32_t>(limit_.load(std::memory_order_relaxed))) return false;
    if (!phase.isOpen) {
      released_.await(phase.generation, kIdleAwake);
      word = phase_.load(std::memory_order_acquire);
      continue;
    }
    // If the exchange succeeds, this is the position of the phase: it changes only after the phase was closed.
    member->position_ = position_.load(std::memory_order_relaxed);
    Phase joined = phase;
    joined.present++;
    if (phase_.compare_exchange_weak(word, joined.pack(), std::memory_order_acq_rel, std::memory_order_acquire)) break;
  }
  member->team_ = this;
  member->number_ = static_cast<int>(phase.present);
  member->size_ = static_cast<int>(phase.size);
  member->generation_ = phase.generation;
  places_[member->number_].clock.store(ThreadClock::ofCaller().id(), std::memory_order_relaxed);
  spread(*member);
  return phase.generation != gathering_.load(std::memory_order_relaxed) || arrive(member, Barrier::meeting, 0);
}

bool Team::arrive(Member* member, Barrier barrier, size_t position) {
  // A team of one whose limit is one need not count: nobody can join before its leader has looked at the limit again.
  if (barrier != Barrier::last && member->size_ == 1 && limit_.load(std::memory_order_relaxed) == 1) {
    if (barrier == Barrier::plain || !isTimeToLook(position)) return true;
  }
  const uint32_t generation = member->generation_;
  places_[member->number_].arrivedIn.store(generation, std::memory_order_relaxed);
  uint64_t word = phase_.load(std::memory_order_relaxed);
  Phase phase;
  do {
    phase = Phase::unpack(word);
    phase.arrived++;
    if (phase.arrived == phase.present) phase.isOpen = false;
  } while (!phase_.compare_exchange_weak(word, phase.pack(), std::memory_order_acq_rel, std::memory_order_relaxed));
  if (phase.arrived == phase.present) {
    release(phase, barrier, position);
  } else {
    if (barrier == Barrier::last && member->number_ != 0) return false;
    await(phase);
  }
  member->generation_ = generation + 1;
  if (barrier != Barrier::meeting) return true;
  // Nobody waits for a thread that has to leave, so the team may be several phases ahead of it by now.
  const Phase next = Phase::unpack(phase_.load(std::memory_order_acquire));
  member->size_ = static_cast<int>(next.size);
  member->hasLeft_ = next.generation != generation + 1 || member->isGuest();
  return !member->hasLeft_;
}

void Team::release(const Phase& complete, Barrier barrier, size_t position) {
  const int limitBefore = limit_.load(std::memory_order_relaxed);
  int limit = limitBefore;
  Phase next = {
      .generation = complete.generation + 1,
      .size = complete.size,
      .present = complete.present,
      .arrived = 0,
      .isOpen = false,
  };
  switch (barrier) {
    case Barrier::plain:
      break;
    case Barrier::last:
      next.size = next.present = 0;
      break;
    case Barrier::meeting:
      limit = limitNow(position);
      limit_.store(limit, std::memory_order_relaxed);
      position_.store(position, std::memory_order_relaxed);
      next.size = next.present = std::min(complete.present, static_cast<uint32_t>(limit));
      next.isOpen = true;
  }
  phase_.store(next.pack(), std::memory_order_release);
  released_.advance();
  if (limit > limitBefore) call(limit - 1);
}

void Team::await(const Phase& phase) {
  const uint32_t generation = phase.generation;
  if (released_.look(generation)) return;
  auto looked = Clock::now();
  // Where there are more threads than processors, a thread that stays awake takes the processor of one that it waits
  // for.
  const bool isAwake = static_cast<int>(phase.present) <= processors().usable;
  if (isAwake && released_.lookUntil(generation, looked + kUntilFirstLook)) return;
  Missing missing(*this, generation);
  const auto began = looked = Clock::now();
  int absent = 0;
  for (auto step = kUntilFirstLook; isAwake && absent == 0 && looked - began < kLongestAwake; step *= 2) {
    if (released_.lookUntil(generation, looked + step)) return;
    const auto now = Clock::now();
    absent = missing.absent(now - looked);
    looked = now;
  }
  released_.sleep(generation);
  // Only the first thread to arrive reports the time that was lost.
  if (phase.arrived > 1 || (absent == 0 && isAwake)) return;
  const auto lost = missing.lost(Clock::now() - began);
  if (lost <= Clock::duration::zero()) return;
  lostSize_.store(static_cast<int>(phase.size), std::memory_order_relaxed);
  lostAbsent_.store(std::max(1, absent), std::memory_order_relaxed);
  lostNanoseconds_.fetch_add(std::chrono::nanoseconds(lost).count(), std::memory_order_relaxed);
}

int Team::limitNow(size_t position) {
  const int wanted = undertaking_.threads;
  if (undertaking_.attendance == Attendance::everybody) return wanted;
  const bool hasLost = lostNanoseconds_.load(std::memory_order_relaxed) != 0;
  if (!hasLost && !crowding_.isWatching()) return wanted;
  const auto now = Clock::now();
  account(position, now);
  if (hasLost) {
    const std::chrono::nanoseconds lost(lostNanoseconds_.exchange(0, std::memory_order_relaxed));
    crowding_.lost(lost, lostSize_.load(std::memory_order_relaxed), lostAbsent_.load(std::memory_order_relaxed), now);
  }
  return crowding_.limit(wanted, now);
}

bool Team::isTimeToLook(size_t position) const {
  constexpr double kSeconds = 100e-6;
  const std::vector<double>* before = undertaking_.workBefore;
  return before == nullptr || (*before)[position] - (*before)[accountedTo_] >= kSeconds;
}

void Team::account(size_t position, Clock::time_point now) {
  const std::vector<double>* before = undertaking_.workBefore;
  if (before != nullptr) crowding_.did((*before)[position] - (*before)[accountedTo_], now - accountedAt_, now);
  accountedTo_ = position;
  accountedAt_ = now;
}

void Team::call(int workers) {
  for (int worker = 0; worker < workers; worker++) calls_[worker].advance();
}

// Two threads of a team on one processor take turns while another processor idles, and in virtual machines whose processors share no
// cache the scheduler may leave them there for good. A thread that finds one with a lower number on its processor moves away.
void Team::spread(const Member& member) {
  const int own = currentProcessor(), number = member.number();
  processors_[number].store(own, std::memory_order_relaxed);
  if (number == 0 || own < 0 || undertaking_.threads > processors().usable) return;
  int taken[kMaxThreads];
  bool isShared = false;
  for (int i = 0; i < number; i++) {
    taken[i] = processors_[i].load(std::memory_order_relaxed);
    isShared |= taken[i] == own;
  }
  if (!isShared) return;
  moveAwayFrom(taken, number);
  processors_[number].store(currentProcessor(), std::memory_order_relaxed);
}

}  // namespace stridenet
