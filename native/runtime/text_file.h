// Reading the small files of /proc and /sys, without the C++ streams (which would double the size of the binary).
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

namespace stridenet {

// The whole file, or nothing when it cannot be read.
inline std::string readTextFile(const std::string& path) {
  std::string text;
  if (std::FILE* file = std::fopen(path.c_str(), "re")) {
    char block[4096];
    for (size_t n; (n = std::fread(block, 1, sizeof block, file)) > 0;) text.append(block, n);
    std::fclose(file);
  }
  return text;
}

// Cuts the part before the next separator off `rest` and returns it.
inline std::string_view nextPart(std::string_view* rest, char separator) {
  const size_t end = rest->find(separator);
  const std::string_view part = rest->substr(0, end);
  rest->remove_prefix(end == std::string_view::npos ? rest->size() : end + 1);
  return part;
}

}  // namespace stridenet
