{
  "variables": {
    "core_sources": [
      "native/program/decode.cc",
      "native/program/verify.cc",
      "native/program/hazards.cc",
      "native/runtime/cpu.cc",
      "native/runtime/dispatch.cc",
      "native/runtime/memory.cc",
      "native/runtime/state.cc",
      "native/runtime/threading.cc",
      "native/runtime/thread_pool.cc",
      "native/runtime/bound_program.cc",
      "native/runtime/executor.cc",
      "native/runtime/session.cc",
      "native/ops/op_table.cc",
      "native/ops/elementwise.cc",
      "native/ops/feed.cc",
      "native/ops/pool.cc",
      "native/ops/reduce.cc",
      "native/ops/softmax.cc",
      "native/ops/transpose.cc",
      "native/ops/update.cc"
    ],
    "addon_sources": [
      "native/addon/addon.cc",
      "native/addon/convert.cc",
      "native/addon/state_wrap.cc",
      "native/addon/program_wrap.cc",
      "native/addon/session_wrap.cc"
    ],
    "isa_x64": ["scalar", "avx2", "avx512"],
    "isa_arm64": ["scalar", "neon"],
    "scalar_flags": [],
    "avx2_flags": ["-mavx2", "-mfma"],
    "avx512_flags": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma"],
    "neon_flags": [],
    "compile_flags": [
      "-O3",
      "-std=gnu++17",
      "-fPIC",
      "-fno-exceptions",
      "-fno-rtti",
      "-fno-lto",
      "-fno-math-errno",
      "-ffp-contract=off",
      "-fno-omit-frame-pointer",
      "-fvisibility=hidden",
      "-Wall",
      "-Wextra",
      "-Wno-unused-parameter",
      "-Werror"
    ],
    "addon_defines": [
      "NAPI_VERSION=8",
      "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS",
      "NODE_ADDON_API_DISABLE_DEPRECATED",
      "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"
    ],
    "linux_link_flags": ["-static-libstdc++", "-static-libgcc", "-Wl,--exclude-libs,ALL", "-Wl,-z,nodelete", "-pthread"]
  }
}
