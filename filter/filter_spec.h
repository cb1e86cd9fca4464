// SPDX-License-Identifier: Apache-2.0
//
// What an operator can ask of a packet. A FilterSpec is a set of fields, all of which must hold; a
// CaptureFilter is any of several of them, but none of those to exclude. The same words are read
// from JSON, YAML and the command line, so the reading of each word's text lives here, once.
//
// How a packet is seen: a packet has addresses when it is IPv4 or IPv6 (behind any number of VLAN
// tags), and ports when it is TCP, UDP, UDP-Lite, SCTP or DCCP, the ports are in the packet, and it
// is not a later fragment. A field that a packet does not have does not hold.
//
// The text of a field is one value, or a list of them with ';' between them (a ';' behind the last
// is allowed), any of which may hold:
//
//   addresses     192.0.2.1, 10.0.0.0/8, 192.0.2.1-192.0.2.9, 2001:db8::/32
//   numbers       443, 1000-2000; where there are names these too: tcp, ef, arp, later
//   tcp_flags     syn, syn,!ack (both hold), or VALUE/MASK: 0x02/0x12
//   port_name     the name of a receive port
//
// `direction`, `layer`, `bpf` and `payload` take one value and no list: a ';' in an expression is
// part of it.
//
// Life cycle: filled by Set(), judged by Validate(), compiled by PreparedFilter.
//
// Threading: plain values.

#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace edgecap::filter {

// What one FilterSpec may hold. Validate() and Set() refuse more.
inline constexpr std::size_t kFilterListMax = 1024;         // values in the list of one field
inline constexpr std::size_t kPortNameBytesMax = 256;       // of one name
inline constexpr std::size_t kBpfBytesMax = 16384;          // of the expression
inline constexpr std::size_t kPayloadExpressionsMax = 256;  // in one filter
inline constexpr std::size_t kPayloadBytesMax = 1024;       // of one expression

// Addresses `first` to `last` of one IP version, both included. Bytes in wire order; IPv4 in the
// first four, the others zero.
struct AddressRange {
  bool v6 = false;
  std::array<std::uint8_t, 16> first{};
  std::array<std::uint8_t, 16> last{};

  friend auto operator<=>(const AddressRange&, const AddressRange&) = default;
};

// Numbers `first` to `last`, both included.
struct NumberRange {
  std::uint32_t first = 0;
  std::uint32_t last = 0;

  friend auto operator<=>(const NumberRange&, const NumberRange&) = default;
};

// Holds when (flags & mask) == value. `mask` is not zero and has all bits of `value`.
struct FlagTest {
  std::uint8_t mask = 0;
  std::uint8_t value = 0;

  friend auto operator<=>(const FlagTest&, const FlagTest&) = default;
};

// Sorted (IPv4 first), disjoint, and no two ranges touch. An empty set asks nothing.
using AddressSet = std::vector<AddressRange>;
using NumberSet = std::vector<NumberRange>;

// Reads a list of addresses, as the text of an address field.
// Errors: kInvalidArgument; the message is `"10.0.0.300" is not an IP address; ...`, without the
// name of whatever the addresses are for.
[[nodiscard]] absl::StatusOr<AddressSet> ParseAddressSet(std::string_view text);

// As ParseAddressSet() reads it: "10.0.0.0/8;192.0.2.1-192.0.2.9".
[[nodiscard]] std::string ToString(const AddressSet& addresses);

enum class Layer : std::uint8_t { kOuter, kInner, kAny };
enum class Direction : std::uint8_t { kIn, kOut };
enum class Fragment : std::uint8_t { kNone = 0, kFirst = 1, kLater = 2 };  // values of `fragment`

struct FilterSpec {
  // `address` and `port` hold on either side, each on its own. `local_*`, `remote_*` and
  // `direction` hold together, seen from one end: see filter/prepared_filter.h.
  AddressSet source_address;
  AddressSet destination_address;
  AddressSet address;
  AddressSet local_address;
  AddressSet remote_address;
  NumberSet source_port;
  NumberSet destination_port;
  NumberSet port;
  NumberSet local_port;
  NumberSet remote_port;
  NumberSet protocol;                  // IANA numbers; behind IPv6 extension headers
  std::optional<Direction> direction;  // as seen from the local networks
  NumberSet vlan;                      // id of the outermost tag
  std::vector<FlagTest> tcp_flags;     // any of them; sorted
  NumberSet icmp_type;                 // of ICMP and ICMPv6 alike
  NumberSet icmp_code;
  NumberSet ip_version;
  NumberSet dscp;
  NumberSet length;                    // bytes on the wire without FCS; longer ones count as 65535
  NumberSet fragment;                  // numbers of Fragment
  NumberSet ether_type;                // behind all VLAN tags
  std::vector<std::string> port_name;  // receive ports, any of them; sorted
  Layer layer = Layer::kOuter;         // where the fields hold; all on the same layer
  std::string bpf;                     // tcpdump's language, on the whole packet; empty: not asked
  std::vector<std::string> payload;    // Hyperscan expressions, any of them; as given

  friend bool operator==(const FilterSpec&, const FilterSpec&) = default;

  // Sets the field called `name` from its text, which replaces what the field had; only `payload`
  // gains one more expression.
  //
  // Errors:
  //   kNotFound           there is no such field; the message lists those there are
  //   kInvalidArgument    the text is no such value; the message names field, value and what to do
  [[nodiscard]] absl::Status Set(std::string_view name, std::string_view text);

  // Sets the field called `name` from its values, each a text that Set() reads: what GetAll()
  // gives. Replaces what the field had, for `payload` too. Errors as Set(); a list without values,
  // or with an empty one, is refused, and so are several values where there is no list.
  [[nodiscard]] absl::Status SetAll(std::string_view name, std::span<const std::string> values);

  // The text that Set() would read for field `name`, or nothing where the field is not set. Several
  // payload expressions have no one text: see GetAll(). Layer `outer` counts as not set.
  [[nodiscard]] std::optional<std::string> Get(std::string_view name) const;

  // Field `name` value by value, each as Set() reads it: "10.0.0.0/8", "192.0.2.1". Empty where the
  // field is not set.
  [[nodiscard]] std::vector<std::string> GetAll(std::string_view name) const;

  // Rules across fields, and the limits above for specs that were not filled by Set().
  // Errors: kInvalidArgument when no packet could ever hold all fields, with both fields named; the
  // message begins with the name of a field.
  [[nodiscard]] absl::Status Validate() const;

  // "protocol tcp, destination_port 443", or "every packet". Printable ASCII.
  [[nodiscard]] std::string ToString() const;

  // The names Set() knows, in the order of the documentation.
  [[nodiscard]] static std::span<const std::string_view> FieldNames();
};

// What one capture asks for: packets that any of `filters` matches (every packet where there are
// none), and no `exclude` does.
struct CaptureFilter {
  std::vector<FilterSpec> filters;
  std::vector<FilterSpec> exclude;

  friend bool operator==(const CaptureFilter&, const CaptureFilter&) = default;

  // Errors: kInvalidArgument; the message begins with the place: "filters[3].source_port ...".
  [[nodiscard]] absl::Status Validate() const;

  // "(protocol tcp) or (protocol udp), but not (port 53)", or "every packet".
  [[nodiscard]] std::string ToString() const;
};

}  // namespace edgecap::filter
