// SPDX-License-Identifier: Apache-2.0
//
// Other services' notations of a filter, read into ours. Each notation has exactly the fields and
// values of its own documentation; what ours can say beyond that is refused there.
//
// Cloudflare, `filter_v1` of the packet captures API: one object.
//
//   source_address, destination_address   string: one IPv4 or IPv6 address
//   source_port, destination_port         number: 0 to 65535
//   protocol                              number: 0 to 255
//
// Azure, `filters` of a packet capture: an array, any of which may hold; none: every packet.
//
//   protocol                              "TCP", "UDP", "Any"
//   localIPAddress, remoteIPAddress       "127.0.0.1", "127.0.0.1-127.0.0.255" or
//                                         "127.0.0.1;127.0.0.5;"
//   localPort, remotePort                 "80", "80-85" or "80;443;"
//
// All are optional strings; null and "" ask nothing.
//
// Threading: pure functions.

#pragma once

#include <vector>

#include "control/json_text.h"
#include "control/violation.h"
#include "filter/filter_spec.h"

namespace edgecap::control {

struct ParsedFilter {
  filter::CaptureFilter filter;  // meaningful when there are no violations; then it is valid
  std::vector<Violation>
      violations;  // with places: "filter_v1.source_port", "filters[0].localPort"
};

[[nodiscard]] ParsedFilter ReadCloudflareFilter(const Json& filter_v1);

[[nodiscard]] ParsedFilter ReadAzureFilters(const Json& filters);

}  // namespace edgecap::control
