// SPDX-License-Identifier: Apache-2.0
//
// A number for the flow of a packet: the same for both directions, and otherwise as good as random,
// in every bit, so that comparing it with a threshold takes a share of the flows.
//
// The flow is that of the outer layer (filter/packet_parser.h):
//
//   with ports       unordered pair of (address, port), protocol
//   other IP         unordered pair of addresses, protocol
//   a fragment       unordered pair of addresses: all fragments of a datagram stay together. Not
//   the
//                    protocol: later fragments of IPv6 do not show it behind further headers
//   no IP            unordered pair of MAC addresses, Ethernet type behind all VLAN tags
//
// Not a secret: who knows the seed can make flows of any number.
//
// Threading: pure functions. Hot path.

#pragma once

#include <cstdint>

#include "base/packet.h"

namespace edgecap::filter {

// Overwrites hash[i] for the packets i of `which`.
void FlowHashes(const Burst& burst, PacketSet which, std::uint64_t seed,
                std::uint64_t (&hash)[kBurstPacketsMax]) noexcept;

}  // namespace edgecap::filter
