#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Build the tests and run all of them; the last line is `N passed, N failed, N skipped`.
# Usage: ./test.sh            everything
#        ./test.sh STEP…      only some: unit zoo asan corpus tsan e2e interop rust package lint
# A failed step shows the end of its output; all outputs are in build/test-logs/.
set -uo pipefail
cd "$(dirname "$0")"
./scripts/install_packages.sh test || exit 1
mkdir -p build/test-logs
export REFLOW_SOURCE_DIR=$PWD REFLOW_BIN=$PWD/build/release/bin
# A leak or a race is a failed step, whatever the program says of itself.
export ASAN_OPTIONS=abort_on_error=1:detect_leaks=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export TSAN_OPTIONS=halt_on_error=1:exitcode=66

# The one that Debian packages libraries for.
python=/usr/bin/python3

passed=0 failed=0 skipped=0
failures=()

# Take `N passed, N failed[, N skipped]` or Criterion's synthesis out of a log; a step without either is one test.
count() {
  local log=$1 status=$2 line p=0 f=0 s=0
  line=$(sed 's/\x1b\[[0-9;]*m//g' "$log" | grep -E 'Synthesis: Tested: |^[0-9]+ passed, [0-9]+ failed' | tail -n 1)
  case $line in
    *Synthesis*)
      p=$(sed -E 's/.*Passing: ([0-9]+).*/\1/' <<<"$line")
      f=$(($(sed -E 's/.*Failing: ([0-9]+).*/\1/' <<<"$line") + $(sed -E 's/.*Crashing: ([0-9]+).*/\1/' <<<"$line")))
      ;;
    *passed*)
      p=$(sed -E 's/^([0-9]+) passed.*/\1/' <<<"$line")
      f=$(sed -E 's/.* ([0-9]+) failed.*/\1/' <<<"$line")
      [[ $line == *skipped* ]] && s=$(sed -E 's/.* ([0-9]+) skipped.*/\1/' <<<"$line")
      ;;
    *) [ "$status" -eq 0 ] && p=1 ;;
  esac
  [ "$status" -ne 0 ] && [ "$f" -eq 0 ] && f=1
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  printf '%s passed, %s failed, %s skipped' "$p" "$f" "$s"
}

# step NAME SECONDS COMMAND…
step() {
  local name=$1 limit=$2 log start status counts_file
  shift 2
  log=build/test-logs/$name.log
  start=$SECONDS
  timeout --kill-after=10 "$limit" "$@" >"$log" 2>&1 </dev/null
  status=$?
  counts_file=build/test-logs/counts
  count "$log" "$status" >"$counts_file"
  printf '%-34s %s  (%d s)\n' "$name" "$(cat "$counts_file")" $((SECONDS - start))
  grep -h '^skipped: ' "$log" | sort -u
  if [ "$status" -ne 0 ]; then
    failures+=("$name")
    [ "$status" -eq 124 ] && echo "  not finished within $limit s"
    tail -n 60 "$log" | sed 's/^/  | /'
  fi
  return 0
}

build() { step "build-$1" 900 bash -c "cmake --preset $1 && cmake --build --preset $1"; }

run_unit() {
  build dev
  step unit 300 build/dev/bin/reflow_tests
  local program
  for program in build/dev/bin/stress_* build/dev/bin/sim_*; do
    [ -x "$program" ] && step "$(basename "$program")" 120 "$program"
  done
}

run_asan() {
  build asan
  # Criterion itself leaks a little; the next step looks for leaks of ours.
  step asan-unit 600 env ASAN_OPTIONS=abort_on_error=1:detect_leaks=0 build/asan/bin/reflow_tests
  # The same tests in one process, where leaks show.
  step asan-unit-one-process 600 build/asan/bin/reflow_tests_plain
  local program
  for program in build/asan/bin/stress_* build/asan/bin/sim_*; do
    [ -x "$program" ] && step "asan-$(basename "$program")" 300 "$program"
  done
}

run_corpus() {
  build asan
  local program name
  for program in build/asan/bin/replay_*; do
    name=$(basename "$program")
    [ -x "$program" ] && step "corpus-${name#replay_}" 120 bash -c "'$program' tests/fuzz/corpus/fuzz_${name#replay_}/*"
  done
}

run_zoo() { step link-bug-zoo 300 tests/sim/bug_zoo.sh 300; }

run_tsan() {
  build tsan
  local program
  step tsan-unit 600 setarch -R build/tsan/bin/reflow_tests_plain
  for program in build/tsan/bin/stress_*; do
    [ -x "$program" ] && step "tsan-$(basename "$program")" 300 setarch -R "$program"
  done
}

run_e2e() {
  build release
  local test
  for test in tests/e2e/test_*.py; do
    step "e2e-$(basename "$test" .py)" 600 $python "$test"
  done
}

run_interop() {
  [ -x build/dev/bin/ws_echo ] || build dev
  step websocket-conformance 300 $python tests/interop/ws_conformance.py build/dev/bin/ws_echo
}

run_rust() {
  build release
  step rust-peer 1500 $python tests/interop/test_rust_peer.py
}

run_package() {
  build release
  step package 300 scripts/test_package.sh
}

run_lint() { step layers 60 scripts/check_layers.sh; }

steps=("$@")
[ ${#steps[@]} -eq 0 ] && steps=(lint unit zoo asan corpus tsan e2e interop rust package)
for name in "${steps[@]}"; do
  case $name in
    lint | unit | zoo | asan | corpus | tsan | e2e | interop | rust | package) "run_$name" ;;
    *) echo "unknown step: $name" >&2; exit 2 ;;
  esac
done

[ ${#failures[@]} -gt 0 ] && echo "failed steps: ${failures[*]} (see build/test-logs/)"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ ${#failures[@]} -eq 0 ] && [ "$passed" -gt 0 ]
