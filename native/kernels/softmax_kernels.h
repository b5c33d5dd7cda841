// The kernels over rows of logits of one instruction set. Sums over rows are native/ops/softmax.cc.
#pragma once

#include <cstddef>
#include <cstdint>

namespace stridenet {

// Rows are dense: row r begins at r * classes. The label `ignore` gives 0, others outside [0, classes) give NaN; neither reads anything.
struct SoftmaxKernels {
  // y = exp(x - m) / sum exp(x - m), or its logarithm; m is the row's maximum. y may be x.
  void (*softmax)(const float* x, float* y, int64_t rows, int64_t classes, bool log);
  // losses[r] = -sum_k q_k log softmax(logits[r])_k with q = (1 - smoothing) onehot(label) + smoothing / classes
  void (*crossEntropy)(const float* logits, const int32_t* labels, float* losses, int64_t rows, int64_t classes, float smoothing,
                       int32_t ignore);
  // dlogits[r] = scale[r * scaleStep] * (softmax(logits[r]) - q). dlogits may be logits.
  void (*crossEntropyGrad)(const float* logits, const int32_t* labels, const float* scale, int64_t scaleStep, float* dlogits, int64_t rows,
                           int64_t classes, float smoothing, int32_t ignore);
  // Adds to correct the rows of whose logits fewer than k come before the label's, and to known those whose label is a class.
  void (*countCorrect)(const float* logits, const int32_t* labels, int64_t rows, int64_t classes, int32_t k, int32_t ignore,
                       int64_t* correct, int64_t* known);
  // classOf[r] = the first maximum of row r (the first NaN, if there is one).
  void (*argMax)(const float* logits, int32_t* classOf, int64_t rows, int64_t classes);
};

}  // namespace stridenet
