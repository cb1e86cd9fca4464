// SPDX-License-Identifier: Apache-2.0

#include "filter/packet_parser.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/support/packet_builder.h"
#include "tests/support/parsed_layer.h"
#include "tests/support/test_burst.h"

namespace edgecap::filter {
namespace {

using testing::LayerOf;
using testing::Packet;
using testing::TestBurst;
using testing::TupleOf;

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
  std::string key;
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

TEST(PacketParser, FindsTheKeyOfEachCase) {
  for (const Case& test : Cases()) {
    EXPECT_EQ(Describe(ParsePacket(test.packet.bytes()).layers[0]), test.key) << test.name;
  }
}

TEST(PacketParser, FindsTheSameInABurst) {
  TestBurst burst;
  for (const Case& test : Cases()) burst.Add(test.packet.bytes());
  FlowKeys keys;
  ParsePackets(burst.burst(), burst.burst().All(), ParseDetail::kTuple, keys);
  std::uint32_t index = 0;
  for (const Case& test : Cases())
    EXPECT_EQ(Describe(LayerOf(keys, index++)), test.key) << test.name;
}

TEST(PacketParser, FindsTheSameWhereverAPacketIsCutIntoPieces) {
  for (const Case& test : Cases()) {
    const std::size_t size = test.packet.bytes().size();
    for (std::size_t cut = 0; cut <= size; ++cut) {
      TestBurst burst;
      burst.AddPieces(test.packet.bytes(), {cut, (size - cut) / 2, size - cut - (size - cut) / 2});
      FlowKeys keys;
      ParsePackets(burst.burst(), 1, ParseDetail::kTuple, keys);
      ASSERT_EQ(Describe(LayerOf(keys, 0)), test.key) << test.name << " cut at " << cut;
    }
  }
}

// ---- Layers -------------------------------------------------------------------------------------

using Layers = std::array<FlowKeys, kLayersMax>;

// The keys of all layers: "4 4 10.0.0.1 > 10.0.0.2 | 4 6 192.0.2.1:1 > 192.0.2.2:443".
std::string Describe(const ParsedPacket& packet) {
  std::string text;
  for (std::uint32_t layer = 0; layer < packet.count; ++layer) {
    text += (layer == 0 ? "" : " | ") + Describe(packet.layers[layer]);
  }
  return text;
}

Packet Outer4(std::uint8_t protocol, std::uint16_t fragment = 0) {
  return Packet().Ipv4("10.0.0.1", "10.0.0.2", protocol, fragment);
}

// What the tunnels carry: as a whole packet, and as an IP packet behind something.
Packet Tcp4Inside() {
  return Packet().Vlan(7).Ipv4("192.0.2.1", "192.0.2.2", 6).Tcp(1024, 443, 0x12).Raw({'h', 'i'});
}
Packet Udp6Inside() {
  return Packet().Ipv6("fd00::1", "fd00::2", 17).Udp(1024, 53).Raw({'h', 'i'});
}
Packet& AddTcp4(Packet& packet) {
  return packet.InnerIpv4("192.0.2.1", "192.0.2.2", 6).Tcp(1024, 443, 0x12).Raw({'h', 'i'});
}
Packet& AddUdp6(Packet& packet) {
  return packet.InnerIpv6("fd00::1", "fd00::2", 17).Udp(1024, 53).Raw({'h', 'i'});
}
Packet WithTcp4(Packet packet) { return AddTcp4(packet); }
Packet WithUdp6(Packet packet) { return AddUdp6(packet); }

const std::string kTcp4 = " | 4 6 192.0.2.1:1024 > 192.0.2.2:443";
const std::string kUdp6 = " | 6 17 fd00::1:1024 > fd00::2:53";
const std::string kGtp4 = "4 17 10.0.0.1:2152 > 10.0.0.2:2152";
std::string Is4(int protocol) { return "4 " + std::to_string(protocol) + " 10.0.0.1 > 10.0.0.2"; }
std::string Is6(int protocol) {
  return "6 " + std::to_string(protocol) + " 2001:db8::1 > 2001:db8::2";
}
std::string IsUdp4(int port) { return "4 17 10.0.0.1:49152 > 10.0.0.2:" + std::to_string(port); }

std::vector<Case> TunnelCases() {
  const Packet ethernet4 = Tcp4Inside();
  const Packet ethernet6 = Udp6Inside();
  Packet deep = Outer4(17).Vxlan().Inner(Packet()
                                             .Ipv6("2001:db8::1", "2001:db8::2", 47)
                                             .Gre(0x0800)
                                             .InnerIpv4("1.1.1.1", "2.2.2.2", 4));
  Packet deeper = deep;
  AddTcp4(deep);
  deeper.InnerIpv4("3.3.3.3", "4.4.4.4", 4);
  AddTcp4(deeper);
  return {
      {"Ipv4InIpv4", WithTcp4(Outer4(4)), Is4(4) + kTcp4},
      {"Ipv6InIpv4", WithUdp6(Outer4(41)), Is4(41) + kUdp6},
      {"Ipv4InIpv6", WithTcp4(Six(4)), Is6(4) + kTcp4},
      {"Ipv6InIpv6", WithUdp6(Six(41)), Is6(41) + kUdp6},
      {"BehindExtensionHeaders", WithTcp4(Six(0).Extension(60).Extension(4)), Is6(4) + kTcp4},
      {"BehindIpOptions", WithTcp4(Packet().Ipv4("10.0.0.1", "10.0.0.2", 4, 0, 3)), Is4(4) + kTcp4},
      {"GreIpv4", WithTcp4(Outer4(47).Gre(0x0800)), Is4(47) + kTcp4},
      {"GreIpv6", WithUdp6(Outer4(47).Gre(0x86dd)), Is4(47) + kUdp6},
      {"GreChecksum", WithTcp4(Outer4(47).Gre(0x0800, 0x80)), Is4(47) + kTcp4},
      {"GreKey", WithTcp4(Outer4(47).Gre(0x0800, 0x20)), Is4(47) + kTcp4},
      {"GreSequence", WithTcp4(Outer4(47).Gre(0x0800, 0x10)), Is4(47) + kTcp4},
      {"GreAllOptions", WithUdp6(Six(47).Gre(0x86dd, 0xb0)), Is6(47) + kUdp6},
      {"GreEthernet", Outer4(47).Gre(0x6558, 0x20).Inner(ethernet4), Is4(47) + kTcp4},
      {"GreMpls", WithTcp4(Outer4(47).Gre(0x8847).Mpls(2)), Is4(47) + kTcp4},
      {"GreSourceRoutes", WithTcp4(Outer4(47).Gre(0x0800, 0x40)), Is4(47)},
      {"GreVersion1", WithTcp4(Outer4(47).Raw({0, 1, 0x08, 0x00})), Is4(47)},
      {"GreOfOtherType", WithTcp4(Outer4(47).Gre(0x88be)), Is4(47)},
      {"Vxlan", Outer4(17).Vxlan().Inner(ethernet4), IsUdp4(4789) + kTcp4},
      {"VxlanOverIpv6", Six(17).Vxlan().Inner(ethernet6),
       "6 17 2001:db8::1:49152 > 2001:db8::2:4789" + kUdp6},
      {"VxlanWithPolicy", Outer4(17).Vxlan(0x88).Inner(ethernet4), IsUdp4(4789) + kTcp4},
      {"VxlanWithoutIdentifier", Outer4(17).Vxlan(0).Inner(ethernet4), IsUdp4(4789)},
      {"VxlanOnlyBySourcePort",
       Outer4(17).Udp(4789, 5000).Raw({8, 0, 0, 0, 0, 0, 7, 0}).Inner(ethernet4),
       "4 17 10.0.0.1:4789 > 10.0.0.2:5000"},
      {"GeneveEthernet", Outer4(17).Geneve(0x6558).Inner(ethernet4), IsUdp4(6081) + kTcp4},
      {"GeneveOptions", Outer4(17).Geneve(0x6558, 3).Inner(ethernet6), IsUdp4(6081) + kUdp6},
      {"GeneveIpv6", WithUdp6(Outer4(17).Geneve(0x86dd, 1)), IsUdp4(6081) + kUdp6},
      {"GeneveVersion1",
       Outer4(17).Udp(49152, 6081).Raw({0x40, 0, 0x65, 0x58, 0, 0, 7, 0}).Inner(ethernet4),
       IsUdp4(6081)},
      {"Gtp", WithTcp4(Outer4(17).Gtp()), kGtp4 + kTcp4},
      {"GtpSequence", WithUdp6(Outer4(17).Gtp({}, 0x02)), kGtp4 + kUdp6},
      {"GtpNPdu", WithUdp6(Outer4(17).Gtp({}, 0x01)), kGtp4 + kUdp6},
      {"GtpExtension", WithTcp4(Outer4(17).Gtp({1})), kGtp4 + kTcp4},
      {"GtpExtensions", WithTcp4(Outer4(17).Gtp({1, 2, 3}, 0x03)), kGtp4 + kTcp4},
      {"GtpTooManyExtensions",
       WithTcp4(Outer4(17).Gtp({1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1})), kGtp4},
      {"GtpMostExtensions",
       WithTcp4(Outer4(17).Gtp({1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1})), kGtp4 + kTcp4},
      {"GtpExtensionOfNoLength",
       WithTcp4(Outer4(17)
                    .Udp(2152, 2152)
                    .Raw({0x34, 255, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0x85, 0, 0, 0, 0})),
       kGtp4},
      {"GtpEcho", WithTcp4(Outer4(17).Udp(2152, 2152).Raw({0x30, 1, 0, 0, 0, 0, 0, 9})), kGtp4},
      {"GtpVersion2", WithTcp4(Outer4(17).Udp(2152, 2152).Raw({0x50, 255, 0, 0, 0, 0, 0, 9})),
       kGtp4},
      {"GtpOfNoIp", Outer4(17).Gtp().Inner(ethernet4), kGtp4},
      {"Mpls", WithTcp4(Packet().EtherType(0x8847).Mpls()), "none" + kTcp4},
      {"MplsUpstreamTagged", WithUdp6(Packet().Vlan(3).EtherType(0x8848).Mpls(3)), "none" + kUdp6},
      {"MplsMostLabels", WithUdp6(Packet().EtherType(0x8847).Mpls(16)), "none" + kUdp6},
      {"MplsTooManyLabels", WithUdp6(Packet().EtherType(0x8847).Mpls(17)), "none"},
      {"MplsEthernet", Packet().EtherType(0x8847).Mpls(2).Raw({0, 0, 0, 9}).Inner(ethernet4),
       "none" + kTcp4},
      {"MplsAssociatedChannel", Packet().EtherType(0x8847).Mpls().Raw({0x10, 0, 0, 7}).Pad(90),
       "none"},
      {"MplsInIp", WithTcp4(Outer4(137).Mpls()), Is4(137) + kTcp4},
      {"MplsInUdp", WithTcp4(Six(17).Udp(49152, 6635).Mpls()),
       "6 17 2001:db8::1:49152 > 2001:db8::2:6635" + kTcp4},
      {"FourLayers", deep,
       IsUdp4(4789) + " | 6 47 2001:db8::1 > 2001:db8::2 | 4 4 1.1.1.1 > 2.2.2.2" + kTcp4},
      {"FiveLayers", deeper,
       IsUdp4(4789) + " | 6 47 2001:db8::1 > 2001:db8::2 | 4 4 1.1.1.1 > 2.2.2.2"
                      " | 4 4 3.3.3.3 > 4.4.4.4"},
      {"InnerEthernetWithoutIp", Outer4(17).Vxlan().Inner(Packet().EtherType(0x0806).Pad(60)),
       IsUdp4(4789) + " | none"},
      {"InnerEthernetCutOff", Outer4(17).Vxlan().Inner(Packet().Cut(12)).Raw({8}), IsUdp4(4789)},
      {"InnerOfWrongVersion", WithUdp6(Outer4(4)), Is4(4)},
      {"FirstFragmentShowsWhatIsInside", Outer4(17, 0x2000).Vxlan().Inner(ethernet4),
       IsUdp4(4789) + kTcp4},
      {"LaterFragmentHasNothingInside", WithTcp4(Outer4(4, 0x0001)), Is4(4)},
      {"LaterFragmentHasNothingInside6", WithTcp4(Six(44).Fragment(4, 8, false)), Is6(4)},
      {"InnerLaterFragment",
       Outer4(47).Gre(0x0800).InnerIpv4("192.0.2.1", "192.0.2.2", 17, 7).Udp(1, 4789),
       Is4(47) + " | 4 17 192.0.2.1 > 192.0.2.2"},
  };
}

// Tunnels with lengths left zero and filled in, and what is no tunnel.
std::vector<Case> AllCases() {
  std::vector<Case> all = Cases();
  for (const Case& test : TunnelCases()) {
    all.push_back(test);
    all.push_back(test);
    all.back().packet.Lengths();
  }
  return all;
}

// Layer by layer what ParseLayers says of packet `index`.
void ExpectSame(const Layers& layers, std::uint32_t index, const ParsedPacket& packet,
                const std::string& what) {
  for (std::uint32_t layer = 0; layer < kLayersMax; ++layer) {
    ASSERT_EQ(((layers[layer].present >> index) & 1) != 0, layer < packet.count)
        << what << ", layer " << layer;
    ASSERT_TRUE(LayerOf(layers[layer], index) == packet.layers[layer])
        << what << ", layer " << layer << ": " << Describe(LayerOf(layers[layer], index));
  }
}

TEST(PacketParser, FindsTheLayersInsideTunnels) {
  for (const Case& test : TunnelCases()) {
    EXPECT_EQ(Describe(ParsePacket(test.packet.bytes())), test.key) << test.name;
    Packet filled = test.packet;
    filled.Lengths();
    EXPECT_EQ(Describe(ParsePacket(filled.bytes())), test.key) << test.name << ", with lengths";
  }
}

TEST(PacketParser, FindsTheSameLayersInABurst) {
  const std::vector<Case> cases = AllCases();
  const auto layers = std::make_unique<Layers>();
  for (std::size_t first = 0; first < cases.size(); first += kBurstPacketsMax) {
    const std::size_t end = std::min(first + kBurstPacketsMax, cases.size());
    TestBurst burst;
    std::uint32_t most = 0;
    for (std::size_t i = first; i < end; ++i) {
      burst.Add(cases[i].packet.bytes());
      most = std::max(most, ParsePacket(cases[i].packet.bytes()).count);
    }
    EXPECT_EQ(ParseLayers(burst.burst(), burst.burst().All(), *layers), most);
    for (std::size_t i = first; i < end; ++i) {
      const ParsedPacket packet = ParsePacket(cases[i].packet.bytes());
      ExpectSame(*layers, static_cast<std::uint32_t>(i - first), packet, cases[i].name);
    }
  }
}

TEST(PacketParser, FindsTheSameLayersInRandomPieces) {
  std::mt19937_64 random(11);
  const auto layers = std::make_unique<Layers>();
  for (const Case& test : AllCases()) {
    const std::vector<std::uint8_t>& bytes = test.packet.bytes();
    const ParsedPacket packet = ParsePacket(bytes);
    for (int round = 0; round < 100; ++round) {
      std::vector<std::size_t> sizes;
      std::size_t left = bytes.size();
      for (std::uint64_t pieces = random() % 5; pieces != 0; --pieces) {
        sizes.push_back(random() % (left + 1));
        left -= sizes.back();
      }
      sizes.push_back(left);
      TestBurst burst;
      burst.AddPieces(bytes, sizes);
      EXPECT_EQ(ParseLayers(burst.burst(), 1, *layers), packet.count);
      ExpectSame(*layers, 0, packet, test.name);
      ParsePackets(burst.burst(), 1, ParseDetail::kAll, layers->front());
      ASSERT_TRUE(LayerOf(layers->front(), 0) == packet.layers[0]) << test.name;
    }
  }
}

// What is known of a packet that was cut is what is known of the whole packet.
void ExpectPartOf(const LayerKey& part, const LayerKey& whole, const std::string& what) {
  if (part.has_ether_type) {
    EXPECT_TRUE(whole.has_ether_type && part.ether_type == whole.ether_type) << what;
  }
  if (part.tagged) {
    EXPECT_TRUE(whole.tagged && part.vlan == whole.vlan) << what;
  }
  if (part.ip_version != 0) {
    EXPECT_TRUE(part.ip_version == whole.ip_version && part.source == whole.source &&
                part.destination == whole.destination && part.dscp == whole.dscp)
        << what;
  }
  if (part.has_ports) {
    EXPECT_TRUE(whole.has_ports && part.protocol == whole.protocol &&
                part.source_port == whole.source_port &&
                part.destination_port == whole.destination_port)
        << what;
  }
  if (part.has_tcp_flags) {
    EXPECT_TRUE(whole.has_tcp_flags && part.tcp_flags == whole.tcp_flags) << what;
  }
  if (part.has_icmp) {
    EXPECT_TRUE(whole.has_icmp && part.icmp_type == whole.icmp_type &&
                part.icmp_code == whole.icmp_code)
        << what;
  }
}

TEST(PacketParser, KnowsOfACutPacketWhatIsThere) {
  const auto layers = std::make_unique<Layers>();
  for (const Case& test : AllCases()) {
    const std::vector<std::uint8_t>& bytes = test.packet.bytes();
    const ParsedPacket whole = ParsePacket(bytes);
    std::uint32_t count = 1;
    for (std::size_t size = 0; size <= bytes.size(); ++size) {
      const std::vector<std::uint8_t> cut(bytes.begin(),
                                          bytes.begin() + static_cast<std::ptrdiff_t>(size));
      TestBurst burst;
      burst.Add(cut);
      const ParsedPacket part = ParsePacket(cut);
      const std::string what = std::string(test.name) + " cut at " + std::to_string(size);
      EXPECT_EQ(ParseLayers(burst.burst(), 1, *layers), part.count) << what;
      ExpectSame(*layers, 0, part, what);
      EXPECT_GE(part.count, count) << what;
      count = part.count;
      ASSERT_LE(count, whole.count) << what;
      for (std::uint32_t layer = 0; layer < count; ++layer) {
        ExpectPartOf(part.layers[layer], whole.layers[layer], what);
        EXPECT_LE(part.layers[layer].payload_begin, part.layers[layer].payload_end) << what;
        EXPECT_LE(part.layers[layer].payload_end, size) << what;
      }
    }
    EXPECT_EQ(count, whole.count) << test.name;
  }
}

TEST(PacketParser, FindsALayerOnceItsHeaderIsThere) {
  const struct {
    Packet packet;
    std::size_t inner_bytes;  // of the header that makes it a layer
    Packet outer;
  } tests[] = {
      {WithTcp4(Outer4(4)), 20, Outer4(4)},
      {WithUdp6(Six(41)), 40, Six(41)},
      {Outer4(17).Vxlan().Inner(Tcp4Inside()), 14, Outer4(17).Vxlan()},
      {WithTcp4(Packet().EtherType(0x8847).Mpls()), 20, Packet().EtherType(0x8847).Mpls()},
  };
  for (const auto& test : tests) {
    std::vector<std::uint8_t> bytes = test.packet.bytes();
    bytes.resize(test.outer.bytes().size() + test.inner_bytes);
    EXPECT_EQ(ParsePacket(bytes).count, 2u);
    bytes.pop_back();
    EXPECT_EQ(ParsePacket(bytes).count, 1u);
  }
}

// ---- Details ------------------------------------------------------------------------------------

// The details of one layer as text: "type=800 vlan=5 dscp=46 fragment=1 flags=12 icmp=8/0".
std::string Details(const LayerKey& key) {
  char text[96];
  std::string all;
  const auto add = [&](bool known, const char* format, auto... values) {
    if (!known) return;
    std::snprintf(text, sizeof(text), format, values...);
    all += (all.empty() ? "" : " ") + std::string(text);
  };
  add(key.has_ether_type, "type=%x", key.ether_type);
  add(key.tagged, "vlan=%d", key.vlan);
  add(key.dscp != 0, "dscp=%d", key.dscp);
  add(key.fragment != kFragmentNone, "fragment=%d", key.fragment);
  add(key.has_tcp_flags, "flags=%x", key.tcp_flags);
  add(key.has_icmp, "icmp=%d/%d", key.icmp_type, key.icmp_code);
  return all;
}

std::vector<Case> DetailCases() {
  const auto four = [](std::uint8_t protocol, std::uint16_t fragment = 0, std::uint8_t dscp = 0) {
    return Packet().Ipv4("10.0.0.1", "10.0.0.2", protocol, fragment, 0, dscp);
  };
  Packet nine_tags;
  for (std::uint16_t i = 1; i <= 9; ++i) nine_tags.Vlan(i);
  return {
      {"Tcp", four(6).Tcp(1, 2, 0x12), "type=800 flags=12"},
      {"TcpAllFlags", four(6).Tcp(1, 2, 0xff), "type=800 flags=ff"},
      {"TcpFlagsCutOff", four(6).Tcp(1, 2, 0x12).Cut(47), "type=800"},
      {"TcpFlagsJustThere", four(6).Tcp(1, 2, 0x12).Cut(48), "type=800 flags=12"},
      {"TcpTagged", Packet().Vlan(5).Ipv4("10.0.0.1", "10.0.0.2", 6).Tcp(1, 2, 0x02),
       "type=800 vlan=5 flags=2"},
      {"Tcp6", Six(6).Tcp(1, 2, 0x10), "type=86dd flags=10"},
      {"Udp", four(17).Udp(1, 2).Pad(60), "type=800"},
      {"Icmp", four(1).Icmp(8, 3).Pad(60), "type=800 icmp=8/3"},
      {"IcmpJustThere", four(1).Icmp(8, 3).Cut(36), "type=800 icmp=8/3"},
      {"IcmpCodeCutOff", four(1).Icmp(8, 3).Cut(35), "type=800"},
      {"Icmpv6", Six(58).Icmp(135, 1), "type=86dd icmp=135/1"},
      {"Icmpv6BehindExtensions", Six(0).Extension(58).Icmp(143, 0), "type=86dd icmp=143/0"},
      {"Igmp", four(2).Icmp(8, 3).Pad(60), "type=800"},
      {"Dscp", four(17, 0, 46).Udp(1, 2).Pad(60), "type=800 dscp=46"},
      {"DscpAllBits", four(17, 0, 63).Udp(1, 2).Pad(60), "type=800 dscp=63"},
      {"Dscp6", Packet().Ipv6("::1", "::2", 17, 46).Udp(1, 2), "type=86dd dscp=46"},
      {"Dscp6AllBits", Packet().Ipv6("::1", "::2", 17, 63).Udp(1, 2), "type=86dd dscp=63"},
      {"NotTheCongestionBits", Packet().EtherType(0x0800).Raw({0x45, 0x03}).Pad(60), "type=800"},
      {"FirstFragment", four(6, 0x2000).Tcp(1, 2, 0x02).Pad(60), "type=800 fragment=1 flags=2"},
      {"LaterFragment", four(6, 0x2001).Tcp(1, 2, 0x02).Pad(60), "type=800 fragment=2"},
      {"LastFragment", four(1, 0x1000).Icmp(8, 0).Pad(60), "type=800 fragment=2"},
      {"DoNotFragment", four(1, 0x4000).Icmp(8, 0).Pad(60), "type=800 icmp=8/0"},
      {"ReservedFragmentBit", four(1, 0x8000).Icmp(8, 0).Pad(60), "type=800 icmp=8/0"},
      {"FirstFragment6", Six(44).Fragment(58, 0, true).Icmp(1, 2), "type=86dd fragment=1 icmp=1/2"},
      {"LaterFragment6", Six(44).Fragment(58, 8, true).Icmp(1, 2), "type=86dd fragment=2"},
      {"LastFragment6", Six(44).Fragment(58, 8, false).Icmp(1, 2), "type=86dd fragment=2"},
      {"AtomicFragment6", Six(44).Fragment(58, 0, false).Icmp(1, 2), "type=86dd icmp=1/2"},
      {"VlanWithoutPriority", Packet().Vlan(0xf123).EtherType(0x0806), "type=806 vlan=291"},
      {"VlanOfTheFirstTag", Packet().Vlan(5, 0x88a8).Vlan(6).EtherType(0x0806), "type=806 vlan=5"},
      {"VlanOfTooManyTags", nine_tags.EtherType(0x0806), "vlan=1"},
      {"SecondTagCutOff", Packet().Vlan(5).Vlan(6).Raw({8}), "vlan=5"},
      {"TagCutOff", Packet().Vlan(5).Raw({8}), ""},
      {"Arp", Packet().EtherType(0x0806).Pad(60), "type=806"},
      {"SmallestType", Packet().EtherType(0x0600), "type=600"},
      {"Length8023", Packet().EtherType(0x05ff).Pad(60), ""},
      {"Ipv4OfWrongVersion", Packet().EtherType(0x0800).Raw({0x65}).Pad(60), "type=800"},
      {"EthernetCutOff", Packet().EtherType(0x0800).Cut(13), ""},
  };
}

TEST(PacketParser, FindsTheDetailsOfEachCase) {
  FlowKeys keys;
  for (const Case& test : DetailCases()) {
    EXPECT_EQ(Details(ParsePacket(test.packet.bytes()).layers[0]), test.key) << test.name;
    TestBurst burst;
    burst.Add(test.packet.bytes());
    ParsePackets(burst.burst(), 1, ParseDetail::kAll, keys);
    EXPECT_EQ(Details(LayerOf(keys, 0)), test.key) << test.name << ", in a burst";
    // The same inside a tunnel. What is cut there is cut within the outer packet.
    const std::vector<std::uint8_t> bytes = Outer4(17).Vxlan().Inner(test.packet).Lengths().bytes();
    const ParsedPacket packet = ParsePacket(bytes);
    EXPECT_EQ(Details(packet.layers[0]), "type=800") << test.name << ", in a tunnel";
    EXPECT_EQ(Details(packet.layers[1]), test.key) << test.name << ", in a tunnel";
  }
}

TEST(PacketParser, KnowsTheTypeButNoTagOfALayerWithoutEthernet) {
  const ParsedPacket four =
      ParsePacket(WithTcp4(Packet().Vlan(5).Ipv4("10.0.0.1", "10.0.0.2", 4)).bytes());
  EXPECT_EQ(Details(four.layers[0]), "type=800 vlan=5");
  EXPECT_EQ(Details(four.layers[1]), "type=800 flags=12");
  const ParsedPacket six = ParsePacket(WithUdp6(Packet().EtherType(0x8847).Mpls()).bytes());
  EXPECT_EQ(Details(six.layers[0]), "type=8847");
  EXPECT_EQ(Details(six.layers[1]), "type=86dd");
  const ParsedPacket ethernet = ParsePacket(Outer4(17).Vxlan().Inner(Tcp4Inside()).bytes());
  EXPECT_EQ(Details(ethernet.layers[1]), "type=800 vlan=7 flags=12");
}

// ---- Payload ------------------------------------------------------------------------------------

struct PayloadCase {
  const char* name;
  Packet packet;
  std::uint32_t begin;
  std::uint32_t end;
};

Packet Payload(Packet packet) { return packet.Raw({1, 2, 3, 4}).Lengths(); }

std::vector<PayloadCase> PayloadCases() {
  Packet too_long = Payload(Outer4(17).Udp(1, 2));
  too_long.Cut(45);
  Packet chain = Six(60);
  for (int i = 0; i < 18; ++i) chain.Extension(60);
  return {
      {"Tcp", Payload(Outer4(6).Tcp(1, 2, 2)), 54, 58},
      {"TcpOptions", Payload(Outer4(6).Tcp(1, 2, 2, 10)), 94, 98},
      {"TcpOffsetTooSmall", Outer4(6).Ports(1, 2).Pad(60), 54, 60},
      {"TcpOffsetBeyondTheEnd", Outer4(6).Tcp(1, 2, 2, 10).Cut(60), 60, 60},
      {"TcpCutOff", Outer4(6).Tcp(1, 2, 2).Cut(50), 50, 50},
      {"Udp", Payload(Outer4(17).Udp(1, 2)), 42, 46},
      {"UdpBehindOptions", Payload(Packet().Ipv4("10.0.0.1", "10.0.0.2", 17, 0, 2).Udp(1, 2)), 50,
       54},
      {"UdpTagged", Payload(Packet().Vlan(5).Ipv4("10.0.0.1", "10.0.0.2", 17).Udp(1, 2)), 46, 50},
      {"UdpLite", Payload(Outer4(136).Udp(1, 2)), 42, 46},
      {"Sctp", Payload(Outer4(132).Ports(1, 2).Raw({0, 0, 0, 0, 0, 0, 0, 0})), 46, 50},
      {"Dccp", Payload(Outer4(33).Ports(1, 2).Raw({4, 0, 0, 0}).Raw({0, 0, 0, 0, 0, 0, 0, 0})), 50,
       54},
      {"Icmp", Payload(Outer4(1).Icmp(8, 0)), 42, 46},
      {"Icmpv6", Payload(Six(58).Icmp(8, 0)), 62, 66},
      {"OtherProtocol", Payload(Outer4(50)), 34, 38},
      {"Tcp6", Payload(Six(6).Tcp(1, 2, 2)), 74, 78},
      {"Udp6BehindExtensions", Payload(Six(0).Extension(60).Extension(17).Udp(1, 2)), 78, 82},
      {"NoNextHeader6", Payload(Six(59)), 54, 58},
      {"FirstFragment", Payload(Outer4(17, 0x2000).Udp(1, 2)), 42, 46},
      {"LaterFragment", Payload(Outer4(17, 1)), 34, 38},
      {"LaterFragment6", Payload(Six(44).Fragment(17, 8, false)), 62, 66},
      {"WithoutEthernetPadding", Payload(Outer4(17).Udp(1, 2)).Pad(60), 42, 46},
      {"WithoutEthernetPadding6", Payload(Six(17).Udp(1, 2)).Pad(90), 62, 66},
      {"NoPayload", Outer4(6).Tcp(1, 2, 2).Lengths().Pad(60), 54, 54},
      {"NoLengthGiven", Outer4(17).Udp(1, 2).Pad(60), 42, 60},
      {"NoLengthGiven6", Six(17).Udp(1, 2).Pad(90), 62, 90},
      {"NoLengthGivenOtherProtocol6", Six(50).Pad(90), 54, 90},
      {"LengthBeyondTheEnd", too_long, 42, 45},
      {"LengthWithinTheHeaders", Outer4(17).Lengths().Udp(1, 2).Pad(60), 42, 60},
      {"ChainBreaksOff6", chain, 14 + 40 + 18 * 8, 14 + 40 + 18 * 8},
      {"ChainCutOff6", Six(0).Extension(17, 3).Cut(70), 70, 70},
      {"NoIp", Packet().EtherType(0x0806).Pad(60), 0, 0},
      {"NoEthernet", Packet().Cut(5), 0, 0},
  };
}

TEST(PacketParser, FindsThePayload) {
  FlowKeys keys;
  for (const PayloadCase& test : PayloadCases()) {
    const LayerKey key = ParsePacket(test.packet.bytes()).layers[0];
    EXPECT_EQ(key.payload_begin, test.begin) << test.name;
    EXPECT_EQ(key.payload_end, test.end) << test.name;
    TestBurst burst;
    burst.Add(test.packet.bytes());
    ParsePackets(burst.burst(), 1, ParseDetail::kAll, keys);
    EXPECT_EQ(keys.payload_begin[0], test.begin) << test.name << ", in a burst";
    EXPECT_EQ(keys.payload_end[0], test.end) << test.name << ", in a burst";
  }
}

TEST(PacketParser, KeepsAnInnerPayloadWithinTheOuter) {
  const auto expect = [](const Packet& packet, std::vector<std::uint32_t> bounds) {
    const ParsedPacket parsed = ParsePacket(packet.bytes());
    ASSERT_EQ(parsed.count * 2, bounds.size());
    for (std::uint32_t layer = 0; layer < parsed.count; ++layer) {
      EXPECT_EQ(parsed.layers[layer].payload_begin, bounds[layer * 2]) << layer;
      EXPECT_EQ(parsed.layers[layer].payload_end, bounds[layer * 2 + 1]) << layer;
    }
  };
  // 34 bytes to the IP packet inside, 20 of that, 8 of UDP.
  Packet filled = Outer4(4).InnerIpv4("1.1.1.1", "2.2.2.2", 17).Udp(1, 2).Raw({1, 2, 3, 4});
  expect(Packet(filled).Lengths().Pad(90), {34, 66, 62, 66});
  expect(Packet(filled).Pad(90), {34, 90, 62, 90});
  // Only the outer length is given: the inner one ends there.
  Packet outer_only = Packet(filled).Lengths().Pad(90);
  std::vector<std::uint8_t> bytes = outer_only.bytes();
  bytes[36] = bytes[37] = 0;
  const ParsedPacket parsed = ParsePacket(bytes);
  EXPECT_EQ(parsed.layers[1].payload_end, 66u);
  // An inner packet longer than its carrier.
  bytes[37] = 40;
  EXPECT_EQ(ParsePacket(bytes).layers[1].payload_end, 66u);
  // Padding behind the outer packet carries nothing.
  EXPECT_EQ(ParsePacket(Outer4(17).Vxlan().Lengths().Pad(90).bytes()).count, 1u);
}

TEST(PacketParser, FindsThePayloadsEndBeyondTheGatheredBytes) {
  const std::vector<std::uint8_t> bytes = WithTcp4(Outer4(4)).Pad(5000).Lengths().bytes();
  TestBurst burst;
  burst.AddPieces(bytes, {10, 30, 3000, 1960});
  burst.AddPieces(bytes, {2100, 2900});
  burst.Add(bytes);
  const auto layers = std::make_unique<Layers>();
  ASSERT_EQ(ParseLayers(burst.burst(), 0b111, *layers), 2u);
  for (std::uint32_t i = 0; i < 3; ++i) {
    EXPECT_EQ(layers->at(0).payload_begin[i], 34u);
    EXPECT_EQ(layers->at(0).payload_end[i], 5000u);
    EXPECT_EQ(layers->at(1).payload_begin[i], 74u);
    EXPECT_EQ(layers->at(1).payload_end[i], 5000u);
  }
}

// ---- Sets, and anything -------------------------------------------------------------------------

TEST(PacketParser, LooksOnlyAtThePacketsItIsAskedFor) {
  TestBurst burst;
  for (int i = 0; i < 8; ++i) burst.Add(Outer4(17).Vxlan().Inner(Tcp4Inside()).bytes());
  const auto layers = std::make_unique<Layers>();
  ASSERT_EQ(ParseLayers(burst.burst(), burst.burst().All(), *layers), 2u);
  ASSERT_EQ(ParseLayers(burst.burst(), 0b10100, *layers), 2u);
  for (const FlowKeys* keys : {&layers->at(0), &layers->at(1)}) {
    EXPECT_EQ(keys->present, 0b10100u);
    EXPECT_EQ(keys->ipv4, 0b10100u);
    EXPECT_EQ(keys->ports, 0b10100u);
    EXPECT_EQ(keys->ethernet, 0b10100u);
  }
  EXPECT_EQ(layers->at(1).tcp, 0b10100u);
  EXPECT_EQ(layers->at(1).tagged, 0b10100u);
  EXPECT_EQ(layers->at(2).present, 0u);
  ParsePackets(burst.burst(), 0b1000, ParseDetail::kTuple, layers->at(1));
  EXPECT_EQ(layers->at(1).present, 0b1000u);
  EXPECT_EQ(layers->at(1).ports, 0b1000u);
  EXPECT_EQ(layers->at(1).tcp | layers->at(1).tagged | layers->at(1).ethernet, 0u);
  EXPECT_EQ(ParseLayers(burst.burst(), 0, *layers), 1u);
  for (const FlowKeys& keys : *layers) EXPECT_EQ(keys.present | keys.ethernet | keys.ipv4, 0u);
}

TEST(PacketParser, AnswersWhateverTheBytes) {
  std::mt19937_64 random(7);
  std::vector<Case> cases = AllCases();
  for (const Case& test : DetailCases()) cases.push_back(test);
  const auto layers = std::make_unique<Layers>();
  std::uint32_t deepest = 0;
  for (int round = 0; round < 3'000; ++round) {
    TestBurst burst;
    std::vector<ParsedPacket> expected;
    for (std::uint32_t i = 0; i < kBurstPacketsMax; ++i) {
      std::vector<std::uint8_t> bytes = cases[random() % cases.size()].packet.bytes();
      for (std::uint64_t change = random() % 4; change != 0 && !bytes.empty(); --change) {
        bytes[random() % bytes.size()] = static_cast<std::uint8_t>(random());
      }
      if (random() % 2 == 0) bytes.resize(random() % (bytes.size() + 1));
      burst.Add(bytes);
      expected.push_back(ParsePacket(bytes));
    }
    deepest = std::max(deepest, ParseLayers(burst.burst(), burst.burst().All(), *layers));
    for (std::uint32_t i = 0; i < kBurstPacketsMax; ++i) {
      ExpectSame(*layers, i, expected[i], "round " + std::to_string(round));
    }
    ParsePackets(burst.burst(), burst.burst().All(), ParseDetail::kTuple, layers->front());
    for (std::uint32_t i = 0; i < kBurstPacketsMax; ++i) {
      ASSERT_TRUE(TupleOf(layers->front(), i) == TupleOf(expected[i].layers[0])) << round;
    }
    if (HasFatalFailure()) return;
  }
  EXPECT_EQ(deepest, kLayersMax);
}

}  // namespace
}  // namespace edgecap::filter
