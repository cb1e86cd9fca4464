// SPDX-License-Identifier: Apache-2.0

#include "filter/direct_matcher.h"

#include <bit>
#include <cstring>
#include <utility>

#include "filter/burst_compare.h"
#include "filter/value_sets.h"

namespace edgecap::filter {
namespace {

// Up to so many rules, trying each one's header window costs less than parsing the packet.
constexpr std::size_t kWindowRulesMax = 3;

bool IsOne(const NumberSet& set) { return set.size() == 1 && set[0].first == set[0].last; }

// What a plain rule may test, besides the addresses.
bool HasPlainNumbers(const MatchRule& rule) {
  for (std::size_t i = 0; i < kNumberDimensions; ++i) {
    const NumberSet& numbers = rule.numbers[i];
    if (numbers.empty()) continue;
    switch (static_cast<NumberDimension>(i)) {
      case NumberDimension::kSourcePort:
      case NumberDimension::kDestinationPort:
        if (numbers.size() != 1) return false;
        break;
      case NumberDimension::kProtocol:
      case NumberDimension::kIpVersion:
        if (!IsOne(numbers)) return false;
        break;
      default:
        return false;
    }
  }
  return true;
}

bool IsPlainAddress(const AddressSet& set) {
  return set.empty() || (set.size() == 1 && PrefixLength(set.front()).has_value());
}

// The bits of byte `index` that a prefix of `length` covers.
std::uint8_t PrefixMask(std::uint32_t length, std::uint32_t index) {
  if (length >= (index + 1) * 8) return 0xff;
  if (length <= index * 8) return 0;
  return static_cast<std::uint8_t>(0xff << (8 - length % 8));
}

}  // namespace

DirectMatcher::AddressTest DirectMatcher::CompileAddress(const AddressRange& range,
                                                         std::uint32_t place, Rule& rule) {
  const std::uint32_t length = *PrefixLength(range);
  rule.ipv4 &= !range.v6;
  rule.ipv6 &= range.v6;
  AddressTest test;
  std::array<std::uint8_t, 16> mask{};
  for (std::uint32_t i = 0; i < (range.v6 ? 16U : 4U); ++i) {
    mask[i] = PrefixMask(length, i);
    if (!range.v6) rule.window.Require(place + i, mask[i], range.first[i]);
  }
  std::memcpy(test.mask.data(), mask.data(), mask.size());
  std::memcpy(test.value.data(), range.first.data(), range.first.size());
  test.words = (length + 31U) / 32;
  return test;
}

DirectMatcher::PortTest DirectMatcher::CompilePorts(const NumberRange& range, std::uint32_t place,
                                                    HeaderWindow& window) {
  // The window knows masks, not ranges: it compares the leading bits that the whole range shares.
  const unsigned free_bits = std::bit_width(range.first ^ range.last);
  const std::uint32_t mask = 0xffffU << free_bits;
  window.Require(place, static_cast<std::uint8_t>(mask >> 8),
                 static_cast<std::uint8_t>(range.first >> 8));
  window.Require(place + 1, static_cast<std::uint8_t>(mask),
                 static_cast<std::uint8_t>(range.first));
  // A later fragment has no ports.
  window.Require(HeaderWindow::kFragment, 0x1f, 0);
  window.Require(HeaderWindow::kFragment + 1, 0xff, 0);
  return {true, static_cast<std::uint16_t>(range.first),
          static_cast<std::uint16_t>(range.last - range.first)};
}

bool DirectMatcher::Add(const MatchRule& match, std::uint32_t target) {
  if (rules_.size() == kRulesMax || !HasPlainNumbers(match) || !IsPlainAddress(match.source) ||
      !IsPlainAddress(match.destination)) {
    return false;
  }
  Rule rule;
  rule.target = target;
  if (const NumberSet& version = match[NumberDimension::kIpVersion]; !version.empty()) {
    rule.ipv4 = version[0].first == 4;
    rule.ipv6 = version[0].first == 6;
  }
  if (!match.source.empty()) {
    rule.source = CompileAddress(match.source[0], HeaderWindow::kSourceAddress, rule);
  }
  if (!match.destination.empty()) {
    rule.destination =
        CompileAddress(match.destination[0], HeaderWindow::kDestinationAddress, rule);
  }
  if (!rule.ipv4) rule.window.RejectPlain();
  if (const NumberSet& ports = match[NumberDimension::kSourcePort]; !ports.empty()) {
    rule.source_port = CompilePorts(ports[0], HeaderWindow::kSourcePort, rule.window);
  }
  if (const NumberSet& ports = match[NumberDimension::kDestinationPort]; !ports.empty()) {
    rule.destination_port = CompilePorts(ports[0], HeaderWindow::kDestinationPort, rule.window);
  }
  if (const NumberSet& protocol = match[NumberDimension::kProtocol]; !protocol.empty()) {
    rule.protocol_tested = true;
    rule.protocol = static_cast<std::uint8_t>(protocol[0].first);
    rule.window.Require(HeaderWindow::kProtocol, 0xff, rule.protocol);
  }
  rules_.push_back(rule);
  return true;
}

PacketSet DirectMatcher::Candidates(const Burst& burst) const noexcept {
  if (rules_.size() > kWindowRulesMax) return burst.All();
  PacketSet candidates = 0;
  for (const Rule& rule : rules_) {
    for (std::uint32_t i = 0; i < burst.count; ++i) {
      candidates |= PacketSet{rule.window.MayMatch(burst.packets[i])} << i;
    }
  }
  return candidates;
}

PacketSet DirectMatcher::MatchAddress(const std::uint32_t (&words)[4][kBurstPacketsMax],
                                      const AddressTest& test, PacketSet packets) noexcept {
  for (std::uint32_t word = 0; word < test.words && packets != 0; ++word) {
    packets &= EqualUnderMask(words[word], test.mask[word], test.value[word]);
  }
  return packets;
}

PacketSet DirectMatcher::PacketsOf(const Rule& rule, const FlowKeys& keys) noexcept {
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

void DirectMatcher::Match(const FlowKeys& keys, MatchSets& sets) const noexcept {
  for (const Rule& rule : rules_) {
    if (const PacketSet packets = PacketsOf(rule, keys); packets != 0) {
      sets.Add(rule.target, packets);
    }
  }
}

}  // namespace edgecap::filter
