#!/bin/bash
# One LeNet training step on an emulated Nehalem (SSE4.2, no AVX): the package must load and fall back to the scalar kernels.
set -euo pipefail
cd "$(dirname "$0")/.."
export STRIDENET_THREADS=1
qemu-x86_64 -cpu Nehalem "$(node -p process.execPath)" scripts/lenetStep.js
