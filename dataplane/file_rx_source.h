// SPDX-License-Identifier: Apache-2.0
//
// A capture file as a receive source: pcap and pcapng through libpcap, with the packets' own times
// and lengths, at the speed of the reader, ending at the end of the file.
//
// Life cycle: Open() reads the file's header. Needs no EAL and no root.
//
// Threading: as RxSource.

#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "dataplane/rx_source.h"

namespace edgecap::dataplane {

// Opens `path`; "-" reads standard input.
//
// Errors: kNotFound or kPermissionDenied for a file that cannot be opened, kInvalidArgument for one
// that is no capture file or whose link type is not Ethernet (the message names it).
[[nodiscard]] absl::StatusOr<std::unique_ptr<RxSource>> OpenFileRxSource(const std::string& path);

}  // namespace edgecap::dataplane
