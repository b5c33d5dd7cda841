// Everything that differs by instruction set: one constant KernelTable per ISA, exported by native/isa/<isa>.cc.
// A kernel knows pointers, extents and strides; it knows no Program, no Operand and no thread.
#pragma once

#include "native/kernels/activation_kernels.h"
#include "native/kernels/depthwise_kernels.h"
#include "native/kernels/elementwise_kernels.h"
#include "native/kernels/gemm_kernels.h"
#include "native/kernels/hwcn_kernels.h"
#include "native/kernels/hwcn_winograd_kernels.h"
#include "native/kernels/layout_kernels.h"
#include "native/kernels/norm_kernels.h"
#include "native/kernels/pool_kernels.h"
#include "native/kernels/probe_kernels.h"
#include "native/kernels/random_kernels.h"
#include "native/kernels/reduce_kernels.h"
#include "native/kernels/softmax_kernels.h"
#include "native/kernels/tile_sizes.h"
#include "native/kernels/update_kernels.h"
#include "native/kernels/winograd_kernels.h"
#include "native/kernels/winograd_narrow_kernels.h"

namespace stridenet {

struct KernelTable {
  const char* isa;  // "scalar", "avx2", "avx512" or "neon"
  int lanes;        // float32 in a vector
  TileSizes tiles;
  Costs costs;
  ActivationKernels activation;
  GemmKernels gemm;
  ElementwiseKernels elementwise;
  HwcnKernels hwcn;
  LayoutKernels layout;
  NormKernels norm;
  PoolKernels pool;
  RandomKernels random;
  ReduceKernels reduce;
  SoftmaxKernels softmax;
  UpdateKernels update;
  DepthwiseKernels depthwise;
  WinogradKernels winograd;
  WinogradNarrowKernels winogradNarrow;
  HwcnWinogradKernels hwcnWinograd;
  ProbeKernels probe;
};

}  // namespace stridenet
