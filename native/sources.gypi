{
  "variables": {
    "core_sources": [
      "native/addon/addon.cc",
      "native/program/decode.cc",
      "native/program/verify.cc",
      "native/runtime/cpu.cc",
      "native/runtime/dispatch.cc",
      "native/runtime/memory.cc",
      "native/runtime/thread_pool.cc",
      "native/runtime/executor.cc",
      "native/ops/op_table.cc"
    ],
    "isa_names_x64": ["scalar", "avx2", "avx512"],
    "isa_names_arm64": ["scalar", "neon"],
    "isa_flags": {
      "scalar": [],
      "avx2": ["-mavx2", "-mfma"],
      "avx512": ["-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mavx2", "-mfma"],
      "neon": []
    }
  }
}
