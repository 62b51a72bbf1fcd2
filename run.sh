#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Install what is missing, build, and run the main job: three nodes that count the words of a file.
# Usage: ./run.sh [FILE] [--out COUNTS.json] [--keep]
set -euo pipefail
root=$(cd "$(dirname "$0")" && pwd)

"$root/scripts/install_packages.sh" build
mkdir -p "$root/build"
log=$root/build/release.log
(cd "$root" && cmake --preset release && cmake --build --preset release) >"$log" 2>&1 || {
  cat "$log" >&2
  exit 1
}
exec "$root/build/release/bin/reflowctl" demo "$@"
