#include "native/runtime/switches.h"

#include <cstdlib>

#include "native/runtime/cpu.h"

namespace stridenet {

namespace {

std::string lowerCase(const char* text) {
  std::string result = text;
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

std::string valueOf(const char* variable) {
  const char* text = std::getenv(variable);
  return text == nullptr ? std::string() : lowerCase(text);
}

bool isOneOf(const std::string& value, std::initializer_list<const char*> choices) {
  for (const char* choice : choices) {
    if (value == choice) return true;
  }
  return false;
}

Status refuse(const char* variable, const char* expected) {
  return Status::error("ERR_INVALID_ARGUMENT", "The environment variable %s expects %s but is '%.100s'. Correct it, or unset it.", variable,
                       expected, std::getenv(variable));
}

Status readFlag(const char* variable, bool* result) {
  const std::string value = valueOf(variable);
  if (value.empty()) return Status::ok();
  *result = isOneOf(value, {"1", "on", "true", "yes"});
  if (*result || isOneOf(value, {"0", "off", "false", "no"})) return Status::ok();
  return refuse(variable, "1, on, true or yes, or 0, off, false or no,");
}

Status readThreads(int* result) {
  const std::string value = valueOf("STRIDENET_THREADS");
  if (value.empty()) return Status::ok();
  // A longer number would overflow, and nobody has so many threads.
  const bool isCount = value.size() <= 9 && value.find_first_not_of("0123456789") == std::string::npos;
  *result = isCount ? std::atoi(value.c_str()) : 0;
  if (*result >= 1 && *result <= kMaxThreads) return Status::ok();
  static const std::string expected = "an integer from 1 to " + std::to_string(kMaxThreads);
  return refuse("STRIDENET_THREADS", expected.c_str());
}

Status readIsa(std::string* result) {
  *result = valueOf("STRIDENET_ISA");
  if (result->empty() || isOneOf(*result, {"scalar", "avx2", "avx512", "neon"})) return Status::ok();
  return refuse("STRIDENET_ISA", "scalar, avx2, avx512 or neon");
}

}  // namespace

Status readSwitches(Switches* result) {
  *result = {};
  Status status = readIsa(&result->isa);
  if (status.isOk()) status = readThreads(&result->threads);
  if (status.isOk()) status = readFlag("STRIDENET_PROFILE", &result->profile);
  if (status.isOk()) status = readFlag("STRIDENET_VALIDATE", &result->validate);
  if (status.isOk()) status = readFlag("STRIDENET_PLAN", &result->plan);
  return status;
}

}  // namespace stridenet
