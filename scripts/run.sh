#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# run.sh [--keep] [--no-huge]
#
# edgecap at work: installs what is missing, builds, starts edgecapd with a dpdk-testpmd that sends
# it live traffic through vhost-user, runs one simple and one full capture through the operator
# socket, shows their status, ledger and files, and stops what it started.
#
#   --keep       keep the directory with configuration, logs and captures
#   --no-huge    ordinary memory, even where there are hugepages
#
# EDGECAP_BUILD names the build directory; by default build/ of the project.

set -euo pipefail

root=$(dirname "$(dirname "$(realpath "${BASH_SOURCE[0]}")")")
build=$(realpath -m "${EDGECAP_BUILD:-$root/build}")
keep=false
hugepages=auto
for word in "$@"; do
  case $word in
    --keep) keep=true ;;
    --no-huge) hugepages=off ;;
    *)
      sed -n '4,13s/^# \{0,1\}//p' "$0"
      [[ $word == --help ]] && exit 0
      exit 2
      ;;
  esac
done

say() { printf '\n== %s\n' "$*"; }
die() {
  echo "run.sh: error: $*" >&2
  exit 1
}

# until_true WHAT COMMAND...
until_true() {
  local what=$1 end=$((SECONDS + 60))
  shift
  until "$@" 2>/dev/null; do
    if ((SECONDS > end)); then
      tail -n 20 "$work"/*.log >&2 || true
      die "waited 60 s for: $what"
    fi
    sleep 0.1
  done
}

work='' daemon='' sender='' words=''

# Only what was started here, the sender first: it stops sending before its link goes.
end_sender() {
  [[ -n $sender ]] || return 0
  trap '' PIPE  # it may be gone
  { printf 'stop\nquit\n' >&"$words"; } 2>/dev/null || true
  exec {words}>&-
  wait "$sender" 2>/dev/null || true
  sender=''
}
end_daemon() {
  [[ -n $daemon ]] || return 0
  kill "$daemon" 2>/dev/null || true
  wait "$daemon" 2>/dev/null || echo "run.sh: edgecapd ended with an error" >&2
  daemon=''
}
leave() {
  local code=$?
  trap '' INT TERM
  end_sender
  end_daemon
  if [[ -n $work ]]; then
    if $keep; then echo "run.sh: kept $work" >&2; else rm -rf "$work"; fi
  fi
  exit "$code"
}
trap leave EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say "Installing and building"
"$root/scripts/install.sh" --build
"$root/scripts/build.sh" "$build"
[[ $hugepages == off ]] || "$root/scripts/hugepages.sh" 512
work=$(mktemp -d -t edgecap-run.XXXXXX)
export EDGECAP_SOCKET=$work/edgecap.sock PATH=$build/control:$build/control/cli:$PATH

# Sender on the first processor, worker on the last.
mapfile -t cores < <(
  taskset -cp $$ | sed 's/.*: //' | tr ',' '\n' |
    while IFS=- read -r first last; do seq "$first" "${last:-$first}"; done
)
first=${cores[0]} last=${cores[-1]}

free=$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages 2>/dev/null || echo 0)
if [[ $hugepages == off ]] || ((free < 300)); then
  hugepages=off
  memory=(--no-huge --no-shconf -m 256)
else
  memory=(--in-memory -m 192)
fi

cat >"$work/edgecapd.yaml" <<END
machine: demo
dataplane:
  ports:
    - device: "net_vhost0,iface=$work/vhost.sock"
      name: vhost
  worker_cores: [$last]
  hugepages: $hugepages
  mbufs_per_port: 16384
capture:
  directory: $work/captures
  block_count: 64
control:
  socket: $EDGECAP_SOCKET
END

say "Starting edgecapd on processor $last"
cat "$work/edgecapd.yaml"
edgecapd --config "$work/edgecapd.yaml" >"$work/edgecapd.log" 2>&1 &
daemon=$!
ready() {
  kill -0 "$daemon" || { cat "$work/edgecapd.log" >&2; die "edgecapd did not start"; }
  grep -q 'edgecapd: ready' "$work/edgecapd.log"
}
until_true "edgecapd to be ready" ready
cat "$work/edgecapd.log"

say "Starting dpdk-testpmd on processor $first: it sends UDP packets of 64 to 1500 bytes"
mkfifo "$work/words"
stdbuf -oL dpdk-testpmd --lcores "0@$first,1@$first" "${memory[@]}" --single-file-segments \
  --no-pci --no-telemetry --log-level=error \
  --vdev="net_virtio_user0,path=$work/vhost.sock" -- -i --total-num-mbufs=16384 \
  --forward-mode=txonly --txonly-multi-flow --txpkts=64,350,1086 --tx-ip=10.0.0.1,192.168.0.1 \
  <"$work/words" >"$work/testpmd.log" 2>&1 &
testpmd=$!
exec {words}>"$work/words"
sender=$testpmd
prompts() {
  kill -0 "$sender" || { cat "$work/testpmd.log" >&2; sender=''; die "dpdk-testpmd did not start"; }
  grep -q 'testpmd>' "$work/testpmd.log"
}
until_true "dpdk-testpmd to be ready" prompts
printf 'set txsplit rand\nstart\n' >&"$words"
packets() { edgecap stats --json | grep -o '"received_packets":[0-9]*' | cut -d: -f2; }
arrive() { (($(packets) > 0)); }
until_true "the first packets" arrive

run() {
  echo "\$ $*"
  "$@"
}

say "A simple capture: one packet in 1000, for 3 seconds"
run edgecap create simple --one-in 1000 --time-limit 3 --wait | tee "$work/simple"
simple=$(sed -n '$p' "$work/simple")

say "A full capture: every UDP packet to the network 192.168.0.0/16, until there are 20000"
run edgecap create full --protocol udp --destination-address 192.168.0.0/16 \
  --packet-limit 20000 --time-limit 30 --wait | tee "$work/full"
full=$(sed -n '$p' "$work/full")

say "Status and ledger of both"
run edgecap list
run edgecap show "$simple"
run edgecap show "$full"

say "The service: what was received, by port and by worker"
run edgecap stats

say "The files"
for name in simple full; do
  run edgecap download "${!name}" -o "$work/$name.pcap"
  run capinfos -M -t -c -s -d -u -o "$work/$name.pcap"
  run tshark -n -q -r "$work/$name.pcap" -z io,phs 2>/dev/null
done
run tshark -n -c 5 -r "$work/full.pcap" 2>/dev/null

say "Stopping what was started"
end_sender
end_daemon
tail -n 1 "$work/edgecapd.log"
