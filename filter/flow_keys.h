// SPDX-License-Identifier: Apache-2.0
//
// What the parser finds in one layer of the packets of a burst, field by field (a structure of
// arrays), so that one comparison looks at all packets at once. Which packets have a field is a set
// of packets beside it; the values of packets outside that set mean nothing.
//
// Threading: belongs to one worker.

#pragma once

#include <cstdint>

#include "base/cache_line.h"
#include "base/packet.h"

namespace edgecap::filter {

// Layers that the parser looks at: the packet itself (outer) and three inside tunnels.
inline constexpr std::uint32_t kLayersMax = 4;

// Values of the field `fragment`. An IPv6 fragment that is the whole datagram ("atomic": offset 0,
// nothing follows) is none, as RFC 6946 has it treated.
inline constexpr std::uint8_t kFragmentNone = 0;
inline constexpr std::uint8_t kFragmentFirst = 1;
inline constexpr std::uint8_t kFragmentLater = 2;

struct FlowKeys {
  PacketSet present = 0;  // has this layer
  PacketSet ipv4 = 0;     // has IPv4 addresses, in word 0
  PacketSet ipv6 = 0;     // has IPv6 addresses, in words 0 to 3
  PacketSet ports = 0;    // has ports

  // Address words as they stand in the packet (network byte order, loaded as they are).
  alignas(kCacheLineBytes) std::uint32_t source[4][kBurstPacketsMax] = {};
  alignas(kCacheLineBytes) std::uint32_t destination[4][kBurstPacketsMax] = {};
  // Host byte order, for ranges.
  alignas(kCacheLineBytes) std::uint16_t source_port[kBurstPacketsMax] = {};
  alignas(kCacheLineBytes) std::uint16_t destination_port[kBurstPacketsMax] = {};
  // IANA number; known for every packet of ipv4 and ipv6.
  alignas(kCacheLineBytes) std::uint8_t protocol[kBurstPacketsMax] = {};

  // ---- Details: filled when asked for, else their sets are empty -------------------------------

  PacketSet ethernet = 0;  // ether_type known
  PacketSet tagged = 0;    // vlan known
  PacketSet tcp = 0;       // tcp_flags known
  PacketSet icmp = 0;      // icmp_type and icmp_code known

  alignas(kCacheLineBytes) std::uint16_t ether_type[kBurstPacketsMax] = {};  // behind all tags
  alignas(kCacheLineBytes) std::uint16_t vlan[kBurstPacketsMax] = {};        // of the first tag
  alignas(kCacheLineBytes) std::uint8_t tcp_flags[kBurstPacketsMax] = {};    // byte 13 of TCP
  alignas(kCacheLineBytes) std::uint8_t icmp_type[kBurstPacketsMax] = {};
  alignas(kCacheLineBytes) std::uint8_t icmp_code[kBurstPacketsMax] = {};
  // Known for every packet of ipv4 and ipv6.
  alignas(kCacheLineBytes) std::uint8_t dscp[kBurstPacketsMax] = {};
  alignas(kCacheLineBytes) std::uint8_t fragment[kBurstPacketsMax] = {};  // kFragment...
  // Offsets in the stored packet, over all its segments; begin <= end for every packet of present.
  alignas(kCacheLineBytes) std::uint32_t payload_begin[kBurstPacketsMax] = {};
  alignas(kCacheLineBytes) std::uint32_t payload_end[kBurstPacketsMax] = {};
};

}  // namespace edgecap::filter
