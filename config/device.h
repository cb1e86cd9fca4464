// SPDX-License-Identifier: Apache-2.0
//
// What a port's device text names: a card by its PCI address ("0000:3b:00.0", short "3b:00.0"), or
// a virtual device with its arguments ("net_pcap0,rx_pcap=/tmp/in.pcap").
//
// Threading: pure functions.

#pragma once

#include <string>
#include <string_view>

namespace edgecap::config {

[[nodiscard]] bool IsPciAddress(std::string_view device);

// What DPDK calls the device: the whole PCI address in lower case, or the virtual device up to its
// first comma. Two texts with one name are one device.
[[nodiscard]] std::string DeviceName(std::string_view device);

}  // namespace edgecap::config
