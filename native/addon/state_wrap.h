// The JavaScript class State: checks arguments and hands them to runtime/state.
#pragma once

#include <memory>

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
  Napi::Value restore(const Napi::CallbackInfo& info);
  Napi::Value isReleased(const Napi::CallbackInfo& info);
  Napi::Value releaseSources(const Napi::CallbackInfo& info);
  Napi::Value reportMemory(const Napi::CallbackInfo& info);
  Napi::Value read(const Napi::CallbackInfo& info);
  Napi::Value bytes(const Napi::CallbackInfo& info);
  Status getSlot(napi_value value, int* number, Slot** slot);
  // A slot and values that fit it.
  Status getValue(const Napi::CallbackInfo& info, int* number, TypedArrayView* view);

  const napi_env env_;
  std::shared_ptr<State> state_;
  ExternalMemory memory_;
};

}  // namespace stridenet::addon
