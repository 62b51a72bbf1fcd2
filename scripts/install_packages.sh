#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Install the Debian packages that are missing, without a prompt. Usage: install_packages.sh build|test|ci
set -euo pipefail

build="gcc libc6-dev cmake ninja-build pkg-config libmicrohttpd-dev libjson-c-dev libssl-dev
  libzstd-dev libcurl4-openssl-dev"
test="$build libcriterion-dev python3 python3-websockets curl"
ci="$test clang clang-tidy clang-format"

case "${1:-}" in
  build) wanted=$build ;;
  test) wanted=$test ;;
  ci) wanted=$ci ;;
  *) echo "usage: $0 build|test|ci" >&2; exit 2 ;;
esac

missing=()
for package in $wanted; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' ||
    missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || {
    echo "These packages are missing and neither root nor sudo is there: ${missing[*]}" >&2
    exit 1
  }
  as_root=(sudo)
fi
echo "installing: ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq >&2
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
