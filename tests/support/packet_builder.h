// SPDX-License-Identifier: Apache-2.0
//
// Builds packets for tests, header by header, as bytes: Packet().Vlan(5).Ipv4("10.0.0.1",
// "10.0.0.2", 6).Ports(1, 2).Pad(60). Lengths and checksums in IP headers are left zero: the parser
// does not believe them.
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
               std::uint16_t fragment = 0, std::uint8_t options = 0) {
    Word(0x0800).Raw({static_cast<std::uint8_t>(0x45 + options), 0, 0, 0, 0, 1});
    Word(fragment).Raw({64, protocol, 0, 0}).Address(AF_INET, source).Address(AF_INET, destination);
    for (int i = 0; i < options; ++i) Raw({1, 1, 1, 1});
    return *this;
  }

  Packet& Ipv6(const char* source, const char* destination, std::uint8_t next_header) {
    Word(0x86dd).Raw({0x60, 0, 0, 0, 0, 0, next_header, 64});
    return Address(AF_INET6, source).Address(AF_INET6, destination);
  }

  // An extension header of 8 bytes and `more` times 8.
  Packet& Extension(std::uint8_t next_header, std::uint8_t more = 0) {
    Raw({next_header, more, 0, 0, 0, 0, 0, 0});
    for (int i = 0; i < more; ++i) Raw({0, 0, 0, 0, 0, 0, 0, 0});
    return *this;
  }

  Packet& Ports(std::uint16_t source, std::uint16_t destination) {
    return Word(source).Word(destination);
  }

  // Zeros up to `bytes`.
  Packet& Pad(std::size_t bytes) {
    if (bytes_.size() < bytes) bytes_.resize(bytes);
    return *this;
  }

  Packet& Cut(std::size_t bytes) {
    bytes_.resize(bytes);
    return *this;
  }

  Packet& Raw(std::initializer_list<std::uint8_t> bytes) {
    bytes_.insert(bytes_.end(), bytes);
    return *this;
  }

  [[nodiscard]] const std::vector<std::uint8_t>& bytes() const { return bytes_; }

 private:
  Packet& Word(std::uint16_t word) {
    return Raw({static_cast<std::uint8_t>(word >> 8), static_cast<std::uint8_t>(word)});
  }

  Packet& Address(int family, const char* text) {
    std::uint8_t address[16];
    inet_pton(family, text, address);
    bytes_.insert(bytes_.end(), address, address + (family == AF_INET ? 4 : 16));
    return *this;
  }

  std::vector<std::uint8_t> bytes_;
};

}  // namespace edgecap::testing
