// The environment variables that change how this process computes. They are read here and nowhere else.
#pragma once

#include <string>

#include "native/base/status.h"

namespace stridenet {

struct Switches {
  std::string isa;        // STRIDENET_ISA in lower case; empty: the best there is
  int threads = 0;        // STRIDENET_THREADS; 0: as many as this process may use
  bool profile = false;   // STRIDENET_PROFILE
  bool validate = false;  // STRIDENET_VALIDATE
  bool plan = true;       // STRIDENET_PLAN
};

// An empty variable counts as unset, and upper and lower case are the same. ERR_INVALID_ARGUMENT, naming the values, for anything else
// than those that README.md lists. Whether the processor has the instruction set is not asked here: that is dispatch.
Status readSwitches(Switches* result);

}  // namespace stridenet
