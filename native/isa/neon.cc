// The kernels compiled for neon, exported as stridenet::neon::kTable.
#include "native/isa/vec_neon.h"
#include "native/kernels/kernel_table.h"

namespace stridenet::neon {
#include "native/kernels/table.inl.h"
}  // namespace stridenet::neon
