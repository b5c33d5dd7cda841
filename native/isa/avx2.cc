// The kernels compiled for avx2, exported as stridenet::avx2::kTable.
#include "native/isa/vec_avx2.h"
#include "native/kernels/kernel_table.h"

namespace stridenet::avx2 {
#include "native/kernels/table.inl.h"
}  // namespace stridenet::avx2
