// SPDX-License-Identifier: Apache-2.0
//
// The slow half of CompiledFilter: from what operators ask to what workers compare.

#include <bit>
#include <cstring>
#include <utility>

#include "base/status_macros.h"
#include "filter/compiled_filter.h"
#include "filter/filter_rule.h"

namespace edgecap::filter {
namespace {

// The bits of byte `index` that a prefix of `length` covers.
std::uint8_t PrefixMask(std::uint32_t length, std::uint32_t index) {
  if (length >= (index + 1) * 8) return 0xff;
  if (length <= index * 8) return 0;
  return static_cast<std::uint8_t>(0xff << (8 - length % 8));
}

AddressTest CompileAddress(const Prefix& prefix, std::uint32_t place, HeaderWindow& window) {
  AddressTest test;
  std::array<std::uint8_t, 16> mask{};
  for (std::uint32_t i = 0; i < (prefix.v6 ? 16U : 4U); ++i) {
    mask[i] = PrefixMask(prefix.length, i);
    if (!prefix.v6) window.Require(place + i, mask[i], prefix.address[i]);
  }
  std::memcpy(test.mask.data(), mask.data(), mask.size());
  std::memcpy(test.value.data(), prefix.address.data(), prefix.address.size());
  test.words = (prefix.length + 31U) / 32;
  return test;
}

PortTest CompilePorts(const PortRange& range, std::uint32_t place, HeaderWindow& window) {
  // The window knows masks, not ranges: it compares the leading bits that the whole range shares.
  const unsigned free_bits = std::bit_width(static_cast<unsigned>(range.first ^ range.last));
  const std::uint32_t mask = 0xffffU << free_bits;
  window.Require(place, static_cast<std::uint8_t>(mask >> 8),
                 static_cast<std::uint8_t>(range.first >> 8));
  window.Require(place + 1, static_cast<std::uint8_t>(mask),
                 static_cast<std::uint8_t>(range.first));
  // A later fragment has no ports.
  window.Require(HeaderWindow::kFragment, 0x1f, 0);
  window.Require(HeaderWindow::kFragment + 1, 0xff, 0);
  return {true, range.first, static_cast<std::uint16_t>(range.last - range.first)};
}

FilterRule CompileRule(const FilterSpec& spec, std::uint32_t job) {
  FilterRule rule;
  rule.job = job;
  for (const auto* address : {&spec.source_address, &spec.destination_address}) {
    if (!address->has_value()) continue;
    rule.ipv4 &= !(*address)->v6;
    rule.ipv6 &= (*address)->v6;
  }
  if (!rule.ipv4) rule.window.RejectPlain();
  if (spec.source_address) {
    rule.source = CompileAddress(*spec.source_address, HeaderWindow::kSourceAddress, rule.window);
  }
  if (spec.destination_address) {
    rule.destination =
        CompileAddress(*spec.destination_address, HeaderWindow::kDestinationAddress, rule.window);
  }
  if (spec.source_port) {
    rule.source_port = CompilePorts(*spec.source_port, HeaderWindow::kSourcePort, rule.window);
  }
  if (spec.destination_port) {
    rule.destination_port =
        CompilePorts(*spec.destination_port, HeaderWindow::kDestinationPort, rule.window);
  }
  if (spec.protocol) {
    rule.protocol_tested = true;
    rule.protocol = *spec.protocol;
    rule.window.Require(HeaderWindow::kProtocol, 0xff, rule.protocol);
  }
  return rule;
}

}  // namespace

CompiledFilter::CompiledFilter() = default;
CompiledFilter::~CompiledFilter() = default;

absl::StatusOr<std::unique_ptr<const CompiledFilter>> CompiledFilter::Compile(
    std::span<const FilterSpec> specs) {
  std::unique_ptr<CompiledFilter> filter(new CompiledFilter);
  filter->job_count_ = static_cast<std::uint32_t>(specs.size());
  for (std::uint32_t job = 0; job < specs.size(); ++job) {
    const FilterSpec& spec = specs[job];
    EDGECAP_RETURN_IF_ERROR(spec.Validate());
    filter->text_ += "job " + std::to_string(job) + ": " + spec.ToString() + "\n";
    if (spec == FilterSpec{}) {
      filter->take_all_.push_back(job);
    } else {
      filter->rules_.push_back(CompileRule(spec, job));
    }
  }
  return std::unique_ptr<const CompiledFilter>(std::move(filter));
}

std::string CompiledFilter::DebugString() const { return text_; }

}  // namespace edgecap::filter
