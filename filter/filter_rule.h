// SPDX-License-Identifier: Apache-2.0
//
// One job's FilterSpec in the form that CompiledFilter compares: masks and values for whole bursts.
// Private to this room: filter_compiler.cc fills it, compiled_filter.cc reads it.
//
// Threading: immutable once compiled.

#pragma once

#include <array>
#include <cstdint>

#include "filter/header_window.h"

namespace edgecap::filter {

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

struct FilterRule {
  std::uint32_t job = 0;
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

}  // namespace edgecap::filter
