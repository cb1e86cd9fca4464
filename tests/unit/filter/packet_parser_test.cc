// SPDX-License-Identifier: Apache-2.0

#include "filter/packet_parser.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "tests/support/packet_builder.h"
#include "tests/support/test_burst.h"

namespace edgecap::filter {
namespace {

using testing::Packet;

// The key as a line of text, so that a case is one row: "4 6 10.0.0.1:1 > 10.0.0.2:2".
std::string Describe(const LayerKey& key) {
  if (key.ip_version == 0) return "none";
  const int family = key.ip_version == 4 ? AF_INET : AF_INET6;
  const auto end = [&](const std::array<std::uint32_t, 4>& address, std::uint16_t port) {
    char text[INET6_ADDRSTRLEN];
    inet_ntop(family, address.data(), text, sizeof(text));
    return std::string(text) + (key.has_ports ? ":" + std::to_string(port) : "");
  };
  return std::to_string(key.ip_version) + " " + std::to_string(key.protocol) + " " +
         end(key.source, key.source_port) + " > " + end(key.destination, key.destination_port);
}

struct Case {
  const char* name;
  Packet packet;
  const char* key;
};

const char* const kFour = "4 6 10.0.0.1:1 > 10.0.0.2:2";
const char* const kSix = "6 17 2001:db8::1:1 > 2001:db8::2:2";

Packet Tcp4(std::uint8_t options = 0) {
  return Packet().Ipv4("10.0.0.1", "10.0.0.2", 6, 0, options).Ports(1, 2);
}
Packet Six(std::uint8_t next_header) {
  return Packet().Ipv6("2001:db8::1", "2001:db8::2", next_header);
}

std::vector<Case> Cases() {
  Packet nine_tags;
  for (std::uint16_t i = 0; i < 9; ++i) nine_tags.Vlan(i);
  Packet eight_tags;
  for (std::uint16_t i = 0; i < 8; ++i) eight_tags.Vlan(i);
  Packet long_chain = Six(60);
  for (int i = 0; i < 17; ++i) long_chain.Extension(60);
  Packet longest_chain = Six(60);
  for (int i = 0; i < 15; ++i) longest_chain.Extension(60);
  return {
      {"PlainIpv4", Tcp4().Pad(60), kFour},
      {"ShortIpv4", Tcp4(), kFour},
      {"Ipv4WithOptions", Tcp4(10), kFour},
      {"OneVlanTag", Packet().Vlan(5).Ipv4("10.0.0.1", "10.0.0.2", 6).Ports(1, 2), kFour},
      {"QinQ", Packet().Vlan(5, 0x88a8).Vlan(6).Ipv4("10.0.0.1", "10.0.0.2", 6).Ports(1, 2), kFour},
      {"OldQinQ",
       Packet().Vlan(5, 0x9100).Vlan(6, 0x9200).Ipv4("10.0.0.1", "10.0.0.2", 6).Ports(1, 2), kFour},
      {"EightTags", eight_tags.Ipv4("10.0.0.1", "10.0.0.2", 6).Ports(1, 2), kFour},
      {"NineTags", nine_tags.Ipv4("10.0.0.1", "10.0.0.2", 6).Ports(1, 2), "none"},
      {"TagCutOff", Packet().Vlan(5).Cut(15), "none"},
      {"FirstFragment", Packet().Ipv4("10.0.0.1", "10.0.0.2", 6, 0x2000).Ports(1, 2).Pad(60),
       kFour},
      {"LaterFragment", Packet().Ipv4("10.0.0.1", "10.0.0.2", 6, 0x0001).Ports(1, 2).Pad(60),
       "4 6 10.0.0.1 > 10.0.0.2"},
      {"DoNotFragment", Packet().Ipv4("10.0.0.1", "10.0.0.2", 6, 0x4000).Ports(1, 2).Pad(60),
       kFour},
      {"Icmp", Packet().Ipv4("10.0.0.1", "10.0.0.2", 1).Ports(1, 2).Pad(60),
       "4 1 10.0.0.1 > 10.0.0.2"},
      {"Sctp", Packet().Ipv4("10.0.0.1", "10.0.0.2", 132).Ports(1, 2).Pad(60),
       "4 132 10.0.0.1:1 > 10.0.0.2:2"},
      {"PortsCutOff", Tcp4().Cut(37), "4 6 10.0.0.1 > 10.0.0.2"},
      {"Ipv4HeaderCutOff", Tcp4().Cut(33), "none"},
      {"Ipv4WrongVersion", Packet().EtherType(0x0800).Raw({0x65}).Pad(60), "none"},
      {"Ipv4HeaderLengthTooSmall", Packet().EtherType(0x0800).Raw({0x44}).Pad(60), "none"},
      {"Ipv4HeaderLengthBeyondTheEnd",
       Packet().Ipv4("10.0.0.1", "10.0.0.2", 6, 0, 10).Ports(1, 2).Cut(60),
       "4 6 10.0.0.1 > 10.0.0.2"},
      {"Ipv6", Six(17).Ports(1, 2), kSix},
      {"Ipv6HopByHop", Six(0).Extension(17, 2).Ports(1, 2), kSix},
      {"Ipv6AllExtensions",
       Six(0).Extension(60).Extension(43).Extension(44).Raw({17, 0, 0, 1, 0, 0, 0, 9}).Ports(1, 2),
       kSix},
      {"Ipv6Authentication", Six(51).Raw({17, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}).Ports(1, 2), kSix},
      {"Ipv6FirstFragment", Six(44).Raw({17, 0, 0, 1, 0, 0, 0, 9}).Ports(1, 2), kSix},
      {"Ipv6LaterFragment", Six(44).Raw({17, 0, 0, 8, 0, 0, 0, 9}).Ports(1, 2),
       "6 17 2001:db8::1 > 2001:db8::2"},
      {"Ipv6Esp", Six(50).Ports(1, 2), "6 50 2001:db8::1 > 2001:db8::2"},
      {"Ipv6NoNextHeader", Six(59).Pad(80), "6 59 2001:db8::1 > 2001:db8::2"},
      {"Ipv6ChainCutOff", Six(0).Extension(17, 3).Cut(70), "6 0 2001:db8::1 > 2001:db8::2"},
      {"Ipv6LongestChain", longest_chain.Extension(17).Ports(1, 2), kSix},
      {"Ipv6ChainTooLong", long_chain.Extension(17).Ports(1, 2), "6 60 2001:db8::1 > 2001:db8::2"},
      {"Ipv6HeaderCutOff", Six(17).Cut(53), "none"},
      {"Ipv6WrongVersion", Packet().EtherType(0x86dd).Raw({0x45}).Pad(80), "none"},
      {"Arp", Packet().EtherType(0x0806).Pad(60), "none"},
      {"Length8023", Packet().EtherType(0x0026).Pad(60), "none"},
      {"OnlyEthernet", Packet().EtherType(0x0800), "none"},
      {"AlmostNothing", Packet().Cut(3), "none"},
      {"Nothing", Packet().Cut(0), "none"},
  };
}

// What ParsePackets says of packet `index`, put back into one key.
LayerKey KeyOf(const FlowKeys& keys, std::uint32_t index) {
  LayerKey key;
  const auto in = [&](PacketSet set) { return ((set >> index) & 1) != 0; };
  if (!in(keys.ipv4 | keys.ipv6)) return key;
  key.ip_version = in(keys.ipv4) ? 4 : 6;
  key.protocol = keys.protocol[index];
  for (int word = 0; word < (in(keys.ipv4) ? 1 : 4); ++word) {
    key.source[word] = keys.source[word][index];
    key.destination[word] = keys.destination[word][index];
  }
  key.has_ports = in(keys.ports);
  key.source_port = keys.source_port[index];
  key.destination_port = keys.destination_port[index];
  return key;
}

TEST(PacketParser, FindsTheKeyOfEachCase) {
  for (const Case& test : Cases()) {
    EXPECT_EQ(Describe(ParsePacket(test.packet.bytes()).layers[0]), test.key) << test.name;
  }
}

TEST(PacketParser, FindsTheSameInABurst) {
  testing::TestBurst burst;
  for (const Case& test : Cases()) burst.Add(test.packet.bytes());
  FlowKeys keys;
  ParsePackets(burst.burst(), burst.burst().All(), ParseDetail::kTuple, keys);
  std::uint32_t index = 0;
  for (const Case& test : Cases()) EXPECT_EQ(Describe(KeyOf(keys, index++)), test.key) << test.name;
}

TEST(PacketParser, FindsTheSameWhereverAPacketIsCutIntoPieces) {
  for (const Case& test : Cases()) {
    const std::size_t size = test.packet.bytes().size();
    for (std::size_t cut = 0; cut <= size; ++cut) {
      testing::TestBurst burst;
      burst.AddPieces(test.packet.bytes(), {cut, (size - cut) / 2, size - cut - (size - cut) / 2});
      FlowKeys keys;
      ParsePackets(burst.burst(), 1, ParseDetail::kTuple, keys);
      ASSERT_EQ(Describe(KeyOf(keys, 0)), test.key) << test.name << " cut at " << cut;
    }
  }
}

TEST(PacketParser, LooksOnlyAtThePacketsItIsAskedFor) {
  testing::TestBurst burst;
  for (int i = 0; i < 8; ++i) burst.Add(Tcp4().Pad(60).bytes());
  FlowKeys keys;
  ParsePackets(burst.burst(), 0b10100, ParseDetail::kTuple, keys);
  EXPECT_EQ(keys.ipv4, 0b10100u);
  EXPECT_EQ(keys.ports, 0b10100u);
}

TEST(PacketParser, AnswersWhateverTheBytes) {
  std::mt19937_64 random(7);
  const std::vector<Case> cases = Cases();
  for (int round = 0; round < 100'000; ++round) {
    std::vector<std::uint8_t> bytes = cases[random() % cases.size()].packet.bytes();
    for (int change = 0; change < 3 && !bytes.empty(); ++change) {
      bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
    }
    bytes.resize(random() % (bytes.size() + 1));
    bytes.shrink_to_fit();
    const LayerKey key = ParsePacket(bytes).layers[0];
    EXPECT_TRUE(key.ip_version == 0 || key.ip_version == 4 || key.ip_version == 6);
  }
}

}  // namespace
}  // namespace edgecap::filter
