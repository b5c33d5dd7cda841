// CHECK for the native test programs: prints what failed and ends the program.
#pragma once

#include <cstdio>
#include <cstdlib>

#define CHECK(condition)                                                                 \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      std::fprintf(stderr, "%s:%d: CHECK(%s) failed\n", __FILE__, __LINE__, #condition); \
      std::exit(1);                                                                      \
    }                                                                                    \
  } while (0)

#define CHECK_OK(expression)                                                                                                     \
  do {                                                                                                                           \
    const ::stridenet::Status checked = (expression);                                                                            \
    if (!checked.isOk()) {                                                                                                       \
      std::fprintf(stderr, "%s:%d: %s is %s: %s\n", __FILE__, __LINE__, #expression, checked.code(), checked.message().c_str()); \
      std::exit(1);                                                                                                              \
    }                                                                                                                            \
  } while (0)
