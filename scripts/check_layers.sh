#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Who may include whom (ARCHITECTURE.md), where third-party headers live, and every header on its own.
set -euo pipefail
cd "$(dirname "$0")/.."
bad=0

# folder, then the folders it may include besides itself
while read -r folder allowed; do
  [ -d "src/$folder" ] || continue
  while IFS=: read -r file include; do
    target=$(sed -E 's/.*"([^"]+)".*/\1/' <<<"$include")
    ok=no
    for prefix in $folder $allowed; do
      [[ $target == "$prefix"/* || $target == "$prefix" ]] && ok=yes
    done
    [[ $target != */* && -f $(dirname "$file")/$target ]] && ok=yes
    if [ $ok = no ]; then
      echo "$file includes $target: $folder may include only: $allowed"
      bad=1
    fi
  done < <(grep -rHE '^#include "' "src/$folder" --include='*.[ch]' || true)
done <<'RULES'
core/base
core/message core/base
core/actor core/base core/message core/components/builtin.h core/flow
core/flow core/base core/message core/actor core/components/builtin.h
core/components core/base core/message
net config.h core/base core/message core/flow/router.h
discovery core/base core/message net/handshake.h
http core/base core/message discovery/registry.h
RULES

# third-party header, then the only places for it
while read -r header places; do
  while IFS=: read -r file _; do
    ok=no
    for place in $places; do
      [[ $file == $place* ]] && ok=yes
    done
    [ $ok = yes ] || { echo "$file includes <$header>: its home is $places"; bad=1; }
  done < <(grep -rHE "^#include <$header" src tools include --include='*.[ch]' || true)
done <<'HOMES'
json-c src/core/components tools
openssl src/net
microhttpd src/http
curl/ src/core/base/curl tools
zstd src/net/compress
HOMES

# Programs use the public API only.
if grep -rnE '#include "(core|net|http|discovery)/' tools examples bench 2>/dev/null; then
  echo "tools, examples and bench use <reflow/...> only"
  bad=1
fi

# Every header compiles alone; the public ones as C++ too.
while read -r header; do
  gcc -D_GNU_SOURCE -std=gnu11 -Iinclude -Isrc -Itests -fsyntax-only -Wall -Wextra -x c - <<<"#include \"$PWD/$header\"" ||
    { echo "$header does not compile alone"; bad=1; }
done < <(find include src -name '*.h')
if command -v g++ >/dev/null; then
  for header in include/reflow/*.h; do
    g++ -std=c++17 -Iinclude -fsyntax-only -Wall -Wextra -x c++ - <<<"#include \"$PWD/$header\"" ||
      { echo "$header does not compile as C++"; bad=1; }
  done
fi
exit $bad
