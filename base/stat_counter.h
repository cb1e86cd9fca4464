// SPDX-License-Identifier: Apache-2.0
//
// A counter that one thread increments and any thread reads.
//
// Threading: Add() belongs to a single owner thread, so a load and a store are enough and no
// locked instruction is issued. Value() may be called from anywhere; it is recent, not exact, and
// counters read one after another may disagree by a burst until the owner is quiet.

#pragma once

#include <atomic>
#include <cstdint>

namespace edgecap {

class StatCounter {
 public:
  // REQUIRES: called only by the owner thread.
  void Add(std::uint64_t count) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }

  [[nodiscard]] std::uint64_t Value() const noexcept {
    return value_.load(std::memory_order_relaxed);
  }

 private:
  std::atomic<std::uint64_t> value_{0};

  static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
};

}  // namespace edgecap
