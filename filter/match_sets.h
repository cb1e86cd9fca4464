// SPDX-License-Identifier: Apache-2.0
//
// Sets of packets by number, most of which stay empty: adding to one remembers that it was touched,
// so that neither reading nor clearing looks at the others.
//
// Threading: belongs to one worker.
//
// Hot path: nothing here allocates after construction.

#pragma once

#include <bit>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/packet.h"

namespace edgecap::filter {

class MatchSets {
 public:
  explicit MatchSets(std::uint32_t count) : sets_(count), touched_((count + 63) / 64) {}

  void Add(std::uint32_t number, PacketSet packets) noexcept {
    sets_[number] |= packets;
    touched_[number / 64] |= std::uint64_t{1} << (number % 64);
  }

  [[nodiscard]] PacketSet Get(std::uint32_t number) const noexcept { return sets_[number]; }

  void Empty(std::uint32_t number) noexcept { sets_[number] = 0; }

  // Calls visit(number, packets) for the sets from number `first` on that are not empty, in
  // ascending order. Sets before the visited one may be added to meanwhile.
  template <typename Visit>
  void ForEach(std::uint32_t first, Visit&& visit) const {
    std::uint64_t from_first = ~std::uint64_t{0} << (first % 64);
    for (std::size_t word = first / 64; word < touched_.size(); ++word) {
      for (std::uint64_t bits = touched_[word] & from_first; bits != 0; bits &= bits - 1) {
        const auto number = static_cast<std::uint32_t>(word * 64 + std::countr_zero(bits));
        if (sets_[number] != 0) visit(number, sets_[number]);
      }
      from_first = ~std::uint64_t{0};
    }
  }

  void Clear() noexcept {
    for (std::size_t word = 0; word < touched_.size(); ++word) {
      for (std::uint64_t bits = std::exchange(touched_[word], 0); bits != 0; bits &= bits - 1) {
        sets_[word * 64 + static_cast<std::size_t>(std::countr_zero(bits))] = 0;
      }
    }
  }

 private:
  std::vector<PacketSet> sets_;
  std::vector<std::uint64_t> touched_;
};

}  // namespace edgecap::filter
