// The JavaScript class Session: promises and typed arrays around runtime/session. Life cycle: open until close(), the garbage
// collector or the end of the environment, whichever comes first; while runs are pending the object is kept alive and so is the process.
#pragma once

#include <memory>
#include <vector>

#include "native/addon/convert.h"
#include "native/runtime/session.h"

namespace stridenet::addon {

class SessionWrap : public Napi::ObjectWrap<SessionWrap> {
 public:
  static constexpr napi_type_tag kTag = {0x7374726964656e65, 0x7453657373690001};
  static Napi::Function define(Napi::Env env);

  explicit SessionWrap(const Napi::CallbackInfo& info);
  ~SessionWrap() override;

 private:
  Napi::Value run(const Napi::CallbackInfo& info);
  Napi::Value runSync(const Napi::CallbackInfo& info);
  Napi::Value profile(const Napi::CallbackInfo& info);
  Napi::Value close(const Napi::CallbackInfo& info);

  Status getProgram(napi_value value, std::shared_ptr<const Program>* program);
  Status readArguments(const Napi::CallbackInfo& info, Job* job);
  napi_value makeResults(const Job& job);
  napi_value runHere(const Napi::CallbackInfo& info, const std::shared_ptr<const Program>& program, Status* status);

  Status ensureQueue();
  static void notify(void* self);
  static void onFinished(napi_env env, napi_value, void* self, void*);
  static void onEnvironmentEnd(void* self);
  void settle();
  void settle(std::unique_ptr<Job> job, const Status& status);
  void releaseQueue();

  const napi_env env_;
  std::unique_ptr<Session> session_;  // null when closed
  Job immediate_{true};               // for runs on the JavaScript thread
  napi_threadsafe_function queue_ = nullptr;
  int pending_ = 0;  // promises that are not settled
  bool closing_ = false;
  ExternalMemory memory_;
};

}  // namespace stridenet::addon
