// SPDX-License-Identifier: Apache-2.0

#include "filter/flow_hash.h"

#include <algorithm>
#include <cstring>

#include "filter/header_window.h"
#include "filter/packet_parser.h"

namespace edgecap::filter {
namespace {

// A bijection in which every bit of the input changes every bit of the output with a chance of
// about a half: the finalizer of SplitMix64 (Steele, Lea, Flood 2014; constants of Stafford's
// variant 13).
constexpr std::uint64_t Mix(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// What tells flows between the same ends apart: IP version and protocol, or the Ethernet type.
constexpr std::uint64_t KindOfIp(std::uint8_t version, std::uint8_t protocol) noexcept {
  return std::uint64_t{version} << 16 | protocol;
}

std::uint64_t HashOf(std::uint64_t end, std::uint64_t other_end, std::uint64_t kind,
                     std::uint64_t seed) noexcept {
  const std::uint64_t low = std::min(end, other_end);
  const std::uint64_t high = std::max(end, other_end);
  // Sums of an odd multiple keep different kinds apart; 2^64 divided by the golden ratio.
  return Mix(Mix(low + seed + kind * 0x9e3779b97f4a7c15) ^ high);
}

std::uint64_t Ipv4End(std::uint32_t address, std::uint16_t port) noexcept {
  return std::uint64_t{address} << 16 | port;
}

std::uint64_t Ipv6End(const std::array<std::uint32_t, 4>& address, std::uint16_t port,
                      std::uint64_t seed) noexcept {
  std::uint64_t half[2];
  std::memcpy(half, address.data(), sizeof(half));
  return Mix(Mix(Mix(half[0] + seed) ^ half[1]) + port);
}

struct MacPair {
  std::uint64_t destination = 0;
  std::uint64_t source = 0;
};

// Zeros where bytes are missing.
MacPair LoadMacPair(const Burst& burst, std::uint32_t index) noexcept {
  std::uint8_t bytes[12] = {};
  const PacketView& view = burst.packets[index];
  std::size_t filled = std::min<std::size_t>(view.head_bytes, sizeof(bytes));
  std::memcpy(bytes, view.data, filled);
  const PacketSegment* rest = burst.IsChained(index) ? burst.rest[index] : nullptr;
  for (; rest != nullptr && filled < sizeof(bytes); rest = rest->next) {
    const std::size_t piece = std::min<std::size_t>(rest->bytes, sizeof(bytes) - filled);
    std::memcpy(bytes + filled, rest->data, piece);
    filled += piece;
  }
  MacPair pair;
  std::memcpy(&pair.destination, bytes, 6);
  std::memcpy(&pair.source, bytes + 6, 6);
  return pair;
}

std::uint64_t HashOfPlain(const PacketView& packet, std::uint64_t seed) noexcept {
  const std::uint8_t* header = packet.data + HeaderWindow::kOffset;
  const bool fragment =
      ((header[HeaderWindow::kFragment] & 0x3f) | header[HeaderWindow::kFragment + 1]) != 0;
  const std::uint8_t protocol = fragment ? 0 : header[HeaderWindow::kProtocol];
  std::uint32_t address[2];
  std::uint16_t port[2];
  std::memcpy(address, header + HeaderWindow::kSourceAddress, sizeof(address));
  std::memcpy(port, header + HeaderWindow::kSourcePort, sizeof(port));
  const std::uint16_t mask = ProtocolHasPorts(protocol) ? 0xffff : 0;
  return HashOf(Ipv4End(address[0], __builtin_bswap16(port[0]) & mask),
                Ipv4End(address[1], __builtin_bswap16(port[1]) & mask), KindOfIp(4, protocol),
                seed);
}

std::uint64_t HashOfParsed(const Burst& burst, std::uint32_t index, std::uint64_t seed) noexcept {
  const LayerKey key = ParseOuter(burst, index);
  if (key.ip_version == 0) {
    const MacPair mac = LoadMacPair(burst, index);
    return HashOf(mac.destination, mac.source, key.ether_type, seed);
  }
  const bool fragment = key.fragment != kFragmentNone;
  const bool ports = key.has_ports && !fragment;
  const std::uint16_t source_port = ports ? key.source_port : 0;
  const std::uint16_t destination_port = ports ? key.destination_port : 0;
  const std::uint64_t kind = KindOfIp(key.ip_version, fragment ? 0 : key.protocol);
  if (key.ip_version == 4) {
    return HashOf(Ipv4End(key.source[0], source_port),
                  Ipv4End(key.destination[0], destination_port), kind, seed);
  }
  return HashOf(Ipv6End(key.source, source_port, seed),
                Ipv6End(key.destination, destination_port, seed), kind, seed);
}

}  // namespace

void FlowHashes(const Burst& burst, PacketSet which, std::uint64_t seed,
                std::uint64_t (&hash)[kBurstPacketsMax]) noexcept {
  seed = Mix(seed);  // neighbouring seeds are nothing like each other
  ForEachPacket(which, [&](std::uint32_t index) {
    const PacketView& view = burst.packets[index];
    hash[index] = HeaderWindow::IsPlainIpv4(view) ? HashOfPlain(view, seed)
                                                  : HashOfParsed(burst, index, seed);
  });
}

}  // namespace edgecap::filter
