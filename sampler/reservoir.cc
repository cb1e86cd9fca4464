// SPDX-License-Identifier: Apache-2.0

#include "sampler/reservoir.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <string>

#include "base/check.h"
#include "base/copy.h"
#include "sampler/nth_packet.h"

namespace edgecap::sampler {
namespace {

constexpr std::uint64_t kSlotAlignBytes = 8;

}  // namespace

std::uint64_t Reservoir::SlotBytes(std::uint32_t packet_bytes) {
  return (sizeof(Slot) + packet_bytes + kSlotAlignBytes - 1) / kSlotAlignBytes * kSlotAlignBytes;
}

std::uint64_t Reservoir::PacketBytesWithin(std::uint64_t bytes, std::uint64_t capacity) {
  const std::uint64_t slot = bytes / capacity / kSlotAlignBytes * kSlotAlignBytes;
  return slot > sizeof(Slot) ? slot - sizeof(Slot) : 0;
}

absl::StatusOr<std::unique_ptr<Reservoir>> Reservoir::Create(const ReservoirOptions& options) {
  EDGECAP_CHECK(options.capacity >= 1 && options.packet_bytes >= 1);
  const std::uint64_t bytes = options.capacity * SlotBytes(options.packet_bytes);
  const int flags = MAP_PRIVATE | MAP_ANONYMOUS | (options.touched ? MAP_POPULATE : MAP_NORESERVE);
  void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
  if (memory == MAP_FAILED) {
    return absl::ResourceExhaustedError(
        "no memory for a sample of " + std::to_string(options.capacity) + " packets (" +
        std::to_string(bytes) + " bytes on each worker): " + std::strerror(errno) +
        "; ask for a smaller packet_limit or snaplen");
  }
  return std::unique_ptr<Reservoir>(new Reservoir(options, static_cast<std::byte*>(memory), bytes));
}

Reservoir::Reservoir(const ReservoirOptions& options, std::byte* memory, std::uint64_t memory_bytes)
    : capacity_(options.capacity),
      random_(options.seed, options.worker),
      memory_(memory),
      memory_bytes_(memory_bytes),
      slot_bytes_(SlotBytes(options.packet_bytes)),
      packet_bytes_(options.packet_bytes) {}

Reservoir::~Reservoir() { munmap(memory_, memory_bytes_); }

void Reservoir::Keep(const Burst& burst, PacketSet matched, std::uint64_t count) noexcept {
  std::uint64_t pick = skip_;
  do {
    const auto index = static_cast<std::uint32_t>(std::countr_zero(NthPacket(matched, pick)));
    KeepOne(burst, index, seen_ + pick);
    pick += 1 + DrawSkip();
  } while (pick < count);
  skip_ = pick - count;
}

void Reservoir::KeepOne(const Burst& burst, std::uint32_t index, std::uint64_t place) noexcept {
  Traffic more;
  std::uint64_t fewer_stored = 0;
  std::byte* to;
  if (filled_ < capacity_) {
    to = SlotAt(filled_++);
    more.packets = 1;
  } else {
    to = SlotAt(random_.Below(capacity_));
    Slot old;
    std::memcpy(&old, to, sizeof(old));
    more.bytes -= old.wire_bytes;  // wraps, and so does the counter, back again
    fewer_stored = old.stored_bytes;
  }
  const Slot slot{burst.TimeOf(index), place, burst.packets[index].wire_bytes,
                  std::min(burst.StoredBytes(index), packet_bytes_)};
  std::memcpy(to, &slot, sizeof(slot));
  CopyPacket(burst, index, slot.stored_bytes, to + sizeof(slot));
  more.bytes += slot.wire_bytes;
  held_.Add(more);
  stored_bytes_.Add(slot.stored_bytes - fewer_stored);
}

std::uint64_t Reservoir::DrawSkip() noexcept {
  if (filled_ < capacity_) return 0;
  threshold_ *= std::exp(std::log(random_.Fraction()) / static_cast<double>(capacity_));
  return random_.Gap(std::log1p(-threshold_));
}

Reservoir::Packet Reservoir::At(std::uint64_t slot) const {
  EDGECAP_CHECK(slot < filled_);
  Slot header;
  std::memcpy(&header, SlotAt(slot), sizeof(header));
  return {header.time_ns,
          header.place,
          header.wire_bytes,
          {SlotAt(slot) + sizeof(header), header.stored_bytes}};
}

}  // namespace edgecap::sampler
