// SPDX-License-Identifier: Apache-2.0
//
// What a filter means, one packet and one field at a time, as filter/filter_spec.h says it in
// words. Slow and plain: what the compiled filter is compared with.
//
// Threading: pure functions.

#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>

#include "filter/filter_spec.h"
#include "filter/packet_parser.h"

namespace edgecap::testing {

inline bool PrefixHolds(const filter::Prefix& prefix, int version,
                        const std::array<std::uint32_t, 4>& address) {
  if (version != (prefix.v6 ? 6 : 4)) return false;
  std::uint8_t bytes[16];
  std::memcpy(bytes, address.data(), sizeof(bytes));
  for (std::size_t bit = 0; bit < prefix.length; ++bit) {
    if ((((bytes[bit / 8] ^ prefix.address[bit / 8]) >> (7 - bit % 8)) & 1) != 0) return false;
  }
  return true;
}

inline bool Holds(const filter::FilterSpec& spec, const filter::FlowKey& key) {
  const auto port_holds = [&](const std::optional<filter::PortRange>& range, std::uint16_t port) {
    return !range || (key.has_ports && range->first <= port && port <= range->last);
  };
  if (spec == filter::FilterSpec{}) return true;
  return key.ip_version != 0 &&
         (!spec.source_address || PrefixHolds(*spec.source_address, key.ip_version, key.source)) &&
         (!spec.destination_address ||
          PrefixHolds(*spec.destination_address, key.ip_version, key.destination)) &&
         port_holds(spec.source_port, key.source_port) &&
         port_holds(spec.destination_port, key.destination_port) &&
         (!spec.protocol || *spec.protocol == key.protocol);
}

}  // namespace edgecap::testing
