#!/bin/bash
# The native test programs (test/native: fuzzed programs, pool, executor) under a sanitizer, built by CMake in build/<sanitizer>.
#   scripts/testSanitized.sh address|thread
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in
  address) sanitizers=address,undefined ;;
  thread) sanitizers=thread ;;
  *) echo "usage: $0 address|thread" >&2 && exit 2 ;;
esac
folder=build/$1
cmake -S . -B "$folder" -DSTRIDENET_SANITIZE="$sanitizers" >/dev/null
cmake --build "$folder" --parallel "$(nproc)"
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 TSAN_OPTIONS=halt_on_error=1
ctest --test-dir "$folder" --output-on-failure --no-tests=error
