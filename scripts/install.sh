#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# install.sh            installs what edgecap needs to be built, run and tested, on Debian 12
# install.sh --build    only what building and running it needs
#
# Says nothing when nothing is missing. Needs root only when something is.

set -euo pipefail

readonly build_packages=(
  g++ meson ninja-build pkg-config ccache
  libdpdk-dev libpcap-dev libconcurrentqueue-dev libabsl-dev libyaml-cpp-dev
  libgtest-dev libgmock-dev libmicrohttpd-dev nlohmann-json3-dev libcli11-dev
  libcurl4-openssl-dev libhyperscan-dev libasmjit-dev
)
readonly run_packages=(
  dpdk dpdk-dev                              # dpdk-testpmd, dpdk-dumpcap
  tshark wireshark-common tcpdump            # tshark, capinfos, mergecap
  curl python3 iproute2
)
readonly test_packages=(
  libpcre2-dev                               # the peer of payload expressions
  clang libclang-rt-14-dev                   # fuzzing
  qemu-system-x86 xz-utils                   # tests/nic
  qemu-user gcc-aarch64-linux-gnu libc6-dev-arm64-cross  # BPF on arm64
)

packages=("${build_packages[@]}" "${run_packages[@]}" "${test_packages[@]}")
case ${1-} in
  '') ;;
  --build) packages=("${build_packages[@]}" "${run_packages[@]}") ;;
  *)
    sed -n '4,7s/^# \{0,1\}//p' "$0"
    [[ $1 == --help ]] && exit 0
    exit 2
    ;;
esac

missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok' ||
    missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

echo "install.sh: installing ${missing[*]}" >&2
if [[ $(id -u) -ne 0 ]]; then
  echo "install.sh: error: needs root: sudo apt-get install ${missing[*]}" >&2
  exit 1
fi
export DEBIAN_FRONTEND=noninteractive
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { apt-get update -q && apt-get install -q -y --no-install-recommends "${missing[@]}"; } \
  >"$log" 2>&1 </dev/null; then
  tail -n 30 "$log" >&2
  echo "install.sh: error: apt-get failed, see above; it must be Debian 12 with its archive in" \
    "/etc/apt/sources.list" >&2
  exit 1
fi
