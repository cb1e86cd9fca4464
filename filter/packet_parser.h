// SPDX-License-Identifier: Apache-2.0
//
// The one parser. It finds addresses, protocol and ports of an Ethernet packet, whatever its bytes
// are: it never fails and never reads past what is stored.
//
//   Ethernet           802.1Q and 802.1ad tags (0x8100, 0x88a8, 0x9100, 0x9200), up to 8
//   IPv4 (RFC 791)     version 4, at least 20 bytes of header; options skipped; a later fragment
//                      (offset not 0) has no ports
//   IPv6 (RFC 8200)    version 6, 40 bytes; hop-by-hop, routing, destination options, fragment, AH,
//                      mobility, HIP and shim6 headers skipped, up to 16; a later fragment has no
//                      ports; a chain that breaks off has the protocol of the header it broke off
//                      in
//   ports              TCP, UDP, UDP-Lite, SCTP, DCCP, when the first 4 bytes are there
//   anything else      no key
//
// Lengths in the IP headers are not believed: what counts is what is there, as in tcpdump.
//
// Threading: pure functions.
//
// Hot path: no allocation, no exception. Fuzzed by tests/fuzz/packet_parser_fuzz.cc.

#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "base/packet.h"
#include "filter/flow_keys.h"

namespace edgecap::filter {

// How far into a packet in several pieces the parser looks; a packet in one piece has no such end.
inline constexpr std::uint32_t kGatherBytesMax = 2048;

// The key of one packet.
struct FlowKey {
  std::uint8_t ip_version = 0;  // 4, 6, or 0: neither
  bool has_ports = false;
  std::uint8_t protocol = 0;
  std::uint16_t source_port = 0;       // host byte order
  std::uint16_t destination_port = 0;  // host byte order
  // Network byte order; IPv4 in the first word, the others zero.
  std::array<std::uint32_t, 4> source{};
  std::array<std::uint32_t, 4> destination{};
};

[[nodiscard]] FlowKey ParsePacket(std::span<const std::uint8_t> bytes) noexcept;

// Protocols whose header begins with source and destination port.
[[nodiscard]] constexpr bool ProtocolHasPorts(std::uint8_t protocol) noexcept {
  return protocol == 6 || protocol == 17 || protocol == 33 || protocol == 132 || protocol == 136;
}

// Parses the packets of `which`. Sets of `keys` are overwritten, and name packets of `which` only.
void ParsePackets(const Burst& burst, PacketSet which, FlowKeys& keys) noexcept;

}  // namespace edgecap::filter
