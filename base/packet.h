// SPDX-License-Identifier: Apache-2.0
//
// The packets as every stage sees them: a burst of views into memory that the receive source owns.
// Nothing here knows DPDK, so that parser, filter, sampler and block builder run in plain tests.
//
// Life cycle: a source fills a Burst in Receive() and takes its memory back in Release(); no view
// outlives that.
//
// Threading: a Burst belongs to one worker.

#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "base/traffic.h"

namespace edgecap {

// Packets of one poll. 64, so that a set of packets of a burst is one machine word.
inline constexpr std::uint32_t kBurstPacketsMax = 64;

// A set of packets of one burst: bit i is packet i.
using PacketSet = std::uint64_t;

// All packets of a burst of `count`.
[[nodiscard]] constexpr PacketSet AllPackets(std::uint32_t count) noexcept {
  return count >= kBurstPacketsMax ? ~PacketSet{0} : (PacketSet{1} << count) - 1;
}

// Calls `visit(index)` for every packet of `set`, in ascending order.
template <typename Visit>
constexpr void ForEachPacket(PacketSet set, Visit&& visit) {
  for (; set != 0; set &= set - 1) {
    visit(static_cast<std::uint32_t>(std::countr_zero(set)));
  }
}

// A further piece of a packet that does not lie in one piece (a chained mbuf).
struct PacketSegment {
  const std::uint8_t* data = nullptr;
  std::uint32_t bytes = 0;
  const PacketSegment* next = nullptr;
};

// One packet, from the first byte of its Ethernet header, without FCS.
struct PacketView {
  const std::uint8_t* data = nullptr;
  std::uint32_t head_bytes = 0;  // contiguous at data
  std::uint32_t wire_bytes = 0;  // on the wire; more than is stored where a file was cut by
                                 // snaplen, and whatever a broken file claims
};
static_assert(sizeof(PacketView) == 16);

// A burst from no port (a file).
inline constexpr std::uint16_t kNoPort = 0xffff;

struct Burst {
  std::uint32_t count = 0;
  std::uint16_t port = kNoPort;  // that received it: its place in the configuration
  bool packet_times = false;  // each packet has its own time in time_ns; else all have time_ns[0]
  PacketSet chained = 0;      // packets whose bytes go on in rest[i]
  std::uint64_t wire_bytes = 0;    // of all packets together
  std::uint64_t stored_bytes = 0;  // of all packets together, or somewhat more
  std::array<PacketView, kBurstPacketsMax> packets;
  // Nanoseconds since 1970-01-01 UTC.
  std::array<std::uint64_t, kBurstPacketsMax> time_ns;
  std::array<const PacketSegment*, kBurstPacketsMax> rest;

  [[nodiscard]] PacketSet All() const noexcept { return AllPackets(count); }

  [[nodiscard]] bool IsChained(std::uint32_t index) const noexcept {
    return ((chained >> index) & 1) != 0;
  }

  [[nodiscard]] std::uint64_t TimeOf(std::uint32_t index) const noexcept {
    return time_ns[packet_times ? index : 0];
  }

  // Bytes that are there to be copied, over all segments.
  [[nodiscard]] std::uint32_t StoredBytes(std::uint32_t index) const noexcept {
    std::uint32_t bytes = packets[index].head_bytes;
    if (IsChained(index)) {
      for (const PacketSegment* s = rest[index]; s != nullptr; s = s->next) bytes += s->bytes;
    }
    return bytes;
  }

  // Packets and wire bytes of `set`.
  [[nodiscard]] Traffic Amount(PacketSet set) const noexcept {
    Traffic amount{static_cast<std::uint64_t>(std::popcount(set)), 0};
    if (set == All()) {
      amount.bytes = wire_bytes;
    } else {
      ForEachPacket(set, [&](std::uint32_t i) { amount.bytes += packets[i].wire_bytes; });
    }
    return amount;
  }
};

}  // namespace edgecap
