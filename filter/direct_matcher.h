// SPDX-License-Identifier: Apache-2.0
//
// The short way for few and plain rules: at most one prefix an address, one range a port, one
// protocol, on the outer packet. A rule's field is compared with all packets of the burst at once;
// while there are very few rules, a header window (filter/header_window.h) rejects most packets
// before they are even parsed.
//
// Life cycle: filled by Add() on the control side, immutable afterwards.
//
// Threading: any number of workers may match at once.
//
// Hot path: Candidates() and Match().

#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/packet.h"
#include "filter/flow_keys.h"
#include "filter/header_window.h"
#include "filter/match_rule.h"
#include "filter/match_sets.h"

namespace edgecap::filter {

class DirectMatcher {
 public:
  // More rules than this are quicker in the classifier.
  static constexpr std::size_t kRulesMax = 16;

  // Adds a rule whose packets go to set `target`. False, and nothing is added, when it is none of
  // the plain ones.
  [[nodiscard]] bool Add(const MatchRule& rule, std::uint32_t target);

  [[nodiscard]] std::size_t size() const noexcept { return rules_.size(); }

  // The packets that some rule may hold for, told without parsing.
  [[nodiscard]] PacketSet Candidates(const Burst& burst) const noexcept;

  // Adds to each rule's set the packets of `keys` for which it holds.
  void Match(const FlowKeys& keys, MatchSets& sets) const noexcept;

 private:
  // The leading words of an address are compared under a mask.
  struct AddressTest {
    std::uint32_t words = 0;  // 0: not tested
    std::array<std::uint32_t, 4> mask{};
    std::array<std::uint32_t, 4> value{};
  };
  // first <= port <= first + span.
  struct PortTest {
    bool tested = false;
    std::uint16_t first = 0;
    std::uint16_t span = 0;
  };
  struct Rule {
    std::uint32_t target = 0;
    bool ipv4 = true;  // IPv4 packets may match
    bool ipv6 = true;
    AddressTest source;
    AddressTest destination;
    PortTest source_port;
    PortTest destination_port;
    bool protocol_tested = false;
    std::uint8_t protocol = 0;
    HeaderWindow window;
  };

  static AddressTest CompileAddress(const AddressRange& range, std::uint32_t place, Rule& rule);
  static PortTest CompilePorts(const NumberRange& range, std::uint32_t place, HeaderWindow& window);
  static PacketSet MatchAddress(const std::uint32_t (&words)[4][kBurstPacketsMax],
                                const AddressTest& test, PacketSet packets) noexcept;
  static PacketSet PacketsOf(const Rule& rule, const FlowKeys& keys) noexcept;

  std::vector<Rule> rules_;
};

}  // namespace edgecap::filter
