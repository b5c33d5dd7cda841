#include "native/runtime/session.h"

#include <algorithm>
#include <cstring>

#include "native/runtime/threading.h"

namespace stridenet {

Status Job::fit(const std::shared_ptr<const Program>& wanted) {
  status = Status::ok();
  program = wanted;
  if (fittedTo_ == wanted->id) return Status::ok();
  fittedTo_ = 0;
  size_t total = 0;
  const auto copiedBytes = [&](int32_t tensor) {
    const Tensor& feed = wanted->tensors[tensor];
    return isCopied(feed.dtype) ? alignUp(feed.bytes()) : 0;
  };
  for (int32_t tensor : wanted->feedTensors) total += copiedBytes(tensor);
  for (int32_t tensor : wanted->fetchTensors) total += alignUp(wanted->tensors[tensor].bytes());
  Status reserved = memory_.reserve(total, "the inputs and results of a run");
  if (!reserved.isOk()) return reserved;
  size_t at = 0;
  feeds.clear();
  fetches.clear();
  for (int32_t tensor : wanted->feedTensors) {
    feeds.push_back(memory_.at(at));
    at += copiedBytes(tensor);
  }
  for (int32_t tensor : wanted->fetchTensors) {
    fetches.push_back(memory_.at(at));
    at += alignUp(wanted->tensors[tensor].bytes());
  }
  fittedTo_ = wanted->id;
  return Status::ok();
}

void Job::setFeed(size_t index, const void* data) {
  const Tensor& feed = program->tensors[program->feedTensors[index]];
  if (isCopied(feed.dtype)) {
    std::memcpy(feeds[index], data, static_cast<size_t>(feed.bytes()));
  } else {
    feeds[index] = const_cast<void*>(data);
  }
}

std::unique_ptr<Job> Session::makeJob(const std::shared_ptr<const Program>& program, Status* status) {
  std::unique_ptr<Job> job;
  if (spare_.empty()) {
    job = std::make_unique<Job>();
  } else {
    job = std::move(spare_.back());
    spare_.pop_back();
  }
  const size_t before = job->bytes();
  *status = job->fit(program);
  stagingBytes_ += job->bytes() - before;
  if (!status->isOk()) recycle(std::move(job));
  return job;
}

void Session::recycle(std::unique_ptr<Job> job) {
  constexpr size_t kSpareJobs = 4;
  job->program.reset();
  if (spare_.size() < kSpareJobs) {
    spare_.push_back(std::move(job));
  } else {
    stagingBytes_ -= job->bytes();
  }
}

Status Session::submit(std::unique_ptr<Job>& job) {
  if (!started_) {
    if (!startThread(driverMain, this, "stridenet-run", false, &thread_)) {
      return Status::error("ERR_OUT_OF_MEMORY", "The system refuses another thread for this session.");
    }
    started_ = true;
  }
  outstanding_.fetch_add(1, std::memory_order_relaxed);
  {
    std::lock_guard<std::mutex> lock(queueMutex_);
    queue_.push_back(std::move(job));
  }
  wake_.notify_one();
  return Status::ok();
}

std::unique_ptr<Job> Session::takeFinished() {
  std::lock_guard<std::mutex> lock(queueMutex_);
  if (finished_.empty()) return nullptr;
  std::unique_ptr<Job> job = std::move(finished_.front());
  finished_.pop_front();
  return job;
}

std::vector<std::unique_ptr<Job>> Session::cancelPending() {
  std::lock_guard<std::mutex> lock(queueMutex_);
  std::vector<std::unique_ptr<Job>> result;
  for (auto& job : queue_) result.push_back(std::move(job));
  queue_.clear();
  outstanding_.fetch_sub(static_cast<int>(result.size()), std::memory_order_relaxed);
  return result;
}

void Session::stop() {
  if (!started_) return;
  cancelled_.store(true, std::memory_order_relaxed);
  {
    std::lock_guard<std::mutex> lock(queueMutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  joinThread(thread_);
  started_ = false;
}

void* Session::driverMain(void* self) {
  static_cast<Session*>(self)->drive();
  return nullptr;
}

void Session::drive() {
  std::unique_lock<std::mutex> lock(queueMutex_);
  while (true) {
    while (!stopping_ && queue_.empty()) wake_.wait(lock);
    if (stopping_) return;
    std::unique_ptr<Job> job = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    job->status = run(*job);
    lock.lock();
    finished_.push_back(std::move(job));
    if (outstanding_.fetch_sub(1, std::memory_order_release) == 1) drained_.notify_one();
    if (stopping_) return;
    lock.unlock();
    notify_(context_);
    lock.lock();
  }
}

Status Session::runNow(Job& job) {
  if (outstanding_.load(std::memory_order_acquire) != 0) {
    std::unique_lock<std::mutex> lock(queueMutex_);
    while (outstanding_.load(std::memory_order_acquire) != 0) drained_.wait(lock);
  }
  return run(job);
}

bool Session::isSoonerNow(const Program& program) {
  if (!isShort(program)) return false;
  std::unique_lock<std::mutex> lock(runMutex_, std::try_to_lock);
  return lock.owns_lock() && bound_.count(program.id) != 0;
}

Status Session::run(Job& job) {
  std::lock_guard<std::mutex> lock(runMutex_);
  BoundProgram* bound;
  Status status = find(job.program, &bound);
  if (status.isOk()) status = workspace_.reserve(bound->program, settings_.threads);
  workspaceBytes_.store(workspace_.bytes(), std::memory_order_relaxed);
  if (!status.isOk()) return status;
  if (bound->arena() != workspace_.arena.data()) bound->setArena(workspace_.arena.at(0));
  for (size_t i = 0; i < job.feeds.size(); i++) bound->setFeed(i, job.feeds[i]);
  for (size_t i = 0; i < job.fetches.size(); i++) bound->setFetch(i, job.fetches[i]);
  return execute(*bound, *state_, workspace_, settings_, job.steps, &cancelled_);
}

Status Session::find(const std::shared_ptr<const Program>& program, BoundProgram** result) {
  auto known = bound_.find(program->id);
  if (known == bound_.end()) {
    if (bound_.size() >= sweepAt_) {  // drops programs that no longer exist
      for (auto it = bound_.begin(); it != bound_.end();) it = it->second->owner.expired() ? bound_.erase(it) : std::next(it);
      sweepAt_ = std::max<size_t>(16, 2 * bound_.size());
    }
    std::unique_ptr<BoundProgram> made;
    Status status = BoundProgram::bind(program, *program, *state_, &made);
    if (!status.isOk()) return status;
    known = bound_.emplace(program->id, std::move(made)).first;
  }
  *result = known->second.get();
  return Status::ok();
}

void Session::takeProfile(const Program& program, std::vector<double>* result) {
  std::lock_guard<std::mutex> lock(runMutex_);
  result->assign(program.prepare.size() + program.step.size(), 0);
  auto known = bound_.find(program.id);
  if (known != bound_.end()) result->swap(known->second->seconds);
}

}  // namespace stridenet
