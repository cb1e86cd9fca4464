// SPDX-License-Identifier: Apache-2.0
//
// Packets of a burst, each piece of which ends where a page ends behind which nothing may be read.
// Machine code that was made at run time is not seen by the address sanitizer; here it meets the
// end of a page.
//
// Threading: values.

#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <deque>
#include <span>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/packet.h"

namespace edgecap::testing {

// A copy of some bytes with nothing behind them.
class GuardedBytes {
 public:
  explicit GuardedBytes(std::span<const std::uint8_t> bytes) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t room = (bytes.size() + page - 1) / page * page;
    mapped_ = room + page;
    void* memory =
        mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EDGECAP_CHECK(memory != MAP_FAILED);
    memory_ = static_cast<std::uint8_t*>(memory);
    EDGECAP_CHECK(mprotect(memory_ + room, page, PROT_NONE) == 0);
    data_ = memory_ + room - bytes.size();
    if (!bytes.empty()) std::memcpy(data_, bytes.data(), bytes.size());
  }
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;
  ~GuardedBytes() { munmap(memory_, mapped_); }

  [[nodiscard]] const std::uint8_t* data() const { return data_; }

 private:
  std::uint8_t* memory_ = nullptr;
  std::uint8_t* data_ = nullptr;
  std::size_t mapped_ = 0;
};

class GuardedBurst {
 public:
  // Sizes of the pieces add up to the packet's.
  void Add(std::span<const std::uint8_t> bytes, std::span<const std::size_t> sizes,
           std::uint32_t wire_bytes) {
    const std::uint32_t index = burst_.count++;
    EDGECAP_CHECK(index < kBurstPacketsMax && !sizes.empty());
    std::size_t at = sizes[0];
    burst_.packets[index] = {Own(bytes.first(at)), static_cast<std::uint32_t>(at), wire_bytes};
    PacketSegment* last = nullptr;
    for (const std::size_t size : sizes.subspan(1)) {
      segments_.push_back(
          {Own(bytes.subspan(at, size)), static_cast<std::uint32_t>(size), nullptr});
      at += size;
      if (last == nullptr) {
        burst_.rest[index] = &segments_.back();
        burst_.chained |= PacketSet{1} << index;
      } else {
        last->next = &segments_.back();
      }
      last = &segments_.back();
    }
    EDGECAP_CHECK(at == bytes.size());
  }

  void Add(std::span<const std::uint8_t> bytes, std::uint32_t wire_bytes) {
    const std::size_t size = bytes.size();
    Add(bytes, {&size, 1}, wire_bytes);
  }

  [[nodiscard]] const Burst& burst() const { return burst_; }

 private:
  const std::uint8_t* Own(std::span<const std::uint8_t> bytes) {
    return pieces_.emplace_back(bytes).data();
  }

  std::deque<GuardedBytes> pieces_;
  std::deque<PacketSegment> segments_;
  Burst burst_{};
};

}  // namespace edgecap::testing
