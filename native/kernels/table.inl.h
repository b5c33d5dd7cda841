// Every kernel body and the table of them, compiled once per instruction set: native/isa/<isa>.cc includes this file inside
// namespace stridenet::<isa>, after its vector vocabulary. All bodies are in an anonymous namespace, so that the object exports
// kTable and nothing else.

namespace {

constexpr TileSizes kTileSizes = tileSizes(kIsa);

// The first four are what the others are made of.
// clang-format off
#include "native/kernels/vectors.inl.h"
#include "native/kernels/math.inl.h"
#include "native/kernels/epilogue.inl.h"
#include "native/kernels/pairwise.inl.h"
#include "native/kernels/depthwise.inl.h"
#include "native/kernels/depthwise_block.inl.h"
#include "native/kernels/activation.inl.h"
#include "native/kernels/elementwise.inl.h"
#include "native/kernels/gemm.inl.h"
#include "native/kernels/hwcn.inl.h"
#include "native/kernels/layout.inl.h"
#include "native/kernels/norm.inl.h"
#include "native/kernels/pool.inl.h"
#include "native/kernels/probe.inl.h"
#include "native/kernels/random.inl.h"
#include "native/kernels/reduce.inl.h"
#include "native/kernels/softmax.inl.h"
#include "native/kernels/update.inl.h"
#include "native/kernels/winograd_transforms.inl.h"
#include "native/kernels/winograd.inl.h"
#include "native/kernels/winograd_narrow.inl.h"
#include "native/kernels/hwcn_winograd.inl.h"
// clang-format on

#undef STRIDENET_LAMBDA
#undef STRIDENET_MEMBER

}  // namespace

extern const KernelTable kTable;
const KernelTable kTable = {
    .isa = kIsa.name,
    .lanes = kIsa.lanes,
    .tiles = kTileSizes,
    .costs = *kIsa.costs,
    .activation = kActivationKernels,
    .gemm = kGemmKernels,
    .elementwise = kElementwiseKernels,
    .hwcn = kHwcnKernels,
    .layout = kLayoutKernels,
    .norm = kNormKernels,
    .pool = kPoolKernels,
    .random = kRandomKernels,
    .reduce = kReduceKernels,
    .softmax = kSoftmaxKernels,
    .update = kUpdateKernels,
    .depthwise = kDepthwiseKernels,
    .winograd = kWinogradKernels,
    .winogradNarrow = kWinogradNarrowKernels,
    .hwcnWinograd = kHwcnWinogradKernels,
    .probe = kProbeKernels,
};
