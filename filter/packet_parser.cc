// SPDX-License-Identifier: Apache-2.0

#include "filter/packet_parser.h"

#include <algorithm>
#include <cstring>

#include "filter/burst_compare.h"
#include "filter/header_window.h"

namespace edgecap::filter {
namespace {

constexpr std::size_t kEthernetBytes = 14;
constexpr std::size_t kVlanTagBytes = 4;
constexpr int kVlanTagsMax = 8;
constexpr std::uint16_t kEtherTypeMin = 0x600;  // below it: a length (IEEE 802.3)
constexpr std::size_t kIpv4Bytes = 20;
constexpr std::size_t kIpv6Bytes = 40;
constexpr int kExtensionHeadersMax = 16;
constexpr int kMplsLabelsMax = 16;
constexpr int kGtpExtensionsMax = 16;

constexpr std::uint16_t kIpv4Type = 0x0800;
constexpr std::uint16_t kIpv6Type = 0x86dd;
constexpr std::uint16_t kEthernetType = 0x6558;  // transparent Ethernet bridging
constexpr std::uint16_t kMplsType = 0x8847;
constexpr std::uint16_t kMplsUpstreamType = 0x8848;

constexpr std::uint8_t kIcmp = 1;
constexpr std::uint8_t kIpv4InIp = 4;
constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;
constexpr std::uint8_t kDccp = 33;
constexpr std::uint8_t kIpv6InIp = 41;
constexpr std::uint8_t kIpv6Fragment = 44;
constexpr std::uint8_t kGre = 47;
constexpr std::uint8_t kIcmpv6 = 58;
constexpr std::uint8_t kSctp = 132;
constexpr std::uint8_t kUdpLite = 136;
constexpr std::uint8_t kMplsInIp = 137;

constexpr std::uint16_t kGtpPort = 2152;
constexpr std::uint16_t kVxlanPort = 4789;
constexpr std::uint16_t kGenevePort = 6081;
constexpr std::uint16_t kMplsPort = 6635;

// Bytes of a header without what its data offset adds (RFC 9293, 768, 4340, 792, 4443, 9260, 3828).
constexpr std::uint32_t TransportBytesMin(std::uint8_t protocol) noexcept {
  switch (protocol) {
    case kTcp:
      return 20;
    case kDccp:
    case kSctp:
      return 12;
    case kIcmp:
    case kUdp:
    case kIcmpv6:
    case kUdpLite:
      return 8;
    default:
      return 0;
  }
}

constexpr bool IsVlan(std::uint16_t ether_type) noexcept {
  return ether_type == 0x8100 || ether_type == 0x88a8 || ether_type == 0x9100 ||
         ether_type == 0x9200;
}

using Bytes = std::span<const std::uint8_t>;

// What a layer carries, and where that begins.
enum class Carried { kNothing, kEthernet, kIpv4, kIpv6 };
struct Inside {
  Carried what = Carried::kNothing;
  std::size_t at = 0;
};

// Parses one layer. Offsets are offsets in the packet. With kTuple the details stay as constructed.
template <ParseDetail detail>
class LayerParser {
 public:
  // `bytes`: of the packet, up to the layer's end, as far as they are in one piece. `end`: of the
  // layer. `key`: as constructed.
  LayerParser(Bytes bytes, std::uint32_t end, LayerKey& key) noexcept
      : bytes_(bytes), end_(end), key_(key) {}

  // False when the layer's own header is not there.
  bool Parse(const Inside& layer) noexcept {
    at_ = layer.at;
    switch (layer.what) {
      case Carried::kEthernet:
        return ParseEthernet();
      case Carried::kIpv4:
        return ParseIpv4() && SetEtherType(kIpv4Type);
      case Carried::kIpv6:
        return ParseIpv6() && SetEtherType(kIpv6Type);
      case Carried::kNothing:
        break;
    }
    return false;
  }

  // The next layer. REQUIRES: Parse() was called.
  [[nodiscard]] Inside FindInside() const noexcept {
    if (key_.ip_version == 0) {
      const bool mpls = key_.ether_type == kMplsType || key_.ether_type == kMplsUpstreamType;
      return mpls ? InMpls(at_) : Inside{};
    }
    if (!at_transport_) return {};
    switch (key_.protocol) {
      case kIpv4InIp:
        return {Carried::kIpv4, at_};
      case kIpv6InIp:
        return {Carried::kIpv6, at_};
      case kGre:
        return InGre(at_);
      case kMplsInIp:
        return InMpls(at_);
      case kUdp:
        return key_.has_ports ? InUdp(at_ + TransportBytesMin(kUdp)) : Inside{};
      default:
        return {};
    }
  }

 private:
  static constexpr bool kDetails = detail == ParseDetail::kAll;

  [[nodiscard]] bool Has(std::size_t at, std::size_t count) const noexcept {
    return at <= bytes_.size() && bytes_.size() - at >= count;
  }

  [[nodiscard]] std::uint16_t Load16(std::size_t at) const noexcept {
    return static_cast<std::uint16_t>(bytes_[at] << 8 | bytes_[at + 1]);
  }

  bool SetEtherType(std::uint16_t type) noexcept {
    key_.has_ether_type = true;
    key_.ether_type = type;
    return true;
  }

  bool ParseEthernet() noexcept {
    if (!Has(at_, kEthernetBytes)) return false;
    std::uint16_t type = Load16(at_ + 12);
    at_ += kEthernetBytes;
    for (int tags = 0; IsVlan(type); ++tags) {
      if (tags == kVlanTagsMax || !Has(at_, kVlanTagBytes)) return true;
      if (kDetails && tags == 0) {
        key_.tagged = true;
        key_.vlan = Load16(at_) & 0x0fff;
      }
      type = Load16(at_ + 2);
      at_ += kVlanTagBytes;
    }
    if (type < kEtherTypeMin) return true;
    SetEtherType(type);
    if (type == kIpv4Type) ParseIpv4();
    if (type == kIpv6Type) ParseIpv6();
    return true;
  }

  bool ParseIpv4() noexcept {
    const std::size_t begin = at_;
    if (!Has(begin, kIpv4Bytes) || bytes_[begin] >> 4 != 4) return false;
    const std::size_t header_bytes = std::size_t{bytes_[begin] & 0x0fU} * 4;
    if (header_bytes < kIpv4Bytes) return false;
    key_.ip_version = 4;
    if constexpr (kDetails) key_.dscp = bytes_[begin + 1] >> 2;
    key_.protocol = bytes_[begin + 9];
    std::memcpy(&key_.source[0], &bytes_[begin + 12], 4);
    std::memcpy(&key_.destination[0], &bytes_[begin + 16], 4);
    const std::uint16_t fragment = Load16(begin + 6);
    if ((fragment & 0x2000) != 0) key_.fragment = kFragmentFirst;
    if ((fragment & 0x1fff) != 0) key_.fragment = kFragmentLater;
    at_ += header_bytes;
    const std::size_t behind = key_.fragment == kFragmentLater ? at_ : ParseTransport();
    SetPayload(behind, begin + Load16(begin + 2));
    return true;
  }

  // Bytes of the extension header at at_ (RFC 8200, 4302, 6275, 7401, 5533). REQUIRES: two bytes.
  [[nodiscard]] std::size_t ExtensionBytes() const noexcept {
    switch (key_.protocol) {
      case kIpv6Fragment:
        return 8;
      case 51:  // authentication
        return (std::size_t{bytes_[at_ + 1]} + 2) * 4;
      default:
        return (std::size_t{bytes_[at_ + 1]} + 1) * 8;
    }
  }

  static constexpr bool IsExtension(std::uint8_t protocol) noexcept {
    switch (protocol) {
      case 0:    // hop-by-hop options
      case 43:   // routing
      case 51:   // authentication
      case 60:   // destination options
      case 135:  // mobility
      case 139:  // host identity
      case 140:  // shim6
      case kIpv6Fragment:
        return true;
      default:
        return false;
    }
  }

  bool ParseIpv6() noexcept {
    const std::size_t begin = at_;
    if (!Has(begin, kIpv6Bytes) || bytes_[begin] >> 4 != 6) return false;
    key_.ip_version = 6;
    if constexpr (kDetails) key_.dscp = (Load16(begin) >> 6) & 0x3f;
    key_.protocol = bytes_[begin + 6];
    std::memcpy(key_.source.data(), &bytes_[begin + 8], 16);
    std::memcpy(key_.destination.data(), &bytes_[begin + 24], 16);
    at_ += kIpv6Bytes;
    // 0: in an option (RFC 2675), or an offload's to fill in.
    const std::size_t length = Load16(begin + 4);
    SetPayload(ParseExtensions(), length != 0 ? begin + kIpv6Bytes + length : end_);
    return true;
  }

  // Returns where the payload begins.
  std::size_t ParseExtensions() noexcept {
    for (int passed = 0; IsExtension(key_.protocol); ++passed) {
      if (passed == kExtensionHeadersMax || !Has(at_, 2)) return end_;
      const std::size_t extension_bytes = ExtensionBytes();
      if (!Has(at_, extension_bytes)) return end_;
      if (key_.protocol == kIpv6Fragment) {
        const std::uint16_t fragment = Load16(at_ + 2);
        if ((fragment & 1) != 0) key_.fragment = kFragmentFirst;
        if ((fragment & 0xfff8) != 0) key_.fragment = kFragmentLater;
      }
      key_.protocol = bytes_[at_];
      at_ += extension_bytes;
      if (key_.fragment == kFragmentLater) return at_;
    }
    return ParseTransport();
  }

  // Returns where the payload begins.
  std::size_t ParseTransport() noexcept {
    at_transport_ = true;
    const std::uint8_t protocol = key_.protocol;
    if (ProtocolHasPorts(protocol) && Has(at_, 4)) {
      key_.has_ports = true;
      key_.source_port = Load16(at_);
      key_.destination_port = Load16(at_ + 2);
    }
    return kDetails ? ParseTransportDetails() : at_;
  }

  std::size_t ParseTransportDetails() noexcept {
    const std::uint8_t protocol = key_.protocol;
    std::size_t header_bytes = TransportBytesMin(protocol);
    if (protocol == kTcp && Has(at_, 14)) {
      key_.has_tcp_flags = true;
      key_.tcp_flags = bytes_[at_ + 13];
      header_bytes = std::max<std::size_t>(header_bytes, (bytes_[at_ + 12] >> 4) * 4);
    } else if (protocol == kDccp && Has(at_, 5)) {
      header_bytes = std::max<std::size_t>(header_bytes, bytes_[at_ + 4] * 4);
    } else if ((protocol == kIcmp || protocol == kIcmpv6) && Has(at_, 2)) {
      key_.has_icmp = true;
      key_.icmp_type = bytes_[at_];
      key_.icmp_code = bytes_[at_ + 1];
    }
    return at_ + header_bytes;
  }

  // `ip_end`: where the length in the IP header says.
  void SetPayload(std::size_t begin, std::size_t ip_end) noexcept {
    if constexpr (!kDetails) return;
    const std::size_t end = begin <= ip_end && ip_end <= end_ ? ip_end : end_;
    key_.payload_begin = static_cast<std::uint32_t>(std::min(begin, end));
    key_.payload_end = static_cast<std::uint32_t>(end);
  }

  [[nodiscard]] Inside InUdp(std::size_t at) const noexcept {
    switch (key_.destination_port) {
      case kVxlanPort:  // flags, of which I; 3 bytes; identifier; 1 byte
        return Has(at, 8) && (bytes_[at] & 0x08) != 0 ? Inside{Carried::kEthernet, at + 8}
                                                      : Inside{};
      case kGenevePort:  // version and length of options; flags; type; identifier; 1 byte
        if (!Has(at, 8) || bytes_[at] >> 6 != 0) return {};
        return InsideOfType(Load16(at + 2), at + 8 + std::size_t{bytes_[at] & 0x3fU} * 4);
      case kGtpPort:
        return InGtp(at);
      case kMplsPort:
        return InMpls(at);
      default:
        return {};
    }
  }

  [[nodiscard]] Inside InsideOfType(std::uint16_t ether_type, std::size_t at) const noexcept {
    switch (ether_type) {
      case kIpv4Type:
        return {Carried::kIpv4, at};
      case kIpv6Type:
        return {Carried::kIpv6, at};
      case kEthernetType:
        return {Carried::kEthernet, at};
      case kMplsType:
      case kMplsUpstreamType:
        return InMpls(at);
      default:
        return {};
    }
  }

  // Flags and version, type, then 4 bytes for each of checksum, key and sequence number.
  [[nodiscard]] Inside InGre(std::size_t at) const noexcept {
    if (!Has(at, 4)) return {};
    const std::uint16_t flags = Load16(at);
    if ((flags & 0x4007) != 0) return {};  // source routes, or another version
    const std::size_t options = ((flags >> 15) & 1) + ((flags >> 13) & 1) + ((flags >> 12) & 1);
    return InsideOfType(Load16(at + 2), at + 4 + options * 4);
  }

  [[nodiscard]] Inside InGtp(std::size_t at) const noexcept {
    constexpr std::uint8_t kExtension = 0x04;
    constexpr std::uint8_t kOptionalPart = 0x07;  // extension, sequence number or N-PDU number
    constexpr std::uint8_t kUserData = 255;
    if (!Has(at, 8) || bytes_[at] >> 4 != 3 || bytes_[at + 1] != kUserData) return {};
    const std::uint8_t flags = bytes_[at];
    at += 8;
    if ((flags & kOptionalPart) != 0) {
      if (!Has(at, 4)) return {};
      at += 4;
      std::uint8_t next = (flags & kExtension) != 0 ? bytes_[at - 1] : 0;
      for (int passed = 0; next != 0; ++passed) {
        if (passed == kGtpExtensionsMax || !Has(at, 1)) return {};
        const std::size_t extension_bytes = std::size_t{bytes_[at]} * 4;
        if (extension_bytes == 0 || !Has(at, extension_bytes)) return {};
        at += extension_bytes;
        next = bytes_[at - 1];
      }
    }
    return InsideOfNibble(at);
  }

  [[nodiscard]] Inside InMpls(std::size_t at) const noexcept {
    for (int labels = 0; labels < kMplsLabelsMax && Has(at, 4); ++labels) {
      const bool last = (bytes_[at + 2] & 1) != 0;
      at += 4;
      if (!last) continue;
      const bool control_word = Has(at, 4) && bytes_[at] >> 4 == 0;
      return control_word ? Inside{Carried::kEthernet, at + 4} : InsideOfNibble(at);
    }
    return {};
  }

  [[nodiscard]] Inside InsideOfNibble(std::size_t at) const noexcept {
    const int version = Has(at, 1) ? bytes_[at] >> 4 : 0;
    if (version == 4) return {Carried::kIpv4, at};
    if (version == 6) return {Carried::kIpv6, at};
    return {};
  }

  const Bytes bytes_;
  const std::uint32_t end_;
  LayerKey& key_;
  std::size_t at_ = 0;         // behind what has been parsed
  bool at_transport_ = false;  // which is where the header of key_.protocol begins
};

// Calls `parse(bytes, stored_bytes)` with the packet in one piece, as far as the parser looks.
template <typename Parse>
auto ParseGathered(const Burst& burst, std::uint32_t index, Parse&& parse) noexcept {
  const PacketView& view = burst.packets[index];
  const std::uint32_t stored_bytes = burst.StoredBytes(index);
  if (!burst.IsChained(index) || view.head_bytes >= kGatherBytesMax) {
    return parse(Bytes(view.data, view.head_bytes), stored_bytes);
  }
  std::array<std::uint8_t, kGatherBytesMax> room;
  std::size_t filled = view.head_bytes;
  std::memcpy(room.data(), view.data, filled);
  for (const PacketSegment* s = burst.rest[index]; s != nullptr; s = s->next) {
    const std::size_t piece = std::min<std::size_t>(s->bytes, room.size() - filled);
    std::memcpy(room.data() + filled, s->data, piece);
    filled += piece;
  }
  return parse(Bytes(room.data(), filled), stored_bytes);
}

template <ParseDetail detail>
LayerKey ParseOuterAs(const Burst& burst, std::uint32_t index) noexcept {
  return ParseGathered(burst, index, [](Bytes bytes, std::uint32_t stored_bytes) {
    LayerKey key;
    LayerParser<detail>(bytes, stored_bytes, key).Parse({Carried::kEthernet, 0});
    return key;
  });
}

// REQUIRES: the sets of `keys` do not name the packet.
template <ParseDetail detail>
void Scatter(const LayerKey& key, std::uint32_t index, FlowKeys& keys) noexcept {
  const PacketSet one = PacketSet{1} << index;
  const auto bit = [one](bool has) { return has ? one : 0; };
  if (key.ip_version != 0) (key.ip_version == 4 ? keys.ipv4 : keys.ipv6) |= one;
  if (key.has_ports) keys.ports |= one;
  for (std::size_t word = 0; word < key.source.size(); ++word) {
    keys.source[word][index] = key.source[word];
    keys.destination[word][index] = key.destination[word];
  }
  keys.source_port[index] = key.source_port;
  keys.destination_port[index] = key.destination_port;
  keys.protocol[index] = key.protocol;
  if constexpr (detail == ParseDetail::kAll) {
    keys.ethernet |= bit(key.has_ether_type);
    keys.tagged |= bit(key.tagged);
    keys.tcp |= bit(key.has_tcp_flags);
    keys.icmp |= bit(key.has_icmp);
    keys.ether_type[index] = key.ether_type;
    keys.vlan[index] = key.vlan;
    keys.tcp_flags[index] = key.tcp_flags;
    keys.icmp_type[index] = key.icmp_type;
    keys.icmp_code[index] = key.icmp_code;
    keys.dscp[index] = key.dscp;
    keys.fragment[index] = key.fragment;
    keys.payload_begin[index] = key.payload_begin;
    keys.payload_end[index] = key.payload_end;
  }
}

void Clear(FlowKeys& keys) noexcept {
  keys.present = keys.ipv4 = keys.ipv6 = keys.ports = 0;
  keys.ethernet = keys.tagged = keys.tcp = keys.icmp = 0;
}

// The details of a plain packet. False, and nothing said, when the TCP header is not all there or
// the protocol's header has a length of its own that is not in the first 44 bytes.
bool PlainDetails(const Burst& burst, std::uint32_t index, FlowKeys& keys) noexcept {
  constexpr std::uint32_t kHeadersEnd = kEthernetBytes + kIpv4Bytes;
  const PacketView& view = burst.packets[index];
  const std::uint8_t* ip = view.data + kEthernetBytes;
  const std::uint8_t* transport = view.data + kHeadersEnd;
  const std::uint8_t protocol = ip[9];
  const bool tcp = protocol == kTcp;
  if ((tcp && view.head_bytes < kHeadersEnd + 14) || protocol == kDccp) return false;

  const std::uint32_t fragment = std::uint32_t{ip[6]} << 8 | ip[7];
  const bool later = (fragment & 0x1fff) != 0;
  const bool first = (fragment & 0x3fff) == 0x2000;
  std::uint32_t transport_bytes = TransportBytesMin(protocol);
  if (tcp) {
    transport_bytes = std::max(transport_bytes, std::uint32_t{transport[12]} >> 4 << 2);
    keys.tcp_flags[index] = transport[13];
  }
  const std::uint32_t begin = kHeadersEnd + (later ? 0 : transport_bytes);
  const std::uint32_t ip_end = kEthernetBytes + (std::uint32_t{ip[2]} << 8 | ip[3]);
  const std::uint32_t stored = burst.StoredBytes(index);
  const std::uint32_t end = begin <= ip_end && ip_end <= stored ? ip_end : stored;

  const PacketSet bit = PacketSet{1} << index;
  keys.ethernet |= bit;
  keys.tcp |= tcp && !later ? bit : 0;
  keys.icmp |= (protocol == kIcmp || protocol == kIcmpv6) && !later ? bit : 0;
  keys.ether_type[index] = kIpv4Type;
  keys.icmp_type[index] = transport[0];
  keys.icmp_code[index] = transport[1];
  keys.dscp[index] = ip[1] >> 2;
  keys.fragment[index] = later ? kFragmentLater : static_cast<std::uint8_t>(first);
  keys.payload_begin[index] = std::min(begin, end);
  keys.payload_end[index] = end;
  return true;
}

template <ParseDetail detail>
void ParseOuterLayers(const Burst& burst, PacketSet which, FlowKeys& keys) noexcept {
  Clear(keys);
  keys.present = which;
  ForEachPacket(which, [&](std::uint32_t index) {
    const PacketView& view = burst.packets[index];
    bool plain = HeaderWindow::IsPlainIpv4(view);
    if constexpr (detail == ParseDetail::kAll) plain = plain && PlainDetails(burst, index, keys);
    if (plain) {
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
      Scatter<detail>(ParseOuterAs<detail>(burst, index), index, keys);
    }
  });
}

// Packets that may carry another layer, the wide way round.
PacketSet MayCarry(const FlowKeys& keys) noexcept {
  PacketSet protocols = 0;
  for (const std::uint8_t protocol : {kIpv4InIp, kIpv6InIp, kGre, kMplsInIp}) {
    protocols |= EqualByte(keys.protocol, protocol);
  }
  PacketSet ports = 0;
  for (const std::uint16_t port : {kGtpPort, kVxlanPort, kGenevePort, kMplsPort}) {
    ports |= InRange(keys.destination_port, port, 0);
  }
  protocols |= keys.ports & ports & EqualByte(keys.protocol, kUdp);
  static_assert(kMplsUpstreamType == kMplsType + 1);
  return ((keys.ipv4 | keys.ipv6) & protocols) |
         (keys.ethernet & InRange(keys.ether_type, kMplsType, 1));
}

}  // namespace

ParsedPacket ParsePacket(std::span<const std::uint8_t> bytes, std::uint32_t stored_bytes) noexcept {
  ParsedPacket packet;
  Inside next{Carried::kEthernet, 0};
  std::uint32_t end = stored_bytes;
  while (packet.count < kLayersMax && next.what != Carried::kNothing) {
    LayerKey& key = packet.layers[packet.count];
    LayerParser<ParseDetail::kAll> layer(bytes.first(std::min<std::size_t>(bytes.size(), end)), end,
                                         key);
    // The outer layer is one whatever its bytes.
    if (!layer.Parse(next) && packet.count != 0) break;
    ++packet.count;
    next = layer.FindInside();
    if (key.ip_version != 0) end = key.payload_end;
  }
  return packet;
}

LayerKey ParseOuter(const Burst& burst, std::uint32_t index) noexcept {
  return ParseOuterAs<ParseDetail::kAll>(burst, index);
}

void ParsePackets(const Burst& burst, PacketSet which, ParseDetail detail,
                  FlowKeys& outer) noexcept {
  if (detail == ParseDetail::kTuple) {
    ParseOuterLayers<ParseDetail::kTuple>(burst, which, outer);
  } else {
    ParseOuterLayers<ParseDetail::kAll>(burst, which, outer);
  }
}

std::uint32_t ParseLayers(const Burst& burst, PacketSet which,
                          std::span<FlowKeys, kLayersMax> layers) noexcept {
  ParsePackets(burst, which, ParseDetail::kAll, layers[0]);
  for (FlowKeys& inner : layers.subspan<1>()) Clear(inner);
  std::uint32_t count = 1;
  ForEachPacket(MayCarry(layers[0]), [&](std::uint32_t index) {
    const ParsedPacket packet = ParseGathered(
        burst, index, [](Bytes bytes, std::uint32_t stored) { return ParsePacket(bytes, stored); });
    for (std::uint32_t layer = 1; layer < packet.count; ++layer) {
      Scatter<ParseDetail::kAll>(packet.layers[layer], index, layers[layer]);
      layers[layer].present |= PacketSet{1} << index;
    }
    count = std::max(count, packet.count);
  });
  return count;
}

}  // namespace edgecap::filter
