// SPDX-License-Identifier: Apache-2.0

#include "sampler/capture_limit.h"

#include <algorithm>

namespace edgecap::sampler {

std::uint32_t CaptureLimit::Claim(std::span<const std::uint32_t> stored_bytes) noexcept {
  auto granted = static_cast<std::uint32_t>(stored_bytes.size());
  if (byte_limited_) granted = ClaimBytes(stored_bytes);
  // Bytes claimed for packets that are refused here are lost to nobody: no packet is left.
  if (packet_limited_) granted = ClaimPackets(granted);
  return granted;
}

std::uint32_t CaptureLimit::ClaimBytes(std::span<const std::uint32_t> stored_bytes) noexcept {
  std::uint64_t left = bytes_left_.load(std::memory_order_relaxed);
  for (;;) {
    if (BytesReached()) return 0;
    std::uint32_t fitting = 0;
    std::uint64_t bytes = 0;
    while (fitting < stored_bytes.size() && bytes + stored_bytes[fitting] <= left) {
      bytes += stored_bytes[fitting++];
    }
    if (bytes_left_.compare_exchange_weak(left, left - bytes, std::memory_order_relaxed)) {
      if (fitting < stored_bytes.size() || left == bytes) {
        bytes_full_.store(true, std::memory_order_relaxed);
      }
      return fitting;
    }
  }
}

std::uint32_t CaptureLimit::ClaimPackets(std::uint32_t wanted) noexcept {
  std::uint64_t left = packets_left_.load(std::memory_order_relaxed);
  std::uint64_t granted;
  do {
    granted = std::min<std::uint64_t>(wanted, left);
  } while (!packets_left_.compare_exchange_weak(left, left - granted, std::memory_order_relaxed));
  return static_cast<std::uint32_t>(granted);
}

}  // namespace edgecap::sampler
