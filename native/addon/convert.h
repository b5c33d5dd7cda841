// Between Node-API values and C++: errors, numbers, typed arrays, and the tags that tell our objects from others. Uses the C
// functions of Node-API throughout: while a worker thread is being terminated any of them may fail, and then nothing must be
// thrown, asserted or leaked; the callback just returns.
#pragma once

#include <napi.h>

#include <string>

#include "native/base/status.h"
#include "native/kernels/random_kernels.h"
#include "native/program/ops.h"

namespace stridenet::addon {

// Makes an Error with the code and the message of `status`.
napi_value makeError(napi_env env, const Status& status);
// Throws it as a JavaScript Error. Returns nullptr, so that callers can `return throwStatus(...)`.
napi_value throwStatus(napi_env env, const Status& status);

const char* dtypeName(DType dtype);  // "Float32Array" and so on

struct TypedArrayView {
  DType dtype;
  void* data;
  size_t length;
};

// `what` names the argument in messages. Int32Array, Float32Array, Uint8Array and Uint8ClampedArray are accepted.
Status getTypedArray(napi_env env, napi_value value, const char* what, TypedArrayView* result);
Status getInt32Array(napi_env env, napi_value value, const char* what, const int32_t** data, size_t* length);
// An integral number in [min, max].
Status getInteger(napi_env env, napi_value value, const char* what, int64_t min, int64_t max, int64_t* result);
// Seed low and high, number low and high, purpose.
RandomStream getStream(const int32_t words[5]);
Status getBoolean(napi_env env, napi_value value, const char* what, bool* result);

// Makes a typed array over a new ArrayBuffer; *data points to its memory. Returns nullptr when there is no memory
// (ERR_OUT_OF_MEMORY is thrown) or when JavaScript cannot run any more.
napi_value makeTypedArray(napi_env env, napi_typedarray_type type, size_t length, size_t elementSize, void** data);
// The same, filled with `count` elements from `source`.
napi_value copyToTypedArray(napi_env env, DType dtype, const void* source, size_t count);

// The C++ object behind a JavaScript object made by one of our classes, or nullptr.
template <typename Wrap>
Wrap* unwrap(napi_env env, napi_value value) {
  bool matches = false;
  void* wrap = nullptr;
  if (napi_check_object_type_tag(env, value, &Wrap::kTag, &matches) != napi_ok || !matches) return nullptr;
  if (napi_unwrap(env, value, &wrap) != napi_ok) return nullptr;
  return static_cast<Wrap*>(wrap);
}

// Tells the garbage collector how much native memory an object keeps alive, and remembers what it told last.
class ExternalMemory {
 public:
  void report(napi_env env, size_t bytes);

 private:
  int64_t reported_ = 0;
};

}  // namespace stridenet::addon
