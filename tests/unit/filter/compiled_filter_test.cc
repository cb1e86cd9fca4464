// SPDX-License-Identifier: Apache-2.0

#include "filter/compiled_filter.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "filter/packet_parser.h"
#include "tests/support/filter_definition.h"
#include "tests/support/packet_builder.h"
#include "tests/support/test_burst.h"

namespace edgecap::filter {
namespace {

using testing::Holds;
using testing::Packet;
using testing::TestBurst;
using Fields = std::map<std::string, std::string>;

FilterSpec Spec(const Fields& fields) {
  FilterSpec spec;
  for (const auto& [name, value] : fields) {
    const absl::Status status = spec.Set(name, value);
    EXPECT_TRUE(status.ok()) << status;
  }
  return spec;
}

std::vector<PacketSet> Match(const std::vector<FilterSpec>& specs, TestBurst& burst) {
  auto filter = CompiledFilter::Compile(specs);
  EXPECT_TRUE(filter.ok()) << filter.status();
  MatchScratch scratch(static_cast<std::uint32_t>(specs.size()));
  (*filter)->Match(burst.burst(), scratch);
  std::vector<PacketSet> wanted(specs.size());
  for (const JobMatch& match : scratch.matches()) {
    EXPECT_NE(match.packets, 0u);
    EXPECT_EQ(wanted[match.job], 0u) << "a job is named twice";
    wanted[match.job] = match.packets;
  }
  return wanted;
}

Packet Udp4(const char* source, const char* destination, std::uint16_t from, std::uint16_t to) {
  return Packet().Ipv4(source, destination, 17).Ports(from, to).Pad(60);
}

TEST(CompiledFilter, WithoutJobsNobodyWantsAnything) {
  TestBurst burst;
  burst.Add(Udp4("10.0.0.1", "10.0.0.2", 1, 2).bytes());
  EXPECT_TRUE(Match({}, burst).empty());
}

TEST(CompiledFilter, AnEmptyFilterWantsWhateverComes) {
  TestBurst burst;
  burst.Add(Udp4("10.0.0.1", "10.0.0.2", 1, 2).bytes());
  burst.Add({1, 2, 3});
  EXPECT_EQ(Match({Spec({})}, burst), (std::vector<PacketSet>{0b11}));
}

TEST(CompiledFilter, EachFieldDecides) {
  TestBurst burst;
  burst.Add(Udp4("10.0.0.1", "10.0.0.2", 1000, 53).bytes());
  burst.Add(Udp4("10.0.0.2", "10.0.0.1", 53, 1000).bytes());
  burst.Add(Packet().Ipv4("10.0.0.1", "10.0.0.2", 1).Pad(60).bytes());
  burst.Add(Packet().Vlan(3).Ipv4("10.0.0.1", "10.0.0.2", 17).Ports(1000, 53).Pad(64).bytes());
  burst.Add(Packet().Ipv6("2001:db8::1", "2001:db8::2", 17).Ports(1000, 53).bytes());
  const std::vector<std::pair<Fields, PacketSet>> cases = {
      {{{"source_address", "10.0.0.1"}}, 0b01101},
      {{{"source_address", "10.0.0.0/8"}}, 0b01111},
      {{{"source_address", "0.0.0.0/0"}}, 0b01111},
      {{{"destination_address", "10.0.0.2"}}, 0b01101},
      {{{"source_address", "2001:db8::/32"}}, 0b10000},
      {{{"source_address", "::/0"}}, 0b10000},
      {{{"destination_address", "2001:db8::2"}}, 0b10000},
      {{{"destination_address", "2001:db8::3"}}, 0b00000},
      {{{"source_port", "1000"}}, 0b11001},
      {{{"source_port", "0-65535"}}, 0b11011},
      {{{"destination_port", "50-60"}}, 0b11001},
      {{{"destination_port", "54-60"}}, 0b00000},
      {{{"protocol", "udp"}}, 0b11011},
      {{{"protocol", "icmp"}}, 0b00100},
      {{{"protocol", "udp"}, {"source_address", "10.0.0.2"}, {"source_port", "53"}}, 0b00010},
  };
  std::vector<FilterSpec> all;
  std::vector<PacketSet> expected;
  for (const auto& [fields, packets] : cases) {
    EXPECT_EQ(Match({Spec(fields)}, burst)[0], packets) << Spec(fields).ToString();
    all.push_back(Spec(fields));
    expected.push_back(packets);
  }
  EXPECT_EQ(Match(all, burst), expected) << "all at once";
}

TEST(CompiledFilter, RefusesAContradiction) {
  const std::vector<FilterSpec> specs = {
      Spec({{"source_address", "10.0.0.1"}, {"destination_address", "2001:db8::1"}})};
  const auto filter = CompiledFilter::Compile(specs);
  EXPECT_EQ(filter.status().code(), absl::StatusCode::kInvalidArgument);
}

// Few values, so that matches are common.
class RandomTraffic {
 public:
  explicit RandomTraffic(std::uint64_t seed) : random_(seed) {}

  Packet NextPacket() {
    Packet packet;
    if (Chance(4)) packet.Vlan(static_cast<std::uint16_t>(Below(4096)));
    const std::uint8_t protocol = Pick<std::uint8_t>({1, 6, 17, 47, 132});
    if (Chance(3)) {
      packet.Ipv6(Address6(), Address6(), protocol);
    } else {
      packet.Ipv4(Address4(), Address4(), protocol, Chance(8) ? 3 : 0,
                  Chance(8) ? static_cast<std::uint8_t>(Below(11)) : 0);
    }
    packet.Ports(Port(), Port());
    if (!Chance(8)) packet.Pad(64);
    if (Chance(8)) packet.Cut(Below(packet.bytes().size() + 1));
    return packet;
  }

  FilterSpec NextSpec() {
    for (;;) {
      FilterSpec spec;
      const bool six = Chance(3);
      if (Chance(2)) SetField(spec, "source_address", Prefix(six));
      if (Chance(2)) SetField(spec, "destination_address", Prefix(six));
      if (Chance(3)) SetField(spec, "source_port", Ports());
      if (Chance(3)) SetField(spec, "destination_port", Ports());
      if (Chance(3)) SetField(spec, "protocol", Pick<std::string>({"tcp", "udp", "1", "47"}));
      if (spec.Validate().ok()) return spec;
    }
  }

  std::size_t Below(std::size_t end) { return random_() % end; }

 private:
  bool Chance(std::size_t one_in) { return Below(one_in) == 0; }
  template <typename T>
  T Pick(const std::vector<T>& values) {
    return values[Below(values.size())];
  }
  const char* Address4() {
    return Pick<const char*>({"10.0.0.1", "10.0.0.2", "10.1.0.1", "192.168.7.9"});
  }
  const char* Address6() {
    return Pick<const char*>({"2001:db8::1", "2001:db8::2", "2001:db8:1::1", "fe80::1"});
  }
  std::string Prefix(bool six) {
    return six ? Pick<std::string>({"2001:db8::1", "2001:db8::/32", "2001:db8::/47", "fe80::/10",
                                    "::/0", "2001:db8::/127"})
               : Pick<std::string>({"10.0.0.1", "10.0.0.0/8", "10.0.0.0/15", "0.0.0.0/0",
                                    "192.168.0.0/17", "10.0.0.2/31"});
  }
  std::uint16_t Port() { return Pick<std::uint16_t>({0, 53, 80, 443, 1024, 65535}); }
  std::string Ports() {
    return Pick<std::string>({"53", "80-443", "0", "1024-65535", "0-65535", "443", "81-442"});
  }
  static void SetField(FilterSpec& spec, const char* name, const std::string& value) {
    ASSERT_TRUE(spec.Set(name, value).ok()) << name << " " << value;
  }

  std::mt19937_64 random_;
};

TEST(CompiledFilter, AgreesWithTheDefinitionOnRandomTrafficAndJobs) {
  RandomTraffic random(42);
  std::uint64_t matches = 0;
  for (int round = 0; round < 3000; ++round) {
    TestBurst burst;
    std::vector<LayerKey> keys;
    for (std::size_t i = random.Below(kBurstPacketsMax) + 1; i != 0; --i) {
      const Packet packet = random.NextPacket();
      burst.Add(packet.bytes());
      keys.push_back(ParsePacket(packet.bytes()).layers[0]);
    }
    // One to three rules take the header windows, more do not.
    std::vector<FilterSpec> specs;
    for (std::size_t i = random.Below(8) + 1; i != 0; --i) specs.push_back(random.NextSpec());
    const std::vector<PacketSet> wanted = Match(specs, burst);
    for (std::size_t job = 0; job < specs.size(); ++job) {
      PacketSet expected = 0;
      for (std::size_t i = 0; i < keys.size(); ++i) {
        expected |= PacketSet{Holds(specs[job], keys[i])} << i;
      }
      matches += static_cast<std::uint64_t>(std::popcount(expected));
      ASSERT_EQ(wanted[job], expected) << "round " << round << ": " << specs[job].ToString();
    }
  }
  EXPECT_GT(matches, 10'000u);
}

}  // namespace
}  // namespace edgecap::filter
