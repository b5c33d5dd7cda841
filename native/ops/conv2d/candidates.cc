// The query by which a compiler chooses how a convolution is computed: see findCandidates in algorithm.h.
#include "native/ops/conv2d/instruction.h"

namespace stridenet {

namespace {

// An instruction with another operand in place of its packed weight.
Call withPacked(Call call, int operand, int64_t length) {
  Operand packed;
  packed.rank = 1;
  packed.dims[0] = packed.count = length;
  call.operands[operand] = packed;
  return call;
}

// The instruction by one algorithm; false if it cannot.
bool describe(const Call& call, const Call* pack, Conv2dShape shape, Conv2dShape packShape, Candidate* candidate) {
  const ConvAlgorithm& algorithm = *candidate->algorithm;
  shape.algorithm = packShape.algorithm = algorithm.name;
  shape.widen = packShape.widen = candidate->widen;
  if (!algorithm.fits(call, shape).isOk()) return false;
  candidate->isOffered = algorithm.isOffered == nullptr || algorithm.isOffered(shape, *call.kernels);
  if (pack == nullptr) {
    candidate->plan = algorithm.plan(call, shape);
    return true;
  }
  candidate->packedLength = algorithm.packedLength(shape, *call.kernels);
  if (candidate->packedLength == 0) return false;
  candidate->plan = algorithm.plan(withPacked(call, kPacked, candidate->packedLength), shape);
  candidate->planPack = algorithm.planPack(withPacked(*pack, Conv2dPack::packed, candidate->packedLength), packShape);
  return true;
}

}  // namespace

Status findCandidates(const Call& call, const Call* pack, std::vector<Candidate>* candidates) {
  const bool readsPacked = call.opcode == Opcode::conv2d || call.opcode == Opcode::conv2d_grad_input;
  if (readsPacked ? pack == nullptr || pack->opcode != Opcode::conv2d_pack : call.opcode != Opcode::conv2d_grad_weight || pack != nullptr) {
    return refuse(call, "is no convolution with what packs its weight, and no weight gradient");
  }
  Conv2dShape shape = {}, packShape = {};
  Status status = readShape(call, &shape);
  if (status.isOk() && pack != nullptr) status = readShape(*pack, &packShape);
  if (!status.isOk()) return status;
  const int64_t mostWiden = readsPacked ? kLargestWiden : 1;  // weight gradients have no such attribute
  for (const ConvAlgorithm* algorithm : algorithmsFor(call.opcode)) {
    for (int64_t widen = 1; widen <= mostWiden; ++widen) {
      Candidate candidate = {algorithm, widen, 0, true, {}, {}};
      if (describe(call, pack, shape, packShape, &candidate)) candidates->push_back(candidate);
    }
  }
  return status;
}

}  // namespace stridenet
