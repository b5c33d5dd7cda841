// Runs a bound program: the prepare list where derived slots are stale, then the step list, on one thread or on all of the pool.
// Knows operations only through their Op. Allocates nothing: where values lie outside of memory, prepare and state bring them in.
#pragma once

#include <atomic>

#include "native/runtime/bound_program.h"

namespace stridenet {

struct ExecutorSettings {
  int threads = 1;
  bool profile = false;   // STRIDENET_PROFILE: seconds by instruction; threads wait for each other after every instruction
  bool validate = false;  // STRIDENET_VALIDATE: every float output must be finite
};

// Whether one thread runs a step faster than it can be handed to another: waking a thread that sleeps takes some 50 us.
bool isShort(const Program& program);

// Runs `program` `steps` times. Its feeds and fetches are set and `workspace` has room for it. Waits for other runs on the State.
// Stops before a step when *cancelled is true. ERR_NOT_FINITE when validating; the State then keeps what was written.
Status execute(BoundProgram& program, State& state, Workspace& workspace, const ExecutorSettings& settings, int steps,
               const std::atomic<bool>* cancelled);

}  // namespace stridenet
