// SPDX-License-Identifier: Apache-2.0
//
// Finds all of up to 65,536 rules that hold for each packet of a burst.
//
// How: aggregated bit vectors. For each dimension (source address, destination port, ...) the
// values that occur in the same rules form a class, and a class has a vector of bits: the rules
// that allow it. A packet's rules are the intersection of its classes' vectors. What makes it fast:
//
//   - A value's class is a table look-up, sixteen packets at once (for IPv4 addresses a look-up and
//     a short binary search).
//   - Rules come in up to 64 groups, and a class has one word that says which groups hold any of
//   its
//     rules: the intersection of these words, again many packets at once, leaves nothing of most
//     packets. Rules that test the same dimensions, with neighbouring values, share a group.
//   - The rules that do not test a dimension are the same for all its classes and stored once.
//
// A packet that lacks a field is of class 0, which only rules have that do not test the field.
//
// Life cycle: built by Build() on the control side, immutable afterwards.
//
// Threading: any number of workers may call Match(), each with its own scratch.
//
// Hot path: Match() does not allocate, block, log or throw.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "base/cache_line.h"
#include "base/packet.h"
#include "filter/flow_keys.h"
#include "filter/match_rule.h"
#include "filter/match_sets.h"

namespace edgecap::filter {

class Classifier {
 public:
  static constexpr std::uint32_t kRulesMax = 65536;

  // A rule, and what it is for: the set that the packets are added to for which it holds.
  struct Entry {
    const MatchRule* rule = nullptr;
    std::uint32_t target = 0;
  };

  // Working memory of Match().
  struct Scratch {
    alignas(kCacheLineBytes) std::uint64_t groups[kBurstPacketsMax];
    alignas(kCacheLineBytes) std::uint32_t classes[2 + kNumberDimensions][kBurstPacketsMax];
  };

  // Errors: kResourceExhausted for more than kRulesMax rules, or when they overlap so much that
  // they would take more than `bytes_max`.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<const Classifier>> Build(
      std::vector<Entry> entries, std::size_t bytes_max);

  Classifier(const Classifier&) = delete;
  Classifier& operator=(const Classifier&) = delete;
  ~Classifier();

  // Some rule tests a dimension that only ParseDetail::kAll fills.
  [[nodiscard]] bool needs_details() const noexcept { return needs_details_; }

  // Adds each packet of `which` to the set of each rule that holds for it. `keys` are the layer
  // that the rules are about.
  void Match(const Burst& burst, PacketSet which, const FlowKeys& keys, Scratch& scratch,
             MatchSets& sets) const noexcept;

  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }

 private:
  struct Dimension;
  class Builder;

  Classifier();
  void MatchPacket(std::uint32_t packet, const Scratch& scratch, MatchSets& sets) const noexcept;

  std::uint32_t group_words_ = 1;                       // words of 64 rules in a group
  std::uint64_t used_groups_ = 0;                       // groups with rules
  std::vector<std::uint64_t> used_;                     // words: which bits are rules
  std::vector<std::uint32_t> targets_;                  // by rule
  std::vector<std::unique_ptr<Dimension>> dimensions_;  // those that any rule tests
  bool needs_details_ = false;
  std::size_t bytes_ = 0;
};

}  // namespace edgecap::filter
