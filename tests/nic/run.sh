#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh [TEST...]      tests edgecap on emulated PCI cards, see README.md
#
# Prints `PASS name`, `FAIL name` and why, or `SKIP name why` for each test; exit code 1 when one
# failed. Environment, optional:
#   EDGECAP_BUILD=DIR   the build of edgecap (PROJECT/build)
#   NIC_TIMEOUT=200     seconds for one guest, boot included
#   NIC_KEEP=1          keep what a test that passed left behind, too

# shellcheck disable=SC2016,SC2317  # text for the guest; reached by traps

set -uo pipefail

here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
project=$(dirname "$(dirname "$here")")
build=$(realpath -m "${EDGECAP_BUILD:-$project/build}")
timeout=${NIC_TIMEOUT:-200}
readonly here project timeout
readonly tests=(e1000e_record e1000e_daemon e1000e_vlan vmxnet3_flood)

folder='' guest='' injector=''

# Only what this script started.
end_children() {
  local child
  for child in $guest $injector; do kill "$child" 2>/dev/null; done
  for child in $guest $injector; do wait "$child" 2>/dev/null; done
  guest='' injector=''
}

leave() {
  end_children
  [ -z "$folder" ] || rm -rf "$folder"
  exit "$1"
}
trap 'leave 130' INT
trap 'leave 143' TERM HUP

# ---- what runs in the guest -------------------------------------------------------------------

# $edgecap, $edgecapd, $rounds are set before it. Everything waits for at most so many seconds: a
# busy machine may be ten times slower than an idle one.
readonly guest_common='
patience=60
say() { echo "guest: $*" >&2; }
die() { say "$*${stats+; the daemon says: $stats}"; exit 9; }
until_true() {  # WHAT COMMAND...
  local what=$1 end=$((SECONDS + patience))
  shift
  until "$@"; do
    [ $SECONDS -lt $end ] || die "waited $patience s for: $what"
    sleep 0.3
  done
}
'

# The file appears with the first probes; then all comes; when it grows no more, Ctrl-C.
readonly guest_record=$guest_common'
grows() { local before=$1; size=$(du -sb $OUT/record | cut -f1); [ "$size" != "$before" ]; }
is_there() { [ -n "$(find $OUT/record -type f -size +0)" ]; }
ends_or_is_there() { ! kill -0 $pid 2>/dev/null || is_there; }
mkdir $OUT/record
env --default-signal=INT "$edgecap" record --port $NIC_B -w $OUT/record/1.pcap --json \
  >$OUT/1.record.json &
pid=$!
touch $OUT/start.1
until_true "the first packet in the file" ends_or_is_there
is_there || { wait $pid; die "edgecap record ended at once, exit code $?"; }
touch $OUT/ready.1
until_true "the frames being sent" test -e $OUT/sent.1
size=0
while grows "$size"; do sleep 2; done
kill -INT $pid
wait $pid || die "edgecap record: exit code $?"
[ "$(ls -A $OUT/record)" = 1.pcap ] || die "files of edgecap record: $(ls -A $OUT/record)"
mv $OUT/record/1.pcap $OUT/1.pcap
'

# One daemon a round, so that the second meets a card whose counters are not at 0.
readonly guest_daemon=$guest_common'
socket=/run/edgecap.sock
ask() { "$edgecap" "$@" --socket $socket; }
answers() { ! kill -0 $pid 2>/dev/null || ask stats --json >/dev/null 2>&1; }
runs() { ask show $id --json | grep -q "\"status\":\"running\""; }
figure() { sed "s/.*\"ports\"://; s/.*\"$1\":\([0-9]*\).*/\1/" <<<"$stats"; }
# Everything sent was offered, and what was received has passed the worker.
arrived() {
  local seen
  stats=$(ask stats --json) || return
  seen=$(sed "s/.*\"received\":{\"packets\":\([0-9]*\).*/\1/" <<<"$stats")
  [ "$(figure offered_packets)" -ge "$sent" ] && [ "$seen" = "$(figure received_packets)" ]
}
mkdir /run/captures
cat >/run/edgecapd.yaml <<END
machine: guest
dataplane:
  ports:
    - device: "$NIC_B"
      name: uplink
  worker_cores: [1]
  hugepages: on
  mbufs_per_port: 32768
capture:
  directory: /run/captures
  block_count: 160
control:
  socket: $socket
END
for ((n = 1; n <= rounds; n++)); do
  "$edgecapd" --config /run/edgecapd.yaml &
  pid=$!
  until_true "the daemon" answers
  id=$(ask create full) || die "edgecap create: exit code $?"
  until_true "the capture running" runs
  touch $OUT/ready.$n $OUT/start.$n
  until_true "the frames being sent" test -e $OUT/sent.$n
  sent=$(sed "s/.*\"frames\": \([0-9]*\).*/\1/" $OUT/sent.$n)
  until_true "all $sent frames arriving" arrived
  ask stop $id >/dev/null || die "edgecap stop: exit code $?"
  ask wait $id --timeout 60 --json >$OUT/$n.job.json || die "edgecap wait: exit code $?"
  ask stats --json >$OUT/$n.stats.json || die "edgecap stats: exit code $?"
  ask download $id -o $OUT/$n.pcap || die "edgecap download: exit code $?"
  kill -TERM $pid
  wait $pid || die "edgecapd: exit code $?"
done
'

# ---- one test ---------------------------------------------------------------------------------

# NAME MODEL record|daemon KIND COUNT KPPS ROUNDS LOSS_OPTION
run_test() {
  local name=$1 model=$2 how=$3 kind=$4 count=$5 kpps=$6 rounds=$7 loss=$8
  local script status=0 injected=0 n why='' start=$SECONDS
  case $how in
    record) script=$guest_record ;;
    daemon) script=$guest_daemon ;;
  esac
  folder=$(mktemp -d "${TMPDIR:-/tmp}/edgecap-nic.XXXXXX") || exit 1
  # setpriv: nothing outlives us, not even when we are killed.
  OUT=$folder TIMEOUT=$timeout setpriv --pdeathsig TERM "$here/guest.sh" "$model" "
    edgecap='$build/control/cli/edgecap' edgecapd='$build/control/edgecapd' rounds=$rounds
    $script" >"$folder/guest.log" 2>&1 &
  guest=$!
  setpriv --pdeathsig TERM "$here/inject.py" --kind "$kind" --count "$count" --kpps "$kpps" --rounds "$rounds" \
    --timeout "$timeout" "$folder/b.sock" "$folder" >"$folder/inject.log" 2>&1 &
  injector=$!
  wait "$guest" || status=$?
  guest=''
  # The machine is gone; the injector sees that, unless it never got to it.
  [ -e "$folder/sent.$rounds" ] || kill "$injector" 2>/dev/null
  wait "$injector" || injected=$?
  injector=''
  if [ "$status" -ne 0 ]; then
    why="the guest's exit code is $status"
  elif [ "$injected" -ne 0 ]; then
    why="inject.py's exit code is $injected"
  else
    for ((n = 1; n <= rounds; n++)); do
      "$here/verify.py" --kind "$kind" --count "$count" --round "$n" "$loss" "$folder" \
        >"$folder/verify.log" 2>&1 || why="round $n: $(cat "$folder/verify.log")"
      [ -z "$why" ] || break
    done
  fi
  if [ -n "$why" ]; then
    echo "FAIL $name ($((SECONDS - start)) s)"
    {
      echo "$why"
      tail -n 25 "$folder/guest.log" "$folder/inject.log"
      echo "everything is in $folder"
    } | sed 's/^/    /'
    folder=''
    return 1
  fi
  echo "PASS $name ($((SECONDS - start)) s)"
  if [ -n "${NIC_KEEP-}" ]; then
    echo "    everything is in $folder"
  else
    rm -rf "$folder"
  fi
  folder=''
}

run_named() {
  case $1 in
    e1000e_record) run_test "$1" e1000e record mixed 100000 30 1 --lossless ;;
    e1000e_daemon) run_test "$1" e1000e daemon mixed 100000 30 1 --lossless ;;
    e1000e_vlan) run_test "$1" e1000e record tagged 20000 20 1 --lossless ;;
    vmxnet3_flood) run_test "$1" vmxnet3 daemon small 300000 0 2 --flooded ;;
  esac
}

# ---- what all tests need ----------------------------------------------------------------------

every() {  # SKIP|FAIL WHY
  local name
  for name in "${chosen[@]}"; do echo "$1 $name $2"; done
  [ "$1" = SKIP ]
  exit
}

install_packages() {
  local missing=()
  command -v qemu-system-x86_64 >/dev/null || missing+=(qemu-system-x86)
  command -v xz >/dev/null || missing+=(xz-utils)
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" -eq 0 ] || every SKIP "not installed: ${missing[*]}"
  command -v apt-get >/dev/null || every SKIP "no apt-get to install ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  local install=(timeout -k 5 600 apt-get -qq -o Acquire::Retries=2 -o Acquire::http::Timeout=30
    -o DPkg::Lock::Timeout=60)
  local get=("${install[@]}" install -y --no-install-recommends "${missing[@]}")
  "${get[@]}" >&2 || { "${install[@]}" update >&2 && "${get[@]}" >&2; } ||
    every SKIP "apt-get cannot install ${missing[*]}"
}

# The emulated processor has AVX2 and no AVX-512: a build for this machine's own processor may not
# run there, so the two programs are built once more, in a folder of that build.
choose_build() {
  if ! [ -x "$build/control/edgecapd" ] || ! [ -x "$build/control/cli/edgecap" ]; then
    every FAIL "not built: $build/control/edgecapd, $build/control/cli/edgecap"
  fi
  [ "$(march_of "$build")" = native ] || return 0
  local own=$build/nic-guest
  if [ ! -e "$own/build.ninja" ]; then
    meson setup "$own" "$project" -Dmarch=x86-64-v3 >&2 || every FAIL "meson setup $own failed"
  fi
  timeout -k 5 1800 ninja -C "$own" control/edgecapd control/cli/edgecap >&2 ||
    every FAIL "ninja -C $own failed"
  build=$own
}

march_of() {
  meson introspect --buildoptions "$1" |
    python3 -c 'import json, sys
print(*(o["value"] for o in json.load(sys.stdin) if o["name"] == "march"))'
}

chosen=("${@:-${tests[@]}}")
for name in "${chosen[@]}"; do
  if [[ " ${tests[*]} " != *" $name "* ]]; then
    echo "run.sh: there is no test \"$name\"; there are ${tests[*]}" >&2
    exit 2
  fi
done
install_packages
choose_build
problem=$("$here/guest.sh" --prepare 2>&1) || every SKIP "$(tail -n 1 <<<"$problem")"
failed=0
for name in "${chosen[@]}"; do run_named "$name" || failed=1; done
exit "$failed"
