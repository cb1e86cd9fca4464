// SPDX-License-Identifier: Apache-2.0

#include "filter/filter_spec.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <iterator>
#include <system_error>
#include <type_traits>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace edgecap::filter {
namespace {

// The names of a table's rows.
template <std::size_t N, typename Table>
constexpr std::array<std::string_view, N> NamesOf(const Table& table) {
  std::array<std::string_view, N> names;
  for (std::size_t i = 0; i < N; ++i) names[i] = table[i].name;
  return names;
}

struct Protocol {
  std::string_view name;
  std::uint8_t number;
};

// Where a number has several names the first is the one that is printed.
constexpr Protocol kProtocols[] = {
    {"icmp", 1},   {"igmp", 2},   {"ipip", 4},      {"tcp", 6},          {"egp", 8},
    {"udp", 17},   {"dccp", 33},  {"ipv6", 41},     {"rsvp", 46},        {"gre", 47},
    {"esp", 50},   {"ah", 51},    {"icmpv6", 58},   {"ipv6-icmp", 58},   {"icmp6", 58},
    {"eigrp", 88}, {"ospf", 89},  {"pim", 103},     {"ipcomp", 108},     {"vrrp", 112},
    {"l2tp", 115}, {"sctp", 132}, {"udplite", 136}, {"mpls-in-ip", 137},
};

constexpr auto kProtocolNames = NamesOf<std::size(kProtocols)>(kProtocols);

constexpr std::string_view kProtocolsWithPorts[] = {"tcp", "udp", "udplite", "sctp", "dccp"};

absl::string_view Abseil(std::string_view text) { return {text.data(), text.size()}; }

absl::Status Invalid(std::string_view message) {
  return absl::InvalidArgumentError(Abseil(message));
}

// Text of unknown origin as it may stand in a message: short, printable, ASCII.
std::string Quoted(std::string_view text) {
  constexpr std::size_t kShownBytes = 64;
  const bool cut = text.size() > kShownBytes;
  return absl::StrCat("\"", absl::CEscape(Abseil(text.substr(0, kShownBytes))),
                      cut ? "...\"" : "\"");
}

std::string Join(std::span<const std::string_view> words) {
  std::string text;
  for (const std::string_view word : words) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", Abseil(word));
  }
  return text;
}

// Decimal digits without sign, space or leading zero.
std::optional<std::uint32_t> ParseNumber(std::string_view text, std::uint32_t max) {
  std::uint32_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end || number > max) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  return number;
}

std::string PrintAddress(const Prefix& prefix) {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(prefix.v6 ? AF_INET6 : AF_INET, prefix.address.data(), text, sizeof(text));
  return text;
}

std::uint8_t FullLength(const Prefix& prefix) { return prefix.v6 ? 128 : 32; }

// `address` with the bits beyond `length` cleared.
std::array<std::uint8_t, 16> NetworkOf(std::array<std::uint8_t, 16> address, std::uint8_t length) {
  for (std::size_t i = 0; i < address.size(); ++i) {
    const int kept_bits = std::clamp(length - static_cast<int>(8 * i), 0, 8);
    address[i] &= static_cast<std::uint8_t>(0xff00 >> kept_bits);
  }
  return address;
}

// ---- One text form for each type of field; the complaints follow "field "value" " --------------

std::string Print(const Prefix& prefix) {
  if (prefix.length == FullLength(prefix)) return PrintAddress(prefix);
  return absl::StrCat(PrintAddress(prefix), "/", prefix.length);
}

std::string Print(const PortRange& ports) {
  if (ports.first == ports.last) return absl::StrCat(ports.first);
  return absl::StrCat(ports.first, "-", ports.last);
}

std::string Print(std::uint8_t protocol) {
  const auto* known = std::ranges::find(kProtocols, protocol, &Protocol::number);
  if (known != std::end(kProtocols)) return std::string(known->name);
  return absl::StrCat(protocol);
}

absl::Status Parse(std::string_view text, Prefix& result) {
  const std::size_t slash = text.find('/');
  const std::string address(text.substr(0, slash));
  Prefix prefix;
  prefix.v6 = address.find(':') != std::string::npos;
  if (address.find('\0') != std::string::npos ||
      inet_pton(prefix.v6 ? AF_INET6 : AF_INET, address.c_str(), prefix.address.data()) != 1) {
    return Invalid(
        "is not an IP address; write one like 192.0.2.1, 10.0.0.0/8, 2001:db8::1 or 2001:db8::/32");
  }
  prefix.length = FullLength(prefix);
  if (slash != std::string_view::npos) {
    const auto length = ParseNumber(text.substr(slash + 1), prefix.length);
    if (!length) {
      return Invalid(absl::StrCat("has no valid prefix length; write a number from 0 to ",
                                  prefix.length, " after the slash"));
    }
    prefix.length = static_cast<std::uint8_t>(*length);
  }
  Prefix network = prefix;
  network.address = NetworkOf(prefix.address, prefix.length);
  if (network != prefix) {
    return Invalid(absl::StrCat("has address bits beyond /", prefix.length, "; write ",
                                Print(network), " or ", PrintAddress(prefix)));
  }
  result = prefix;
  return absl::OkStatus();
}

absl::Status Parse(std::string_view text, PortRange& result) {
  constexpr std::uint32_t kMaxPort = 65535;
  const std::size_t dash = text.find('-');
  const auto first = ParseNumber(text.substr(0, dash), kMaxPort);
  const auto last =
      dash == std::string_view::npos ? first : ParseNumber(text.substr(dash + 1), kMaxPort);
  if (!first || !last) {
    return Invalid("is no port; write a number from 0 to 65535, or a range like 1000-2000");
  }
  if (*first > *last) {
    return Invalid(
        absl::StrCat("is a range that ends before it begins; write ", *last, "-", *first));
  }
  result = {static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last)};
  return absl::OkStatus();
}

absl::Status Parse(std::string_view text, std::uint8_t& result) {
  const auto* known = std::ranges::find_if(kProtocols, [text](const Protocol& protocol) {
    return absl::EqualsIgnoreCase(Abseil(protocol.name), Abseil(text));
  });
  if (known != std::end(kProtocols)) {
    result = known->number;
    return absl::OkStatus();
  }
  if (const auto number = ParseNumber(text, 255)) {
    result = static_cast<std::uint8_t>(*number);
    return absl::OkStatus();
  }
  return Invalid(absl::StrCat("is no protocol; write a number from 0 to 255 or one of ",
                              Join(kProtocolNames)));
}

// ---- The one table of fields -------------------------------------------------------------------

template <auto Member>
absl::Status SetField(FilterSpec& spec, std::string_view text) {
  typename std::remove_reference_t<decltype(spec.*Member)>::value_type value{};
  EDGECAP_RETURN_IF_ERROR(Parse(text, value));
  spec.*Member = value;
  return absl::OkStatus();
}

template <auto Member>
std::optional<std::string> GetField(const FilterSpec& spec) {
  if (!(spec.*Member)) return std::nullopt;
  return Print(*(spec.*Member));
}

struct Field {
  std::string_view name;
  absl::Status (*set)(FilterSpec&, std::string_view);
  std::optional<std::string> (*get)(const FilterSpec&);
};

template <auto Member>
constexpr Field MakeField(std::string_view name) {
  return {name, &SetField<Member>, &GetField<Member>};
}

constexpr std::array kFields = {
    MakeField<&FilterSpec::source_address>("source_address"),
    MakeField<&FilterSpec::destination_address>("destination_address"),
    MakeField<&FilterSpec::source_port>("source_port"),
    MakeField<&FilterSpec::destination_port>("destination_port"),
    MakeField<&FilterSpec::protocol>("protocol"),
};

constexpr auto kFieldNames = NamesOf<kFields.size()>(kFields);

const Field* FindField(std::string_view name) {
  const auto* field = std::ranges::find(kFields, name, &Field::name);
  return field == kFields.end() ? nullptr : field;
}

}  // namespace

absl::Status FilterSpec::Set(std::string_view name, std::string_view text) {
  const Field* field = FindField(name);
  if (field == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("there is no filter field ", Quoted(name), "; there are ", Join(kFieldNames)));
  }
  const absl::Status status = text.empty() ? Invalid("is empty; leave the field out to match any")
                                           : field->set(*this, text);
  if (status.ok()) return status;
  return Invalid(absl::StrCat(Abseil(name), " ", Quoted(text), " ", status.message()));
}

std::optional<std::string> FilterSpec::Get(std::string_view name) const {
  const Field* field = FindField(name);
  return field == nullptr ? std::nullopt : field->get(*this);
}

absl::Status FilterSpec::Validate() const {
  if (source_address && destination_address && source_address->v6 != destination_address->v6) {
    return Invalid(absl::StrCat("source_address ", Print(*source_address),
                                " and destination_address ", Print(*destination_address),
                                " can never hold together: one is IPv4, the other IPv6"));
  }
  if (!protocol || std::ranges::count(kProtocolsWithPorts, Print(*protocol)) != 0) {
    return absl::OkStatus();
  }
  for (const std::string_view name : {"source_port", "destination_port"}) {
    if (const auto ports = Get(name)) {
      return Invalid(absl::StrCat(Abseil(name), " ", *ports, " and protocol ", Print(*protocol),
                                  " can never hold together: only ", Join(kProtocolsWithPorts),
                                  " have ports"));
    }
  }
  return absl::OkStatus();
}

std::string FilterSpec::ToString() const {
  std::string text;
  for (const Field& field : kFields) {
    if (const auto value = field.get(*this)) {
      absl::StrAppend(&text, text.empty() ? "" : ", ", Abseil(field.name), " ", *value);
    }
  }
  return text.empty() ? "every packet" : text;
}

std::span<const std::string_view> FilterSpec::FieldNames() { return kFieldNames; }

}  // namespace edgecap::filter
