#include "native/addon/session_wrap.h"

#include <cstring>

#include "native/addon/program_wrap.h"
#include "native/addon/state_wrap.h"
#include "native/runtime/cpu.h"
#include "native/runtime/dispatch.h"
#include "native/runtime/switches.h"

namespace stridenet::addon {

namespace {

Status closedError() {
  return Status::error("ERR_CLOSED", "The session is closed. Make a new one.");
}

}  // namespace

Napi::Function SessionWrap::define(Napi::Env env) {
  return DefineClass(env, "Session",
                     {InstanceMethod<&SessionWrap::run>("run"), InstanceMethod<&SessionWrap::runSync>("runSync"),
                      InstanceMethod<&SessionWrap::profile>("profile"), InstanceMethod<&SessionWrap::close>("close")});
}

// new Session(state, threads, profile?); threads 0 is the default number, profile undefined what STRIDENET_PROFILE says
SessionWrap::SessionWrap(const Napi::CallbackInfo& info) : ObjectWrap(info), env_(info.Env()) {
  const StateWrap* state = unwrap<StateWrap>(env_, info[0]);
  int64_t threads = 0;
  ThreadChoice choice;
  Switches switches;
  Status status = readSwitches(&switches);
  if (state == nullptr || state->state() == nullptr) {
    status = Status::error("ERR_INVALID_ARGUMENT", "Session: the first argument must be a State that is not closed.");
  }
  if (status.isOk()) status = getInteger(env_, info[1], "Session: threads", 0, kMaxThreads, &threads);
  if (status.isOk() && threads == 0) status = defaultThreads(&choice);
  if (!status.isOk()) {
    throwStatus(env_, status);
    return;
  }
  ExecutorSettings settings;
  settings.threads = threads == 0 ? choice.threads : static_cast<int>(threads);
  settings.profile = switches.profile || info[2].ToBoolean().Value();
  settings.validate = switches.validate;
  session_ = std::make_unique<Session>(state->state(), settings, notify, this);
  napi_type_tag_object(env_, info.This(), &kTag);
}

SessionWrap::~SessionWrap() {
  releaseQueue();
  memory_.report(env_, 0);
}

Status SessionWrap::getProgram(napi_value value, std::shared_ptr<const Program>* program) {
  if (session_ == nullptr || closing_) return closedError();
  const ProgramWrap* wrap = unwrap<ProgramWrap>(env_, value);
  if (wrap == nullptr) return Status::error("ERR_INVALID_ARGUMENT", "Session.run: the first argument must be a Program.");
  *program = wrap->program();
  return *program != nullptr ? Status::ok() : Status::error("ERR_CLOSED", "The Program is closed. Load it again.");
}

// Sets the feeds and reads the step count of run(program, feeds, steps) into a job that fits the program.
Status SessionWrap::readArguments(const Napi::CallbackInfo& info, Job* job) {
  const Program& program = *job->program;
  int64_t steps;
  Status status = getInteger(env_, info[2], "Session.run: steps", 1, INT32_MAX, &steps);
  if (!status.isOk()) return status;
  job->steps = static_cast<int>(steps);
  uint32_t count;
  if (napi_get_array_length(env_, info[1], &count) != napi_ok) {
    return Status::error("ERR_INVALID_ARGUMENT", "Session.run: feeds must be an array of typed arrays.");
  }
  if (count != program.feedTensors.size()) {
    return Status::error("ERR_INVALID_ARGUMENT", "Session.run: the program takes %zu feeds but got %u.", program.feedTensors.size(), count);
  }
  for (uint32_t i = 0; i < count; i++) {
    const Tensor& wanted = program.tensors[program.feedTensors[i]];
    napi_value value;
    TypedArrayView view;
    if (napi_get_element(env_, info[1], i, &value) != napi_ok) return Status::error("ERR_INVALID_ARGUMENT", "Feed %u cannot be read.", i);
    status = getTypedArray(env_, value, "Session.run: every feed", &view);
    if (!status.isOk()) return status;
    if (view.dtype != wanted.dtype) {
      return Status::error("ERR_DTYPE_MISMATCH", "Session.run: feed %u must be a %s but is a %s.", i, dtypeName(wanted.dtype),
                           dtypeName(view.dtype));
    }
    if (static_cast<int64_t>(view.length) != wanted.count) {
      return Status::error("ERR_SHAPE_MISMATCH", "Session.run: feed %u must have %lld elements but has %zu.", i,
                           static_cast<long long>(wanted.count), view.length);
    }
    job->setFeed(i, view.data);
  }
  return Status::ok();
}

napi_value SessionWrap::makeResults(const Job& job) {
  const Program& program = *job.program;
  napi_value results;
  if (napi_create_array_with_length(env_, program.fetchTensors.size(), &results) != napi_ok) return nullptr;
  for (size_t i = 0; i < program.fetchTensors.size(); i++) {
    const Tensor& tensor = program.tensors[program.fetchTensors[i]];
    napi_value array = copyToTypedArray(env_, tensor.dtype, job.fetches[i], static_cast<size_t>(tensor.count));
    if (array == nullptr || napi_set_element(env_, results, static_cast<uint32_t>(i), array) != napi_ok) return nullptr;
  }
  return results;
}

// The results of run(program, feeds, steps), computed on this thread.
napi_value SessionWrap::runHere(const Napi::CallbackInfo& info, const std::shared_ptr<const Program>& program, Status* status) {
  *status = immediate_.fit(program);
  if (status->isOk()) *status = readArguments(info, &immediate_);
  if (status->isOk()) *status = session_->runNow(immediate_);
  napi_value results = status->isOk() ? makeResults(immediate_) : nullptr;
  immediate_.program.reset();
  memory_.report(env_, session_->bytes() + immediate_.bytes());
  return results;
}

// run(program, feeds, steps, mayRunHere): Promise
Napi::Value SessionWrap::run(const Napi::CallbackInfo& info) {
  std::shared_ptr<const Program> program;
  std::unique_ptr<Job> job;
  Status status = getProgram(info[0], &program);
  const bool mayRunHere = info[3].ToBoolean() && info[2].IsNumber() && info[2].As<Napi::Number>().Int32Value() == 1;
  if (status.isOk() && mayRunHere && pending_ == 0 && session_->isSoonerNow(*program)) {
    napi_value results = runHere(info, program, &status);
    if (!status.isOk()) return {env_, throwStatus(env_, status)};
    napi_deferred deferred;
    napi_value promise;
    if (results == nullptr || napi_create_promise(env_, &deferred, &promise) != napi_ok) return {};
    napi_resolve_deferred(env_, deferred, results);
    return {env_, promise};
  }
  if (status.isOk()) job = session_->makeJob(program, &status);
  if (status.isOk()) {
    status = readArguments(info, job.get());
    if (status.isOk()) status = ensureQueue();
    if (!status.isOk()) session_->recycle(std::move(job));
  }
  if (!status.isOk()) return {env_, throwStatus(env_, status)};

  napi_deferred deferred;
  napi_value promise;
  if (napi_create_promise(env_, &deferred, &promise) != napi_ok) return {};
  job->tag = deferred;
  // Counted before it can finish: settle() runs on this thread, so not before this function has returned.
  if (pending_++ == 0) {
    Ref();
    napi_ref_threadsafe_function(env_, queue_);
  }
  status = session_->submit(job);
  if (!status.isOk()) settle(std::move(job), status);
  return {env_, promise};
}

// runSync(program, feeds, steps)
Napi::Value SessionWrap::runSync(const Napi::CallbackInfo& info) {
  std::shared_ptr<const Program> program;
  Status status = getProgram(info[0], &program);
  napi_value results = status.isOk() ? runHere(info, program, &status) : nullptr;
  if (!status.isOk()) return {env_, throwStatus(env_, status)};
  return {env_, results};
}

// profile(program): Float64Array
Napi::Value SessionWrap::profile(const Napi::CallbackInfo& info) {
  std::shared_ptr<const Program> program;
  Status status = getProgram(info[0], &program);
  if (!status.isOk()) return {env_, throwStatus(env_, status)};
  std::vector<double> seconds;
  session_->takeProfile(*program, &seconds);
  void* data = nullptr;
  napi_value array = makeTypedArray(env_, napi_float64_array, seconds.size(), sizeof(double), &data);
  if (array != nullptr && !seconds.empty()) std::memcpy(data, seconds.data(), seconds.size() * sizeof(double));
  return {env_, array};
}

// close()
Napi::Value SessionWrap::close(const Napi::CallbackInfo&) {
  if (session_ == nullptr || closing_) return {};
  closing_ = true;
  for (auto& job : session_->cancelPending()) settle(std::move(job), closedError());
  settle();
  return {};
}

Status SessionWrap::ensureQueue() {
  if (queue_ != nullptr) return Status::ok();
  napi_value name;
  napi_create_string_utf8(env_, "stridenet", NAPI_AUTO_LENGTH, &name);
  if (napi_create_threadsafe_function(env_, nullptr, nullptr, name, 0, 1, nullptr, nullptr, this, onFinished, &queue_) != napi_ok) {
    queue_ = nullptr;
    return Status::error("ERR_OUT_OF_MEMORY", "The session's queue could not be made.");
  }
  napi_unref_threadsafe_function(env_, queue_);
  // Hooks run in reverse order: this one joins the driver thread before Node frees the thread-safe function under it.
  napi_add_env_cleanup_hook(env_, onEnvironmentEnd, this);
  return Status::ok();
}

// Called on the driver thread.
void SessionWrap::notify(void* self) {
  napi_call_threadsafe_function(static_cast<SessionWrap*>(self)->queue_, nullptr, napi_tsfn_nonblocking);
}

// Called on the JavaScript thread, some time after notify. When the environment has ended `env` is null, and `self` may
// be gone.
void SessionWrap::onFinished(napi_env env, napi_value, void* self, void*) {
  if (env != nullptr) static_cast<SessionWrap*>(self)->settle();
}

void SessionWrap::onEnvironmentEnd(void* self) {
  auto* wrap = static_cast<SessionWrap*>(self);
  wrap->session_->stop();
  wrap->queue_ = nullptr;
}

// Settles the promises of all finished jobs; ends a close() when none is left.
void SessionWrap::settle() {
  while (session_ != nullptr) {
    std::unique_ptr<Job> job = session_->takeFinished();
    if (job == nullptr) break;
    const Status status = job->status;
    settle(std::move(job), status);
  }
  if (session_ == nullptr) return;
  if (closing_ && pending_ == 0) {
    releaseQueue();
    session_.reset();
    immediate_ = Job(true);
  }
  memory_.report(env_, session_ == nullptr ? 0 : session_->bytes() + immediate_.bytes());
}

void SessionWrap::settle(std::unique_ptr<Job> job, const Status& status) {
  napi_handle_scope scope;
  if (napi_open_handle_scope(env_, &scope) != napi_ok) return;
  auto* deferred = static_cast<napi_deferred>(job->tag);
  napi_value results = status.isOk() ? makeResults(*job) : nullptr;
  if (results != nullptr) {
    napi_resolve_deferred(env_, deferred, results);
  } else {
    napi_value error = nullptr;
    if (!status.isOk()) {
      error = makeError(env_, status);
    } else {
      napi_get_and_clear_last_exception(env_, &error);  // thrown by makeResults
    }
    if (error != nullptr) napi_reject_deferred(env_, deferred, error);
  }
  napi_close_handle_scope(env_, scope);
  session_->recycle(std::move(job));
  if (--pending_ == 0) {
    napi_unref_threadsafe_function(env_, queue_);
    Unref();
  }
}

void SessionWrap::releaseQueue() {
  if (queue_ == nullptr) return;
  session_->stop();
  napi_remove_env_cleanup_hook(env_, onEnvironmentEnd, this);
  napi_release_threadsafe_function(queue_, napi_tsfn_abort);
  queue_ = nullptr;
}

}  // namespace stridenet::addon
