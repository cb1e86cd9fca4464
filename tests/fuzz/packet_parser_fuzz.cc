// SPDX-License-Identifier: Apache-2.0
//
// The parser, given any bytes as a packet: it reads nothing beyond them (they lie in a heap piece
// of their own size), its answer keeps its own rules, and a packet in three pieces has the key of
// the same packet in one, as far as the parser looks into pieces.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/check.h"
#include "filter/flow_keys.h"
#include "filter/packet_parser.h"
#include "tests/support/test_burst.h"

namespace edgecap::filter {
namespace {

using Bytes = std::vector<std::uint8_t>;

FlowKey ParseExact(std::span<const std::uint8_t> bytes) {
  // A vector made from a range has no spare room.
  const Bytes copy(bytes.begin(), bytes.end());
  return ParsePacket(copy);
}

void CheckKey(const FlowKey& key) {
  EDGECAP_CHECK(key.ip_version == 0 || key.ip_version == 4 || key.ip_version == 6);
  EDGECAP_CHECK(!key.has_ports || (key.ip_version != 0 && ProtocolHasPorts(key.protocol)));
  for (std::size_t word = 1; word < key.source.size() && key.ip_version != 6; ++word) {
    EDGECAP_CHECK(key.source[word] == 0 && key.destination[word] == 0);
  }
}

// What ParsePackets() says of packet `index`, compared with `key`.
void CheckSame(const FlowKeys& keys, std::uint32_t index, const FlowKey& key) {
  const auto in = [index](PacketSet set) { return ((set >> index) & 1) != 0; };
  EDGECAP_CHECK(in(keys.ipv4) == (key.ip_version == 4));
  EDGECAP_CHECK(in(keys.ipv6) == (key.ip_version == 6));
  EDGECAP_CHECK(in(keys.ports) == key.has_ports);
  if (key.ip_version == 0) return;
  EDGECAP_CHECK(keys.protocol[index] == key.protocol);
  for (std::size_t word = 0; word < (key.ip_version == 4 ? 1u : 4u); ++word) {
    EDGECAP_CHECK(keys.source[word][index] == key.source[word]);
    EDGECAP_CHECK(keys.destination[word][index] == key.destination[word]);
  }
  if (!key.has_ports) return;
  EDGECAP_CHECK(keys.source_port[index] == key.source_port);
  EDGECAP_CHECK(keys.destination_port[index] == key.destination_port);
}

}  // namespace
}  // namespace edgecap::filter

// The first two bytes say where the packet is cut, the others are the packet.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace edgecap;
  if (size < 2) return 0;
  const std::span<const std::uint8_t> packet(data + 2, size - 2);
  const filter::FlowKey key = filter::ParseExact(packet);
  filter::CheckKey(key);

  // Small cuts mostly: that is where headers are.
  const std::size_t head = std::min<std::size_t>(data[0], packet.size());
  const std::size_t middle = std::min<std::size_t>(data[1], packet.size() - head);
  const std::vector<std::uint8_t> bytes(packet.begin(), packet.end());
  testing::TestBurst burst;
  burst.Add(bytes);
  burst.AddPieces(bytes, {head, middle, packet.size() - head - middle});
  filter::FlowKeys keys;
  filter::ParsePackets(burst.burst(), burst.burst().All(), keys);
  filter::CheckSame(keys, 0, key);
  const std::size_t seen = std::min<std::size_t>(packet.size(), filter::kGatherBytesMax);
  filter::CheckSame(keys, 1, filter::ParseExact(packet.first(seen)));

  // Packets that were not asked for are not in the answer.
  filter::ParsePackets(burst.burst(), 0, keys);
  EDGECAP_CHECK((keys.ipv4 | keys.ipv6 | keys.ports) == 0);
  return 0;
}
