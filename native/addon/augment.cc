#include "native/addon/augment.h"

#include <cmath>
#include <functional>
#include <iterator>
#include <memory>
#include <vector>

#include "native/augment/fixed.h"
#include "native/augment/mix.h"
#include "native/augment/transforms.h"

namespace stridenet::addon {

namespace {

Status getFloat64Array(napi_env env, napi_value value, const char* what, const double** data, size_t* length) {
  napi_typedarray_type type;
  void* memory = nullptr;
  if (napi_get_typedarray_info(env, value, &type, length, &memory, nullptr, nullptr) != napi_ok || type != napi_float64_array) {
    return Status::error("ERR_INVALID_ARGUMENT", "%s must be a Float64Array.", what);
  }
  *data = static_cast<const double*>(memory);
  return Status::ok();
}

Status getBytes(napi_env env, napi_value value, const char* what, uint8_t** data, size_t* length) {
  TypedArrayView view;
  const Status status = getTypedArray(env, value, what, &view);
  if (!status.isOk() || view.dtype != DType::uint8) return Status::error("ERR_INVALID_ARGUMENT", "%s must be a Uint8Array.", what);
  *data = static_cast<uint8_t*>(view.data);
  *length = view.length;
  return Status::ok();
}

// Channels, height, width, and 1 if channels lie side by side.
Status getPictureShape(napi_env env, napi_value value, PictureShape* shape, bool* interleaved) {
  const int32_t* numbers = nullptr;
  size_t count = 0;
  const Status status = getInt32Array(env, value, "picture", &numbers, &count);
  if (!status.isOk()) return status;
  const auto isExtent = [](int32_t extent) { return extent >= 1 && extent <= kMaxExtent; };
  if (count != 4 || (numbers[0] != 1 && numbers[0] != 3) || !isExtent(numbers[1]) || !isExtent(numbers[2])) {
    return Status::error("ERR_INVALID_ARGUMENT", "A picture has 1 or 3 channels and at most %d rows and columns.", kMaxExtent);
  }
  *shape = {numbers[0], numbers[1], numbers[2]};
  *interleaved = numbers[3] != 0;
  return Status::ok();
}

// Work on a thread of libuv's pool, and the promise that tells when it is done. The arrays that it reads and writes are kept until then.
struct Work {
  std::function<void()> body;
  napi_deferred deferred = nullptr;
  napi_async_work handle = nullptr;
  std::vector<napi_ref> arrays;
};

void execute(napi_env, void* data) {
  static_cast<Work*>(data)->body();
}

void complete(napi_env env, napi_status status, void* data) {
  const std::unique_ptr<Work> work(static_cast<Work*>(data));
  napi_value nothing = nullptr;
  for (const napi_ref array : work->arrays) napi_delete_reference(env, array);
  napi_delete_async_work(env, work->handle);
  napi_get_undefined(env, &nothing);
  if (status == napi_ok) {
    napi_resolve_deferred(env, work->deferred, nothing);
  } else {  // only where the environment ends
    napi_reject_deferred(env, work->deferred, makeError(env, Status::error("ERR_CLOSED", "The process ends.")));
  }
}

napi_value startWork(napi_env env, std::initializer_list<napi_value> arrays, std::function<void()> body) {
  auto work = std::make_unique<Work>();
  work->body = std::move(body);
  napi_value name = nullptr, promise = nullptr;
  for (const napi_value array : arrays) {
    napi_ref reference = nullptr;
    if (napi_create_reference(env, array, 1, &reference) == napi_ok) work->arrays.push_back(reference);
  }
  const bool isStarted = work->arrays.size() == arrays.size() && napi_create_promise(env, &work->deferred, &promise) == napi_ok &&
                         napi_create_string_utf8(env, "stridenet pictures", NAPI_AUTO_LENGTH, &name) == napi_ok &&
                         napi_create_async_work(env, nullptr, name, execute, complete, work.get(), &work->handle) == napi_ok &&
                         napi_queue_async_work(env, work->handle) == napi_ok;
  if (!isStarted) {
    for (const napi_ref array : work->arrays) napi_delete_reference(env, array);
    if (work->handle != nullptr) napi_delete_async_work(env, work->handle);
    return throwStatus(env, Status::error("ERR_OUT_OF_MEMORY", "Work on pictures could not be started."));
  }
  work.release();  // complete() has it
  return promise;
}

Status getPipeline(napi_env env, napi_value transforms, napi_value picture, Pipeline* pipeline) {
  const double* numbers = nullptr;
  size_t count = 0;
  PictureShape shape;
  bool interleaved = false;
  Status status = getFloat64Array(env, transforms, "augment: transforms", &numbers, &count);
  if (status.isOk()) status = getPictureShape(env, picture, &shape, &interleaved);
  if (status.isOk()) status = decodePipeline(numbers, count, shape, interleaved, pipeline);
  return status;
}

// augment(transforms, picture, key, images, indices, into): Promise
napi_value augment(napi_env env, napi_callback_info info) {
  size_t argc = 6;
  napi_value arguments[6] = {};
  napi_get_cb_info(env, info, &argc, arguments, nullptr, nullptr);
  auto pipeline = std::make_shared<Pipeline>();
  const int32_t *key = nullptr, *indices = nullptr;
  uint8_t *images = nullptr, *into = nullptr;
  size_t keyLength = 0, count = 0, imageBytes = 0, intoBytes = 0;
  Status status = getPipeline(env, arguments[0], arguments[1], pipeline.get());
  if (status.isOk()) status = getInt32Array(env, arguments[2], "augment: key", &key, &keyLength);
  if (status.isOk()) status = getBytes(env, arguments[3], "augment: images", &images, &imageBytes);
  if (status.isOk()) status = getInt32Array(env, arguments[4], "augment: indices", &indices, &count);
  if (status.isOk()) status = getBytes(env, arguments[5], "augment: into", &into, &intoBytes);
  if (status.isOk() &&
      (keyLength != 3 || count == 0 || imageBytes != count * pipeline->input.size() || intoBytes != count * pipeline->output.size())) {
    status = Status::error("ERR_SHAPE_MISMATCH", "augment: %zu pictures take %zu bytes and give %zu but the arrays have %zu and %zu.",
                           count, count * pipeline->input.size(), count * pipeline->output.size(), imageBytes, intoBytes);
  }
  if (!status.isOk()) return throwStatus(env, status);
  const DrawKey drawKey = {static_cast<uint32_t>(key[0]), static_cast<uint32_t>(key[1]), static_cast<uint32_t>(key[2])};
  return startWork(env, {arguments[3], arguments[4], arguments[5]}, [pipeline, drawKey, images, indices, count, into] {
    stridenet::augment(*pipeline, drawKey, images, indices, count, into);
  });
}

Status getMixedBatch(napi_env env, napi_value picture, napi_value images, MixedBatch* batch) {
  size_t bytes = 0;
  Status status = getPictureShape(env, picture, &batch->shape, &batch->interleaved);
  if (status.isOk()) status = getBytes(env, images, "mix: images", &batch->images, &bytes);
  if (!status.isOk()) return status;
  batch->count = bytes / batch->shape.size();
  if (batch->count > 0 && bytes % batch->shape.size() == 0) return status;
  return Status::error("ERR_SHAPE_MISMATCH", "mix: %zu bytes are no number of pictures.", bytes);
}

// mixup(picture, images, own): Promise
napi_value mixup(napi_env env, napi_callback_info info) {
  size_t argc = 3;
  napi_value arguments[3] = {};
  napi_get_cb_info(env, info, &argc, arguments, nullptr, nullptr);
  MixedBatch batch;
  double own = 0;
  Status status = getMixedBatch(env, arguments[0], arguments[1], &batch);
  if (status.isOk() && (napi_get_value_double(env, arguments[2], &own) != napi_ok || !(own >= 0 && own <= 1))) {
    status = Status::error("ERR_INVALID_ARGUMENT", "mixup: own must be a number from 0 to 1.");
  }
  if (!status.isOk()) return throwStatus(env, status);
  return startWork(env, {arguments[1]}, [batch, own] { stridenet::mixup(batch, own); });
}

// cutmix(picture, images, box): Promise
napi_value cutmix(napi_env env, napi_callback_info info) {
  size_t argc = 3;
  napi_value arguments[3] = {};
  napi_get_cb_info(env, info, &argc, arguments, nullptr, nullptr);
  MixedBatch batch;
  const int32_t* v = nullptr;
  size_t count = 0;
  Status status = getMixedBatch(env, arguments[0], arguments[1], &batch);
  if (status.isOk()) status = getInt32Array(env, arguments[2], "cutmix: box", &v, &count);
  if (status.isOk()) {
    const auto isInside = [](int64_t from, int64_t length, int extent) { return from >= 0 && length >= 0 && from + length <= extent; };
    if (count != 4 || !isInside(v[0], v[2], batch.shape.height) || !isInside(v[1], v[3], batch.shape.width)) {
      status = Status::error("ERR_INVALID_ARGUMENT", "cutmix: the box must lie inside the pictures.");
    }
  }
  if (!status.isOk()) return throwStatus(env, status);
  const Box box = {v[0], v[1], v[2], v[3]};
  return startWork(env, {arguments[1]}, [batch, box] { stridenet::cutmix(batch, box); });
}

// applyOperation(name, numbers, picture, image): Uint8Array, in the same order
napi_value applyOperation(napi_env env, napi_callback_info info) {
  size_t argc = 4;
  napi_value arguments[4] = {};
  napi_get_cb_info(env, info, &argc, arguments, nullptr, nullptr);
  char name[32] = "";
  const double* numbers = nullptr;
  size_t count = 0, bytes = 0;
  PictureShape shape;
  bool interleaved = false;
  uint8_t* image = nullptr;
  Picture picture;
  napi_get_value_string_utf8(env, arguments[0], name, sizeof name, nullptr);
  Status status = getFloat64Array(env, arguments[1], "applyOperation: numbers", &numbers, &count);
  if (status.isOk()) status = getPictureShape(env, arguments[2], &shape, &interleaved);
  if (status.isOk()) status = getBytes(env, arguments[3], "applyOperation: image", &image, &bytes);
  if (status.isOk() && bytes != shape.size()) {
    status = Status::error("ERR_SHAPE_MISMATCH", "applyOperation: the image has %zu bytes, not %zu.", bytes, shape.size());
  }
  if (status.isOk()) {
    picture.load(shape, interleaved, image);
    status = applyFixed(name, numbers, count, picture);
  }
  if (!status.isOk()) return throwStatus(env, status);
  void* out = nullptr;
  napi_value array = makeTypedArray(env, napi_uint8_array, picture.shape().size(), 1, &out);
  if (array != nullptr) picture.store(interleaved, static_cast<uint8_t*>(out));
  return array;
}

// transformNames(): the names of the transforms, in the order of their numbers
napi_value transformNames(napi_env env, napi_callback_info) {
  napi_value names = nullptr;
  napi_create_array(env, &names);
  uint32_t count = 0;
  for (const TransformKind& kind : transformKinds()) {
    napi_value name = nullptr;
    napi_create_string_utf8(env, kind.name, NAPI_AUTO_LENGTH, &name);
    napi_set_element(env, names, count++, name);
  }
  return names;
}

}  // namespace

void defineAugmentation(napi_env env, napi_value exports) {
  const napi_property_descriptor functions[] = {
      {"augment", nullptr, augment, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"mixup", nullptr, mixup, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"cutmix", nullptr, cutmix, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"applyOperation", nullptr, applyOperation, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
      {"transformNames", nullptr, transformNames, nullptr, nullptr, nullptr, napi_enumerable, nullptr},
  };
  napi_define_properties(env, exports, std::size(functions), functions);
}

}  // namespace stridenet::addon
