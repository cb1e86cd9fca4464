// SPDX-License-Identifier: Apache-2.0
//
// What an operator can ask of one packet: the fields of a filter, all of which must hold. The same
// words are read from JSON, YAML and the command line, so the reading of each word's text lives
// here, once. A filter without fields wants every packet.
//
// How a packet is seen: a packet has addresses when it is IPv4 or IPv6 (behind any number of VLAN
// tags), and ports when it is TCP, UDP, UDP-Lite, SCTP or DCCP, the ports are in the packet, and it
// is not a later fragment. A field that a packet does not have does not hold.
//
// Threading: plain values.

#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace edgecap::filter {

// An IPv4 or IPv6 network; a single address is a network of full length. Bytes in wire order,
// bits beyond `length` are zero.
struct Prefix {
  bool v6 = false;
  std::uint8_t length = 0;  // 0 to 32, or 0 to 128
  std::array<std::uint8_t, 16> address{};

  friend bool operator==(const Prefix&, const Prefix&) = default;
};

// Ports `first` to `last`, both included.
struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 65535;

  friend bool operator==(const PortRange&, const PortRange&) = default;
};

struct FilterSpec {
  std::optional<Prefix> source_address;
  std::optional<Prefix> destination_address;
  std::optional<PortRange> source_port;
  std::optional<PortRange> destination_port;
  std::optional<std::uint8_t> protocol;  // IANA number; behind IPv6 extension headers

  friend bool operator==(const FilterSpec&, const FilterSpec&) = default;

  // Sets the field called `name` from its text: "10.0.0.0/8", "443", "1000-2000", "tcp", "17".
  //
  // Errors:
  //   kNotFound           there is no such field; the message lists those there are
  //   kInvalidArgument    the text is no such value; the message names field, value and what to do
  [[nodiscard]] absl::Status Set(std::string_view name, std::string_view text);

  // The text that Set() would read for field `name`, or nothing where the field is not set.
  [[nodiscard]] std::optional<std::string> Get(std::string_view name) const;

  // Rules across fields. Errors: kInvalidArgument when no packet could ever hold all fields, with
  // both fields named.
  [[nodiscard]] absl::Status Validate() const;

  // "protocol tcp, destination_port 443", or "every packet".
  [[nodiscard]] std::string ToString() const;

  // The names Set() knows, in the order of the documentation.
  [[nodiscard]] static std::span<const std::string_view> FieldNames();
};

}  // namespace edgecap::filter
