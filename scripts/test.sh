#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# test.sh [--quick] [--filter TEXT]
#
# Installs what is missing, builds, runs every test. Failed tests are printed with their output,
# skipped ones with their reason. The last line is `N passed, N failed`, and `, N skipped` where
# some were; the exit code is 1 when one failed.
#
#   --quick          only the plain build, its unit tests and the end-to-end tests
#   --filter TEXT    only tests with TEXT in their names; of the unit and end-to-end tests
#
# EDGECAP_BUILD names the build directory, by default build/ of the project; the builds with
# sanitizers and fuzzers go beside it: build-asan, build-tsan, build-fuzz.

set -uo pipefail

root=$(dirname "$(dirname "$(realpath "${BASH_SOURCE[0]}")")")
build=$(realpath -m "${EDGECAP_BUILD:-$root/build}")
quick=false
filter=''
while (($# > 0)); do
  case $1 in
    --quick) quick=true ;;
    --filter)
      filter=${2-}
      [[ -n $filter ]] || { echo "test.sh: error: --filter needs a text" >&2; exit 2; }
      shift
      ;;
    *)
      sed -n '4,14s/^# \{0,1\}//p' "$0"
      [[ $1 == --help ]] && exit 0
      exit 2
      ;;
  esac
  shift
done
export EDGECAP_BUILD=$build PYTHONDONTWRITEBYTECODE=1

"$root/scripts/install.sh" || exit 1
"$root/scripts/hugepages.sh" 512

results=$(mktemp -t edgecap-results.XXXXXX)
child=''
trap 'rm -f "$results"' EXIT
trap '[[ -z $child ]] || kill "$child" 2>/dev/null; exit 130' INT TERM

say() { printf '\n== %s (%d s since start)\n' "$*" "$SECONDS"; }

# stage NAME KIND ARGUMENT...
stage() {
  say "$1"
  python3 "$root/scripts/test_stage.py" "$results" "$@" &
  child=$!
  wait "$child"
  child=''
}

# built NAME DIR MESON_OPTION...; a build that fails counts as a failed test
built() {
  local name=$1
  shift
  say "Building $name"
  "$root/scripts/build.sh" "$@" && return
  stage "$name" fail build
  return 1
}

if built plain "$build"; then
  stage unit gtest "$build/tests/unit" "$filter"
  stage e2e python "$root/tests/e2e" "$filter"
fi

if ! $quick && [[ -z $filter ]]; then
  # DPDK keeps memory until the end: leaks are looked for where it is not.
  export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
  if built asan "$build-asan" -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1; then
    stage "unit (ASan, UBSan)" gtest "$build-asan/tests/unit"
    EDGECAP_BUILD=$build-asan EDGECAP_TEST_PATIENCE=4 ASAN_OPTIONS=detect_leaks=0 \
      stage "e2e (ASan, UBSan)" python "$root/tests/e2e" "" test_churn test_compare_tcpdump test_compare_expressions \
        test_rule_churn
  fi
  if built tsan "$build-tsan" -Db_sanitize=thread -Db_lundef=false -Doptimization=1 \
    -Dwithout_dpdk=true; then
    stage "unit (TSan)" gtest "$build-tsan/tests/unit"
  fi
  if [[ -f $root/tests/fuzz/meson.build ]]; then
    say "Building fuzz"
    if [[ ! -f $build-fuzz/build.ninja ]]; then
      CC=clang CXX=clang++ meson setup "$build-fuzz" "$root" -Dfuzz=true -Dwithout_dpdk=true \
        >/dev/null
    fi
    if ninja --quiet -C "$build-fuzz" fuzz; then
      stage fuzz fuzz "$build-fuzz/tests/fuzz" "$root/tests/fuzz/corpus" 30
    else
      stage fuzz fail build
    fi
  fi
  if [[ -x $root/tests/nic/run.sh ]]; then
    stage nic lines "$root/tests/nic/run.sh"
  fi
fi

say "Summary"
python3 "$root/scripts/test_stage.py" "$results" summary
