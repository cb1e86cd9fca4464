// SPDX-License-Identifier: Apache-2.0
//
// What a packet's fields are, written once more from the words of filter/packet_parser.h and the
// RFCs it names, and from nothing else: no code of the product's parser is used. Slow and plain; a
// field that is not there is std::nullopt.
//
// It knows packets in one piece only, and no end of what may be looked at.
//
// Threading: pure functions.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace edgecap::testing {

using Bytes = std::vector<std::uint8_t>;
using Number = std::optional<std::uint32_t>;

struct LayerDefinition {
  Number ether_type;
  Number vlan;
  Number ip_version;
  Bytes source;  // 4 or 16 bytes
  Bytes destination;
  Number protocol;
  Number dscp;
  Number fragment;  // 0: none, 1: first, 2: later
  Number source_port;
  Number destination_port;
  Number tcp_flags;
  Number icmp_type;
  Number icmp_code;
  std::size_t payload_begin = 0;
  std::size_t payload_end = 0;
};

class PacketDefinition {
 public:
  explicit PacketDefinition(const Bytes& bytes) : bytes_(bytes) {
    if (!Ethernet({0, bytes.size()})) layers_.resize(1);
  }

  // The outer layer and those inside tunnels, four at most.
  [[nodiscard]] const std::vector<LayerDefinition>& layers() const { return layers_; }

 private:
  static constexpr std::size_t kLayers = 4;

  // Bytes of the packet, from where to where.
  struct Part {
    std::size_t begin;
    std::size_t end;

    [[nodiscard]] bool Has(std::size_t count) const { return begin + count <= end; }
    [[nodiscard]] Part Behind(std::size_t count) const { return {begin + count, end}; }
  };

  // `count` bytes, `offset` behind the begin of `part`, as a number in network order.
  [[nodiscard]] Number Read(const Part& part, std::size_t offset, std::size_t count) const {
    if (!part.Has(offset + count)) return std::nullopt;
    std::uint32_t number = 0;
    for (std::size_t i = 0; i < count; ++i) number = number * 256 + bytes_[part.begin + offset + i];
    return number;
  }

  [[nodiscard]] Bytes Copy(const Part& part, std::size_t offset, std::size_t count) const {
    const auto from = bytes_.begin() + static_cast<std::ptrdiff_t>(part.begin + offset);
    return {from, from + static_cast<std::ptrdiff_t>(count)};
  }

  // ---- Layers: each adds itself and what it carries; false when it is none
  // -----------------------

  bool Ethernet(Part part) {
    if (!part.Has(14) || layers_.size() == kLayers) return false;
    LayerDefinition layer;
    std::uint32_t type = *Read(part, 12, 2);
    part = part.Behind(14);
    for (int tags = 0; type == 0x8100 || type == 0x88a8 || type == 0x9100 || type == 0x9200;
         ++tags) {
      if (tags == 8 || !part.Has(4)) return Add(layer);
      if (tags == 0) layer.vlan = *Read(part, 0, 2) % 4096;
      type = *Read(part, 2, 2);
      part = part.Behind(4);
    }
    if (type < 1536) return Add(layer);
    layer.ether_type = type;
    if (type == 0x0800 && Ip(4, part, layer)) return true;
    if (type == 0x86dd && Ip(6, part, layer)) return true;
    Add(layer);
    if (type == 0x8847 || type == 0x8848) Mpls(part);
    return true;
  }

  // An IP packet that nothing of Ethernet stands before.
  bool BareIp(std::uint32_t version, const Part& part) {
    if (layers_.size() == kLayers) return false;
    LayerDefinition layer;
    layer.ether_type = version == 4 ? 0x0800 : 0x86dd;
    return Ip(version, part, layer);
  }

  bool Ip(std::uint32_t version, const Part& part, LayerDefinition& layer) {
    return version == 4 ? Ipv4(part, layer) : Ipv6(part, layer);
  }

  bool Add(const LayerDefinition& layer) {
    layers_.push_back(layer);
    return true;
  }

  // ---- IP --------------------------------------------------------------------------------------

  bool Ipv4(const Part& part, LayerDefinition& layer) {  // RFC 791, 3.1
    if (!part.Has(20) || *Read(part, 0, 1) / 16 != 4 || *Read(part, 0, 1) % 16 < 5) return false;
    layer.ip_version = 4;
    layer.dscp = *Read(part, 1, 1) / 4;
    layer.protocol = *Read(part, 9, 1);
    layer.source = Copy(part, 12, 4);
    layer.destination = Copy(part, 16, 4);
    const std::uint32_t flags = *Read(part, 6, 2);
    const bool later = flags % 0x2000 != 0;
    const bool more = (flags & 0x2000) != 0;
    layer.fragment = later ? 2 : more ? 1 : 0;
    const Part behind = part.Behind(*Read(part, 0, 1) % 16 * 4);
    Transport(behind, !later, part.begin + *Read(part, 2, 2), layer);
    return true;
  }

  bool Ipv6(const Part& part, LayerDefinition& layer) {  // RFC 8200, 3 and 4
    if (!part.Has(40) || *Read(part, 0, 1) / 16 != 6) return false;
    layer.ip_version = 6;
    layer.dscp = *Read(part, 0, 2) / 64 % 64;
    layer.source = Copy(part, 8, 16);
    layer.destination = Copy(part, 24, 16);
    layer.fragment = 0;
    const std::uint32_t length = *Read(part, 4, 2);
    // A length of 0 says nothing (RFC 2675).
    const std::size_t claimed_end = length == 0 ? part.end : part.begin + 40 + length;
    std::uint32_t header = *Read(part, 6, 1);
    Part at = part.Behind(40);
    for (int passed = 0;; ++passed) {
      const Number size = ExtensionBytes(header, at);
      layer.protocol = header;
      if (size == 0) break;
      if (passed == 16 || !size || !at.Has(*size)) {  // breaks off: nothing behind it
        at.begin = at.end;
        Transport(at, false, claimed_end, layer);
        return true;
      }
      if (header == 44) {  // RFC 8200, 4.5
        if (*Read(at, 2, 2) % 2 == 1) layer.fragment = 1;
        if (*Read(at, 2, 2) >= 8) layer.fragment = 2;
      }
      header = *Read(at, 0, 1);
      at = at.Behind(*size);
      if (layer.fragment == 2U) {
        layer.protocol = header;
        Transport(at, false, claimed_end, layer);
        return true;
      }
    }
    Transport(at, true, claimed_end, layer);
    return true;
  }

  // 0: no extension header; nothing: cut off before its length.
  [[nodiscard]] Number ExtensionBytes(std::uint32_t header, const Part& at) const {
    switch (header) {
      case 44:
        return at.Has(2) ? Number(8) : std::nullopt;
      case 51:  // RFC 4302, 2.2
        if (!at.Has(2)) return std::nullopt;
        return (*Read(at, 1, 1) + 2) * 4;
      case 0:
      case 43:
      case 60:
      case 135:
      case 139:
      case 140:
        if (!at.Has(2)) return std::nullopt;
        return (*Read(at, 1, 1) + 1) * 8;
      default:
        return 0;
    }
  }

  // What is behind the IP headers; adds the layer, and what it carries. `whole`: the header of the
  // protocol begins at `part`.
  void Transport(const Part& part, bool whole, std::size_t claimed_end, LayerDefinition& layer) {
    const std::uint32_t protocol = *layer.protocol;
    std::size_t header_bytes = 0;
    if (whole) {
      if (protocol == 6 || protocol == 17 || protocol == 33 || protocol == 132 || protocol == 136) {
        if (part.Has(4)) {
          layer.source_port = Read(part, 0, 2);
          layer.destination_port = Read(part, 2, 2);
        }
      }
      if (protocol == 6) {  // RFC 9293, 3.1
        header_bytes = 20;
        if (part.Has(14)) {
          layer.tcp_flags = Read(part, 13, 1);
          header_bytes = std::max(20U, *Read(part, 12, 1) / 16 * 4);
        }
      }
      if (protocol == 33) header_bytes = std::max(12U, Read(part, 4, 1).value_or(0) * 4);
      if (protocol == 132) header_bytes = 12;
      if (protocol == 17 || protocol == 136) header_bytes = 8;
      if (protocol == 1 || protocol == 58) {
        header_bytes = 8;
        if (part.Has(2)) {
          layer.icmp_type = Read(part, 0, 1);
          layer.icmp_code = Read(part, 1, 1);
        }
      }
    }
    const std::size_t begin = part.begin + header_bytes;
    layer.payload_end = begin <= claimed_end && claimed_end <= part.end ? claimed_end : part.end;
    layer.payload_begin = std::min(begin, layer.payload_end);
    const Number destination_port = layer.destination_port;
    const Part carried = {part.begin, layer.payload_end};
    Add(layer);
    if (!whole) return;
    switch (protocol) {
      case 4:
        BareIp(4, carried);
        return;
      case 41:
        BareIp(6, carried);
        return;
      case 47:
        Gre(carried);
        return;
      case 137:
        Mpls(carried);
        return;
      case 17:
        UdpTunnel(destination_port, carried.Behind(8));
        return;
      default:
        return;
    }
  }

  // ---- Tunnels ---------------------------------------------------------------------------------

  void OfType(std::uint32_t type, const Part& part) {
    if (type == 0x0800) BareIp(4, part);
    if (type == 0x86dd) BareIp(6, part);
    if (type == 0x6558) Ethernet(part);
    if (type == 0x8847 || type == 0x8848) Mpls(part);
  }

  void OfNibble(const Part& part) {
    const Number first = Read(part, 0, 1);
    if (first && *first / 16 == 4) BareIp(4, part);
    if (first && *first / 16 == 6) BareIp(6, part);
  }

  void Gre(const Part& part) {  // RFC 2784, 2890
    const Number flags = Read(part, 0, 2);
    const Number type = Read(part, 2, 2);
    if (!flags || !type || (*flags & 0x0007) != 0 || (*flags & 0x4000) != 0) return;
    std::size_t bytes = 4;
    for (const std::uint32_t option : {0x8000U, 0x2000U, 0x1000U}) {
      if ((*flags & option) != 0) bytes += 4;
    }
    OfType(*type, part.Behind(bytes));
  }

  void Mpls(Part part) {  // RFC 3032
    for (int labels = 0; labels < 16 && part.Has(4); ++labels) {
      const bool bottom = *Read(part, 2, 1) % 2 == 1;
      part = part.Behind(4);
      if (!bottom) continue;
      if (part.Has(4) && *Read(part, 0, 1) / 16 == 0) {
        Ethernet(part.Behind(4));
      } else {
        OfNibble(part);
      }
      return;
    }
  }

  void UdpTunnel(Number port, const Part& part) {
    if (port == 6635U) Mpls(part);
    if (port == 2152U) Gtp(part);
    if (!part.Has(8)) return;
    if (port == 4789U && (*Read(part, 0, 1) & 8) != 0) Ethernet(part.Behind(8));
    if (port == 6081U && *Read(part, 0, 1) < 64) {
      OfType(*Read(part, 2, 2), part.Behind(8 + *Read(part, 0, 1) % 64 * 4));
    }
  }

  void Gtp(const Part& header) {  // TS 29.281, 5
    if (!header.Has(8) || *Read(header, 0, 1) / 16 != 3 || *Read(header, 1, 1) != 255) return;
    const std::uint32_t flags = *Read(header, 0, 1) % 8;
    Part part = header.Behind(8);
    if (flags != 0) {
      if (!part.Has(4)) return;
      std::uint32_t next = (flags & 4) != 0 ? *Read(part, 3, 1) : 0;
      part = part.Behind(4);
      for (int passed = 0; next != 0; ++passed) {
        const std::size_t bytes = Read(part, 0, 1).value_or(0) * 4;
        if (passed == 16 || bytes == 0 || !part.Has(bytes)) return;
        next = *Read(part, bytes - 1, 1);
        part = part.Behind(bytes);
      }
    }
    OfNibble(part);
  }

  const Bytes& bytes_;
  std::vector<LayerDefinition> layers_;
};

}  // namespace edgecap::testing
