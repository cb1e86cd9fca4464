// SPDX-License-Identifier: Apache-2.0
//
// The parser, given any bytes as a packet: it reads nothing beyond them (they lie in heap pieces of
// their own size), its answer keeps its own rules, a packet in two or three pieces has the layers
// of the same packet in one, as far as the parser looks into pieces, and the way back has the same
// hash.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "base/check.h"
#include "filter/flow_hash.h"
#include "filter/flow_keys.h"
#include "filter/packet_parser.h"
#include "tests/support/parsed_layer.h"
#include "tests/support/test_burst.h"

namespace edgecap::filter {
namespace {

using Bytes = std::vector<std::uint8_t>;
using testing::LayerOf;
using testing::TupleOf;

constexpr std::uint64_t kSeed = 5;

// A packet of which `bytes` lie in one piece.
ParsedPacket ParseExact(std::span<const std::uint8_t> bytes, std::size_t stored_bytes) {
  // A vector made from a range has no spare room.
  const Bytes copy(bytes.begin(), bytes.end());
  return ParsePacket(copy, static_cast<std::uint32_t>(stored_bytes));
}

void CheckLayer(const LayerKey& key) {
  EDGECAP_CHECK(key.ip_version == 0 || key.ip_version == 4 || key.ip_version == 6);
  const bool transport = key.ip_version != 0 && key.fragment != kFragmentLater;
  EDGECAP_CHECK(!key.has_ports || (transport && ProtocolHasPorts(key.protocol)));
  EDGECAP_CHECK(!key.has_tcp_flags || (key.has_ports && key.protocol == 6));
  EDGECAP_CHECK(!key.has_icmp || (transport && (key.protocol == 1 || key.protocol == 58)));
  EDGECAP_CHECK(key.ip_version == 0 || key.has_ether_type);
  EDGECAP_CHECK(key.ip_version != 4 || key.ether_type == 0x0800);
  EDGECAP_CHECK(key.ip_version != 6 || key.ether_type == 0x86dd);
  EDGECAP_CHECK(!key.has_ether_type || key.ether_type >= 0x600);
  EDGECAP_CHECK(key.vlan < 4096 && key.dscp < 64 && key.fragment <= kFragmentLater);
  for (std::size_t word = 1; word < key.source.size() && key.ip_version != 6; ++word) {
    EDGECAP_CHECK(key.source[word] == 0 && key.destination[word] == 0);
  }
}

void CheckPacket(const ParsedPacket& packet, std::size_t stored_bytes) {
  EDGECAP_CHECK(packet.count >= 1 && packet.count <= kLayersMax);
  std::size_t begin = 0;
  std::size_t end = stored_bytes;
  for (std::uint32_t layer = 0; layer < kLayersMax; ++layer) {
    const LayerKey& key = packet.layers[layer];
    if (layer >= packet.count) {
      EDGECAP_CHECK(key == LayerKey{});
      continue;
    }
    CheckLayer(key);
    const bool more = layer + 1 < packet.count;
    if (key.ip_version == 0) {
      EDGECAP_CHECK(key.payload_begin == 0 && key.payload_end == 0);
      EDGECAP_CHECK(!more || key.ether_type == 0x8847 || key.ether_type == 0x8848);
      continue;
    }
    EDGECAP_CHECK(begin <= key.payload_begin && key.payload_begin <= key.payload_end &&
                  key.payload_end <= end);
    EDGECAP_CHECK(!more || key.fragment != kFragmentLater);
    begin = key.payload_begin;
    end = key.payload_end;
  }
}

// What ParseLayers() says of packet `index`, compared with `packet`.
void CheckSame(const std::array<FlowKeys, kLayersMax>& layers, std::uint32_t index,
               const ParsedPacket& packet) {
  for (std::uint32_t layer = 0; layer < kLayersMax; ++layer) {
    EDGECAP_CHECK((((layers[layer].present >> index) & 1) != 0) == (layer < packet.count));
    EDGECAP_CHECK(LayerOf(layers[layer], index) == packet.layers[layer]);
  }
}

// The packet on its way back, where the ports lie plainly behind the IP header.
bool Reverse(const LayerKey& key, Bytes& bytes) {
  if (bytes.size() < 14) return false;
  std::swap_ranges(&bytes[0], &bytes[6], &bytes[6]);
  if (key.ip_version == 0) return true;
  std::size_t ip = 14;
  while (bytes[ip - 2] != key.ether_type >> 8 || bytes[ip - 1] != (key.ether_type & 0xff)) ip += 4;
  const bool four = key.ip_version == 4;
  std::uint8_t* source = &bytes[ip] + (four ? 12 : 8);
  std::swap_ranges(source, source + (four ? 4 : 16), source + (four ? 4 : 16));
  if (!key.has_ports) return true;
  const std::size_t ports = ip + (four ? std::size_t{bytes[ip] & 0x0fu} * 4 : 40);
  if (!four && bytes[ip + 6] != key.protocol) return false;
  std::swap_ranges(&bytes[ports], &bytes[ports] + 2, &bytes[ports] + 2);
  return true;
}

void CheckHashes(const ParsedPacket& packet, const Bytes& bytes, testing::TestBurst& burst) {
  std::uint64_t hash[kBurstPacketsMax];
  Bytes back = bytes;
  if (Reverse(packet.layers[0], back)) {
    burst.Add(back);
  } else {
    burst.Add(bytes);
  }
  FlowHashes(burst.burst(), burst.burst().All(), kSeed, hash);
  EDGECAP_CHECK(hash[0] == hash[3]);
  if (bytes.size() > kGatherBytesMax) return;
  EDGECAP_CHECK(hash[0] == hash[1] && hash[0] == hash[2]);
}

}  // namespace
}  // namespace edgecap::filter

// The first two bytes say where the packet is cut, the others are the packet.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace edgecap;
  using namespace edgecap::filter;
  if (size < 2) return 0;
  const std::vector<std::uint8_t> bytes(data + 2, data + size);
  const ParsedPacket packet = ParseExact(bytes, bytes.size());
  CheckPacket(packet, bytes.size());

  // Small cuts mostly: that is where headers are.
  const std::size_t head = std::min<std::size_t>(data[0], bytes.size());
  const std::size_t middle = std::min<std::size_t>(data[1], bytes.size() - head);
  testing::TestBurst burst;
  burst.Add(bytes);
  burst.AddPieces(bytes, {head, middle, bytes.size() - head - middle});
  burst.AddPieces(bytes, {head + middle, bytes.size() - head - middle});
  const auto layers = std::make_unique<std::array<FlowKeys, kLayersMax>>();
  const std::uint32_t count = ParseLayers(burst.burst(), burst.burst().All(), *layers);
  CheckSame(*layers, 0, packet);
  const std::size_t seen = std::min<std::size_t>(bytes.size(), kGatherBytesMax);
  const ParsedPacket gathered = ParseExact(std::span(bytes).first(seen), bytes.size());
  CheckPacket(gathered, bytes.size());
  CheckSame(*layers, 1, gathered);
  CheckSame(*layers, 2, gathered);
  EDGECAP_CHECK(count == std::max(packet.count, gathered.count));

  // The outer layer alone; packets that were not asked for are not in the answer.
  FlowKeys& outer = layers->back();
  ParsePackets(burst.burst(), 0b110, ParseDetail::kAll, outer);
  EDGECAP_CHECK(outer.present == 0b110 && LayerOf(outer, 0) == LayerKey{});
  for (const std::uint32_t i : {1, 2}) EDGECAP_CHECK(LayerOf(outer, i) == gathered.layers[0]);
  ParsePackets(burst.burst(), 0b101, ParseDetail::kTuple, outer);
  EDGECAP_CHECK(outer.present == 0b101 && TupleOf(outer, 1) == LayerKey{});
  EDGECAP_CHECK(TupleOf(outer, 0) == TupleOf(packet.layers[0]));
  EDGECAP_CHECK(TupleOf(outer, 2) == TupleOf(gathered.layers[0]));
  EDGECAP_CHECK((outer.ethernet | outer.tagged | outer.tcp | outer.icmp) == 0);

  CheckHashes(packet, bytes, burst);
  return 0;
}
