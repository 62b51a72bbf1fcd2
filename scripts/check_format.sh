#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Is every C file as clang-format would write it? `--fix` writes it so.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=(--dry-run --Werror)
[ "${1:-}" = --fix ] && mode=(-i)
git ls-files -z --cached --others --exclude-standard "*.c" "*.h" |
  xargs -0 clang-format "${mode[@]}"
