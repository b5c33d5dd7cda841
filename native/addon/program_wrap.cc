#include "native/addon/program_wrap.h"

#include "native/runtime/bound_program.h"
#include "native/runtime/dispatch.h"

namespace stridenet::addon {

Napi::Function ProgramWrap::define(Napi::Env env) {
  return DefineClass(env, "Program", {InstanceAccessor<&ProgramWrap::bytes>("bytes"), InstanceMethod<&ProgramWrap::close>("close")});
}

// new Program(words)
ProgramWrap::ProgramWrap(const Napi::CallbackInfo& info) : ObjectWrap(info), env_(info.Env()) {
  const int32_t* words = nullptr;
  size_t count = 0;
  const KernelTable* kernels = nullptr;
  Status status = getInt32Array(env_, info[0], "Program: words", &words, &count);
  if (status.isOk()) status = selectKernels(&kernels);
  if (status.isOk()) status = decodeProgram(words, count, *kernels, &program_);
  if (!status.isOk()) {
    throwStatus(env_, status);
    return;
  }
  memory_.report(env_, count * sizeof(int32_t));
  napi_type_tag_object(env_, info.This(), &kTag);
}

Napi::Value ProgramWrap::bytes(const Napi::CallbackInfo&) {
  ThreadChoice choice;
  Status status = defaultThreads(&choice);
  if (status.isOk() && program_ == nullptr) status = Status::error("ERR_CLOSED", "The Program is closed.");
  if (!status.isOk()) return {env_, throwStatus(env_, status)};
  napi_value result = nullptr;
  napi_create_double(env_, static_cast<double>(Workspace::bytesFor(*program_, choice.threads)), &result);
  return {env_, result};
}

// close()
Napi::Value ProgramWrap::close(const Napi::CallbackInfo&) {
  program_.reset();
  memory_.report(env_, 0);
  return {};
}

}  // namespace stridenet::addon
