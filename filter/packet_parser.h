// SPDX-License-Identifier: Apache-2.0
//
// The one parser. It finds addresses, protocol, ports and details of an Ethernet packet, and of the
// packets inside its tunnels, whatever its bytes are: it never fails and never reads past what is
// stored.
//
//   Ethernet           802.1Q and 802.1ad tags (0x8100, 0x88a8, 0x9100, 0x9200), up to 8; a type
//                      below 0x600 is a length (802.3) and not known as a type
//   IPv4 (RFC 791)     version 4, at least 20 bytes of header; options skipped; a later fragment
//                      (offset not 0) has no ports
//   IPv6 (RFC 8200)    version 6, 40 bytes; hop-by-hop, routing, destination options, fragment, AH,
//                      mobility, HIP and shim6 headers skipped, up to 16; a later fragment has no
//                      ports; a chain that breaks off has the protocol of the header it broke off
//                      in
//   ports              TCP, UDP, UDP-Lite, SCTP, DCCP, when the first 4 bytes are there
//   TCP flags          when the first 14 bytes are there
//   ICMP, ICMPv6       type and code, when the first 2 bytes are there
//   anything else      no key
//
// Layers. Layer 0, outer, is the packet itself. What a tunnel carries is the next layer, up to
// kLayersMax together; it ends where the payload of its carrier ends. It is a layer when its own
// header is there: 14 bytes of Ethernet, or an IP header as above. Its offsets are offsets in the
// whole packet. A layer that begins with an IP header has the Ethernet type of that IP and no tags.
//
//   IP in IP           protocols 4 (RFC 2003, 2473) and 41 (RFC 4213)
//   GRE                protocol 47, version 0 with checksum, key, sequence number (RFC 2784, 2890),
//                      no source routes (RFC 1701); carries IPv4, IPv6, Ethernet (0x6558), MPLS
//   VXLAN (RFC 7348)   UDP port 4789, with the I flag
//   Geneve (RFC 8926)  UDP port 6081, version 0, options skipped; carries the same as GRE
//   GTP-U (TS 29.281)  UDP port 2152, G-PDU, up to 16 extension headers; carries what begins with
//                      4 or 6
//   MPLS (RFC 3032)    Ethernet types 0x8847 and 0x8848, protocol 137 (RFC 4023), UDP port 6635
//                      (RFC 7510); up to 16 labels; carries what begins with 4 or 6, or Ethernet
//                      behind a control word, which begins with 0 (RFC 4385)
//
// UDP tunnels go by the destination port. A later fragment carries no layer.
//
// Payload. It begins behind TCP and DCCP (by their data offset), 8 bytes of UDP, UDP-Lite, ICMP and
// ICMPv6, 12 of SCTP, and else behind the IP headers. It ends where the length in the IP header
// says, if that is not 0 and lies between the payload's begin and the layer's end, else at the
// layer's end (for the outer one: where the stored packet ends). So the payload is empty where a
// header is cut off, where an IPv6 chain breaks off, and without IP.
//
// Otherwise lengths in IP headers are not believed: what counts is what is there, as in tcpdump.
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

// One layer of one packet.
struct LayerKey {
  std::uint8_t ip_version = 0;  // 4, 6, or 0: neither
  bool has_ports = false;
  bool has_ether_type = false;
  bool tagged = false;  // has a VLAN id
  bool has_tcp_flags = false;
  bool has_icmp = false;

  std::uint8_t protocol = 0;
  std::uint8_t tcp_flags = 0;
  std::uint8_t icmp_type = 0;
  std::uint8_t icmp_code = 0;
  std::uint8_t dscp = 0;
  std::uint8_t fragment = kFragmentNone;
  // Host byte order.
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint16_t ether_type = 0;
  std::uint16_t vlan = 0;
  // Network byte order; IPv4 in the first word, the others zero.
  std::array<std::uint32_t, 4> source{};
  std::array<std::uint32_t, 4> destination{};
  // Offsets in the stored packet, begin <= end.
  std::uint32_t payload_begin = 0;
  std::uint32_t payload_end = 0;

  friend bool operator==(const LayerKey&, const LayerKey&) = default;
};

struct ParsedPacket {
  std::array<LayerKey, kLayersMax> layers;
  std::uint32_t count = 0;  // at least 1 once parsed
};

// The first `bytes` of a packet of which `stored_bytes` are stored, all its layers.
[[nodiscard]] ParsedPacket ParsePacket(std::span<const std::uint8_t> bytes,
                                       std::uint32_t stored_bytes) noexcept;

[[nodiscard]] inline ParsedPacket ParsePacket(std::span<const std::uint8_t> bytes) noexcept {
  return ParsePacket(bytes, static_cast<std::uint32_t>(bytes.size()));
}

// The outer layer of one packet of a burst.
[[nodiscard]] LayerKey ParseOuter(const Burst& burst, std::uint32_t index) noexcept;

// Protocols whose header begins with source and destination port.
[[nodiscard]] constexpr bool ProtocolHasPorts(std::uint8_t protocol) noexcept {
  return protocol == 6 || protocol == 17 || protocol == 33 || protocol == 132 || protocol == 136;
}

enum class ParseDetail {
  kTuple,  // addresses, protocol and ports
  kAll,    // every field
};

// Parses the outer layer of the packets of `which`. Sets of `outer` are overwritten, and name
// packets of `which` only.
void ParsePackets(const Burst& burst, PacketSet which, ParseDetail detail,
                  FlowKeys& outer) noexcept;

// Parses all layers of the packets of `which`, every field. Returns how many layers any of the
// packets has, at least 1. The sets of all of `layers` are overwritten; those of layers[k] name
// packets that have a layer k.
[[nodiscard]] std::uint32_t ParseLayers(const Burst& burst, PacketSet which,
                                        std::span<FlowKeys, kLayersMax> layers) noexcept;

}  // namespace edgecap::filter
