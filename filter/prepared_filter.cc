// SPDX-License-Identifier: Apache-2.0

#include "filter/prepared_filter.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "filter/flow_keys.h"
#include "filter/value_sets.h"

namespace edgecap::filter {
namespace {

// The numbers of FilterSpec::fragment are those that the parser finds.
static_assert(static_cast<std::uint8_t>(Fragment::kNone) == kFragmentNone &&
              static_cast<std::uint8_t>(Fragment::kFirst) == kFragmentFirst &&
              static_cast<std::uint8_t>(Fragment::kLater) == kFragmentLater);

absl::Status Invalid(const std::string& message) { return absl::InvalidArgumentError(message); }

// Narrows `set` to what is also in `wanted`; an empty one of either means any. False when nothing
// is left.
template <typename Set>
bool Narrow(Set& set, const Set& wanted) {
  if (wanted.empty()) return true;
  set = set.empty() ? wanted : Intersection(set, wanted);
  return !set.empty();
}

bool NarrowAddress(MatchRule& rule, Direction side, const AddressSet& wanted) {
  return Narrow(side == Direction::kOut ? rule.source : rule.destination, wanted);
}

bool NarrowPort(MatchRule& rule, Direction side, const NumberSet& wanted) {
  return Narrow(rule[side == Direction::kOut ? NumberDimension::kSourcePort
                                             : NumberDimension::kDestinationPort],
                wanted);
}

// The values of the flags byte that pass any of the tests.
NumberSet FlagValues(const std::vector<FlagTest>& tests) {
  NumberSet values;
  for (std::uint32_t flags = 0; flags < 256 && !tests.empty(); ++flags) {
    const bool passes = std::ranges::any_of(
        tests, [flags](const FlagTest& test) { return (flags & test.mask) == test.value; });
    if (!passes) continue;
    if (!values.empty() && values.back().last + 1 == flags) {
      values.back().last = flags;
    } else {
      values.push_back({flags, flags});
    }
  }
  return values;
}

absl::StatusOr<NumberSet> PortNumbers(const std::vector<std::string>& names,
                                      const std::vector<std::string>& known) {
  NumberSet numbers;
  for (const std::string& name : names) {
    const auto found = std::ranges::find(known, name);
    if (found == known.end()) {
      std::string list;
      for (const std::string& there : known) list += (list.empty() ? "" : ", ") + there;
      return Invalid("port_name \"" + name + "\" is no receive port here; " +
                     (list.empty() ? "there are none" : "there are " + list));
    }
    const auto number = static_cast<std::uint32_t>(found - known.begin());
    numbers.push_back({number, number});
  }
  std::ranges::sort(numbers);
  return numbers;
}

bool AsksForEnds(const FilterSpec& spec) {
  return !spec.local_address.empty() || !spec.remote_address.empty() || !spec.local_port.empty() ||
         !spec.remote_port.empty() || spec.direction.has_value();
}

// Breaks one FilterSpec down.
class RuleMaker {
 public:
  RuleMaker(const FilterSpec& spec, const FilterContext& context)
      : spec_(spec), context_(context) {}

  absl::StatusOr<std::vector<MatchRule>> Make() {
    EDGECAP_ASSIGN_OR_RETURN(const MatchRule common, Common());
    std::vector<MatchRule> rules = {common};
    EDGECAP_RETURN_IF_ERROR(SplitByEnds(rules));
    if (!spec_.address.empty()) {
      Split(rules, [&](MatchRule& rule, Direction side) {
        return NarrowAddress(rule, side, spec_.address);
      });
    }
    if (!spec_.port.empty()) {
      Split(rules,
            [&](MatchRule& rule, Direction side) { return NarrowPort(rule, side, spec_.port); });
    }
    if (rules.empty()) {
      return Invalid(": no packet can match " + spec_.ToString() +
                     ": its address or port fields contradict each other");
    }
    return rules;
  }

 private:
  absl::StatusOr<MatchRule> Common() {
    using enum NumberDimension;
    MatchRule rule;
    rule.source = spec_.source_address;
    rule.destination = spec_.destination_address;
    rule[kSourcePort] = spec_.source_port;
    rule[kDestinationPort] = spec_.destination_port;
    rule[kProtocol] = spec_.protocol;
    rule[kIpVersion] = spec_.ip_version;
    rule[kVlan] = spec_.vlan;
    rule[kEtherType] = spec_.ether_type;
    rule[kTcpFlags] = FlagValues(spec_.tcp_flags);
    rule[kIcmpType] = spec_.icmp_type;
    rule[kIcmpCode] = spec_.icmp_code;
    rule[kDscp] = spec_.dscp;
    rule[kFragment] = spec_.fragment;
    rule[kLength] = spec_.length;
    EDGECAP_ASSIGN_OR_RETURN(rule[kReceivePort], PortNumbers(spec_.port_name, context_.port_names));
    return rule;
  }

  // Each rule becomes two, one for each side; those that nothing is left of go.
  template <typename NarrowSide>
  static void Split(std::vector<MatchRule>& rules, NarrowSide narrow) {
    std::vector<MatchRule> halves;
    for (const MatchRule& rule : rules) {
      for (const Direction side : {Direction::kOut, Direction::kIn}) {
        if (MatchRule half = rule; narrow(half, side)) halves.push_back(std::move(half));
      }
    }
    rules = std::move(halves);
  }

  absl::Status SplitByEnds(std::vector<MatchRule>& rules) {
    if (!AsksForEnds(spec_)) return absl::OkStatus();
    const bool known = !context_.local_prefixes.empty();
    if (!known && (spec_.direction || spec_.local_address.empty())) {
      const char* field = spec_.direction                 ? "direction"
                          : !spec_.remote_address.empty() ? "remote_address"
                          : !spec_.local_port.empty()     ? "local_port"
                                                          : "remote_port";
      return Invalid(std::string(field) +
                     " needs to know which addresses are local: set dataplane.local_prefixes in "
                     "the configuration (edgecap record: --local-prefix)" +
                     (spec_.direction ? "" : ", or give local_address as well"));
    }
    AddressSet local = spec_.local_address;
    if (!Narrow(local, context_.local_prefixes)) {
      return Invalid("local_address " + *spec_.Get("local_address") +
                     " lies outside of dataplane.local_prefixes, " +
                     ToString(context_.local_prefixes));
    }
    Split(rules, [&](MatchRule& rule, Direction direction) {
      if (spec_.direction && *spec_.direction != direction) return false;
      const Direction far = direction == Direction::kOut ? Direction::kIn : Direction::kOut;
      return NarrowAddress(rule, direction, local) &&
             NarrowAddress(rule, far, spec_.remote_address) &&
             NarrowPort(rule, direction, spec_.local_port) &&
             NarrowPort(rule, far, spec_.remote_port);
    });
    return absl::OkStatus();
  }

  const FilterSpec& spec_;
  const FilterContext& context_;
};

absl::StatusOr<PreparedFilter::Part> PreparePart(const FilterSpec& spec, bool exclude,
                                                 const FilterContext& context) {
  PreparedFilter::Part part;
  part.exclude = exclude;
  part.layer = spec.layer;
  EDGECAP_ASSIGN_OR_RETURN(part.rules, RuleMaker(spec, context).Make());
  if (!spec.bpf.empty()) {
    EDGECAP_ASSIGN_OR_RETURN(part.bpf, BpfProgram::Compile(spec.bpf));
  }
  if (!spec.payload.empty()) {
    EDGECAP_ASSIGN_OR_RETURN(part.payload, PayloadMatcher::Compile(spec.payload));
  }
  return part;
}

std::size_t BytesOf(const PreparedFilter::Part& part) {
  std::size_t bytes = sizeof(part);
  for (const MatchRule& rule : part.rules) {
    bytes += sizeof(rule) + (rule.source.size() + rule.destination.size()) * sizeof(AddressRange);
    for (const NumberSet& numbers : rule.numbers) bytes += numbers.size() * sizeof(NumberRange);
  }
  if (part.bpf != nullptr) bytes += part.bpf->code_bytes();
  if (part.payload != nullptr) bytes += part.payload->database_bytes();
  return bytes;
}

std::string Plural(std::size_t count, const char* what) {
  return absl::StrCat(count, " ", what, count == 1 ? "" : "s");
}

}  // namespace

absl::StatusOr<std::shared_ptr<const PreparedFilter>> PreparedFilter::Prepare(
    const CaptureFilter& filter, const FilterContext& context) {
  EDGECAP_RETURN_IF_ERROR(filter.Validate());
  std::shared_ptr<PreparedFilter> prepared(new PreparedFilter);
  prepared->filter_ = filter;
  for (const bool exclude : {false, true}) {
    const std::vector<FilterSpec>& specs = exclude ? filter.exclude : filter.filters;
    for (std::size_t i = 0; i < specs.size(); ++i) {
      absl::StatusOr<Part> part = PreparePart(specs[i], exclude, context);
      if (!part.ok()) {
        const absl::string_view message = part.status().message();
        return Invalid(absl::StrCat(exclude ? "exclude[" : "filters[", i,
                                    message[0] == ':' ? "]" : "].", message));
      }
      prepared->bytes_ += BytesOf(*part);
      prepared->parts_.push_back(*std::move(part));
    }
  }
  return std::shared_ptr<const PreparedFilter>(std::move(prepared));
}

std::string PreparedFilter::Describe() const {
  std::string text;
  if (filter_.filters.empty()) text += "every packet\n";
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const Part& part = parts_[i];
    const FilterSpec& spec =
        part.exclude ? filter_.exclude[i - filter_.filters.size()] : filter_.filters[i];
    absl::StrAppend(&text, part.exclude ? "but not " : i == 0 ? "" : "or ", spec.ToString(), "\n");
    const bool fields = std::ranges::any_of(
        part.rules, [](const MatchRule& rule) { return rule.Signature() != 0; });
    if (fields) {
      absl::StrAppend(&text, "  fields: ", Plural(part.rules.size(), "rule"), "\n");
    }
    if (part.bpf != nullptr) {
      absl::StrAppend(&text, "  then BPF, ", part.bpf->code_bytes(), " bytes of machine code:\n");
      std::string program = part.bpf->Describe();
      for (std::size_t at = 0; at < program.size();) {
        const std::size_t end = std::min(program.find('\n', at), program.size());
        absl::StrAppend(&text, "    ", program.substr(at, end - at), "\n");
        at = end + 1;
      }
    }
    if (part.payload != nullptr) {
      absl::StrAppend(&text, "  then payload, ", Plural(spec.payload.size(), "expression"), ", ",
                      part.payload->database_bytes(), " bytes of database\n");
    }
  }
  return text;
}

}  // namespace edgecap::filter
