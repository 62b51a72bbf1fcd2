#!/bin/sh
# SPDX-License-Identifier: MIT
# Proof that the simulation can fail: builds the link with one planted bug at a time (RFI_LINK_PLANT) and
# expects sim_link to find each within SEEDS seeds; without a bug it must find nothing.
# usage: tests/sim/bug_zoo.sh [SEEDS]      CC and CFLAGS are taken from the environment
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
seeds=${1:-500}
cc=${CC:-cc}
flags="-std=gnu11 -D_GNU_SOURCE ${CFLAGS:--O2} -I$root/include -I$root/src -I$root/tests"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

core="$root/src/core"
for source in "$core"/base/buf.c "$core"/base/diag.c "$core"/base/error.c "$core"/base/pool.c "$core"/base/slab.c "$core"/base/blocks.c \
    "$core"/message/message.c "$core"/message/message_parts.c "$root"/src/net/compress.c "$root"/src/net/packing.c \
    "$root"/tests/sim/sim_link.c; do
    # shellcheck disable=SC2086
    "$cc" $flags -c "$source" -o "$work/$(basename "$source" .c).o"
done
common=$(ls "$work"/*.o)

plants="0:no bug
1:a duplicate is handed over again
2:resume skips one message
3:credits are not told again at resume
4:the outbox is freed at send
5:the cursor moves before the message is handed over
6:the cursor outlives the sender's memory
7:holes are not noticed
8:credit does not count what waits
9:a flow number comes back before its messages are consumed
10:credit is told only when half a window is consumed
11:credit wakes nobody
12:what may have reached a dead peer is sent to its successor
13:the skip of lost messages is forgotten
14:one message too many is skipped
15:the credit of lost messages does not come back
16:losses are counted by the cursor of the handshake
17:messages go fast while a skip is not acknowledged
18:requests go at level fast
19:what was acknowledged of a row counts as lost with the rest of it
20:a lost row counts as one message
21:a flow is closed before what was written for the next frame"

failed=0
while IFS=: read -r number what; do
    # shellcheck disable=SC2086
    "$cc" $flags -DRFI_LINK_PLANT="$number" "$root"/src/net/link*.c "$root"/src/net/frame.c \
        $common -o "$work/sim" -lzstd -lpthread -lm
    timeout 300 "$work/sim" 1 "$seeds" >"$work/out" 2>&1 && status=0 || status=$?
    found=$(tail -n 1 "$work/out")
    first=$(head -n 1 "$work/out")
    verdict=ok
    if [ "$number" -eq 0 ]; then
        [ "$status" -eq 0 ] || verdict=FAILED
        first="nothing found"
    else
        [ "$status" -eq 1 ] || verdict=FAILED
    fi
    [ "$verdict" = ok ] || failed=$((failed + 1))
    echo "$verdict: $number $what: $found; $first"
done <<LIST
$plants
LIST
echo "$((22 - failed)) passed, $failed failed"
[ "$failed" -eq 0 ]
