// Reading and checking of convolution instructions: see instruction.h.
#include "native/ops/conv2d/instruction.h"

namespace stridenet {

namespace {

constexpr int64_t kLargestAttribute = 1 << 15;
constexpr int64_t kLargestPool = 64;

// What the attributes of an instruction say. Those that it does not have keep the value of a plain convolution.
template <typename Instruction>
Conv2dShape attributesOf(const Call& call) {
  const auto words = call.attributes<Instruction>();
  Conv2dShape shape = {};
  shape.widen = shape.poolH = shape.poolW = 1;
  shape.sh = words.sh, shape.sw = words.sw;
  shape.pt = words.pt, shape.pl = words.pl;
  shape.dh = words.dh, shape.dw = words.dw;
  shape.groups = words.groups;
  if constexpr (requires { words.direction; }) shape.direction = words.direction;
  if constexpr (requires { words.algorithm; }) shape.algorithm = words.algorithm;
  if constexpr (requires { words.widen; }) shape.widen = words.widen;
  if constexpr (requires { words.kh; }) shape.kh = words.kh, shape.kw = words.kw;
  if constexpr (requires { words.activation; }) shape.activation = words.activation;
  if constexpr (requires { words.poolH; }) shape.poolH = words.poolH, shape.poolW = words.poolW;
  return shape;
}

Conv2dShape readAttributes(const Call& call) {
  Conv2dShape shape;
  switch (call.opcode) {
    case Opcode::conv2d_pack: {
      shape = attributesOf<Conv2dPack>(call);
      // The weight [oc, kh, kw, ic / groups] is the only place that says how large the kernel is.
      const Operand& weight = call.operands[Conv2dPack::weight];
      shape.kh = weight.dims[1], shape.kw = weight.dims[2];
      return shape;
    }
    case Opcode::conv2d:
      return attributesOf<Conv2d>(call);
    case Opcode::conv2d_grad_input:
      shape = attributesOf<Conv2dGradInput>(call);
      shape.direction = Direction::gradInput;
      return shape;
    case Opcode::conv2d_max_pool2d:
      shape = attributesOf<Conv2dMaxPool2d>(call);
      shape.algorithm = Algorithm::hwcn;
      return shape;
    case Opcode::conv2d_max_pool2d_grad_weight:
      shape = attributesOf<Conv2dMaxPool2dGradWeight>(call);
      shape.algorithm = Algorithm::hwcn;
      return shape;
    default:
      return attributesOf<Conv2dGradWeight>(call);
  }
}

bool isPooling(const Call& call) {
  return call.opcode == Opcode::conv2d_max_pool2d || call.opcode == Opcode::conv2d_max_pool2d_grad_weight;
}

Status checkRanges(const Call& call, const Conv2dShape& s) {
  const struct {
    const char* name;
    int64_t value, least, most;
  } ranges[] = {
      {"algorithm", static_cast<int64_t>(s.algorithm), 0, kAlgorithmCount - 1},
      {"direction", static_cast<int64_t>(s.direction), 0, kDirectionCount - 1},
      {"activation", static_cast<int64_t>(s.activation), 0, kActivationCount - 1},
      {"widen", s.widen, 1, kLargestWiden},
      {"kh", s.kh, 1, kLargestAttribute},
      {"kw", s.kw, 1, kLargestAttribute},
      {"sh", s.sh, 1, kLargestAttribute},
      {"sw", s.sw, 1, kLargestAttribute},
      {"dh", s.dh, 1, kLargestAttribute},
      {"dw", s.dw, 1, kLargestAttribute},
      {"pt", s.pt, 0, kLargestAttribute},
      {"pl", s.pl, 0, kLargestAttribute},
      {"groups", s.groups, 1, INT32_MAX},
      {"pool_h", s.poolH, 1, kLargestPool},
      {"pool_w", s.poolW, 1, kLargestPool},
  };
  for (const auto& range : ranges) {
    if (range.value >= range.least && range.value <= range.most) continue;
    return refuse(call, "expects %s in [%lld, %lld], got %lld", range.name, static_cast<long long>(range.least),
                  static_cast<long long>(range.most), static_cast<long long>(range.value));
  }
  if (isPooling(call) && !s.isPooled()) {
    return refuse(call, "expects windows of more than one number, got pool_h 1 and pool_w 1");
  }
  return Status::ok();
}

// Which operands hold the images of the forward convolution: what it reads, and what it writes or that is pooled to. A weight that is
// packed stands for both.
struct Images {
  int input, output;
};

Images imagesOf(Opcode opcode) {
  switch (opcode) {
    case Opcode::conv2d_pack:
      return {Conv2dPack::weight, Conv2dPack::weight};
    case Opcode::conv2d:
      return {Conv2d::x, Conv2d::y};
    case Opcode::conv2d_max_pool2d:
      return {Conv2dMaxPool2d::x, Conv2dMaxPool2d::y};
    case Opcode::conv2d_grad_input:
      return {Conv2dGradInput::dx, Conv2dGradInput::dy};
    case Opcode::conv2d_max_pool2d_grad_weight:
      return {Conv2dMaxPool2dGradWeight::x, Conv2dMaxPool2dGradWeight::dy};
    default:
      return {Conv2dGradWeight::x, Conv2dGradWeight::dy};
  }
}

Status checkRank(const Call& call, int operand, int rank) {
  if (call.operands[operand].rank == rank) return Status::ok();
  const std::string_view name = signatureOf(call).operand(operand);
  return refuse(call, "expects %.*s of rank %d, got %s", static_cast<int>(name.size()), name.data(), rank,
                ShapeText(call.operands[operand]).text);
}

// Reads conv2d_pack, which has only the extents of the weight.
Status readWeight(const Call& call, Conv2dShape* shape) {
  const Operand& weight = call.operands[Conv2dPack::weight];
  shape->oc = weight.dims[0];
  shape->ic = weight.dims[3] * shape->groups;
  if (shape->oc % shape->groups == 0) return Status::ok();
  return refuse(call, "expects %lld groups to divide the output channels of the weight %s", static_cast<long long>(shape->groups),
                ShapeText(weight).text);
}

Status readImages(const Call& call, const Operand& input, const Operand& output, Conv2dShape* shape) {
  shape->n = input.dims[0], shape->ih = input.dims[1], shape->iw = input.dims[2], shape->ic = input.dims[3];
  shape->oh = output.dims[1] * shape->poolH, shape->ow = output.dims[2] * shape->poolW, shape->oc = output.dims[3];
  if (output.dims[0] != shape->n) {
    return refuse(call, "expects equal batch extents, got %s and %s", ShapeText(input).text, ShapeText(output).text);
  }
  if (shape->ic % shape->groups != 0 || shape->oc % shape->groups != 0) {
    return refuse(call, "expects %lld groups to divide the channels of %s and %s", static_cast<long long>(shape->groups),
                  ShapeText(input).text, ShapeText(output).text);
  }
  // Bottom and right padding follow from the output extents. They obey the same bound as top and left padding.
  const int64_t reachH = (shape->oh - 1) * shape->sh + (shape->kh - 1) * shape->dh + 1;
  const int64_t reachW = (shape->ow - 1) * shape->sw + (shape->kw - 1) * shape->dw + 1;
  if (reachH > shape->ih + shape->pt + kLargestAttribute || reachW > shape->iw + shape->pl + kLargestAttribute) {
    return refuse(call, "with input %s and output %s implies a padding of more than %lld", ShapeText(input).text, ShapeText(output).text,
                  static_cast<long long>(kLargestAttribute));
  }
  return Status::ok();
}

Status checkPacked(const Call& call, int operand, const Convolution& convolution) {
  const int64_t length = convolution.algorithm->packedLength(convolution.shape, *call.kernels);
  const Operand& packed = call.operands[operand];
  if (length > 0 && packed.rank == 1 && packed.dims[0] == length) return Status::ok();
  return refuse(call, "expects a packed buffer [%lld], got %s", static_cast<long long>(length), ShapeText(packed).text);
}

Status checkVector(const Call& call, int operand, int64_t extent) {
  const Operand& vector = call.operands[operand];
  if (!vector.present() || (vector.rank == 1 && vector.dims[0] == extent)) return Status::ok();
  const std::string_view name = signatureOf(call).operand(operand);
  return refuse(call, "expects %.*s [%lld], got %s", static_cast<int>(name.size() - (name.back() == '?')), name.data(),
                static_cast<long long>(extent), ShapeText(vector).text);
}

template <typename Instruction>
Status checkWeightGradient(const Call& call, const Conv2dShape& shape) {
  const Operand& weight = call.operands[Instruction::dweight];
  const int64_t expected[] = {shape.oc, shape.kh, shape.kw, shape.ic / shape.groups};
  if (weight.rank == 4 && std::memcmp(weight.dims, expected, sizeof expected) == 0) return checkVector(call, Instruction::dbias, shape.oc);
  return refuse(call, "expects dweight [%lld, %lld, %lld, %lld], got %s", static_cast<long long>(expected[0]),
                static_cast<long long>(expected[1]), static_cast<long long>(expected[2]), static_cast<long long>(expected[3]),
                ShapeText(weight).text);
}

// The operand that records where in its window each maximum of `pooled` was.
Status checkPosition(const Call& call, int operand, const Operand& pooled) {
  const Operand& position = call.operands[operand];
  const int64_t blocks = ceilDiv(pooled.dims[0], kHwcnImageBlock);
  const int64_t expected[] = {blocks, pooled.dims[1], pooled.dims[2], pooled.dims[3], kHwcnImageBlock};
  if (!position.present() || (position.rank == 5 && std::memcmp(position.dims, expected, sizeof expected) == 0)) return Status::ok();
  return refuse(call, "expects position [%lld, %lld, %lld, %lld, %d], got %s", static_cast<long long>(blocks),
                static_cast<long long>(pooled.dims[1]), static_cast<long long>(pooled.dims[2]), static_cast<long long>(pooled.dims[3]),
                kHwcnImageBlock, ShapeText(position).text);
}

}  // namespace

Status readShape(const Call& call, Conv2dShape* shape) {
  const auto [input, output] = imagesOf(call.opcode);
  Status status = expectFloats(call);
  if (status.isOk()) status = checkRank(call, input, 4);
  if (status.isOk()) status = checkRank(call, output, 4);
  if (!status.isOk()) return status;
  *shape = readAttributes(call);
  status = checkRanges(call, *shape);
  if (!status.isOk()) return status;
  if (call.opcode == Opcode::conv2d_pack) return readWeight(call, shape);
  return readImages(call, call.operands[input], call.operands[output], shape);
}

Status readConvolution(const Call& call, Convolution* convolution) {
  Status status = readShape(call, &convolution->shape);
  return status.isOk() ? findAlgorithm(call, convolution->shape, &convolution->algorithm) : status;
}

Status checkConvolution(const Call& call, const Convolution& convolution) {
  const Operand* operands = call.operands;
  const Conv2dShape& shape = convolution.shape;
  switch (call.opcode) {
    case Opcode::conv2d_pack: {
      if (operands[Conv2dPack::scale].present() && !shape.isForward()) {
        return refuse(call, "can multiply the weight by a scale only for direction forward");
      }
      Status status = checkVector(call, Conv2dPack::scale, shape.oc);
      return status.isOk() ? checkPacked(call, Conv2dPack::packed, convolution) : status;
    }
    case Opcode::conv2d: {
      Status status = checkPacked(call, Conv2d::packed, convolution);
      if (status.isOk()) status = checkVector(call, Conv2d::bias, shape.oc);
      const Operand &add = operands[Conv2d::add], &y = operands[Conv2d::y];
      if (!status.isOk() || !add.present() || sameShape(add, y)) return status;
      return refuse(call, "expects add of y's shape %s, got %s", ShapeText(y).text, ShapeText(add).text);
    }
    case Opcode::conv2d_grad_input:
      return checkPacked(call, Conv2dGradInput::packed, convolution);
    case Opcode::conv2d_max_pool2d: {
      Status status = checkPacked(call, Conv2dMaxPool2d::packed, convolution);
      if (status.isOk()) status = checkVector(call, Conv2dMaxPool2d::bias, shape.oc);
      return status.isOk() ? checkPosition(call, Conv2dMaxPool2d::position, operands[Conv2dMaxPool2d::y]) : status;
    }
    case Opcode::conv2d_max_pool2d_grad_weight: {
      using Gradient = Conv2dMaxPool2dGradWeight;
      Status status = checkPosition(call, Gradient::position, operands[Gradient::dy]);
      return status.isOk() ? checkWeightGradient<Gradient>(call, shape) : status;
    }
    default:
      return checkWeightGradient<Conv2dGradWeight>(call, shape);
  }
}

ConvOperands::ConvOperands(const Call& call) : bias(nullptr), add(nullptr), position(nullptr) {
  const auto at = [&](int operand) { return call.operands[operand].f32(); };
  switch (call.opcode) {
    case Opcode::conv2d_grad_input:
      source = at(Conv2dGradInput::dy), packed = at(Conv2dGradInput::packed), destination = at(Conv2dGradInput::dx);
      break;
    case Opcode::conv2d_max_pool2d:
      source = at(Conv2dMaxPool2d::x), packed = at(Conv2dMaxPool2d::packed), bias = at(Conv2dMaxPool2d::bias);
      destination = at(Conv2dMaxPool2d::y), position = at(Conv2dMaxPool2d::position);
      break;
    default:
      source = at(Conv2d::x), packed = at(Conv2d::packed), bias = at(Conv2d::bias), add = at(Conv2d::add), destination = at(Conv2d::y);
  }
}

namespace {

template <typename Instruction>
GradWeightOperands gradWeightOperandsOf(const Call& call) {
  const Operand &dweight = call.operands[Instruction::dweight], &dbias = call.operands[Instruction::dbias];
  float* position = nullptr;
  if constexpr (requires { Instruction::position; }) position = call.operands[Instruction::position].f32();
  return {.x = call.operands[Instruction::x].f32(),
          .dy = call.operands[Instruction::dy].f32(),
          .position = position,
          .dweight = dweight.f32(),
          .dbias = dbias.f32(),
          .hasBias = dbias.present()};
}

}  // namespace

GradWeightOperands gradWeightOperands(const Call& call) {
  const bool isPooled = call.opcode == Opcode::conv2d_max_pool2d_grad_weight;
  return isPooled ? gradWeightOperandsOf<Conv2dMaxPool2dGradWeight>(call) : gradWeightOperandsOf<Conv2dGradWeight>(call);
}

}  // namespace stridenet
