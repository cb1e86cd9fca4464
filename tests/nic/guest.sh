#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# guest.sh MODEL COMMAND      boots a throw-away machine, runs COMMAND in it, exits with its status
# guest.sh --prepare          only makes what every boot needs: kernel and initial file system
#
# The machine is a QEMU guest with two emulated network cards of MODEL (e1000e, vmxnet3), bound to
# vfio-pci behind an emulated IOMMU, and hugepages. It sees the root file system of this machine,
# read-only, with a layer in memory above it; COMMAND is bash text, run as root in there with
#   $NIC_A $NIC_B   PCI addresses of the cards
#   $OUT            the folder shared with this machine (here: the OUT of the environment)
# Each card is a Unix stream socket here, $OUT/a.sock and $OUT/b.sock (see inject.py).
#
# Environment, all optional:
#   OUT=DIR        shared folder; also receives stdout, stderr, serial.log, qemu.log (a new one)
#   TIMEOUT=150    seconds for everything, boot included
#   SMP=2 MEM=1536 HUGE=320    processors, MiB, hugepages of 2 MiB
#   QEMU=FILE      another qemu-system-x86_64, 7.2 or newer
#
# Status: COMMAND's; 124 out of time; 125 the guest died without one; 2 usage; 3 not prepared (the
# last line on standard error says why); 130, 143 interrupted.
#
# Everything is emulated (TCG), so neither KVM nor root nor hugepages of this machine are needed:
# Debian's qemu-system-x86 and xz-utils installed, its kernel and busybox-static only unpacked.

set -uo pipefail

fail() {
  echo "guest.sh: $2" >&2
  exit "$1"
}

qemu=${QEMU:-qemu-system-x86_64}
limit=${TIMEOUT:-150}
readonly cache=${XDG_CACHE_HOME:-${TMPDIR:-/tmp}}/edgecap-nic-$UID
readonly packages=$cache/packages
readonly qemu limit

# ---- kernel and initial file system ----------------------------------------------------------

apt() {
  timeout -k 5 300 apt-get -qq -o APT::Sandbox::User=root -o Acquire::Retries=2 \
    -o Acquire::http::Timeout=30 -o DPkg::Lock::Timeout=60 "$@"
}

kernel_package() {
  apt-cache depends linux-image-amd64 2>/dev/null |
    sed -n 's/.*Depends: \(linux-image-[^ ]*\)/\1/p' | head -n 1
}

download_once() {
  local kernel
  kernel=$(kernel_package)
  [ -n "$kernel" ] && (cd "$1" && apt download "$kernel" busybox-static)
}

# Downloads both packages, with fresh package lists when the ones here do not do.
download() {
  [ -e "$packages/done" ] && return
  rm -rf "$packages"
  mkdir -p "$packages"
  if ! download_once "$packages"; then
    apt update
    download_once "$packages" || return
  fi
  touch "$packages/done"
}

# An uncompressed kernel starts by its PVH entry; that saves seconds of emulated decompression.
unpack_kernel() {
  local packed=$1 to=$2 offset
  offset=$(LC_ALL=C grep -aobUP '\xFD7zXZ\x00' "$packed" | head -n 1 | cut -d: -f1)
  if [ -n "$offset" ]; then
    tail -c +$((offset + 1)) "$packed" | xz -dc >"$to" 2>/dev/null  # complains of what follows
  fi
  [ "$(head -c 4 "$to" 2>/dev/null | tail -c 3)" = ELF ] || cp "$packed" "$to"
}

write_init() {
  cat <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for module in virtio_pci 9pnet_virtio 9p overlay vfio_iommu_type1 vfio-pci; do
  modprobe $module
done
nine=trans=virtio,version=9p2000.L,msize=512000
root=/root
mount -t 9p -o $nine,ro,cache=loose host /lower
mount -t tmpfs tmpfs /layer
mkdir /layer/upper /layer/work
mount -t overlay -o lowerdir=/lower,upperdir=/layer/upper,workdir=/layer/work root $root
mount -t proc proc $root/proc
mount -t sysfs sys $root/sys
mount -t devtmpfs dev $root/dev
mkdir -p $root/dev/shm $root/dev/pts $root/dev/hugepages
ln -sf /proc/self/fd $root/dev/fd
mount -t tmpfs tmpfs $root/dev/shm
mount -t devpts devpts $root/dev/pts
mount -t hugetlbfs nodev $root/dev/hugepages
mount -t tmpfs tmpfs $root/run
mkdir -p $root/out
mount -t 9p -o $nine out $root/out
ip link set lo up
. $root/out/.guest.env
echo $HUGE >/proc/sys/vm/nr_hugepages
for card in $NIC_A $NIC_B; do
  path=/sys/bus/pci/devices/$card
  echo vfio-pci >$path/driver_override
  echo $card >/sys/bus/pci/drivers_probe
  echo "guest: $card $(cat $path/vendor):$(cat $path/device)" \
    "driver $(basename "$(readlink $path/driver)")" \
    "IOMMU group $(basename "$(readlink $path/iommu_group)")"
done
echo "guest: ready $(cut -d' ' -f1 /proc/uptime) s after the start of the kernel"
# The shell stays here, so that the shared file systems outlive the command.
chroot $root /usr/bin/env -i HOME=/root TERM=dumb LANG=C.UTF-8 OUT=/out \
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  NIC_A=$NIC_A NIC_B=$NIC_B /usr/bin/timeout -k 5 $LIMIT \
  /bin/bash /out/.guest.command >$root/out/stdout 2>$root/out/stderr
echo $? >$root/out/status
umount $root/out
sync
poweroff -f
INIT
}

# Into folder $1: vmlinux and initrd.
build_image() {
  local to=$1 parts=$1/parts root=$1/root busybox version module file
  mkdir "$parts" "$root"
  for file in "$packages"/*.deb; do
    dpkg-deb -x "$file" "$parts" || return
  done
  busybox=$parts/bin/busybox
  version=$(ls "$parts/lib/modules")
  unpack_kernel "$parts/boot/vmlinuz-$version" "$to/vmlinux" || return
  mkdir -p "$root"/{bin,proc,sys,dev,lower,layer,root} "$root/lib/modules/$version"
  cp "$busybox" "$root/bin/" || return
  for module in virtio virtio_ring virtio_pci virtio_pci_legacy_dev virtio_pci_modern_dev \
    9p 9pnet 9pnet_virtio netfs fscache overlay \
    vfio vfio_iommu_type1 vfio_virqfd vfio-pci vfio-pci-core irqbypass; do
    file=$(find "$parts/lib/modules/$version/kernel" -name "$module.ko")
    if [ -z "$file" ]; then
      echo "guest.sh: kernel $version has no module $module" >&2
      return 1
    fi
    install -D -m 644 "$file" "$root/${file#"$parts/"}" || return
  done
  cp "$parts/lib/modules/$version"/modules.{builtin,order} "$root/lib/modules/$version/" || return
  "$busybox" depmod -b "$root" "$version" || return
  write_init >"$root/init"
  chmod 755 "$root/init"
  (cd "$root" && find . | "$busybox" cpio -o -H newc 2>/dev/null) >"$to/initrd" || return
  rm -rf "$parts" "$root"
}

# Made anew when the way it is made changes; what is downloaded stays.
image=$cache/$(declare -f write_init unpack_kernel build_image | sha256sum | cut -c1-16)
readonly image

prepare() {
  local program making
  [ "$(uname -m)" = x86_64 ] || fail 3 "this machine is no x86_64"
  for program in "$qemu" xz dpkg-deb apt-get flock setpriv; do
    command -v "$program" >/dev/null || fail 3 "there is no $program here"
  done
  mkdir -p "$cache" || fail 3 "cannot make $cache"
  exec 9>"$cache/lock" || fail 3 "cannot write to $cache"
  flock -w 600 9 || fail 3 "another guest.sh has been preparing for too long"
  if [ ! -e "$image/initrd" ]; then
    download >&2 || fail 3 "apt-get cannot get the kernel and busybox-static"
    rm -rf "$cache"/making.*  # of an interrupted run: we hold the lock
    making=$(mktemp -d "$cache/making.XXXXXX")
    build_image "$making" >&2 || fail 3 "cannot make the initial file system in $making"
    rm -rf "$image"
    mv -T "$making" "$image" || fail 3 "cannot make $image"
  fi
  exec 9>&-
}

# ---- one boot --------------------------------------------------------------------------------

if [ "${1-}" = --prepare ] && [ $# -eq 1 ]; then
  prepare
  exit 0
fi
[ $# -eq 2 ] || fail 2 "usage: guest.sh MODEL COMMAND, or guest.sh --prepare"
case $1 in
  e1000e | vmxnet3) model=$1 ;;
  *) fail 2 "MODEL is e1000e or vmxnet3, not \"$1\"" ;;
esac
prepare

out=$(realpath "${OUT:-$(mktemp -d "${TMPDIR:-/tmp}/edgecap-guest.XXXXXX")}")
mkdir -p "$out" || fail 2 "cannot make $out"
[ ${#out} -le 95 ] || fail 2 "OUT is too long for the paths of Unix sockets: $out"
rm -f "$out"/{a.sock,b.sock,status,stdout,stderr,serial.log,qemu.log}
printf '%s\n' "$2" >"$out/.guest.command"
cat >"$out/.guest.env" <<END
NIC_A=0000:00:10.0 NIC_B=0000:00:11.0 HUGE=${HUGE:-320} LIMIT=$((limit > 30 ? limit - 20 : 10))
END

# no_timer_check: the kernel counts timer ticks for some ms, and panics when a busy machine was late.
# setpriv: nothing outlives us, not even when we are killed.
setpriv --pdeathsig TERM timeout -k 5 "$limit" setpriv --pdeathsig KILL "$qemu" \
  -machine q35 -accel tcg,thread=multi -cpu max -smp "${SMP:-2}" -m "${MEM:-1536}" \
  -nodefaults -no-user-config -display none -no-reboot \
  -serial "file:$out/serial.log" \
  -kernel "$image/vmlinux" -initrd "$image/initrd" \
  -append "console=ttyS0 quiet panic=-1 mitigations=off intel_iommu=on no_timer_check" \
  -device intel-iommu,intremap=on,caching-mode=on,aw-bits=48 \
  -fsdev local,id=host,path=/,security_model=none,readonly=on,multidevs=remap \
  -device virtio-9p-pci,fsdev=host,mount_tag=host \
  -fsdev "local,id=out,path=$out,security_model=none" \
  -device virtio-9p-pci,fsdev=out,mount_tag=out \
  -netdev "stream,id=a,server=on,addr.type=unix,addr.path=$out/a.sock" \
  -netdev "stream,id=b,server=on,addr.type=unix,addr.path=$out/b.sock" \
  -device "$model,netdev=a,mac=52:54:00:00:00:0a,addr=10.0,romfile=" \
  -device "$model,netdev=b,mac=52:54:00:00:00:0b,addr=11.0,romfile=" \
  </dev/null >"$out/qemu.log" 2>&1 &
machine=$!
interrupted=0
trap 'interrupted=130; kill "$machine" 2>/dev/null' INT
trap 'interrupted=143; kill "$machine" 2>/dev/null' TERM HUP
ended=0
wait "$machine" || ended=$?
# A trap ends the first wait early.
while kill -0 "$machine" 2>/dev/null; do wait "$machine"; done
rm -f "$out"/{a.sock,b.sock,.guest.command,.guest.env}

[ "$interrupted" -eq 0 ] || exit "$interrupted"
if [ -s "$out/status" ]; then
  cat "$out/stdout"
  cat "$out/stderr" >&2
  exit "$(cat "$out/status")"
fi
tail -n 20 "$out/serial.log" "$out/qemu.log" >&2
[ "$ended" -eq 124 ] && fail 124 "out of time ($limit s)"
fail 125 "the guest died without a status"
