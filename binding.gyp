# Builds build/Release/stridenet.node with node-gyp. Sources and flags stand in native/sources.gypi, which CMakeLists.txt reads too.
# Instruction sets are one static library each because gyp has no flags per file.
{
  "includes": ["native/sources.gypi"],
  "target_defaults": {
    "include_dirs": ["."],
    "cflags": ["<@(compile_flags)"],
    "cflags_cc!": ["-std=gnu++17"],  # of Node's own headers; it would come after that of compile_flags
    "xcode_settings": {
      "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
      "CLANG_CXX_LIBRARY": "libc++",
      "MACOSX_DEPLOYMENT_TARGET": "11.0",
      "OTHER_CPLUSPLUSFLAGS": ["<@(compile_flags)"],
    },
    "target_conditions": [
      ["_type=='static_library'", {"product_prefix": "lib", "product_extension": "a"}],
    ],
  },
  "targets": [
    {
      "target_name": "stridenet",
      "dependencies": ["isa_scalar"],
      "sources": ["<@(core_sources)", "<@(addon_sources)"],
      "defines": ["<@(addon_defines)"],
      "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
      "conditions": [
        ["OS=='linux'", {"ldflags": ["<@(linux_link_flags)"]}],
        ["target_arch=='x64'", {"dependencies": ["isa_avx2", "isa_avx512"]}],
        ["target_arch=='arm64'", {"dependencies": ["isa_neon"]}],
      ],
    },
    {
      "target_name": "isa_scalar",
      "type": "static_library",
      "sources": ["native/isa/scalar.cc"],
      "cflags": ["<@(scalar_flags)"],
    },
  ],
  "conditions": [
    ["target_arch=='x64'", {
      "targets": [
        {
          "target_name": "isa_avx2",
          "type": "static_library",
          "sources": ["native/isa/avx2.cc"],
          "cflags": ["<@(avx2_flags)"],
          "xcode_settings": {"OTHER_CPLUSPLUSFLAGS": ["<@(avx2_flags)"]},
        },
        {
          "target_name": "isa_avx512",
          "type": "static_library",
          "sources": ["native/isa/avx512.cc"],
          "cflags": ["<@(avx512_flags)"],
          "xcode_settings": {"OTHER_CPLUSPLUSFLAGS": ["<@(avx512_flags)"]},
        },
      ],
    }],
    ["target_arch=='arm64'", {
      "targets": [
        {
          "target_name": "isa_neon",
          "type": "static_library",
          "sources": ["native/isa/neon.cc"],
          "cflags": ["<@(neon_flags)"],
        },
      ],
    }],
  ],
}
