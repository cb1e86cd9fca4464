// SPDX-License-Identifier: Apache-2.0
//
// An amount of traffic, in packets and in bytes, and its two forms: a plain value, and a pair of
// counters that one thread writes. Every door of the ledger is one of these. Bytes are always the
// packets' lengths on the wire (without FCS), whatever part of them was stored, so that the doors
// add up in bytes as well.
//
// Threading: Traffic is a value. TrafficCounter follows StatCounter: one owner adds, all may read.

#pragma once

#include <cstdint>

#include "base/stat_counter.h"

namespace edgecap {

struct Traffic {
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;

  Traffic& operator+=(const Traffic& other) noexcept {
    packets += other.packets;
    bytes += other.bytes;
    return *this;
  }
  friend Traffic operator+(Traffic a, const Traffic& b) noexcept { return a += b; }
  friend Traffic operator-(const Traffic& a, const Traffic& b) noexcept {
    return {a.packets - b.packets, a.bytes - b.bytes};
  }
  friend bool operator==(const Traffic&, const Traffic&) = default;
};

class TrafficCounter {
 public:
  // REQUIRES: called only by the owner thread.
  void Add(const Traffic& amount) noexcept {
    packets_.Add(amount.packets);
    bytes_.Add(amount.bytes);
  }

  [[nodiscard]] Traffic Value() const noexcept { return {packets_.Value(), bytes_.Value()}; }

 private:
  StatCounter packets_;
  StatCounter bytes_;
};

}  // namespace edgecap
