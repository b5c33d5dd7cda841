#include "native/addon/state_wrap.h"

#include "native/program/program.h"

namespace stridenet::addon {

Napi::Function StateWrap::define(Napi::Env env) {
  return DefineClass(env, "State",
                     {InstanceMethod<&StateWrap::addSlot>("addSlot"), InstanceMethod<&StateWrap::write>("write"),
                      InstanceMethod<&StateWrap::writeFile>("writeFile"), InstanceMethod<&StateWrap::writeRule>("writeRule"),
                      InstanceMethod<&StateWrap::restore>("restore"), InstanceMethod<&StateWrap::close>("close"),
                      InstanceMethod<&StateWrap::isReleased>("isReleased"), InstanceMethod<&StateWrap::releaseSources>("releaseSources"),
                      InstanceMethod<&StateWrap::reportMemory>("reportMemory"), InstanceMethod<&StateWrap::read>("read"),
                      InstanceMethod<&StateWrap::readPart>("readPart"), InstanceMethod<&StateWrap::readAll>("readAll"),
                      InstanceMethod<&StateWrap::dropDerived>("dropDerived"), InstanceAccessor<&StateWrap::bytes>("bytes")});
}

// new State(releasesSources?, expectedBytes?)
StateWrap::StateWrap(const Napi::CallbackInfo& info) : ObjectWrap(info), env_(info.Env()) {
  int64_t expectedBytes = 0;
  if (!info[1].IsUndefined()) {
    Status status = getInteger(env_, info[1], "State: expectedBytes", 0, int64_t{1} << 53, &expectedBytes);
    if (!status.isOk()) {
      throwStatus(env_, status);
      return;
    }
  }
  state_ = std::make_shared<State>(info[0].ToBoolean().Value(), static_cast<size_t>(expectedBytes));
  napi_type_tag_object(env_, info.This(), &kTag);
}

// addSlot(dtype, shape, derived): number
Napi::Value StateWrap::addSlot(const Napi::CallbackInfo& info) {
  int64_t dtype;
  const int32_t* shape;
  size_t rank;
  bool derived;
  Status status = checkOpen();
  if (status.isOk()) status = getInteger(env_, info[0], "State.addSlot: dtype", 0, kDTypeCount - 1, &dtype);
  if (status.isOk()) status = getInt32Array(env_, info[1], "State.addSlot: shape", &shape, &rank);
  if (status.isOk()) status = getBoolean(env_, info[2], "State.addSlot: derived", &derived);
  if (status.isOk() && rank > kMaxRank) {
    status = Status::error("ERR_INVALID_ARGUMENT", "State.addSlot: shape has rank %zu; the largest is %d.", rank, kMaxRank);
  }
  int64_t dims[kMaxRank], count = 1;
  for (size_t i = 0; status.isOk() && i < rank; i++) {
    dims[i] = shape[i];
    if (shape[i] < 1 || count > kMaxTensorBytes / 4 / shape[i]) {
      status = Status::error("ERR_INVALID_ARGUMENT", "State.addSlot: extent %d on axis %zu is not positive or makes the slot too large.",
                             shape[i], i);
    }
    count *= dims[i];
  }
  int number = 0;
  if (status.isOk()) status = state_->addSlot(static_cast<DType>(dtype), static_cast<int>(rank), dims, derived, &number);
  if (!status.isOk()) return {env_, throwStatus(env_, status)};
  napi_value result = nullptr;
  napi_create_int32(env_, number, &result);
  return {env_, result};
}

Status StateWrap::getSlot(napi_value value, int* number, Slot** slot) {
  int64_t index;
  Status status = checkOpen();
  if (status.isOk()) status = getInteger(env_, value, "State: slot", 0, INT32_MAX, &index);
  if (!status.isOk()) return status;
  *number = static_cast<int>(index);
  *slot = state_->slot(*number);
  if (*slot != nullptr) return Status::ok();
  return Status::error("ERR_INVALID_ARGUMENT", "State: there is no slot %d; it has %d.", *number, state_->slotCount());
}

Status StateWrap::getPart(const Napi::CallbackInfo& info, size_t firstArgument, int* number, TypedArrayView* view, int64_t* first) {
  Slot* slot;
  *first = 0;
  Status status = getSlot(info[0], number, &slot);
  if (status.isOk()) status = getTypedArray(env_, info[1], "State: data", view);
  if (!status.isOk()) return status;
  if (view->dtype != slot->dtype) {
    return Status::error("ERR_DTYPE_MISMATCH", "State: slot %d takes a %s but got a %s.", *number, dtypeName(slot->dtype),
                         dtypeName(view->dtype));
  }
  if (!info[firstArgument].IsUndefined()) return getInteger(env_, info[firstArgument], "State: first", 0, slot->count, first);
  if (static_cast<int64_t>(view->length) == slot->count) return Status::ok();
  return Status::error("ERR_SHAPE_MISMATCH", "State: slot %d has %lld elements but got %zu.", *number, static_cast<long long>(slot->count),
                       view->length);
}

// restore(slot, data, first?)
Napi::Value StateWrap::restore(const Napi::CallbackInfo& info) {
  int number;
  TypedArrayView view;
  int64_t first;
  Status status = getPart(info, 2, &number, &view, &first);
  if (status.isOk() && !state_->isReleased(number)) {
    status = Status::error("ERR_INVALID_ARGUMENT", "State.restore: slot %d is not released; write() changes values.", number);
  }
  if (status.isOk()) status = state_->restore(number, view.data, first, static_cast<int64_t>(view.length));
  if (!status.isOk()) throwStatus(env_, status);
  return {};
}

// isReleased(slot): boolean
Napi::Value StateWrap::isReleased(const Napi::CallbackInfo& info) {
  int number;
  Slot* slot;
  Status status = getSlot(info[0], &number, &slot);
  if (!status.isOk()) return {env_, throwStatus(env_, status)};
  napi_value result = nullptr;
  napi_get_boolean(env_, state_->isReleased(number), &result);
  return {env_, result};
}

// releaseSources()
Napi::Value StateWrap::releaseSources(const Napi::CallbackInfo&) {
  if (state_ != nullptr) state_->releaseSources();
  return {};
}

// dropDerived(slot)
Napi::Value StateWrap::dropDerived(const Napi::CallbackInfo& info) {
  int number;
  Slot* slot;
  Status status = getSlot(info[0], &number, &slot);
  if (status.isOk()) status = state_->dropDerived(number);
  if (!status.isOk()) throwStatus(env_, status);
  return {};
}

// reportMemory()
Napi::Value StateWrap::reportMemory(const Napi::CallbackInfo&) {
  memory_.report(env_, bytes());
  return {};
}

// close()
Napi::Value StateWrap::close(const Napi::CallbackInfo&) {
  state_.reset();
  memory_.report(env_, 0);
  return {};
}

// write(slot, data, logical, first?)
Napi::Value StateWrap::write(const Napi::CallbackInfo& info) {
  int number;
  TypedArrayView view;
  bool logical;
  int64_t first;
  Status status = getPart(info, 3, &number, &view, &first);
  if (status.isOk()) status = getBoolean(env_, info[2], "State.write: logical", &logical);
  if (status.isOk()) status = state_->write(number, view.data, logical, first, static_cast<int64_t>(view.length));
  if (!status.isOk()) throwStatus(env_, status);
  return {};
}

// writeFile(slot, descriptor, offset)
Napi::Value StateWrap::writeFile(const Napi::CallbackInfo& info) {
  int number;
  Slot* slot;
  int64_t descriptor;
  Source source;
  source.kind = Source::Kind::file;
  Status status = getSlot(info[0], &number, &slot);
  if (status.isOk()) status = getInteger(env_, info[1], "State.writeFile: descriptor", 0, INT32_MAX, &descriptor);
  if (status.isOk()) status = getInteger(env_, info[2], "State.writeFile: offset", 0, int64_t{1} << 53, &source.offset);
  if (status.isOk()) source.descriptor = static_cast<int>(descriptor);
  if (status.isOk()) status = state_->writeSource(number, source);
  if (!status.isOk()) throwStatus(env_, status);
  return {};
}

// writeRule(slot, kind, first, second, stream)
Napi::Value StateWrap::writeRule(const Napi::CallbackInfo& info) {
  int number;
  Slot* slot;
  int64_t kind;
  Source source;
  const int32_t* stream;
  size_t words;
  constexpr Source::Kind kKinds[] = {Source::Kind::constant, Source::Kind::uniform, Source::Kind::normal};
  Status status = getSlot(info[0], &number, &slot);
  if (status.isOk()) status = getInteger(env_, info[1], "State.writeRule: kind", 0, 2, &kind);
  if (status.isOk()) status = getInt32Array(env_, info[4], "State.writeRule: stream", &stream, &words);
  if (status.isOk() && (words != 5 || napi_get_value_double(env_, info[2], &source.first) != napi_ok ||
                        napi_get_value_double(env_, info[3], &source.second) != napi_ok)) {
    status = Status::error("ERR_INVALID_ARGUMENT", "State.writeRule expects two numbers and the five words of a stream.");
  }
  if (status.isOk()) {
    source.kind = kKinds[kind];
    source.stream = getStream(stream);
    status = state_->writeSource(number, source);
  }
  if (!status.isOk()) throwStatus(env_, status);
  return {};
}

// read(slot, logical): TypedArray
Napi::Value StateWrap::read(const Napi::CallbackInfo& info) {
  int number;
  Slot* slot;
  bool logical;
  Status status = getSlot(info[0], &number, &slot);
  if (status.isOk()) status = getBoolean(env_, info[1], "State.read: logical", &logical);
  if (!status.isOk()) return {env_, throwStatus(env_, status)};
  constexpr napi_typedarray_type kTypes[] = {napi_float32_array, napi_int32_array, napi_uint8_array};
  void* data = nullptr;
  napi_value array = makeTypedArray(env_, kTypes[static_cast<int>(slot->dtype)], slot->count, dtypeSize(slot->dtype), &data);
  if (array != nullptr) status = state_->read(number, data, logical);
  return {env_, status.isOk() ? array : throwStatus(env_, status)};
}

// readPart(slot, data, logical, first)
Napi::Value StateWrap::readPart(const Napi::CallbackInfo& info) {
  int number;
  TypedArrayView view;
  bool logical;
  int64_t first;
  Status status = getPart(info, 3, &number, &view, &first);
  if (status.isOk()) status = getBoolean(env_, info[2], "State.readPart: logical", &logical);
  if (status.isOk()) status = state_->read(number, view.data, logical, first, static_cast<int64_t>(view.length));
  if (!status.isOk()) throwStatus(env_, status);
  return {};
}

// readAll(slots, data)
Napi::Value StateWrap::readAll(const Napi::CallbackInfo& info) {
  const int32_t* slots;
  size_t count;
  Status status = checkOpen();
  if (status.isOk()) status = getInt32Array(env_, info[0], "State.readAll: slots", &slots, &count);
  std::vector<int> numbers;
  std::vector<void*> targets;
  for (size_t i = 0; status.isOk() && i < count; i++) {
    napi_value element = nullptr;
    TypedArrayView view;
    if (napi_get_element(env_, info[1], static_cast<uint32_t>(i), &element) != napi_ok) {
      status = Status::error("ERR_INVALID_ARGUMENT", "State.readAll: data must be an array.");
      break;
    }
    const Slot* slot = state_->slot(slots[i]);
    if (slot == nullptr) {
      status = Status::error("ERR_INVALID_ARGUMENT", "State: there is no slot %d; it has %d.", slots[i], state_->slotCount());
    } else {
      status = getTypedArray(env_, element, "State.readAll: data", &view);
    }
    if (status.isOk() && (view.dtype != slot->dtype || static_cast<int64_t>(view.length) != slot->count)) {
      status = Status::error("ERR_SHAPE_MISMATCH", "State: slot %d has %lld elements of %s but got %zu of %s.", slots[i],
                             static_cast<long long>(slot->count), dtypeName(slot->dtype), view.length, dtypeName(view.dtype));
    }
    numbers.push_back(slots[i]);
    targets.push_back(view.data);
  }
  if (status.isOk()) status = state_->readAll(numbers, targets);
  if (!status.isOk()) throwStatus(env_, status);
  return {};
}

Napi::Value StateWrap::bytes(const Napi::CallbackInfo&) {
  napi_value result = nullptr;
  napi_create_double(env_, static_cast<double>(bytes()), &result);
  return {env_, result};
}

Status StateWrap::checkOpen() const {
  return state_ == nullptr ? Status::error("ERR_CLOSED", "The State is closed. Make a new one.") : Status::ok();
}

size_t StateWrap::bytes() const {
  return state_ == nullptr ? 0 : state_->bytes();
}

}  // namespace stridenet::addon
