// Rows of logits with a label each: how they are cut into tiles, and the check of their shapes.
#pragma once

#include <algorithm>

#include "native/ops/checks.h"

namespace stridenet {

constexpr int64_t kTileLogits = 4096;  // fewer than of elementwise work, since an exponential takes longer

struct Rows {
  int64_t classes, rows, perTile, tiles;

  explicit Rows(const Operand& logits) {
    classes = logits.rank > 0 ? logits.dims[logits.rank - 1] : 1;
    rows = logits.count / classes;
    perTile = std::max<int64_t>(1, kTileLogits / classes);
    tiles = ceilDiv(rows, perTile);
  }
};

// Checks that logits are float32 [n, classes], labels int32 [n], and all other operands float32.
template <typename Instruction>
Status checkLabelled(const Call& call) {
  const Operand &logits = call.operands[Instruction::logits], &labels = call.operands[Instruction::labels];
  if (Status status = expectFloats(call, Instruction::labels); !status.isOk()) return status;
  if (Status status = expectDType(call, Instruction::labels, DType::int32, "int32"); !status.isOk()) return status;
  if (logits.rank != 2 || labels.rank != 1 || labels.dims[0] != logits.dims[0]) {
    return refuse(call, "expects logits [n, classes] and labels [n], got %s and %s", ShapeText(logits).text, ShapeText(labels).text);
  }
  return Status::ok();
}

}  // namespace stridenet
