// SPDX-License-Identifier: Apache-2.0
//
// The fast half of CompiledFilter; the other is filter_compiler.cc.

#include "filter/compiled_filter.h"

#include "filter/burst_compare.h"
#include "filter/packet_parser.h"

namespace edgecap::filter {
namespace {

// Up to so many rules, trying each one's header window costs less than parsing the packet.
constexpr std::size_t kWindowRulesMax = 3;

PacketSet MatchAddress(const std::uint32_t (&words)[4][kBurstPacketsMax], const AddressTest& test,
                       PacketSet packets) noexcept {
  for (std::uint32_t word = 0; word < test.words && packets != 0; ++word) {
    packets &= EqualUnderMask(words[word], test.mask[word], test.value[word]);
  }
  return packets;
}

PacketSet MatchRule(const FilterRule& rule, const FlowKeys& keys) noexcept {
  PacketSet packets = (rule.ipv4 ? keys.ipv4 : 0) | (rule.ipv6 ? keys.ipv6 : 0);
  packets = MatchAddress(keys.source, rule.source, packets);
  packets = MatchAddress(keys.destination, rule.destination, packets);
  if (rule.source_port.tested && packets != 0) {
    packets &=
        keys.ports & InRange(keys.source_port, rule.source_port.first, rule.source_port.span);
  }
  if (rule.destination_port.tested && packets != 0) {
    packets &= keys.ports & InRange(keys.destination_port, rule.destination_port.first,
                                    rule.destination_port.span);
  }
  if (rule.protocol_tested && packets != 0) packets &= EqualByte(keys.protocol, rule.protocol);
  return packets;
}

}  // namespace

PacketSet CompiledFilter::Candidates(const Burst& burst) const noexcept {
  if (rules_.size() > kWindowRulesMax) return burst.All();
  PacketSet candidates = 0;
  for (const FilterRule& rule : rules_) {
    for (std::uint32_t i = 0; i < burst.count; ++i) {
      candidates |= PacketSet{rule.window.MayMatch(burst.packets[i])} << i;
    }
  }
  return candidates;
}

void CompiledFilter::Match(const Burst& burst, MatchScratch& scratch) const noexcept {
  scratch.match_count_ = 0;
  for (const std::uint32_t job : take_all_) scratch.Add(job, burst.All());
  const PacketSet candidates = Candidates(burst);
  if (candidates == 0) return;
  ParsePackets(burst, candidates, ParseDetail::kTuple, scratch.keys_);
  for (const FilterRule& rule : rules_) {
    if (const PacketSet packets = MatchRule(rule, scratch.keys_); packets != 0) {
      scratch.Add(rule.job, packets);
    }
  }
}

}  // namespace edgecap::filter
