// SPDX-License-Identifier: Apache-2.0

#include "filter/filter_spec.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "filter/quoted.h"

namespace edgecap::filter {
namespace {

absl::string_view Abseil(std::string_view text) { return {text.data(), text.size()}; }

absl::Status Invalid(std::string_view message) {
  return absl::InvalidArgumentError(Abseil(message));
}

std::string Escaped(std::string_view text) { return absl::CEscape(Abseil(text)); }

template <typename Words>
std::string Join(const Words& words, std::string_view separator) {
  std::string text;
  for (const auto& word : words) {
    absl::StrAppend(&text, text.empty() ? absl::string_view() : Abseil(separator), Abseil(word));
  }
  return text;
}

// Digits without sign, space or leading zero; where `hex`, also 0x and up to eight hex digits.
std::optional<std::uint32_t> ParseDigits(std::string_view text, std::uint32_t max, bool hex) {
  const bool is_hex = hex && (text.starts_with("0x") || text.starts_with("0X"));
  if (is_hex) text.remove_prefix(2);
  std::uint32_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number, is_hex ? 16 : 10);
  if (error != std::errc() || stop != end || number > max) return std::nullopt;
  if (!is_hex && text.size() > 1 && text.front() == '0') return std::nullopt;
  return number;
}

// ---- Sets of ranges ----------------------------------------------------------------------------

bool Touches(const NumberRange& range, const NumberRange& next) {
  return range.last == std::numeric_limits<std::uint32_t>::max() || next.first <= range.last + 1;
}

bool Touches(const AddressRange& range, const AddressRange& next) {
  if (range.v6 != next.v6) return false;
  if (next.first <= range.last) return true;
  std::array<std::uint8_t, 16> following = range.last;  // less than next.first, so no overflow
  for (std::size_t i = range.v6 ? 16 : 4; i > 0; --i) {
    if (++following[i - 1] != 0) break;
  }
  return next.first == following;
}

// The set in its one form: sorted, disjoint, no two ranges touching.
template <typename Range>
std::vector<Range> Normal(std::vector<Range> ranges) {
  std::ranges::sort(ranges);
  std::vector<Range> set;
  for (const Range& range : ranges) {
    if (set.empty() || !Touches(set.back(), range)) {
      set.push_back(range);
    } else {
      set.back().last = std::max(set.back().last, range.last);
    }
  }
  return set;
}

template <typename Range>
bool Intersect(const std::vector<Range>& a, const std::vector<Range>& b) {
  const auto overlap = [](const Range& x, const Range& y) {
    if constexpr (requires { x.v6; }) {
      if (x.v6 != y.v6) return false;
    }
    return x.first <= y.last && y.first <= x.last;
  };
  return std::ranges::any_of(a, [&](const Range& x) {
    return std::ranges::any_of(b, [&](const Range& y) { return overlap(x, y); });
  });
}

bool Includes(const NumberSet& set, std::uint32_t number) {
  return Intersect(set, {{number, number}});
}

// ---- Numbers -----------------------------------------------------------------------------------

struct Name {
  std::string_view text;
  std::uint32_t first;
  std::uint32_t last = first;
};

// What the numbers of a field may be. Where a number has several names the first is printed.
struct NumberKind {
  std::string_view noun;
  std::uint32_t max = 0;
  std::string_view range_example;  // empty: only the names are values
  std::span<const Name> names;
  bool hex = false;
};

constexpr Name kProtocols[] = {
    {"icmp", 1},   {"igmp", 2},   {"ipip", 4},      {"tcp", 6},          {"egp", 8},
    {"udp", 17},   {"dccp", 33},  {"ipv6", 41},     {"rsvp", 46},        {"gre", 47},
    {"esp", 50},   {"ah", 51},    {"icmpv6", 58},   {"ipv6-icmp", 58},   {"icmp6", 58},
    {"eigrp", 88}, {"ospf", 89},  {"pim", 103},     {"ipcomp", 108},     {"vrrp", 112},
    {"l2tp", 115}, {"sctp", 132}, {"udplite", 136}, {"mpls-in-ip", 137},
};

// RFC 2474, 2597 and 3246.
constexpr Name kDscps[] = {
    {"cs0", 0},   {"cs1", 8},   {"cs2", 16},  {"cs3", 24},  {"cs4", 32},  {"cs5", 40},
    {"cs6", 48},  {"cs7", 56},  {"af11", 10}, {"af12", 12}, {"af13", 14}, {"af21", 18},
    {"af22", 20}, {"af23", 22}, {"af31", 26}, {"af32", 28}, {"af33", 30}, {"af41", 34},
    {"af42", 36}, {"af43", 38}, {"ef", 46},
};

constexpr Name kEtherTypes[] = {
    {"ipv4", 0x0800},           {"ip", 0x0800},
    {"ipv6", 0x86dd},           {"arp", 0x0806},
    {"rarp", 0x8035},           {"mpls", 0x8847},
    {"mpls-multicast", 0x8848}, {"pppoe-discovery", 0x8863},
    {"pppoe-session", 0x8864},  {"lacp", 0x8809},
    {"lldp", 0x88cc},           {"eapol", 0x888e},
    {"macsec", 0x88e5},         {"ptp", 0x88f7},
    {"loopback", 0x9000},
};

constexpr Name kIpVersions[] = {{"4", 4}, {"6", 6}, {"ipv4", 4}, {"ipv6", 6}};

constexpr Name kFragments[] = {
    {"no", static_cast<std::uint32_t>(Fragment::kNone)},
    {"first", static_cast<std::uint32_t>(Fragment::kFirst)},
    {"later", static_cast<std::uint32_t>(Fragment::kLater)},
    {"yes", static_cast<std::uint32_t>(Fragment::kFirst),
     static_cast<std::uint32_t>(Fragment::kLater)},
};

constexpr NumberKind kPortKind = {"port", 65535, "1000-2000"};
constexpr NumberKind kProtocolKind = {"protocol", 255, "50-51", kProtocols};
constexpr NumberKind kVlanKind = {"VLAN id", 4095, "100-199"};
constexpr NumberKind kIcmpTypeKind = {"ICMP type", 255, "133-137"};
constexpr NumberKind kIcmpCodeKind = {"ICMP code", 255, "0-3"};
constexpr NumberKind kIpVersionKind = {"IP version", 0, "", kIpVersions};
constexpr NumberKind kDscpKind = {"DSCP", 63, "32-46", kDscps};
constexpr NumberKind kLengthKind = {"packet length", 65535, "1000-1514"};
constexpr NumberKind kFragmentKind = {"kind of fragment", 0, "", kFragments};
constexpr NumberKind kEtherTypeKind = {"Ethernet type", 65535, "0x8847-0x8848", kEtherTypes, true};

template <typename Table>
std::vector<std::string_view> NamesOf(const Table& table) {
  std::vector<std::string_view> names;
  for (const auto& row : table) names.push_back(row.text);
  return names;
}

absl::Status NoNumber(const NumberKind& kind) {
  const std::string names = Join(NamesOf(kind.names), ", ");
  const std::string noun = absl::StrCat("is no ", Abseil(kind.noun));
  if (kind.range_example.empty()) return Invalid(absl::StrCat(noun, "; write one of ", names));
  return Invalid(absl::StrCat(noun, "; write a number from 0 to ", kind.max, ", a range like ",
                              Abseil(kind.range_example),
                              names.empty() ? "" : absl::StrCat(", or one of ", names)));
}

std::string PrintNumber(const NumberKind& kind, std::uint32_t number) {
  if (kind.hex) return absl::StrCat("0x", absl::Hex(number, absl::kZeroPad4));
  return absl::StrCat(number);
}

// The values of `range`: one, or several where only names are values.
void Print(const NumberKind& kind, const NumberRange& range, std::vector<std::string>& values) {
  const auto named = std::ranges::find_if(kind.names, [&](const Name& name) {
    return name.first == range.first && name.last == range.last;
  });
  if (named != kind.names.end()) {
    values.emplace_back(named->text);
  } else if (range.first == range.last) {
    values.push_back(PrintNumber(kind, range.first));
  } else if (!kind.range_example.empty()) {
    values.push_back(
        absl::StrCat(PrintNumber(kind, range.first), "-", PrintNumber(kind, range.last)));
  } else {
    for (std::uint32_t i = range.first; i <= range.last; ++i) Print(kind, {i, i}, values);
  }
}

absl::Status Parse(const NumberKind& kind, std::string_view text, NumberRange& result) {
  for (const Name& name : kind.names) {
    if (!absl::EqualsIgnoreCase(Abseil(name.text), Abseil(text))) continue;
    result = {name.first, name.last};
    return absl::OkStatus();
  }
  if (kind.range_example.empty()) return NoNumber(kind);
  const std::size_t dash = text.find('-');
  const auto first = ParseDigits(text.substr(0, dash), kind.max, kind.hex);
  const auto last = dash == std::string_view::npos
                        ? first
                        : ParseDigits(text.substr(dash + 1), kind.max, kind.hex);
  if (!first || !last) return NoNumber(kind);
  if (*first > *last) {
    return Invalid(absl::StrCat("is a range that ends before it begins; write ",
                                PrintNumber(kind, *last), "-", PrintNumber(kind, *first)));
  }
  result = {*first, *last};
  return absl::OkStatus();
}

// ---- Addresses ---------------------------------------------------------------------------------

struct Address {
  bool v6 = false;
  std::array<std::uint8_t, 16> bytes{};

  std::uint32_t bits() const { return v6 ? 128 : 32; }
};

std::optional<Address> ParseAddress(std::string_view text) {
  const std::string address(text);
  Address result;
  result.v6 = address.find(':') != std::string::npos;
  if (address.find('\0') != std::string::npos ||
      inet_pton(result.v6 ? AF_INET6 : AF_INET, address.c_str(), result.bytes.data()) != 1) {
    return std::nullopt;
  }
  return result;
}

std::string PrintAddress(bool v6, const std::array<std::uint8_t, 16>& bytes) {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(v6 ? AF_INET6 : AF_INET, bytes.data(), text, sizeof(text));
  return text;
}

// The network of `length` bits that `address` is in.
AddressRange NetworkOf(const Address& address, std::uint32_t length) {
  AddressRange network = {address.v6, address.bytes, address.bytes};
  for (std::uint32_t i = 0; i < address.bits() / 8; ++i) {
    const int kept_bits = std::clamp(static_cast<int>(length) - static_cast<int>(8 * i), 0, 8);
    const auto free_bits = static_cast<std::uint8_t>(0xff >> kept_bits);
    network.first[i] &= static_cast<std::uint8_t>(~free_bits);
    network.last[i] |= free_bits;
  }
  return network;
}

std::string Print(const AddressRange& range) {
  const std::string first = PrintAddress(range.v6, range.first);
  if (range.first == range.last) return first;
  const Address address = {range.v6, range.first};
  for (std::uint32_t length = 0; length < address.bits(); ++length) {
    if (NetworkOf(address, length) == range) return absl::StrCat(first, "/", length);
  }
  return absl::StrCat(first, "-", PrintAddress(range.v6, range.last));
}

absl::Status NoAddress() {
  return Invalid(
      "is not an IP address; write one like 192.0.2.1, 10.0.0.0/8, 192.0.2.1-192.0.2.9, "
      "2001:db8::1 or 2001:db8::/32");
}

absl::Status ParseRange(std::string_view first_text, std::string_view last_text,
                        AddressRange& result) {
  const std::optional<Address> first = ParseAddress(first_text);
  const std::optional<Address> last = ParseAddress(last_text);
  if (!first || !last) return NoAddress();
  if (first->v6 != last->v6) {
    return Invalid("is a range from one IP version to the other; write a range for each");
  }
  result = {first->v6, first->bytes, last->bytes};
  if (result.first <= result.last) return absl::OkStatus();
  std::swap(result.first, result.last);
  return Invalid(absl::StrCat("is a range that ends before it begins; write ",
                              PrintAddress(first->v6, last->bytes), "-",
                              PrintAddress(first->v6, first->bytes)));
}

absl::Status ParsePrefix(std::string_view address_text, std::string_view length_text,
                         AddressRange& result) {
  const std::optional<Address> address = ParseAddress(address_text);
  if (!address) return NoAddress();
  const auto length = ParseDigits(length_text, address->bits(), false);
  if (!length) {
    return Invalid(absl::StrCat("has no valid prefix length; write a number from 0 to ",
                                address->bits(), " after the slash"));
  }
  result = NetworkOf(*address, *length);
  if (result.first == address->bytes) return absl::OkStatus();
  return Invalid(absl::StrCat("has address bits beyond /", *length, "; write ", Print(result),
                              " or ", PrintAddress(address->v6, address->bytes)));
}

absl::Status Parse(std::string_view text, AddressRange& result) {
  if (const std::size_t dash = text.find('-'); dash != std::string_view::npos) {
    return ParseRange(text.substr(0, dash), text.substr(dash + 1), result);
  }
  if (const std::size_t slash = text.find('/'); slash != std::string_view::npos) {
    return ParsePrefix(text.substr(0, slash), text.substr(slash + 1), result);
  }
  return ParseRange(text, text, result);
}

// ---- TCP flags ---------------------------------------------------------------------------------

struct Flag {
  std::string_view text;
  std::uint8_t bit;
};

constexpr Flag kFlags[] = {{"fin", 0x01}, {"syn", 0x02}, {"rst", 0x04}, {"psh", 0x08},
                           {"ack", 0x10}, {"urg", 0x20}, {"ece", 0x40}, {"cwr", 0x80}};

std::string Print(const FlagTest& test) {
  std::string text;
  for (const Flag& flag : kFlags) {
    if ((test.mask & flag.bit) == 0) continue;
    absl::StrAppend(&text, text.empty() ? "" : ",", (test.value & flag.bit) != 0 ? "" : "!",
                    Abseil(flag.text));
  }
  return text;
}

absl::Status ParseMask(std::string_view value_text, std::string_view mask_text, FlagTest& result) {
  const auto value = ParseDigits(value_text, 0xff, true);
  const auto mask = ParseDigits(mask_text, 0xff, true);
  if (!value || !mask) {
    return Invalid("is no VALUE/MASK; write numbers from 0 to 255 (0xff) like 0x02/0x12");
  }
  if (*mask == 0) return Invalid("tests no flag; write protocol tcp to match any flags");
  if ((*value & ~*mask) != 0) {
    return Invalid(absl::StrCat("can never hold: the value has flags that the mask leaves out; ",
                                "write VALUE/MASK like 0x02/0x12"));
  }
  result = {static_cast<std::uint8_t>(*mask), static_cast<std::uint8_t>(*value)};
  return absl::OkStatus();
}

absl::Status Parse(std::string_view text, FlagTest& result) {
  if (const std::size_t slash = text.find('/'); slash != std::string_view::npos) {
    return ParseMask(text.substr(0, slash), text.substr(slash + 1), result);
  }
  FlagTest test;
  std::uint8_t unset = 0;
  for (bool more = true; more;) {
    const std::size_t comma = text.find(',');
    more = comma != std::string_view::npos;
    std::string_view word = text.substr(0, comma);
    if (more) text.remove_prefix(comma + 1);
    const bool negated = word.starts_with('!');
    if (negated) word.remove_prefix(1);
    const auto* flag = std::ranges::find_if(kFlags, [word](const Flag& candidate) {
      return absl::EqualsIgnoreCase(Abseil(candidate.text), Abseil(word));
    });
    if (flag == std::end(kFlags)) {
      return Invalid(
          absl::StrCat("is no test of TCP flags; write syn, or several like syn,!ack, of ",
                       Join(NamesOf(kFlags), ", "), ", or VALUE/MASK like 0x02/0x12"));
    }
    test.mask |= flag->bit;
    (negated ? unset : test.value) |= flag->bit;
  }
  if ((test.value & unset) != 0) {
    return Invalid(absl::StrCat(
        "can never hold: ",
        Print(FlagTest{.mask = static_cast<std::uint8_t>(test.value & unset), .value = 0xff}),
        " is asked both set and not set"));
  }
  result = test;
  return absl::OkStatus();
}

// ---- Text --------------------------------------------------------------------------------------

absl::Status CheckText(std::string_view text, std::size_t bytes_max) {
  if (text.size() > bytes_max) {
    return Invalid(
        absl::StrCat("has ", text.size(), " bytes; at most ", bytes_max, " are allowed"));
  }
  if (text.find('\0') != std::string_view::npos) {
    return Invalid("has a zero byte in it; in an expression write \\x00");
  }
  return absl::OkStatus();
}

absl::Status TooManyValues(std::size_t count, std::size_t max, std::string_view way_out) {
  return Invalid(
      absl::StrCat("has ", count, " values; at most ", max, " are allowed: ", Abseil(way_out)));
}

constexpr std::string_view kShorterLists = "write ranges or prefixes, or several filters";
constexpr std::string_view kFewerExpressions = "join some with |, or write several filters";

// ---- Fields ------------------------------------------------------------------------------------
//
// Each has a reader, whose complaints begin with the value they are about, and a writer, which
// gives the values one by one.

absl::Status About(std::string_view value, const absl::Status& complaint) {
  if (complaint.ok()) return complaint;
  return Invalid(absl::StrCat(Quoted(value), " ", complaint.message()));
}

// The reader's complaint as it is told: `source_port "70000" is no port; ...`.
absl::Status Named(std::string_view field, const absl::Status& complaint) {
  if (complaint.ok()) return complaint;
  return Invalid(absl::StrCat(Abseil(field), " ", complaint.message()));
}

// Calls `read` with each value of a list.
template <typename Read>
absl::Status ForEachValue(std::string_view list, Read read) {
  std::string_view rest = list;
  if (rest.ends_with(';')) rest.remove_suffix(1);
  if (rest.empty()) {
    return About(list, Invalid("is an empty list; leave the field out to match any"));
  }
  const auto count = static_cast<std::size_t>(std::ranges::count(rest, ';')) + 1;
  if (count > kFilterListMax) {
    return About(list, TooManyValues(count, kFilterListMax, kShorterLists));
  }
  for (std::size_t i = 0; i < count; ++i) {
    const std::string_view value = rest.substr(0, rest.find(';'));
    if (i + 1 < count) rest.remove_prefix(value.size() + 1);
    if (value.empty()) {
      return About(list, Invalid(absl::StrCat("has nothing at place ", i + 1, " of the list; ",
                                              "write the values with one ; between them")));
    }
    EDGECAP_RETURN_IF_ERROR(About(value, read(value)));
  }
  return absl::OkStatus();
}

template <typename Value>
std::vector<Value> SortedOnce(std::vector<Value> values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

template <auto Member, const NumberKind& Kind>
struct NumberField {
  static absl::Status Set(FilterSpec& spec, std::string_view text) {
    NumberSet ranges;
    EDGECAP_RETURN_IF_ERROR(ForEachValue(text, [&ranges](std::string_view value) {
      return Parse(Kind, value, ranges.emplace_back());
    }));
    spec.*Member = Normal(std::move(ranges));
    return absl::OkStatus();
  }
  static std::vector<std::string> Get(const FilterSpec& spec) {
    std::vector<std::string> values;
    for (const NumberRange& range : spec.*Member) Print(Kind, range, values);
    return values;
  }
};

template <auto Member>
struct AddressField {
  static absl::Status Set(FilterSpec& spec, std::string_view text) {
    EDGECAP_ASSIGN_OR_RETURN(spec.*Member, ParseAddressSet(text));
    return absl::OkStatus();
  }
  static std::vector<std::string> Get(const FilterSpec& spec) {
    std::vector<std::string> values;
    for (const AddressRange& range : spec.*Member) values.push_back(Print(range));
    return values;
  }
};

struct FlagsField {
  static absl::Status Set(FilterSpec& spec, std::string_view text) {
    std::vector<FlagTest> tests;
    EDGECAP_RETURN_IF_ERROR(ForEachValue(
        text, [&tests](std::string_view value) { return Parse(value, tests.emplace_back()); }));
    spec.tcp_flags = SortedOnce(std::move(tests));
    return absl::OkStatus();
  }
  static std::vector<std::string> Get(const FilterSpec& spec) {
    std::vector<std::string> values;
    for (const FlagTest& test : spec.tcp_flags) values.push_back(Print(test));
    return values;
  }
};

struct PortNameField {
  static absl::Status Set(FilterSpec& spec, std::string_view text) {
    std::vector<std::string> names;
    EDGECAP_RETURN_IF_ERROR(ForEachValue(text, [&names](std::string_view value) {
      names.emplace_back(value);
      return CheckText(value, kPortNameBytesMax);
    }));
    spec.port_name = SortedOnce(std::move(names));
    return absl::OkStatus();
  }
  static std::vector<std::string> Get(const FilterSpec& spec) { return spec.port_name; }
};

template <typename Enum>
struct Word {
  std::string_view text;
  Enum value;
};

constexpr Word<Direction> kDirections[] = {{"in", Direction::kIn}, {"out", Direction::kOut}};
constexpr Word<Layer> kLayers[] = {
    {"outer", Layer::kOuter}, {"inner", Layer::kInner}, {"any", Layer::kAny}};

template <auto Member, const auto& Words>
struct WordField {
  static absl::Status Set(FilterSpec& spec, std::string_view text) {
    for (const auto& word : Words) {
      if (!absl::EqualsIgnoreCase(Abseil(word.text), Abseil(text))) continue;
      spec.*Member = word.value;
      return absl::OkStatus();
    }
    return About(text,
                 Invalid(absl::StrCat("is refused; write one of ", Join(NamesOf(Words), ", "))));
  }
  static std::vector<std::string> Get(const FilterSpec& spec) {
    if (spec.*Member == FilterSpec{}.*Member) return {};
    for (const auto& word : Words) {
      if (spec.*Member == word.value) return {std::string(word.text)};
    }
    return {};
  }
};

struct BpfField {
  static absl::Status Set(FilterSpec& spec, std::string_view text) {
    EDGECAP_RETURN_IF_ERROR(About(text, CheckText(text, kBpfBytesMax)));
    spec.bpf = text;
    return absl::OkStatus();
  }
  static std::vector<std::string> Get(const FilterSpec& spec) {
    if (spec.bpf.empty()) return {};
    return {spec.bpf};
  }
};

struct PayloadField {
  static absl::Status Set(FilterSpec& spec, std::string_view text) {
    EDGECAP_RETURN_IF_ERROR(About(text, CheckText(text, kPayloadBytesMax)));
    const std::size_t count = spec.payload.size() + 1;
    if (count > kPayloadExpressionsMax) {
      return About(text, TooManyValues(count, kPayloadExpressionsMax, kFewerExpressions));
    }
    spec.payload.emplace_back(text);
    return absl::OkStatus();
  }
  static std::vector<std::string> Get(const FilterSpec& spec) { return spec.payload; }
};

enum class Many {
  kList,  // any number of values, in one text with ';' between them
  kOne,
  kEach,  // any number of values, a text each
};

struct Field {
  std::string_view text;  // the name
  absl::Status (*set)(FilterSpec&, std::string_view);
  std::vector<std::string> (*get)(const FilterSpec&);
  Many many = Many::kList;
};

template <typename How>
constexpr Field MakeField(std::string_view name, Many many = Many::kList) {
  return {name, &How::Set, &How::Get, many};
}

// The one table of fields.
constexpr Field kFields[] = {
    MakeField<AddressField<&FilterSpec::source_address>>("source_address"),
    MakeField<AddressField<&FilterSpec::destination_address>>("destination_address"),
    MakeField<AddressField<&FilterSpec::address>>("address"),
    MakeField<NumberField<&FilterSpec::source_port, kPortKind>>("source_port"),
    MakeField<NumberField<&FilterSpec::destination_port, kPortKind>>("destination_port"),
    MakeField<NumberField<&FilterSpec::port, kPortKind>>("port"),
    MakeField<NumberField<&FilterSpec::protocol, kProtocolKind>>("protocol"),
    MakeField<AddressField<&FilterSpec::local_address>>("local_address"),
    MakeField<NumberField<&FilterSpec::local_port, kPortKind>>("local_port"),
    MakeField<AddressField<&FilterSpec::remote_address>>("remote_address"),
    MakeField<NumberField<&FilterSpec::remote_port, kPortKind>>("remote_port"),
    MakeField<WordField<&FilterSpec::direction, kDirections>>("direction", Many::kOne),
    MakeField<NumberField<&FilterSpec::vlan, kVlanKind>>("vlan"),
    MakeField<FlagsField>("tcp_flags"),
    MakeField<NumberField<&FilterSpec::icmp_type, kIcmpTypeKind>>("icmp_type"),
    MakeField<NumberField<&FilterSpec::icmp_code, kIcmpCodeKind>>("icmp_code"),
    MakeField<NumberField<&FilterSpec::ip_version, kIpVersionKind>>("ip_version"),
    MakeField<NumberField<&FilterSpec::dscp, kDscpKind>>("dscp"),
    MakeField<NumberField<&FilterSpec::length, kLengthKind>>("length"),
    MakeField<NumberField<&FilterSpec::fragment, kFragmentKind>>("fragment"),
    MakeField<NumberField<&FilterSpec::ether_type, kEtherTypeKind>>("ether_type"),
    MakeField<PortNameField>("port_name"),
    MakeField<WordField<&FilterSpec::layer, kLayers>>("layer", Many::kOne),
    MakeField<BpfField>("bpf", Many::kOne),
    MakeField<PayloadField>("payload", Many::kEach),
};

constexpr auto kFieldNames = [] {
  std::array<std::string_view, std::size(kFields)> names;
  std::ranges::transform(kFields, names.begin(), &Field::text);
  return names;
}();

const Field* FindField(std::string_view name) {
  const auto* field = std::ranges::find(kFields, name, &Field::text);
  return field == std::end(kFields) ? nullptr : field;
}

absl::Status NoField(std::string_view name) {
  return absl::NotFoundError(absl::StrCat("there is no filter field ", Quoted(name), "; there are ",
                                          Join(kFieldNames, ", ")));
}

// ---- What can never hold together --------------------------------------------------------------

class Contradictions {
 public:
  explicit Contradictions(const FilterSpec& spec) : spec_(spec) {}

  absl::Status Find() const {
    EDGECAP_RETURN_IF_ERROR(IpVersions());
    EDGECAP_RETURN_IF_ERROR(Transport());
    EDGECAP_RETURN_IF_ERROR(Sides(spec_.address, spec_.source_address, spec_.destination_address,
                                  {"address", "source_address", "destination_address"}, "address"));
    return Sides(spec_.port, spec_.source_port, spec_.destination_port,
                 {"port", "source_port", "destination_port"}, "port");
  }

 private:
  struct Addresses {
    std::string_view name;
    AddressSet FilterSpec::*set;
  };
  static constexpr Addresses kAddresses[] = {
      {"source_address", &FilterSpec::source_address},
      {"destination_address", &FilterSpec::destination_address},
      {"address", &FilterSpec::address},
      {"local_address", &FilterSpec::local_address},
      {"remote_address", &FilterSpec::remote_address},
  };
  static constexpr std::string_view kPorts[] = {"source_port", "destination_port", "port",
                                                "local_port", "remote_port"};
  static constexpr std::string_view kIcmp[] = {"icmp_type", "icmp_code"};

  bool Asks(std::string_view name) const { return !spec_.GetAll(name).empty(); }

  // "source_port 443 and protocol icmp can never hold together: <why>".
  absl::Status Never(std::initializer_list<std::string_view> names, std::string_view why) const {
    constexpr std::size_t kShownBytes = 64;
    std::string text;
    for (const std::string_view name : names) {
      std::string value = Escaped(Join(spec_.GetAll(name), ";"));
      if (value.size() > kShownBytes) value = value.substr(0, kShownBytes) + "...";
      absl::StrAppend(&text, text.empty() ? "" : " and ", Abseil(name), " ", value);
    }
    return Invalid(absl::StrCat(text, " can never hold together: ", Abseil(why)));
  }

  // All fields of an IP packet hold on one packet, which has one version.
  absl::Status IpVersions() const {
    struct Possible {  // for an Ethernet type neither may be
      std::string_view field;
      bool v4 = true;
      bool v6 = true;
    };
    std::vector<Possible> asked;
    for (const auto& [name, member] : kAddresses) {
      const AddressSet& set = spec_.*member;
      if (!set.empty()) asked.push_back({name, !set.front().v6, set.back().v6});
    }
    for (const std::string_view name : kPorts) {
      if (Asks(name)) asked.push_back({name});
    }
    for (const std::string_view name :
         {"protocol", "direction", "tcp_flags", "icmp_type", "icmp_code", "dscp", "fragment"}) {
      if (Asks(name)) asked.push_back({name});
    }
    if (!spec_.ip_version.empty()) {
      asked.push_back({"ip_version", Includes(spec_.ip_version, 4), Includes(spec_.ip_version, 6)});
    }
    if (!spec_.ether_type.empty()) {
      asked.push_back(
          {"ether_type", Includes(spec_.ether_type, 0x0800), Includes(spec_.ether_type, 0x86dd)});
    }
    for (auto a = asked.begin(); a != asked.end(); ++a) {
      for (auto b = std::next(a); b != asked.end(); ++b) {
        if ((a->v4 && b->v4) || (a->v6 && b->v6)) continue;
        return Never({a->field, b->field}, b->v4 || b->v6 ? "one is IPv4, the other IPv6"
                                                          : "such a packet is no IP packet");
      }
    }
    return absl::OkStatus();
  }

  // What is behind the IP headers is of one protocol, and is not there in a later fragment.
  absl::Status Transport() const {
    struct Wanted {
      std::string_view field;
      NumberSet protocols;
      std::string_view why;
    };
    std::vector<Wanted> asked;
    for (const std::string_view name : kPorts) {
      if (!Asks(name)) continue;
      asked.push_back({name,
                       {{6, 6}, {17, 17}, {33, 33}, {132, 132}, {136, 136}},
                       "only tcp, udp, udplite, sctp, dccp have ports"});
    }
    if (Asks("tcp_flags")) asked.push_back({"tcp_flags", {{6, 6}}, "only tcp has flags"});
    for (const std::string_view name : kIcmp) {
      if (!Asks(name)) continue;
      asked.push_back({name, {{1, 1}, {58, 58}}, "only icmp, icmpv6 have a type and a code"});
    }
    constexpr auto kLater = static_cast<std::uint32_t>(Fragment::kLater);
    if (!asked.empty() && spec_.fragment == NumberSet{{kLater, kLater}}) {
      return Never({asked.front().field, "fragment"}, "it is only in a packet's first fragment");
    }
    if (!spec_.protocol.empty()) asked.push_back({"protocol", spec_.protocol, ""});
    for (auto a = asked.begin(); a != asked.end(); ++a) {
      for (auto b = std::next(a); b != asked.end(); ++b) {
        if (!Intersect(a->protocols, b->protocols)) return Never({a->field, b->field}, a->why);
      }
    }
    return absl::OkStatus();
  }

  // A value that either side must have, while both sides are asked to have others.
  template <typename Set>
  absl::Status Sides(const Set& either, const Set& source, const Set& destination,
                     std::initializer_list<std::string_view> names, std::string_view what) const {
    if (either.empty() || source.empty() || destination.empty() || Intersect(either, source) ||
        Intersect(either, destination)) {
      return absl::OkStatus();
    }
    return Never(names, absl::StrCat("neither side's ", Abseil(what), " can be the first"));
  }

  const FilterSpec& spec_;
};

// What Set() makes sure of, for specs that were filled otherwise.
absl::Status CheckLimits(const FilterSpec& spec) {
  for (const Field& field : kFields) {
    const std::size_t count = field.get(spec).size();
    const bool is_payload = field.many == Many::kEach;
    const std::size_t max = is_payload ? kPayloadExpressionsMax : kFilterListMax;
    if (count > max) {
      return Annotate(TooManyValues(count, max, is_payload ? kFewerExpressions : kShorterLists),
                      field.text);
    }
  }
  for (const std::string& expression : spec.payload) {
    EDGECAP_RETURN_IF_ERROR(
        Named("payload", About(expression, CheckText(expression, kPayloadBytesMax))));
  }
  return Named("bpf", About(spec.bpf, CheckText(spec.bpf, kBpfBytesMax)));
}

}  // namespace

absl::StatusOr<AddressSet> ParseAddressSet(std::string_view text) {
  AddressSet ranges;
  EDGECAP_RETURN_IF_ERROR(ForEachValue(
      text, [&ranges](std::string_view value) { return Parse(value, ranges.emplace_back()); }));
  return Normal(std::move(ranges));
}

std::string ToString(const AddressSet& addresses) {
  std::vector<std::string> values;
  for (const AddressRange& range : addresses) values.push_back(Print(range));
  return Join(values, ";");
}

absl::Status FilterSpec::Set(std::string_view name, std::string_view text) {
  const Field* field = FindField(name);
  if (field == nullptr) return NoField(name);
  if (text.empty()) {
    return Named(name, About(text, Invalid("is empty; leave the field out to match any")));
  }
  return Named(name, field->set(*this, text));
}

absl::Status FilterSpec::SetAll(std::string_view name, std::span<const std::string> values) {
  const Field* field = FindField(name);
  if (field == nullptr) return NoField(name);
  if (values.empty()) {
    return Named(name, Invalid("is an empty list; leave the field out to match any"));
  }
  if (const auto empty = std::ranges::find(values, ""); empty != values.end()) {
    return Named(name, Invalid(absl::StrCat("has nothing at place ", empty - values.begin() + 1,
                                            " of the list; leave the empty value out")));
  }
  if (field->many == Many::kList) return Set(name, Join(values, ";"));
  if (field->many == Many::kOne && values.size() > 1) {
    return Named(name, Invalid(absl::StrCat("has ", values.size(),
                                            " values but takes one; write a filter for each")));
  }
  FilterSpec changed = *this;
  if (field->many == Many::kEach) changed.payload.clear();
  for (const std::string& value : values) EDGECAP_RETURN_IF_ERROR(changed.Set(name, value));
  *this = std::move(changed);
  return absl::OkStatus();
}

std::optional<std::string> FilterSpec::Get(std::string_view name) const {
  const std::vector<std::string> values = GetAll(name);
  if (values.empty()) return std::nullopt;
  if (FindField(name)->many == Many::kEach && values.size() > 1) return std::nullopt;
  return Join(values, ";");
}

std::vector<std::string> FilterSpec::GetAll(std::string_view name) const {
  const Field* field = FindField(name);
  return field == nullptr ? std::vector<std::string>() : field->get(*this);
}

absl::Status FilterSpec::Validate() const {
  EDGECAP_RETURN_IF_ERROR(CheckLimits(*this));
  return Contradictions(*this).Find();
}

std::string FilterSpec::ToString() const {
  std::string text;
  for (const Field& field : kFields) {
    const std::vector<std::string> values = field.get(*this);
    if (values.empty()) continue;
    absl::StrAppend(&text, text.empty() ? "" : ", ", Abseil(field.text), " ");
    if (field.text == "bpf" || field.text == "payload") {
      for (const std::string& value : values) {
        absl::StrAppend(&text, &value == &values.front() ? "\"" : " or \"", Escaped(value), "\"");
      }
    } else {
      absl::StrAppend(&text, Escaped(Join(values, ";")));
    }
  }
  return text.empty() ? "every packet" : text;
}

std::span<const std::string_view> FilterSpec::FieldNames() { return kFieldNames; }

absl::Status CaptureFilter::Validate() const {
  const auto check = [](const std::vector<FilterSpec>& specs, std::string_view list) {
    for (std::size_t i = 0; i < specs.size(); ++i) {
      const absl::Status status = specs[i].Validate();
      if (status.ok()) continue;
      return Invalid(absl::StrCat(Abseil(list), "[", i, "].", status.message()));
    }
    return absl::OkStatus();
  };
  EDGECAP_RETURN_IF_ERROR(check(filters, "filters"));
  EDGECAP_RETURN_IF_ERROR(check(exclude, "exclude"));
  const auto everything = std::ranges::find(exclude, FilterSpec{});
  if (everything == exclude.end()) return absl::OkStatus();
  return Invalid(absl::StrCat("exclude[", everything - exclude.begin(),
                              "] has no field and would exclude every packet; leave it out"));
}

std::string CaptureFilter::ToString() const {
  const auto join = [](const std::vector<FilterSpec>& specs) {
    std::string text;
    for (const FilterSpec& spec : specs) {
      absl::StrAppend(&text, text.empty() ? "(" : " or (", spec.ToString(), ")");
    }
    return text;
  };
  const std::string wanted =
      filters.empty() ? "every packet"
                      : (filters.size() == 1 ? filters.front().ToString() : join(filters));
  return exclude.empty() ? wanted : absl::StrCat(wanted, ", but not ", join(exclude));
}

}  // namespace edgecap::filter
