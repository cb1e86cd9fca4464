// SPDX-License-Identifier: Apache-2.0
//
// Builds packets for tests, header by header, as bytes: Packet().Vlan(5).Ipv4("10.0.0.1",
// "10.0.0.2", 6).Ports(1, 2).Pad(60). A tunnel's header is followed by what it carries: an IP
// packet by InnerIpv4() or InnerIpv6(), a whole packet by Inner().
//
// Lengths and checksums in headers are left zero, as if an offload were to fill them in: the parser
// does not believe them. Lengths() fills in the lengths, for other programs and for payload ends.
//
// Threading: values.

#pragma once

#include <arpa/inet.h>

#include <cstdint>
#include <initializer_list>
#include <vector>

namespace edgecap::testing {

class Packet {
 public:
  Packet() : bytes_{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2} {}

  Packet& Vlan(std::uint16_t tag, std::uint16_t ether_type = 0x8100) {
    return Word(ether_type).Word(tag);
  }

  Packet& EtherType(std::uint16_t type) { return Word(type); }

  // `options`: number of 32-bit words of options.
  Packet& Ipv4(const char* source, const char* destination, std::uint8_t protocol,
               std::uint16_t fragment = 0, std::uint8_t options = 0, std::uint8_t dscp = 0) {
    return Word(0x0800).InnerIpv4(source, destination, protocol, fragment, options, dscp);
  }

  Packet& Ipv6(const char* source, const char* destination, std::uint8_t next_header,
               std::uint8_t dscp = 0) {
    return Word(0x86dd).InnerIpv6(source, destination, next_header, dscp);
  }

  // Without an Ethernet type before it.
  Packet& InnerIpv4(const char* source, const char* destination, std::uint8_t protocol,
                    std::uint16_t fragment = 0, std::uint8_t options = 0, std::uint8_t dscp = 0) {
    lengths_.push_back({bytes_.size() + 2, bytes_.size()});
    Raw({static_cast<std::uint8_t>(0x45 + options), static_cast<std::uint8_t>(dscp << 2)});
    Raw({0, 0, 0, 1}).Word(fragment).Raw({64, protocol, 0, 0});
    Address(AF_INET, source).Address(AF_INET, destination);
    for (int i = 0; i < options; ++i) Raw({1, 1, 1, 1});
    return *this;
  }

  Packet& InnerIpv6(const char* source, const char* destination, std::uint8_t next_header,
                    std::uint8_t dscp = 0) {
    lengths_.push_back({bytes_.size() + 4, bytes_.size() + 40});
    Word(static_cast<std::uint16_t>(0x6000 | dscp << 6)).Raw({0, 0, 0, 0, next_header, 64});
    return Address(AF_INET6, source).Address(AF_INET6, destination);
  }

  // An extension header of 8 bytes and `more` times 8.
  Packet& Extension(std::uint8_t next_header, std::uint8_t more = 0) {
    Raw({next_header, more, 0, 0, 0, 0, 0, 0});
    for (int i = 0; i < more; ++i) Raw({0, 0, 0, 0, 0, 0, 0, 0});
    return *this;
  }

  // IPv6 fragment header: `offset` in bytes, a multiple of 8.
  Packet& Fragment(std::uint8_t next_header, std::uint16_t offset, bool more) {
    return Raw({next_header, 0}).Word(static_cast<std::uint16_t>(offset | more)).Raw({0, 0, 0, 9});
  }

  Packet& Ports(std::uint16_t source, std::uint16_t destination) {
    return Word(source).Word(destination);
  }

  // `options`: number of 32-bit words of options.
  Packet& Tcp(std::uint16_t source, std::uint16_t destination, std::uint8_t flags,
              std::uint8_t options = 0) {
    Ports(source, destination).Raw({0, 0, 0, 1, 0, 0, 0, 2});
    Raw({static_cast<std::uint8_t>((5 + options) << 4), flags, 16, 0, 0, 0, 0, 0});
    for (int i = 0; i < options; ++i) Raw({1, 1, 1, 1});
    return *this;
  }

  Packet& Udp(std::uint16_t source, std::uint16_t destination) {
    lengths_.push_back({bytes_.size() + 4, bytes_.size()});
    return Ports(source, destination).Raw({0, 0, 0, 0});
  }

  // Both ICMP and ICMPv6.
  Packet& Icmp(std::uint8_t type, std::uint8_t code) { return Raw({type, code, 0, 0, 0, 1, 0, 2}); }

  // RFC 2890; `flags`: of 0x80 checksum, 0x20 key, 0x10 sequence number.
  Packet& Gre(std::uint16_t carries, std::uint8_t flags = 0) {
    Raw({flags, 0}).Word(carries);
    for (const std::uint8_t option : {0x80, 0x20, 0x10}) {
      if ((flags & option) != 0) Raw({0, 0, 0, 3});
    }
    return *this;
  }

  Packet& Vxlan(std::uint8_t flags = 0x08) {
    return Udp(49152, 4789).Raw({flags, 0, 0, 0, 0, 0, 7, 0});
  }

  // `options`: number of 32-bit words of options, one option of them all.
  Packet& Geneve(std::uint16_t carries, std::uint8_t options = 0) {
    Udp(49152, 6081).Raw({options, 0}).Word(carries).Raw({0, 0, 7, 0});
    if (options != 0) Raw({0xff, 0x01, 1, static_cast<std::uint8_t>(options - 1)});
    for (int i = 1; i < options; ++i) Raw({0, 0, 0, 0});
    return *this;
  }

  // A G-PDU; `extensions`: the length of each extension header, in units of 4 bytes. Flags: of
  // 0x02 sequence number, 0x01 N-PDU number; that of extension headers is set where there are some.
  Packet& Gtp(std::initializer_list<std::uint8_t> extensions = {}, std::uint8_t flags = 0) {
    constexpr std::uint8_t kContainer = 0x85;  // PDU session container
    if (extensions.size() != 0) flags |= 0x04;
    Udp(2152, 2152);
    lengths_.push_back({bytes_.size() + 2, bytes_.size() + 8});
    Raw({static_cast<std::uint8_t>(0x30 | flags), 255, 0, 0, 0, 0, 0, 9});
    if (flags == 0) return *this;
    Raw({0, 1, 0, static_cast<std::uint8_t>(extensions.size() != 0 ? kContainer : 0)});
    for (const std::uint8_t* length = extensions.begin(); length != extensions.end(); ++length) {
      Raw({*length, 0x10, 1});
      for (int i = 1; i < *length; ++i) Raw({0, 0, 0, 0});
      Raw({static_cast<std::uint8_t>(length + 1 != extensions.end() ? kContainer : 0)});
    }
    return *this;
  }

  // A label stack of `labels` entries.
  Packet& Mpls(int labels = 1) {
    for (int i = 1; i <= labels; ++i) {
      Raw({0, 1, static_cast<std::uint8_t>(i << 4 | (i == labels ? 1 : 0)), 64});
    }
    return *this;
  }

  // A whole packet.
  Packet& Inner(const Packet& inner) {
    const std::size_t offset = bytes_.size();
    for (const Length& length : inner.lengths_) {
      lengths_.push_back({length.at + offset, length.from + offset});
    }
    bytes_.insert(bytes_.end(), inner.bytes_.begin(), inner.bytes_.end());
    return *this;
  }

  // Fills in the lengths of IP, UDP and GTP-U headers: everything up to here is theirs.
  Packet& Lengths() {
    for (const Length& length : lengths_) {
      const std::size_t bytes = bytes_.size() - length.from;
      bytes_[length.at] = static_cast<std::uint8_t>(bytes >> 8);
      bytes_[length.at + 1] = static_cast<std::uint8_t>(bytes);
    }
    return *this;
  }

  // Zeros up to `bytes`.
  Packet& Pad(std::size_t bytes) {
    if (bytes_.size() < bytes) bytes_.resize(bytes);
    return *this;
  }

  // Unlike the other steps, may leave length fields behind: not before Lengths().
  Packet& Cut(std::size_t bytes) {
    bytes_.resize(bytes);
    return *this;
  }

  Packet& Raw(std::initializer_list<std::uint8_t> bytes) {
    for (const std::uint8_t byte : bytes) bytes_.push_back(byte);
    return *this;
  }

  [[nodiscard]] const std::vector<std::uint8_t>& bytes() const { return bytes_; }

 private:
  // A length field of two bytes, and where what it counts begins.
  struct Length {
    std::size_t at = 0;
    std::size_t from = 0;
  };

  Packet& Word(std::uint16_t word) {
    return Raw({static_cast<std::uint8_t>(word >> 8), static_cast<std::uint8_t>(word)});
  }

  Packet& Address(int family, const char* text) {
    std::uint8_t address[16];
    inet_pton(family, text, address);
    for (int i = 0; i < (family == AF_INET ? 4 : 16); ++i) bytes_.push_back(address[i]);
    return *this;
  }

  std::vector<std::uint8_t> bytes_;
  std::vector<Length> lengths_;
};

}  // namespace edgecap::testing
