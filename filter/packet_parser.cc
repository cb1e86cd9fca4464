// SPDX-License-Identifier: Apache-2.0

#include "filter/packet_parser.h"

#include <algorithm>
#include <cstring>

#include "filter/header_window.h"

namespace edgecap::filter {
namespace {

constexpr std::size_t kEthernetBytes = 14;
constexpr std::size_t kVlanTagBytes = 4;
constexpr int kVlanTagsMax = 8;
constexpr std::size_t kIpv4Bytes = 20;
constexpr std::size_t kIpv6Bytes = 40;
constexpr int kExtensionHeadersMax = 16;
constexpr std::size_t kPortsBytes = 4;

using Bytes = std::span<const std::uint8_t>;

std::uint16_t Load16(Bytes bytes, std::size_t at) noexcept {
  return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

bool Has(Bytes bytes, std::size_t at, std::size_t count) noexcept {
  return at <= bytes.size() && bytes.size() - at >= count;
}

void SetPorts(Bytes bytes, std::size_t at, FlowKey& key) noexcept {
  if (!ProtocolHasPorts(key.protocol) || !Has(bytes, at, kPortsBytes)) return;
  key.has_ports = true;
  key.source_port = Load16(bytes, at);
  key.destination_port = Load16(bytes, at + 2);
}

void ParseIpv4(Bytes bytes, std::size_t at, FlowKey& key) noexcept {
  if (!Has(bytes, at, kIpv4Bytes) || bytes[at] >> 4 != 4) return;
  const std::size_t header_bytes = std::size_t{bytes[at] & 0x0fU} * 4;
  if (header_bytes < kIpv4Bytes) return;
  key.ip_version = 4;
  key.protocol = bytes[at + 9];
  std::memcpy(&key.source[0], &bytes[at + 12], 4);
  std::memcpy(&key.destination[0], &bytes[at + 16], 4);
  const bool later_fragment = (Load16(bytes, at + 6) & 0x1fff) != 0;
  if (!later_fragment) SetPorts(bytes, at + header_bytes, key);
}

// Bytes of the extension header at `at`, or 0 when `protocol` is none (RFC 8200, 4302, 6275, 7401,
// 5533). REQUIRES: two bytes at `at`.
std::size_t ExtensionBytes(Bytes bytes, std::size_t at, std::uint8_t protocol) noexcept {
  switch (protocol) {
    case 0:    // hop-by-hop options
    case 43:   // routing
    case 60:   // destination options
    case 135:  // mobility
    case 139:  // host identity
    case 140:  // shim6
      return (std::size_t{bytes[at + 1]} + 1) * 8;
    case 44:  // fragment
      return 8;
    case 51:  // authentication
      return (std::size_t{bytes[at + 1]} + 2) * 4;
    default:
      return 0;
  }
}

void ParseIpv6(Bytes bytes, std::size_t at, FlowKey& key) noexcept {
  if (!Has(bytes, at, kIpv6Bytes) || bytes[at] >> 4 != 6) return;
  key.ip_version = 6;
  key.protocol = bytes[at + 6];
  std::memcpy(key.source.data(), &bytes[at + 8], 16);
  std::memcpy(key.destination.data(), &bytes[at + 24], 16);
  at += kIpv6Bytes;
  for (int passed = 0; Has(bytes, at, 2); ++passed) {
    const std::size_t extension_bytes = ExtensionBytes(bytes, at, key.protocol);
    if (extension_bytes == 0) {
      SetPorts(bytes, at, key);
      return;
    }
    if (passed == kExtensionHeadersMax || !Has(bytes, at, extension_bytes)) return;
    const bool later_fragment = key.protocol == 44 && (Load16(bytes, at + 2) & 0xfff8) != 0;
    key.protocol = bytes[at];
    if (later_fragment) return;
    at += extension_bytes;
  }
}

constexpr bool IsVlan(std::uint16_t ether_type) noexcept {
  return ether_type == 0x8100 || ether_type == 0x88a8 || ether_type == 0x9100 ||
         ether_type == 0x9200;
}

// The packet in one piece, as far as the parser looks.
Bytes Gather(const Burst& burst, std::uint32_t index,
             std::array<std::uint8_t, kGatherBytesMax>& room) noexcept {
  const PacketView& view = burst.packets[index];
  std::size_t filled = std::min<std::size_t>(view.head_bytes, room.size());
  std::memcpy(room.data(), view.data, filled);
  for (const PacketSegment* s = burst.rest[index]; s != nullptr; s = s->next) {
    const std::size_t piece = std::min<std::size_t>(s->bytes, room.size() - filled);
    std::memcpy(room.data() + filled, s->data, piece);
    filled += piece;
  }
  return {room.data(), filled};
}

FlowKey ParseOf(const Burst& burst, std::uint32_t index) noexcept {
  const PacketView& view = burst.packets[index];
  if (burst.IsChained(index) && view.head_bytes < kGatherBytesMax) {
    std::array<std::uint8_t, kGatherBytesMax> room;
    return ParsePacket(Gather(burst, index, room));
  }
  return ParsePacket({view.data, view.head_bytes});
}

void Scatter(const FlowKey& key, std::uint32_t index, FlowKeys& keys) noexcept {
  const PacketSet bit = PacketSet{1} << index;
  if (key.ip_version == 0) return;
  (key.ip_version == 4 ? keys.ipv4 : keys.ipv6) |= bit;
  if (key.has_ports) keys.ports |= bit;
  for (std::size_t word = 0; word < key.source.size(); ++word) {
    keys.source[word][index] = key.source[word];
    keys.destination[word][index] = key.destination[word];
  }
  keys.source_port[index] = key.source_port;
  keys.destination_port[index] = key.destination_port;
  keys.protocol[index] = key.protocol;
}

}  // namespace

FlowKey ParsePacket(std::span<const std::uint8_t> bytes) noexcept {
  FlowKey key;
  if (!Has(bytes, 0, kEthernetBytes)) return key;
  std::size_t at = kEthernetBytes;
  std::uint16_t ether_type = Load16(bytes, 12);
  for (int tags = 0; IsVlan(ether_type); ++tags) {
    if (tags == kVlanTagsMax || !Has(bytes, at, kVlanTagBytes)) return key;
    ether_type = Load16(bytes, at + 2);
    at += kVlanTagBytes;
  }
  if (ether_type == 0x0800) ParseIpv4(bytes, at, key);
  if (ether_type == 0x86dd) ParseIpv6(bytes, at, key);
  return key;
}

void ParsePackets(const Burst& burst, PacketSet which, FlowKeys& keys) noexcept {
  keys.ipv4 = keys.ipv6 = keys.ports = 0;
  ForEachPacket(which, [&](std::uint32_t index) {
    const PacketView& view = burst.packets[index];
    if (HeaderWindow::IsPlainIpv4(view)) {
      // The common packet, without a branch on what it carries.
      const std::uint8_t* header = view.data + HeaderWindow::kOffset;
      const PacketSet bit = PacketSet{1} << index;
      std::uint16_t port[2];
      std::memcpy(port, header + HeaderWindow::kSourcePort, sizeof(port));
      keys.ipv4 |= bit;
      const std::uint8_t protocol = header[HeaderWindow::kProtocol];
      const bool first_fragment =
          ((header[HeaderWindow::kFragment] & 0x1f) | header[HeaderWindow::kFragment + 1]) == 0;
      keys.ports |= first_fragment && ProtocolHasPorts(protocol) ? bit : 0;
      std::memcpy(&keys.source[0][index], header + HeaderWindow::kSourceAddress, 4);
      std::memcpy(&keys.destination[0][index], header + HeaderWindow::kDestinationAddress, 4);
      keys.source_port[index] = __builtin_bswap16(port[0]);
      keys.destination_port[index] = __builtin_bswap16(port[1]);
      keys.protocol[index] = protocol;
    } else {
      Scatter(ParseOf(burst, index), index, keys);
    }
  });
}

}  // namespace edgecap::filter
