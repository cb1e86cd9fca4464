#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# build.sh [DIR [MESON_OPTION...]]    builds edgecap in DIR, by default build/ of the project
#
# Options such as -Dbuildtype=release count when DIR is made. Takes ccache where it is installed.

set -euo pipefail

root=$(dirname "$(dirname "$(realpath "${BASH_SOURCE[0]}")")")
if [[ ${1-} == --help ]]; then
  sed -n '4,6s/^# \{0,1\}//p' "$0"
  exit 0
fi
dir=${1:-$root/build}
shift || true

if [[ ! -f $dir/build.ninja ]]; then
  meson setup "$dir" "$root" "$@" >/dev/null || {
    echo "build.sh: error: meson setup $dir failed, see $dir/meson-logs/meson-log.txt;" \
      "scripts/install.sh installs what is missing" >&2
    exit 1
  }
fi
# Quiet when all is well; the compiler's words when it is not.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
start=$SECONDS
ninja -C "$dir" >"$log" 2>&1 &
ninja=$!
trap 'kill "$ninja" 2>/dev/null; rm -f "$log"; exit 130' INT TERM
while kill -0 "$ninja" 2>/dev/null; do
  sleep 1
  if (((SECONDS - start) % 20 == 19)); then
    echo "build.sh: $(basename "$dir"): $(grep -o '^\[[0-9]*/[0-9]*\]' "$log" | tail -n 1)" >&2
  fi
done
if ! wait "$ninja"; then
  grep -v '^\[[0-9]*/[0-9]*\] [CL]' "$log" | tail -n 60 >&2
  echo "build.sh: error: the build in $dir failed" >&2
  exit 1
fi
echo "build.sh: $dir is up to date ($((SECONDS - start)) s)" >&2
