#!/bin/bash
# The native code under a sanitizer, built by CMake in build/<sanitizer>: the native test programs (test/native: fuzzed programs, pool,
# executor), and for address also the tables of operations through Node on every instruction set of this machine.
#   scripts/testSanitized.sh address|thread
#   scripts/testSanitized.sh address|thread PROGRAM [ARGUMENT...]    one of the test programs alone, such as program_fuzz 1 1000000
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in
  address) sanitizers=address,undefined ;;
  thread) sanitizers=thread ;;
  *) echo "usage: $0 address|thread [PROGRAM [ARGUMENT...]]" >&2 && exit 2 ;;
esac

folder=$PWD/build/$1
cmake -S . -B "$folder" -DSTRIDENET_SANITIZE="$sanitizers" >/dev/null
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 TSAN_OPTIONS=halt_on_error=1
if [[ -n ${2:-} ]]; then
  cmake --build "$folder" --target "$2" --parallel "$(nproc)"
  exec "$folder/test/native/$2" "${@:3}"
fi
cmake --build "$folder" --parallel "$(nproc)"
ctest --test-dir "$folder" --output-on-failure --no-tests=error

[[ $1 == address ]] || exit 0
package=$folder/package
platform=$(node -p '`${process.platform}-${process.arch}`')
rm -rf "$package"
mkdir -p "$package/prebuilds/$platform"
cp "$folder/Release/stridenet.node" "$package/prebuilds/$platform/"
cp package.json "$package/"
node -r ts-node/register/transpile-only test/support/transpile.ts "$package"
node "$package/test/support/runKernelTable.js" expect "$package/expected"
# Node is not built with the sanitizer, so its run-time library goes first; Node's own memory at exit is not our leak.
for isa in $(node -p "require('$package/lib/runtime/binding.js').loadBinding(['$PWD/build/Release/stridenet.node']).binding.info().availableIsas.join(' ')"); do
  LD_PRELOAD="$(g++ -print-file-name=libasan.so) $(g++ -print-file-name=libstdc++.so)" ASAN_OPTIONS=detect_leaks=0 STRIDENET_ISA=$isa \
    node "$package/test/support/runKernelTable.js" check "$package/expected"
done
