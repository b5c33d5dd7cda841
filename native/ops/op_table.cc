// The Op of every opcode. One that is not defined does not link.
#include "native/program/op.h"

namespace stridenet {

#define DECLARE(Name, name) extern const Op k##Name##Op;
STRIDENET_INSTRUCTIONS(DECLARE)
#undef DECLARE

const Op& opFor(Opcode opcode) {
#define ADDRESS(Name, name) &k##Name##Op,
  static constexpr const Op* kOps[] = {STRIDENET_INSTRUCTIONS(ADDRESS)};
#undef ADDRESS
  return *kOps[static_cast<int>(opcode)];
}

}  // namespace stridenet
