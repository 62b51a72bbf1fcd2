#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Build library and programs with clang, warnings as errors, and run clang-tidy over them.
set -euo pipefail
cd "$(dirname "$0")/.."
cmake -S . -B build/clang -G Ninja -DCMAKE_C_COMPILER=clang -DCMAKE_BUILD_TYPE=Debug \
  -DREFLOW_WERROR=ON -DREFLOW_TESTS=OFF >/dev/null
cmake --build build/clang >build/clang/build.log 2>&1 || { cat build/clang/build.log; exit 1; }
find src tools examples bench -name '*.c' -not -path 'bench/peers/*' -print0 |
  xargs -0 -P "$(nproc)" -n 4 clang-tidy --quiet -p build/clang 2>build/clang/tidy.log ||
  { tail -n 40 build/clang/tidy.log; exit 1; }
echo "clang and clang-tidy: no warning"
