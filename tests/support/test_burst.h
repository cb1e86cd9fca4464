// SPDX-License-Identifier: Apache-2.0
//
// A burst that owns its packets, for tests of the stages. Each packet lies in a heap piece of its
// own exact size, so that the address sanitizer sees any byte read beyond it.
//
// Threading: values.

#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/check.h"
#include "base/packet.h"

namespace edgecap::testing {

class TestBurst {
 public:
  // In one piece.
  void Add(const std::vector<std::uint8_t>& bytes, std::uint64_t time_ns = 1) {
    AddPieces(bytes, {bytes.size()}, time_ns);
  }

  // In pieces of the given sizes; they add up to the packet's.
  void AddPieces(const std::vector<std::uint8_t>& bytes, const std::vector<std::size_t>& sizes,
                 std::uint64_t time_ns = 1) {
    const std::uint32_t index = burst_.count++;
    EDGECAP_CHECK(index < kBurstPacketsMax);
    std::size_t at = 0;
    PacketSegment* last = nullptr;
    for (std::size_t piece = 0; piece < sizes.size(); ++piece) {
      const std::uint8_t* data = Own(bytes, at, sizes[piece]);
      at += sizes[piece];
      if (piece == 0) {
        burst_.packets[index] = {data, static_cast<std::uint32_t>(sizes[0]),
                                 static_cast<std::uint32_t>(bytes.size())};
        continue;
      }
      segments_.push_back(std::make_unique<PacketSegment>(
          PacketSegment{data, static_cast<std::uint32_t>(sizes[piece]), nullptr}));
      PacketSegment* segment = segments_.back().get();
      if (last != nullptr) {
        last->next = segment;
      } else {
        burst_.rest[index] = segment;
        burst_.chained |= PacketSet{1} << index;
      }
      last = segment;
    }
    burst_.wire_bytes += bytes.size();
    burst_.packet_times = true;
    burst_.time_ns[index] = time_ns;
  }

  [[nodiscard]] Burst& burst() { return burst_; }

 private:
  const std::uint8_t* Own(const std::vector<std::uint8_t>& bytes, std::size_t at,
                          std::size_t size) {
    pieces_.push_back(std::make_unique<std::uint8_t[]>(size));
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(at), size, pieces_.back().get());
    return pieces_.back().get();
  }

  std::vector<std::unique_ptr<std::uint8_t[]>> pieces_;
  std::vector<std::unique_ptr<PacketSegment>> segments_;
  Burst burst_{};
};

}  // namespace edgecap::testing
