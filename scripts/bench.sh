#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Measures edgecap, each case beside its peer in the same run:
#
#   ./scripts/bench.sh              all cases
#   ./scripts/bench.sh P3 P8        these
#   ./scripts/bench.sh stages       each stage of the data path by itself
#   ./scripts/bench.sh --help       cases and options
#
# Figures of different machines, or of different minutes of a shared one, say nothing about each
# other; the ratios do.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

case " $* " in *" -h "* | *" --help "*) exec python3 "$root/scripts/bench.py" --help ;; esac
"$root/scripts/install.sh"
"$root/scripts/build.sh"
"$root/scripts/hugepages.sh" 1024 || true
exec python3 "$root/scripts/bench.py" --build "$root/build" "$@"
