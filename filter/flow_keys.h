// SPDX-License-Identifier: Apache-2.0
//
// The flow keys of one burst, field by field (a structure of arrays), so that one comparison looks
// at all packets at once. Which packets have a field is a set of packets beside it; the values of
// packets outside that set mean nothing.
//
// Threading: belongs to one worker.

#pragma once

#include <cstdint>

#include "base/cache_line.h"
#include "base/packet.h"

namespace edgecap::filter {

struct FlowKeys {
  PacketSet ipv4 = 0;   // has IPv4 addresses, in word 0
  PacketSet ipv6 = 0;   // has IPv6 addresses, in words 0 to 3
  PacketSet ports = 0;  // has ports

  // Address words as they stand in the packet (network byte order, loaded as they are).
  alignas(kCacheLineBytes) std::uint32_t source[4][kBurstPacketsMax] = {};
  alignas(kCacheLineBytes) std::uint32_t destination[4][kBurstPacketsMax] = {};
  // Host byte order, for ranges.
  alignas(kCacheLineBytes) std::uint16_t source_port[kBurstPacketsMax] = {};
  alignas(kCacheLineBytes) std::uint16_t destination_port[kBurstPacketsMax] = {};
  // IANA number; known for every packet of ipv4 and ipv6.
  alignas(kCacheLineBytes) std::uint8_t protocol[kBurstPacketsMax] = {};
};

}  // namespace edgecap::filter
