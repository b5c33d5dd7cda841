// The kernels compiled for scalar, exported as stridenet::scalar::kTable.
#include "native/isa/vec_scalar.h"
#include "native/kernels/kernel_table.h"

namespace stridenet::scalar {
#include "native/kernels/table.inl.h"
}  // namespace stridenet::scalar
