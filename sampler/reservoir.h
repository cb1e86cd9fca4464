// SPDX-License-Identifier: Apache-2.0
//
// A uniform sample of at most `capacity` packets of all that one worker is given, however many
// there will be: every set of so many of them is equally likely to be held (Li's algorithm L, ACM
// TOMS 20, 1994). The first `capacity` packets fill it; later ones replace one at random, ever more
// rarely: of N packets about capacity * (1 + ln(N / capacity)) are copied.
//
// Packets are copied whole (up to packet_bytes) into slots of one size, with time and lengths. The
// memory is made with the reservoir, so no worker ever allocates.
//
// Life cycle: made by control with the job; filled by one worker; when that worker has acknowledged
// a job table without the job, control reads it (sampler/sample_selection.h) and frees it.
//
// Threading: Take() belongs to the worker; Held() and StoredBytes() from any thread; the rest for
// control, before and after.
//
// Hot path: a burst that holds no pick costs one population count and one comparison.

#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/statusor.h"
#include "base/packet.h"
#include "base/traffic.h"
#include "sampler/random.h"

namespace edgecap::sampler {

struct ReservoirOptions {
  std::uint64_t capacity = 0;      // packets, at least 1
  std::uint32_t packet_bytes = 0;  // stored of each packet, at most; at least 1
  std::uint64_t seed = 0;
  std::uint32_t worker = 0;
  // Has all memory in hand from the start, so that no page is fetched while packets wait. Without,
  // only as much is taken as packets fill.
  bool touched = true;
};

class Reservoir {
 public:
  // What a packet takes.
  [[nodiscard]] static std::uint64_t SlotBytes(std::uint32_t packet_bytes);
  // The longest packets of which `capacity` fit into `bytes`; 0 when none do.
  [[nodiscard]] static std::uint64_t PacketBytesWithin(std::uint64_t bytes, std::uint64_t capacity);

  // kResourceExhausted when the memory cannot be had.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Reservoir>> Create(
      const ReservoirOptions& options);

  Reservoir(const Reservoir&) = delete;
  Reservoir& operator=(const Reservoir&) = delete;
  ~Reservoir();

  // Worker: these packets came, and some of them may be kept.
  void Take(const Burst& burst, PacketSet matched) noexcept {
    const auto count = static_cast<std::uint64_t>(std::popcount(matched));
    if (skip_ < count) [[unlikely]] {
      Keep(burst, matched, count);
    } else {
      skip_ -= count;
    }
    seen_ += count;
  }

  // What is held now: packets and their wire bytes; bytes stored of them. Recent, not exact.
  [[nodiscard]] Traffic Held() const noexcept { return held_.Value(); }
  [[nodiscard]] std::uint64_t StoredBytes() const noexcept { return stored_bytes_.Value(); }

  // Packets given to Take().
  [[nodiscard]] std::uint64_t seen() const { return seen_; }
  [[nodiscard]] std::uint64_t size() const { return filled_; }

  struct Packet {
    std::uint64_t time_ns = 0;
    std::uint64_t place = 0;  // among all that came, from 0
    std::uint32_t wire_bytes = 0;
    std::span<const std::byte> bytes;
  };
  // REQUIRES: slot < size().
  [[nodiscard]] Packet At(std::uint64_t slot) const;

  [[nodiscard]] std::uint64_t memory_bytes() const { return memory_bytes_; }

 private:
  struct Slot {  // in front of the packet's bytes
    std::uint64_t time_ns;
    std::uint64_t place;
    std::uint32_t wire_bytes;
    std::uint32_t stored_bytes;
  };

  Reservoir(const ReservoirOptions& options, std::byte* memory, std::uint64_t memory_bytes);
  void Keep(const Burst& burst, PacketSet matched, std::uint64_t count) noexcept;
  void KeepOne(const Burst& burst, std::uint32_t index, std::uint64_t place) noexcept;
  [[nodiscard]] std::uint64_t DrawSkip() noexcept;
  [[nodiscard]] std::byte* SlotAt(std::uint64_t slot) const { return memory_ + slot * slot_bytes_; }

  std::uint64_t skip_ = 0;  // packets until the next pick
  std::uint64_t seen_ = 0;
  std::uint64_t filled_ = 0;
  const std::uint64_t capacity_;
  double threshold_ = 1.0;  // Li's W: the largest of the held packets' random numbers
  Random random_;
  std::byte* const memory_;
  const std::uint64_t memory_bytes_;
  const std::uint64_t slot_bytes_;
  const std::uint32_t packet_bytes_;
  TrafficCounter held_;
  StatCounter stored_bytes_;
};

}  // namespace edgecap::sampler
