// SPDX-License-Identifier: Apache-2.0
//
// The packet and byte limits of a job, shared by its workers and exact across them: never a packet
// or a byte more, and not one fewer when the traffic suffices. A worker claims what it is about to
// store and stores all that it was granted; it claims only when it already has the room, so nothing
// is ever given back that another worker was refused.
//
// A packet is stored whole or not at all: the first packet that does not fit into what is left of
// the byte limit ends the capture.
//
// Threading: Claim() from any worker, the rest from any thread. Without limits Claim() is not
// needed and costs nothing; with them it is one locked instruction for a whole burst and limit.

#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "base/cache_line.h"

namespace edgecap::sampler {

class CaptureLimit {
 public:
  // 0 means no limit.
  CaptureLimit(std::uint64_t packet_limit, std::uint64_t byte_limit)
      : packet_limited_(packet_limit != 0),
        byte_limited_(byte_limit != 0),
        packets_left_(packet_limit),
        bytes_left_(byte_limit) {}

  [[nodiscard]] bool limited() const noexcept { return packet_limited_ || byte_limited_; }

  // How many of the packets with these stored sizes, from the first on, may be captured.
  [[nodiscard]] std::uint32_t Claim(std::span<const std::uint32_t> stored_bytes) noexcept;

  // Which limit ended the capture.
  [[nodiscard]] bool PacketsReached() const noexcept {
    return packet_limited_ && packets_left_.load(std::memory_order_relaxed) == 0;
  }
  [[nodiscard]] bool BytesReached() const noexcept {
    return bytes_full_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] bool Reached() const noexcept { return PacketsReached() || BytesReached(); }

 private:
  [[nodiscard]] std::uint32_t ClaimBytes(std::span<const std::uint32_t> stored_bytes) noexcept;
  [[nodiscard]] std::uint32_t ClaimPackets(std::uint32_t wanted) noexcept;

  const bool packet_limited_;
  const bool byte_limited_;
  alignas(kCacheLineBytes) std::atomic<std::uint64_t> packets_left_;
  std::atomic<std::uint64_t> bytes_left_;
  std::atomic<bool> bytes_full_{false};
};

}  // namespace edgecap::sampler
