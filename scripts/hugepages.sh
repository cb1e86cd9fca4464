#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# hugepages.sh [COUNT]    tries to reserve COUNT (by default 512) hugepages of 2 MiB
#
# Never fewer than there are already. Mounts hugetlbfs where it is missing. Without permission or
# memory it says so and succeeds all the same: edgecap runs without hugepages, too.

set -uo pipefail

wanted=${1:-512}
if [[ ! $wanted =~ ^[0-9]+$ ]]; then
  sed -n '4,7s/^# \{0,1\}//p' "$0"
  [[ $wanted == --help ]] && exit 0
  exit 2
fi

say() { echo "hugepages.sh: $*" >&2; }

readonly pages=/sys/kernel/mm/hugepages/hugepages-2048kB
if [[ ! -d $pages ]]; then
  say "this kernel has no hugepages of 2 MiB; going on without"
  exit 0
fi
before=$(<$pages/nr_hugepages)
if ((before < wanted)); then
  { echo "$wanted" >$pages/nr_hugepages; } 2>/dev/null || say "no permission to reserve hugepages"
fi
now=$(<$pages/nr_hugepages)
if ((now > before)); then
  say "reserved $((now - before)) hugepages, now $now"
fi
if ((now < wanted)); then
  say "there are $now of $wanted hugepages; going on with ordinary memory where they do not suffice"
fi

if ((now > 0)) && ! grep -q ' hugetlbfs ' /proc/mounts; then
  if mkdir -p /dev/hugepages 2>/dev/null &&
    mount -t hugetlbfs hugetlbfs /dev/hugepages 2>/dev/null; then
    say "mounted hugetlbfs on /dev/hugepages"
  else
    say "no permission to mount hugetlbfs; edgecap does not need it"
  fi
fi
say "$(<$pages/free_hugepages) of $now hugepages of 2 MiB are free"
