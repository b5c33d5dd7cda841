// The JavaScript class State: checks arguments and hands them to runtime/state.
#pragma once

#include <memory>
#include <vector>

#include "native/addon/convert.h"
#include "native/runtime/state.h"

namespace stridenet::addon {

class StateWrap : public Napi::ObjectWrap<StateWrap> {
 public:
  static constexpr napi_type_tag kTag = {0x7374726964656e65, 0x7453746174650001};
  static Napi::Function define(Napi::Env env);

  explicit StateWrap(const Napi::CallbackInfo& info);
  ~StateWrap() override { memory_.report(env_, 0); }

  const std::shared_ptr<State>& state() const { return state_; }

 private:
  Napi::Value addSlot(const Napi::CallbackInfo& info);
  Napi::Value write(const Napi::CallbackInfo& info);
  Napi::Value writeFile(const Napi::CallbackInfo& info);
  Napi::Value writeRule(const Napi::CallbackInfo& info);
  Napi::Value restore(const Napi::CallbackInfo& info);
  Napi::Value isReleased(const Napi::CallbackInfo& info);
  Napi::Value releaseSources(const Napi::CallbackInfo& info);
  Napi::Value dropDerived(const Napi::CallbackInfo& info);
  Napi::Value reportMemory(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  Napi::Value readPart(const Napi::CallbackInfo& info);
  Napi::Value readAll(const Napi::CallbackInfo& info);
  Napi::Value bytes(const Napi::CallbackInfo& info);
  Status getSlot(napi_value value, int* number, Slot** slot);
  // Reads the arguments slot and values and, if it is given, argument `firstArgument`: the element of the slot at which
  // the values begin. Without it there must be as many values as the slot has elements.
  Status getPart(const Napi::CallbackInfo& info, size_t firstArgument, int* number, TypedArrayView* view, int64_t* first);
  Status checkOpen() const;
  size_t bytes() const;

  const napi_env env_;
  std::shared_ptr<State> state_;  // null when closed; sessions may still have it
  ExternalMemory memory_;
};

}  // namespace stridenet::addon
