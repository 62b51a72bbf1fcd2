#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Is every C file as clang-format would write it? `--fix` writes it so.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=(--dry-run --Werror)
[ "${1:-}" = --fix ] && mode=(-i)
find include src tools examples bench tests -name '*.[ch]' -print0 | xargs -0 clang-format "${mode[@]}"
