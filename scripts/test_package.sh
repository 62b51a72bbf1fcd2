#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Install into a folder of its own, and build and run programs outside the tree against it: by find_package, shared
# and static, and by pkg-config. Expects build/release.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=$work/prefix

cmake --install "$root/build/release" --prefix "$prefix" >/dev/null
cp -r "$root/tests/consumer" "$work/consumer"
cmake -S "$work/consumer" -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" >/dev/null
cmake --build "$work/build"
"$work/build/consumer"
"$work/build/consumer_static"

export PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name reflow.pc)")
# shellcheck disable=SC2046
gcc "$root/tests/consumer/main.c" $(pkg-config --define-prefix --cflags --libs reflow) -o "$work/by-pkg-config"
LD_LIBRARY_PATH=$(dirname "$(find "$prefix" -name libreflow.so)") "$work/by-pkg-config"

# Only rf_* is exported.
extra=$(nm -D --defined-only "$(find "$prefix" -name libreflow.so)" | awk 'NF == 3 && $3 !~ /^rf_/ {print $3}')
[ -z "$extra" ] || { echo "exported by mistake: $extra"; exit 1; }

# The example of README.md prints what it says there, and the installed programs find what they need.
[ "$("$root/build/release/bin/example_hello")" = "hello!" ]
"$prefix/bin/reflowd" --version
"$prefix/bin/reflowctl" --version
(cd "$work" && "$prefix/bin/reflowctl" demo "$root/README.md" --out "$work/counts.json" >/dev/null)
[ -s "$work/counts.json" ]
