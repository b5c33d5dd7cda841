// Checking of convolution instructions, and the division of a convolution into SubConvolutions.
#include "native/ops/conv2d/geometry.h"

#include "native/ops/conv2d/depthwise.h"
#include "native/ops/conv2d/hwcn.h"
#include "native/ops/conv2d/hwcn_winograd.h"
#include "native/ops/conv2d/scatter.h"
#include "native/ops/conv2d/winograd.h"

namespace stridenet {

namespace {

constexpr int64_t kLargestAttribute = 1 << 15;
constexpr int64_t kLargestWiden = 8;
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

Status checkRange(const Call& call, const char* name, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return Status::ok();
  return refuse(call, "expects %s in [%lld, %lld], got %lld", name, static_cast<long long>(least), static_cast<long long>(most),
                static_cast<long long>(value));
}

Status checkRank(const Call& call, int operand, int rank) {
  if (call.operands[operand].rank == rank) return Status::ok();
  const std::string_view name = signatureOf(call).operand(operand);
  return refuse(call, "expects %.*s of rank %d, got %s", static_cast<int>(name.size()), name.data(), rank,
                ShapeText(call.operands[operand]).text);
}

Status readAttributes(const Call& call, Conv2dShape* shape) {
  int32_t algorithm = 0, direction = 0, widen = 1, activation = 0, poolH = 1, poolW = 1;
  Geometry g = {};
  switch (call.opcode) {
    case Opcode::conv2d_pack: {
      const auto attrs = call.attributes<PackAttributes>();
      g = {0, 0, attrs.sh, attrs.sw, attrs.pt, attrs.pl, attrs.dh, attrs.dw, attrs.groups};
      algorithm = attrs.algorithm, direction = attrs.direction, widen = attrs.widen;
      // The weight [oc, kh, kw, ic / groups] is the only place that says how large the kernel is.
      if (call.operands[0].dims[1] <= kLargestAttribute && call.operands[0].dims[2] <= kLargestAttribute) {
        g.kh = static_cast<int32_t>(call.operands[0].dims[1]);
        g.kw = static_cast<int32_t>(call.operands[0].dims[2]);
      }
      break;
    }
    case Opcode::conv2d: {
      const auto attrs = call.attributes<ForwardAttributes>();
      g = attrs.geometry, algorithm = attrs.algorithm, widen = attrs.widen, activation = attrs.activation;
      break;
    }
    case Opcode::conv2d_grad_input: {
      const auto attrs = call.attributes<GradInputAttributes>();
      g = attrs.geometry, algorithm = attrs.algorithm, widen = attrs.widen, direction = 1;
      break;
    }
    case Opcode::conv2d_max_pool2d: {
      const auto attrs = call.attributes<MaxPoolAttributes>();
      g = attrs.geometry, activation = attrs.activation, poolH = attrs.poolH, poolW = attrs.poolW;
      algorithm = static_cast<int32_t>(Algorithm::hwcn);
      break;
    }
    case Opcode::conv2d_max_pool2d_grad_weight: {
      const auto attrs = call.attributes<MaxPoolGradWeightAttributes>();
      g = attrs.geometry, poolH = attrs.poolH, poolW = attrs.poolW;
      algorithm = static_cast<int32_t>(Algorithm::hwcn);
      break;
    }
    default: {
      const auto attrs = call.attributes<GradWeightAttributes>();
      g = attrs.geometry, algorithm = attrs.algorithm;
    }
  }
  const auto named = static_cast<Algorithm>(algorithm);
  const struct {
    const char* name;
    int64_t value, least, most;
  } ranges[] = {
      {"algorithm", algorithm, 0, kAlgorithmCount - 1},
      {"direction", direction, 0, 1},
      {"activation", activation, 0, kActivationCount - 1},
      {"widen", widen, 1, kLargestWiden},
      {"kh", g.kh, 1, kLargestAttribute},
      {"kw", g.kw, 1, kLargestAttribute},
      {"sh", g.sh, 1, kLargestAttribute},
      {"sw", g.sw, 1, kLargestAttribute},
      {"dh", g.dh, 1, kLargestAttribute},
      {"dw", g.dw, 1, kLargestAttribute},
      {"pt", g.pt, 0, kLargestAttribute},
      {"pl", g.pl, 0, kLargestAttribute},
      {"groups", g.groups, 1, INT32_MAX},
      {"pool_h", poolH, 1, kLargestPool},
      {"pool_w", poolW, 1, kLargestPool},
  };
  for (const auto& range : ranges) {
    Status status = checkRange(call, range.name, range.value, range.least, range.most);
    if (!status.isOk()) return status;
  }
  if (widen > 1 && (g.groups > 1 || g.dw > 1 || (direction == 1 && g.sw > 1))) {
    return refuse(call, "can widen only without groups and horizontal dilation, and a gradient only with horizontal stride 1");
  }
  if (poolH * poolW == 1 && (call.opcode == Opcode::conv2d_max_pool2d || call.opcode == Opcode::conv2d_max_pool2d_grad_weight)) {
    return refuse(call, "expects windows of more than one number, got pool_h 1 and pool_w 1");
  }
  if (widen > 1 && algorithm == static_cast<int32_t>(Algorithm::depthwise))
    return refuse(call, "cannot widen with the algorithm depthwise");
  *shape = {};
  shape->direction = static_cast<Direction>(direction), shape->algorithm = named;
  shape->activation = static_cast<Activation>(activation);
  shape->kh = g.kh, shape->kw = g.kw, shape->sh = g.sh, shape->sw = g.sw, shape->pt = g.pt, shape->pl = g.pl;
  shape->dh = g.dh, shape->dw = g.dw, shape->groups = g.groups, shape->widen = widen;
  shape->poolH = poolH, shape->poolW = poolW;
  Status status = checkHwcn(call, *shape);
  if (status.isOk()) status = checkHwcnWinograd(call, *shape);
  return status.isOk() ? checkWinograd(call, *shape) : status;
}

Status checkDepthwise(const Call& call, const Conv2dShape& shape) {
  if (!shape.isDepthwise() || (shape.ic == shape.groups && shape.oc == shape.groups)) return Status::ok();
  return refuse(call, "expects as many input and output channels as groups (%lld) with the algorithm depthwise, got %lld and %lld",
                static_cast<long long>(shape.groups), static_cast<long long>(shape.ic), static_cast<long long>(shape.oc));
}

// The operands that hold the forward convolution's input and its output, or what that is pooled to.
Status readExtents(const Call& call, const Operand& input, const Operand& output, Conv2dShape* shape) {
  shape->n = input.dims[0], shape->ih = input.dims[1], shape->iw = input.dims[2], shape->ic = input.dims[3];
  shape->oh = output.dims[1] * shape->poolH, shape->ow = output.dims[2] * shape->poolW, shape->oc = output.dims[3];
  if (output.dims[0] != shape->n) {
    return refuse(call, "expects equal batch extents, got %s and %s", ShapeText(input).text, ShapeText(output).text);
  }
  if (shape->ic % shape->groups != 0 || shape->oc % shape->groups != 0) {
    return refuse(call, "expects %lld groups to divide the channels of %s and %s", static_cast<long long>(shape->groups),
                  ShapeText(input).text, ShapeText(output).text);
  }
  Status status = checkDepthwise(call, *shape);
  if (!status.isOk()) return status;
  // Bottom and right padding are what the output extents imply; they obey the same bound as those at the top and left.
  const int64_t reachH = (shape->oh - 1) * shape->sh + (shape->kh - 1) * shape->dh + 1;
  const int64_t reachW = (shape->ow - 1) * shape->sw + (shape->kw - 1) * shape->dw + 1;
  if (reachH > shape->ih + shape->pt + kLargestAttribute || reachW > shape->iw + shape->pl + kLargestAttribute) {
    return refuse(call, "with input %s and output %s implies a padding of more than %lld", ShapeText(input).text, ShapeText(output).text,
                  static_cast<long long>(kLargestAttribute));
  }
  if (shape->dstW() % shape->widen != 0) {
    return refuse(call, "expects a width that widen %lld divides, got %lld", static_cast<long long>(shape->widen),
                  static_cast<long long>(shape->dstW()));
  }
  status = checkHwcn(call, *shape);
  return status.isOk() ? checkHwcnWinograd(call, *shape) : status;
}

Status checkPacked(const Call& call, int operand, const Conv2dShape& shape) {
  const int64_t length = packedConv2dLength(shape, *call.kernels);
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
  if (weight.rank != 4 || weight.dims[0] != shape.oc || weight.dims[1] != shape.kh || weight.dims[2] != shape.kw ||
      weight.dims[3] != shape.ic / shape.groups) {
    return refuse(call, "expects dweight [%lld, %lld, %lld, %lld], got %s", static_cast<long long>(shape.oc),
                  static_cast<long long>(shape.kh), static_cast<long long>(shape.kw), static_cast<long long>(shape.ic / shape.groups),
                  ShapeText(weight).text);
  }
  return checkVector(call, operand + 1, shape.oc);
}

// Of the maxima of a pooled image.
Status checkPosition(const Call& call, int operand, const Operand& pooled) {
  const Operand& position = call.operands[operand];
  const int64_t blocks = ceilDiv(pooled.dims[0], kHwcnImageBlock);
  if (!position.present() ||
      (position.rank == 5 && position.dims[0] == blocks && position.dims[1] == pooled.dims[1] && position.dims[2] == pooled.dims[2] &&
       position.dims[3] == pooled.dims[3] && position.dims[4] == kHwcnImageBlock)) {
    return Status::ok();
  }
  return refuse(call, "expects position [%lld, %lld, %lld, %lld, %d], got %s", static_cast<long long>(blocks),
                static_cast<long long>(pooled.dims[1]), static_cast<long long>(pooled.dims[2]), static_cast<long long>(pooled.dims[3]),
                kHwcnImageBlock, ShapeText(position).text);
}

int64_t gcd(int64_t a, int64_t b) {
  while (b != 0) {
    const int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

Axis forwardAxis(int64_t dstExtent, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
  return {dstExtent, 0, 1, -pad, stride, kernel, dilation, 0, 1, 0};
}

// The class of pixels that tap i contributes to.
int64_t residueOfTap(int64_t i, int64_t stride, int64_t pad, int64_t dilation) {
  const int64_t residue = (i * dilation - pad) % stride;
  return residue < 0 ? residue + stride : residue;
}

// Taps of residue class r: i with (r + pad - i * dilation) divisible by stride, which are evenly spaced.
Axis gradAxis(int64_t dstExtent, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation, int64_t residue) {
  const int64_t common = gcd(stride, dilation), spacing = stride / common;
  Axis axis = {};
  axis.positions = residue < dstExtent ? ceilDiv(dstExtent - residue, stride) : 0;
  axis.dst = residue;
  axis.dstStep = stride;
  axis.srcStep = 1;
  axis.tapStep = dilation / common;
  axis.kernelStep = -spacing;
  for (int64_t i = 0; i < spacing && i < kernel; ++i) {
    const int64_t tapClass = residueOfTap(i, stride, pad, dilation), taps = ceilDiv(kernel - i, spacing);
    if (tapClass < residue) axis.tapsBefore += taps;
    if (tapClass == residue) {
      axis.taps = taps;
      axis.kernel = i + (taps - 1) * spacing;  // a later tap reads an earlier pixel: counted from the last, source pixels ascend
    }
  }
  if (axis.taps > 0) axis.src = (residue + pad - axis.kernel * dilation) / stride;
  return axis;
}

}  // namespace

Status readConv2d(const Call& call, Conv2dShape* shape) {
  Status status = expectFloats(call);
  if (status.isOk()) status = checkRank(call, 0, 4);
  if (status.isOk()) status = readAttributes(call, shape);
  if (!status.isOk()) return status;
  const Operand* operands = call.operands;
  switch (call.opcode) {
    case Opcode::conv2d_pack: {
      shape->oc = operands[0].dims[0];
      shape->ic = operands[0].dims[3] * shape->groups;
      if (shape->oc % shape->groups != 0) {
        return refuse(call, "expects %lld groups to divide the output channels of the weight %s", static_cast<long long>(shape->groups),
                      ShapeText(operands[0]).text);
      }
      if (operands[1].present() && !shape->isForward())
        return refuse(call, "can multiply the weight by a scale only for direction forward");
      status = checkVector(call, 1, shape->oc);
      return status.isOk() ? checkDepthwise(call, *shape) : status;
    }
    case Opcode::conv2d: {
      status = checkRank(call, 4, 4);
      if (status.isOk()) status = readExtents(call, operands[0], operands[4], shape);
      if (status.isOk()) status = checkPacked(call, 1, *shape);
      if (status.isOk()) status = checkVector(call, 2, shape->oc);
      if (status.isOk() && operands[3].present() && !sameShape(operands[3], operands[4])) {
        return refuse(call, "expects add of y's shape %s, got %s", ShapeText(operands[4]).text, ShapeText(operands[3]).text);
      }
      return status;
    }
    case Opcode::conv2d_grad_input: {
      status = checkRank(call, 2, 4);
      if (status.isOk()) status = readExtents(call, operands[2], operands[0], shape);
      if (status.isOk()) status = checkPacked(call, 1, *shape);
      return status;
    }
    case Opcode::conv2d_max_pool2d: {
      status = checkRank(call, 3, 4);
      if (status.isOk()) status = readExtents(call, operands[0], operands[3], shape);
      if (status.isOk()) status = checkPacked(call, 1, *shape);
      if (status.isOk()) status = checkVector(call, 2, shape->oc);
      return status.isOk() ? checkPosition(call, 4, operands[3]) : status;
    }
    case Opcode::conv2d_max_pool2d_grad_weight: {
      status = checkRank(call, 1, 4);
      if (status.isOk()) status = readExtents(call, operands[0], operands[1], shape);
      if (status.isOk()) status = checkPosition(call, 2, operands[1]);
      return status.isOk() ? checkWeightGradient(call, 3, *shape) : status;
    }
    default: {
      status = checkRank(call, 1, 4);
      if (status.isOk()) status = readExtents(call, operands[0], operands[1], shape);
      return status.isOk() ? checkWeightGradient(call, 2, *shape) : status;
    }
  }
}

SubConvolution subConvolutionOfTap(const Conv2dShape& s, int64_t kernelH, int64_t kernelW) {
  if (s.isForward()) return subConvolution(s, 0, 0);
  return subConvolution(s, residueOfTap(kernelH, s.sh, s.pt, s.dh), residueOfTap(kernelW, s.sw, s.pl, s.dw));
}

SubConvolution subConvolution(const Conv2dShape& s, int64_t classH, int64_t classW) {
  if (s.isForward()) return {forwardAxis(s.oh, s.kh, s.sh, s.pt, s.dh), forwardAxis(s.ow, s.kw, s.sw, s.pl, s.dw), s.widen};
  return {gradAxis(s.ih, s.kh, s.sh, s.pt, s.dh, classH), gradAxis(s.iw, s.kw, s.sw, s.pl, s.dw, classW), s.widen};
}

int64_t packedOffset(const Conv2dShape& shape, const SubConvolution& sub, const KernelTable& kernels) {
  // Every tap belongs to one class per axis; only without classes in w does widening add taps.
  const int64_t allTapsW = shape.widen > 1 ? sub.unionTaps() : shape.kw;
  return (sub.h.tapsBefore * allTapsW + sub.h.taps * sub.w.tapsBefore) * packedPerTap(shape, kernels);
}

int64_t packedConv2dLength(const Conv2dShape& shape, const KernelTable& kernels) {
  if (shape.isDepthwise()) return packedDepthwiseLength(shape, kernels);
  if (shape.isHwcn()) return packedHwcnLength(shape);
  if (shape.isHwcnWinograd()) return packedHwcnWinogradLength(shape);
  if (shape.isWinograd()) return packedWinogradLength(shape, kernels);
  if (usesScatter(shape, kernels)) return packedMatmulLength(shape.oc, shape.kh * shape.kw * shape.ic, kernels);
  const int64_t taps = shape.kw + (shape.widen - 1) * (shape.isForward() ? shape.sw : 1);
  const double estimate = static_cast<double>(shape.kh) * static_cast<double>(taps) * static_cast<double>(shape.srcC()) *
                          (static_cast<double>(productColumns(shape)) + kernels.lanes);
  return estimate > kLargestPacked ? 0 : shape.kh * taps * packedPerTap(shape, kernels);
}

void copyWindow(const float* image, int64_t height, int64_t width, int64_t channels, int64_t row, int64_t rows, int64_t column,
                int64_t columns, float* window) {
  auto clip = [](int64_t x, int64_t most) { return x < 0 ? 0 : x > most ? most : x; };
  const size_t pixelBytes = static_cast<size_t>(channels) * sizeof(float);
  // Columns of the window before, inside and behind the image.
  const int64_t before = clip(-column, columns), inside = clip(width - column, columns) - before;
  const size_t beforeBytes = static_cast<size_t>(before) * pixelBytes,
               insideBytes = static_cast<size_t>(inside > 0 ? inside : 0) * pixelBytes;
  const size_t lineBytes = static_cast<size_t>(columns) * pixelBytes;
  for (int64_t r = row; r < row + rows; ++r, window += columns * channels) {
    if (r < 0 || r >= height || insideBytes == 0) {
      std::memset(window, 0, lineBytes);
      continue;
    }
    char* line = reinterpret_cast<char*>(window);
    std::memset(line, 0, beforeBytes);
    std::memcpy(line + beforeBytes, image + (r * width + column + before) * channels, insideBytes);
    std::memset(line + beforeBytes + insideBytes, 0, lineBytes - beforeBytes - insideBytes);
  }
}

}  // namespace stridenet
