// dropout: the mask is computed where it is needed, from counters alone; nothing is stored. Tiles are runs of elements.
#include "native/ops/checks.h"

namespace stridenet {
namespace {

static_assert(kTileElements % kRandomGroup == 0, "a tile begins with a group");

Status verifyDropout(const Call& call) {
  const auto attrs = call.attributes<Dropout>();
  const Operand &x = call.operands[Dropout::x], &y = call.operands[Dropout::y];
  const Operand& random = call.operands[Dropout::random];
  if (Status status = expectFloats(call, Dropout::random); !status.isOk()) return status;
  if (Status status = expectDType(call, Dropout::random, DType::int32, "int32"); !status.isOk()) return status;
  if (random.count != 3) return refuse(call, "random must hold three numbers, got %s", ShapeText(random).text);
  if (!(attrs.p >= 0 && attrs.p < 1)) return refuse(call, "p must be in [0, 1), got %g", static_cast<double>(attrs.p));
  if (attrs.node < 0) return refuse(call, "node must be at least 0, got %d", attrs.node);
  if (!sameShape(x, y)) return refuse(call, "y %s must have x's shape %s", ShapeText(y).text, ShapeText(x).text);
  if (x.count > kMaxRandomElements) return refuse(call, "%s has more elements than there are counters", ShapeText(x).text);
  return Status::ok();
}

// Ten rounds of some ten operations give four numbers.
Plan planDropout(const Call& call) {
  return planOf(call, 30.0 * static_cast<double>(call.operands[Dropout::x].count));
}

void runDropout(const Call& call, const Worker& worker) {
  const auto attrs = call.attributes<Dropout>();
  const int32_t* random = call.operands[Dropout::random].i32();
  const RandomStream stream = {static_cast<uint32_t>(random[0]), static_cast<uint32_t>(random[1]), static_cast<uint32_t>(random[2]),
                               static_cast<uint32_t>(attrs.node), kPurposeDropout};
  const Operand &x = call.operands[Dropout::x], &y = call.operands[Dropout::y];
  const Range own = worker.share(x.count, kTileElements);
  if (own.isEmpty()) return;
  call.kernels->random.dropout(stream, attrs.p, own.first, x.f32() + own.first, y.f32() + own.first, own.count());
}

}  // namespace

extern const Op kDropoutOp;
const Op kDropoutOp = {verifyDropout, planDropout, runDropout};

}  // namespace stridenet
