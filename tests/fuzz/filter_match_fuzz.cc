// SPDX-License-Identifier: Apache-2.0
//
// Filters and packets made of any bytes: the compiled filter says what the definition
// (tests/support/filter_definition.h) says, for every job and packet, whether the packets lie in
// one piece or in several.

#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "base/check.h"
#include "filter/compiled_filter.h"
#include "filter/packet_parser.h"
#include "tests/support/filter_definition.h"
#include "tests/support/test_burst.h"

namespace edgecap::filter {
namespace {

constexpr std::size_t kSpecsMax = 6;  // few take the header windows, more do not
constexpr std::size_t kPacketBytesMax = 200;

struct Traffic {
  testing::TestBurst burst;
  std::vector<FlowKey> keys;
};

void AddPacket(FuzzedDataProvider& input, Traffic& traffic) {
  const std::uint8_t form = input.ConsumeIntegral<std::uint8_t>();
  std::vector<std::uint8_t> bytes = input.ConsumeBytes<std::uint8_t>(
      input.ConsumeIntegralInRange<std::size_t>(0, kPacketBytesMax));
  // Most bytes are no IP: help every second packet.
  if ((form & 1) != 0 && bytes.size() >= 15) {
    bytes[12] = (form & 2) != 0 ? 0x08 : 0x86;
    bytes[13] = (form & 2) != 0 ? 0x00 : 0xdd;
    bytes[14] = static_cast<std::uint8_t>((form & 2) != 0 ? 0x45 + ((form >> 2) & 1) : 0x60);
  }
  traffic.keys.push_back(ParsePacket(bytes));
  if ((form & 0x80) != 0) {
    const std::size_t head = std::min<std::size_t>(form & 0x7f, bytes.size());
    traffic.burst.AddPieces(bytes, {head, bytes.size() - head});
  } else {
    traffic.burst.Add(bytes);
  }
}

// A prefix around the address of a packet, so that some match.
Prefix PrefixOf(FuzzedDataProvider& input, const FlowKey& key, bool source) {
  Prefix prefix;
  prefix.v6 = key.ip_version == 6;
  std::memcpy(prefix.address.data(), (source ? key.source : key.destination).data(), 16);
  if (input.ConsumeBool()) prefix.address[input.ConsumeIntegral<std::uint8_t>() % 16] ^= 1;
  prefix.length = input.ConsumeIntegralInRange<std::uint8_t>(0, prefix.v6 ? 128 : 32);
  for (std::size_t bit = prefix.length; bit < 128; ++bit) {
    prefix.address[bit / 8] &= static_cast<std::uint8_t>(~(0x80 >> (bit % 8)));
  }
  return prefix;
}

PortRange PortsAround(FuzzedDataProvider& input, std::uint16_t port) {
  const int one = std::clamp(port + input.ConsumeIntegralInRange<int>(-300, 300), 0, 65535);
  const int other = std::clamp(port + input.ConsumeIntegralInRange<int>(-300, 300), 0, 65535);
  return {static_cast<std::uint16_t>(std::min(one, other)),
          static_cast<std::uint16_t>(std::max(one, other))};
}

FilterSpec NextSpec(FuzzedDataProvider& input, const std::vector<FlowKey>& keys) {
  const FlowKey& key = keys[input.ConsumeIntegral<std::uint8_t>() % keys.size()];
  const std::uint8_t fields = input.ConsumeIntegral<std::uint8_t>();
  FilterSpec spec;
  if ((fields & 1) != 0) spec.source_address = PrefixOf(input, key, true);
  if ((fields & 2) != 0) spec.destination_address = PrefixOf(input, key, false);
  if ((fields & 4) != 0) spec.source_port = PortsAround(input, key.source_port);
  if ((fields & 8) != 0) spec.destination_port = PortsAround(input, key.destination_port);
  if ((fields & 16) != 0) spec.protocol = key.protocol;
  if ((fields & 32) != 0) spec.protocol = input.ConsumeIntegral<std::uint8_t>();
  return spec;
}

void CheckMatch(const std::vector<FilterSpec>& specs, Traffic& traffic) {
  const auto filter = CompiledFilter::Compile(specs);
  EDGECAP_CHECK(filter.ok());
  MatchScratch scratch(static_cast<std::uint32_t>(specs.size()));
  (*filter)->Match(traffic.burst.burst(), scratch);
  std::vector<PacketSet> wanted(specs.size());
  for (const JobMatch& match : scratch.matches()) {
    EDGECAP_CHECK(match.job < specs.size() && match.packets != 0 && wanted[match.job] == 0);
    wanted[match.job] = match.packets;
  }
  for (std::size_t job = 0; job < specs.size(); ++job) {
    PacketSet expected = 0;
    for (std::size_t i = 0; i < traffic.keys.size(); ++i) {
      expected |= PacketSet{testing::Holds(specs[job], traffic.keys[i])} << i;
    }
    EDGECAP_CHECK(wanted[job] == expected);
  }
}

}  // namespace
}  // namespace edgecap::filter

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace edgecap::filter;
  FuzzedDataProvider input(data, size);
  Traffic traffic;
  const std::size_t spec_count = input.ConsumeIntegralInRange<std::size_t>(0, kSpecsMax);
  do {
    AddPacket(input, traffic);
  } while (input.ConsumeBool() && traffic.keys.size() < edgecap::kBurstPacketsMax);
  std::vector<FilterSpec> specs;
  while (specs.size() < spec_count) {
    const FilterSpec spec = NextSpec(input, traffic.keys);
    const std::array one = {spec};
    // Compile() refuses exactly what Validate() refuses.
    EDGECAP_CHECK(CompiledFilter::Compile(one).ok() == spec.Validate().ok());
    specs.push_back(spec.Validate().ok() ? spec : FilterSpec{});
  }
  CheckMatch(specs, traffic);
  return 0;
}
