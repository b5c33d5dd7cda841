// The result of a native operation that can fail: an error code known to docs/errors.md and a message, or success.
// The core never throws; only native/addon turns a Status into a JavaScript Error.
#pragma once

#include <cstdarg>
#include <cstdio>
#include <string>

namespace stridenet {

class Status {
 public:
  Status() = default;
  static Status ok() { return {}; }
  // code is one of the ERR_... codes of docs/errors.md and must be a string literal.
  [[gnu::format(printf, 2, 3)]] static Status error(const char* code, const char* format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    std::vsnprintf(text, sizeof text, format, args);
    va_end(args);
    Status status;
    status.code_ = code;
    status.message_ = text;
    return status;
  }
  bool isOk() const { return code_ == nullptr; }
  const char* code() const { return code_; }
  const std::string& message() const { return message_; }

 private:
  const char* code_ = nullptr;
  std::string message_;
};

}  // namespace stridenet
