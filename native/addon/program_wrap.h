// The JavaScript class Program: a decoded and verified list of words. Immutable, so sessions may share it.
#pragma once

#include <memory>

#include "native/addon/convert.h"
#include "native/program/program.h"

namespace stridenet::addon {

class ProgramWrap : public Napi::ObjectWrap<ProgramWrap> {
 public:
  static constexpr napi_type_tag kTag = {0x7374726964656e65, 0x7450726f67720001};
  static Napi::Function define(Napi::Env env);

  explicit ProgramWrap(const Napi::CallbackInfo& info);
  ~ProgramWrap() override { memory_.report(env_, 0); }

  const std::shared_ptr<const Program>& program() const { return program_; }  // null when closed

 private:
  Napi::Value bytes(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  const napi_env env_;
  std::shared_ptr<const Program> program_;
  ExternalMemory memory_;
};

}  // namespace stridenet::addon
