// The kernels compiled for avx512, exported as stridenet::avx512::kTable.
#include "native/isa/vec_avx512.h"
#include "native/kernels/kernel_table.h"

namespace stridenet::avx512 {
#include "native/kernels/table.inl.h"
}  // namespace stridenet::avx512
