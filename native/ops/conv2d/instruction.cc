// Reading and checking of convolution instructions: see instruction.h.
#include "native/ops/conv2d/instruction.h"

namespace stridenet {

namespace {

constexpr int64_t kLargestAttribute = 1 << 15;
constexpr int64_t kLargestPool = 64;

struct Geometry {
  int32_t kh, kw, sh, sw, pt, pl, dh, dw, groups;
};
struct PackAttributes {
  int32_t direction, algorithm, widen, sh, sw, pt, pl, dh, dw, groups;
};
struct ForwardAttributes {
  int32_t algorithm, widen, activation;
  Geometry geometry;
};
struct GradInputAttributes {
  int32_t algorithm, widen;
  Geometry geometry;
};
struct GradWeightAttributes {
  int32_t algorithm;
  Geometry geometry;
};
struct MaxPoolAttributes {
  int32_t activation;
  Geometry geometry;
  int32_t poolH, poolW;
};
struct MaxPoolGradWeightAttributes {
  Geometry geometry;
  int32_t poolH, poolW;
};

// The attributes of any of these instructions. Those that an instruction does not have keep the value of a plain
// convolution.
struct Attributes {
  Geometry geometry = {};
  int32_t direction = 0, algorithm = 0, widen = 1, activation = 0, poolH = 1, poolW = 1;
};

Attributes readPackAttributes(const Call& call) {
  const auto words = call.attributes<PackAttributes>();
  Attributes attrs;
  attrs.geometry = {0, 0, words.sh, words.sw, words.pt, words.pl, words.dh, words.dw, words.groups};
  // The weight [oc, kh, kw, ic / groups] is the only place that says how large the kernel is.
  const int64_t *extents = call.operands[0].dims, kh = extents[1], kw = extents[2];
  if (kh <= kLargestAttribute && kw <= kLargestAttribute) {
    attrs.geometry.kh = static_cast<int32_t>(kh);
    attrs.geometry.kw = static_cast<int32_t>(kw);
  }
  attrs.direction = words.direction;
  attrs.algorithm = words.algorithm;
  attrs.widen = words.widen;
  return attrs;
}

Attributes readAttributes(const Call& call) {
  Attributes attrs;
  switch (call.opcode) {
    case Opcode::conv2d_pack:
      return readPackAttributes(call);
    case Opcode::conv2d: {
      const auto words = call.attributes<ForwardAttributes>();
      attrs.geometry = words.geometry;
      attrs.algorithm = words.algorithm;
      attrs.widen = words.widen;
      attrs.activation = words.activation;
      return attrs;
    }
    case Opcode::conv2d_grad_input: {
      const auto words = call.attributes<GradInputAttributes>();
      attrs.geometry = words.geometry;
      attrs.algorithm = words.algorithm;
      attrs.widen = words.widen;
      attrs.direction = static_cast<int32_t>(Direction::gradInput);
      return attrs;
    }
    case Opcode::conv2d_max_pool2d: {
      const auto words = call.attributes<MaxPoolAttributes>();
      attrs.geometry = words.geometry;
      attrs.algorithm = static_cast<int32_t>(Algorithm::hwcn);
      attrs.activation = words.activation;
      attrs.poolH = words.poolH;
      attrs.poolW = words.poolW;
      return attrs;
    }
    case Opcode::conv2d_max_pool2d_grad_weight: {
      const auto words = call.attributes<MaxPoolGradWeightAttributes>();
      attrs.geometry = words.geometry;
      attrs.algorithm = static_cast<int32_t>(Algorithm::hwcn);
      attrs.poolH = words.poolH;
      attrs.poolW = words.poolW;
      return attrs;
    }
    default: {
      const auto words = call.attributes<GradWeightAttributes>();
      attrs.geometry = words.geometry;
      attrs.algorithm = words.algorithm;
      return attrs;
    }
  }
}

bool isPooling(const Call& call) {
  return call.opcode == Opcode::conv2d_max_pool2d || call.opcode == Opcode::conv2d_max_pool2d_grad_weight;
}

Status checkRanges(const Call& call, const Attributes& attrs) {
  const Geometry& g = attrs.geometry;
  const struct {
    const char* name;
    int64_t value, least, most;
  } ranges[] = {
      {"algorithm", attrs.algorithm, 0, kAlgorithmCount - 1},
      {"direction", attrs.direction, 0, 1},
      {"activation", attrs.activation, 0, kActivationCount - 1},
      {"widen", attrs.widen, 1, kLargestWiden},
      {"kh", g.kh, 1, kLargestAttribute},
      {"kw", g.kw, 1, kLargestAttribute},
      {"sh", g.sh, 1, kLargestAttribute},
      {"sw", g.sw, 1, kLargestAttribute},
      {"dh", g.dh, 1, kLargestAttribute},
      {"dw", g.dw, 1, kLargestAttribute},
      {"pt", g.pt, 0, kLargestAttribute},
      {"pl", g.pl, 0, kLargestAttribute},
      {"groups", g.groups, 1, INT32_MAX},
      {"pool_h", attrs.poolH, 1, kLargestPool},
      {"pool_w", attrs.poolW, 1, kLargestPool},
  };
  for (const auto& range : ranges) {
    if (range.value >= range.least && range.value <= range.most) continue;
    return refuse(call, "expects %s in [%lld, %lld], got %lld", range.name, static_cast<long long>(range.least),
                  static_cast<long long>(range.most), static_cast<long long>(range.value));
  }
  if (isPooling(call) && attrs.poolH * attrs.poolW == 1) {
    return refuse(call, "expects windows of more than one number, got pool_h 1 and pool_w 1");
  }
  return Status::ok();
}

Conv2dShape shapeOf(const Attributes& attrs) {
  const Geometry& g = attrs.geometry;
  Conv2dShape shape = {};
  shape.direction = static_cast<Direction>(attrs.direction);
  shape.algorithm = static_cast<Algorithm>(attrs.algorithm);
  shape.activation = static_cast<Activation>(attrs.activation);
  shape.widen = attrs.widen;
  shape.kh = g.kh, shape.kw = g.kw;
  shape.sh = g.sh, shape.sw = g.sw;
  shape.pt = g.pt, shape.pl = g.pl;
  shape.dh = g.dh, shape.dw = g.dw;
  shape.groups = g.groups;
  shape.poolH = attrs.poolH, shape.poolW = attrs.poolW;
  return shape;
}

// Which operands hold the images of the forward convolution: what it reads, and what it writes or that is pooled to. A weight that is
// packed stands for both.
struct Images {
  int input, output;
};

Images imagesOf(Opcode opcode) {
  switch (opcode) {
    case Opcode::conv2d_pack:
      return {0, 0};
    case Opcode::conv2d:
      return {0, 4};
    case Opcode::conv2d_max_pool2d:
      return {0, 3};
    case Opcode::conv2d_grad_input:
      return {2, 0};
    default:
      return {0, 1};
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
  const Operand& weight = call.operands[0];
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

Status checkWeightGradient(const Call& call, int operand, const Conv2dShape& shape) {
  const Operand& weight = call.operands[operand];
  const int64_t expected[] = {shape.oc, shape.kh, shape.kw, shape.ic / shape.groups};
  if (weight.rank == 4 && std::memcmp(weight.dims, expected, sizeof expected) == 0) return checkVector(call, operand + 1, shape.oc);
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
  const Attributes attrs = readAttributes(call);
  status = checkRanges(call, attrs);
  if (!status.isOk()) return status;
  *shape = shapeOf(attrs);
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
      if (operands[1].present() && !shape.isForward()) return refuse(call, "can multiply the weight by a scale only for direction forward");
      Status status = checkVector(call, 1, shape.oc);
      return status.isOk() ? checkPacked(call, 2, convolution) : status;
    }
    case Opcode::conv2d: {
      Status status = checkPacked(call, 1, convolution);
      if (status.isOk()) status = checkVector(call, 2, shape.oc);
      if (!status.isOk() || !operands[3].present() || sameShape(operands[3], operands[4])) return status;
      return refuse(call, "expects add of y's shape %s, got %s", ShapeText(operands[4]).text, ShapeText(operands[3]).text);
    }
    case Opcode::conv2d_grad_input:
      return checkPacked(call, 1, convolution);
    case Opcode::conv2d_max_pool2d: {
      Status status = checkPacked(call, 1, convolution);
      if (status.isOk()) status = checkVector(call, 2, shape.oc);
      return status.isOk() ? checkPosition(call, 4, operands[3]) : status;
    }
    case Opcode::conv2d_max_pool2d_grad_weight: {
      Status status = checkPosition(call, 2, operands[1]);
      return status.isOk() ? checkWeightGradient(call, 3, shape) : status;
    }
    default:
      return checkWeightGradient(call, 2, shape);
  }
}

ConvOperands::ConvOperands(const Call& call)
    : source(call.operands[0].f32()), packed(call.operands[1].f32()), bias(nullptr), add(nullptr), position(nullptr) {
  const Operand* operands = call.operands;
  switch (call.opcode) {
    case Opcode::conv2d_grad_input:
      destination = operands[2].f32();
      break;
    case Opcode::conv2d_max_pool2d:
      bias = operands[2].f32(), destination = operands[3].f32(), position = operands[4].f32();
      break;
    default:
      bias = operands[2].f32(), add = operands[3].f32(), destination = operands[4].f32();
  }
}

GradWeightOperands::GradWeightOperands(const Call& call) : x(call.operands[0].f32()), dy(call.operands[1].f32()) {
  const bool isPooled = call.opcode == Opcode::conv2d_max_pool2d_grad_weight;
  const Operand* outputs = call.operands + (isPooled ? 3 : 2);
  position = isPooled ? call.operands[2].f32() : nullptr;
  dweight = outputs[0].f32(), dbias = outputs[1].f32();
  hasBias = outputs[1].present();
}

}  // namespace stridenet
