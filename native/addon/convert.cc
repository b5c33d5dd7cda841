#include "native/addon/convert.h"

#include <cmath>
#include <cstring>

namespace stridenet::addon {

napi_value makeError(napi_env env, const Status& status) {
  napi_value code = nullptr, message = nullptr, error = nullptr;
  napi_create_string_utf8(env, status.code(), NAPI_AUTO_LENGTH, &code);
  napi_create_string_utf8(env, status.message().data(), status.message().size(), &message);
  napi_create_error(env, code, message, &error);
  return error;
}

napi_value throwStatus(napi_env env, const Status& status) {
  napi_value error = makeError(env, status);
  if (error != nullptr) napi_throw(env, error);
  return nullptr;
}

const char* dtypeName(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return "Float32Array";
    case DType::int32:
      return "Int32Array";
    case DType::uint8:
      return "Uint8Array";
  }
  return "";
}

Status getTypedArray(napi_env env, napi_value value, const char* what, TypedArrayView* result) {
  napi_typedarray_type type;
  if (napi_get_typedarray_info(env, value, &type, &result->length, &result->data, nullptr, nullptr) != napi_ok) {
    return Status::error("ERR_INVALID_ARGUMENT", "%s must be a typed array.", what);
  }
  switch (type) {
    case napi_float32_array:
      result->dtype = DType::float32;
      return Status::ok();
    case napi_int32_array:
      result->dtype = DType::int32;
      return Status::ok();
    case napi_uint8_array:
    case napi_uint8_clamped_array:
      result->dtype = DType::uint8;
      return Status::ok();
    default:
      return Status::error("ERR_DTYPE_MISMATCH", "%s must be a Float32Array, Int32Array or Uint8Array.", what);
  }
}

Status getInt32Array(napi_env env, napi_value value, const char* what, const int32_t** data, size_t* length) {
  TypedArrayView view;
  Status status = getTypedArray(env, value, what, &view);
  if (!status.isOk() || view.dtype != DType::int32) {
    return Status::error("ERR_INVALID_ARGUMENT", "%s must be an Int32Array.", what);
  }
  *data = static_cast<const int32_t*>(view.data);
  *length = view.length;
  return Status::ok();
}

Status getInteger(napi_env env, napi_value value, const char* what, int64_t min, int64_t max, int64_t* result) {
  double number;
  if (napi_get_value_double(env, value, &number) != napi_ok || std::floor(number) != number ||
      !(number >= static_cast<double>(min) && number <= static_cast<double>(max))) {
    return Status::error("ERR_INVALID_ARGUMENT", "%s must be an integer from %lld to %lld.", what, static_cast<long long>(min),
                         static_cast<long long>(max));
  }
  *result = static_cast<int64_t>(number);
  return Status::ok();
}

RandomStream getStream(const int32_t words[5]) {
  uint32_t unsignedWords[5];
  std::memcpy(unsignedWords, words, sizeof unsignedWords);
  return {
      .seedLow = unsignedWords[0],
      .seedHigh = unsignedWords[1],
      .low = unsignedWords[2],
      .high = unsignedWords[3],
      .purpose = unsignedWords[4],
  };
}

Status getBoolean(napi_env env, napi_value value, const char* what, bool* result) {
  if (napi_get_value_bool(env, value, result) == napi_ok) return Status::ok();
  return Status::error("ERR_INVALID_ARGUMENT", "%s must be true or false.", what);
}

namespace {

// Calls the constructor from JavaScript, which throws where napi_create_arraybuffer would end the process. Returns
// nullptr with an exception pending.
napi_value makeLargeBuffer(napi_env env, size_t bytes, void** data) {
  napi_value global, constructor, length, buffer = nullptr;
  size_t got = 0;
  if (napi_get_global(env, &global) != napi_ok || napi_get_named_property(env, global, "ArrayBuffer", &constructor) != napi_ok ||
      napi_create_double(env, static_cast<double>(bytes), &length) != napi_ok) {
    return nullptr;
  }
  if (napi_new_instance(env, constructor, 1, &length, &buffer) == napi_ok &&
      napi_get_arraybuffer_info(env, buffer, data, &got) == napi_ok && got == bytes) {
    return buffer;
  }
  napi_value refusal;  // the engine's RangeError
  napi_get_and_clear_last_exception(env, &refusal);
  return throwStatus(env, Status::error("ERR_OUT_OF_MEMORY", "%.1f MiB for a result could not be allocated. Use a smaller batch.",
                                        static_cast<double>(bytes) / (1 << 20)));
}

}  // namespace

napi_value makeTypedArray(napi_env env, napi_typedarray_type type, size_t length, size_t elementSize, void** data) {
  constexpr size_t kLarge = size_t{64} << 10;  // where even this much is missing, the engine itself cannot go on
  const size_t bytes = length * elementSize;
  napi_value buffer, array;
  if (bytes >= kLarge) {
    buffer = makeLargeBuffer(env, bytes, data);
    if (buffer == nullptr) return nullptr;
  } else if (napi_create_arraybuffer(env, bytes, data, &buffer) != napi_ok) {
    return nullptr;
  }
  if (napi_create_typedarray(env, type, length, buffer, 0, &array) != napi_ok) return nullptr;
  return array;
}

napi_value copyToTypedArray(napi_env env, DType dtype, const void* source, size_t count) {
  constexpr napi_typedarray_type kTypes[] = {napi_float32_array, napi_int32_array, napi_uint8_array};
  static_assert(sizeof kTypes / sizeof *kTypes == kDTypeCount);
  void* data = nullptr;
  napi_value array = makeTypedArray(env, kTypes[static_cast<int>(dtype)], count, dtypeSize(dtype), &data);
  if (array != nullptr) std::memcpy(data, source, count * dtypeSize(dtype));
  return array;
}

void ExternalMemory::report(napi_env env, size_t bytes) {
  const int64_t change = static_cast<int64_t>(bytes) - reported_;
  if (change == 0) return;
  int64_t total;
  napi_adjust_external_memory(env, change, &total);
  reported_ += change;
}

}  // namespace stridenet::addon
