// SPDX-License-Identifier: Apache-2.0

#include "filter/compiled_filter.h"

#include <gtest/gtest.h>

#include <bit>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/filter_definition.h"
#include "tests/support/filter_traffic.h"
#include "tests/support/packet_builder.h"
#include "tests/support/test_burst.h"

namespace edgecap::filter {
namespace {

using testing::Bytes;
using testing::Packet;
using testing::SeenPacket;
using testing::TestBurst;
using Fields = std::vector<std::pair<std::string, std::string>>;

FilterSpec Spec(const Fields& fields) {
  FilterSpec spec;
  for (const auto& [name, value] : fields) {
    const absl::Status status = spec.Set(name, value);
    EXPECT_TRUE(status.ok()) << status;
  }
  return spec;
}

// One that any of `filters` matches, but none of `exclude`.
CaptureFilter Filter(const std::vector<Fields>& filters, const std::vector<Fields>& exclude = {}) {
  CaptureFilter filter;
  for (const Fields& fields : filters) filter.filters.push_back(Spec(fields));
  for (const Fields& fields : exclude) filter.exclude.push_back(Spec(fields));
  return filter;
}

std::string MessageOf(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

FilterContext Context(const char* local_prefixes = "", std::vector<std::string> port_names = {}) {
  FilterContext context;
  if (*local_prefixes != '\0') context.local_prefixes = *ParseAddressSet(local_prefixes);
  context.port_names = std::move(port_names);
  return context;
}

using Prepared = std::vector<std::shared_ptr<const PreparedFilter>>;

Prepared Prepare(const std::vector<CaptureFilter>& filters, const FilterContext& context = {}) {
  Prepared prepared;
  for (const CaptureFilter& filter : filters) {
    auto one = PreparedFilter::Prepare(filter, context);
    EXPECT_TRUE(one.ok()) << one.status();
    prepared.push_back(*one);
  }
  return prepared;
}

std::string RefusalOf(const CaptureFilter& filter, const FilterContext& context = {}) {
  const auto prepared = PreparedFilter::Prepare(filter, context);
  EXPECT_EQ(prepared.status().code(), absl::StatusCode::kInvalidArgument) << filter.ToString();
  return MessageOf(prepared.status());
}

// A program, and what it says of a burst by job.
class Program {
 public:
  explicit Program(const Prepared& filters) : jobs_(filters.size()) {
    auto filter = CompiledFilter::Compile(filters);
    EXPECT_TRUE(filter.ok()) << filter.status();
    filter_ = *std::move(filter);
    auto scratch = filter_->NewScratch();
    EXPECT_TRUE(scratch.ok()) << scratch.status();
    scratch_ = *std::move(scratch);
  }
  explicit Program(const std::vector<CaptureFilter>& filters, const FilterContext& context = {})
      : Program(Prepare(filters, context)) {}

  std::vector<PacketSet> Match(const Burst& burst) {
    filter_->Match(burst, *scratch_);
    std::vector<PacketSet> wanted(jobs_);
    for (const JobMatch& match : scratch_->matches()) {
      EXPECT_NE(match.packets, 0U);
      EXPECT_EQ(wanted[match.job], 0U) << "a job is named twice";
      wanted[match.job] = match.packets;
    }
    return wanted;
  }

  const FilterStats& stats() const { return filter_->stats(); }

 private:
  std::size_t jobs_;
  std::unique_ptr<const CompiledFilter> filter_;
  std::unique_ptr<MatchScratch> scratch_;
};

PacketSet MatchOne(const CaptureFilter& filter, TestBurst& burst,
                   const FilterContext& context = {}) {
  return Program({filter}, context).Match(burst.burst())[0];
}

Packet Udp4(const char* source, const char* destination, std::uint16_t from, std::uint16_t to) {
  return Packet().Ipv4(source, destination, 17).Ports(from, to).Pad(60);
}

Packet Tcp4(std::uint8_t flags) {
  return Packet()
      .Ipv4("192.0.2.1", "192.0.2.2", 6)
      .Ports(1, 2)
      .Raw({0, 0, 0, 0, 0, 0, 0, 0, 0x50, flags, 0, 0, 0, 0, 0, 0});
}

// `inner`, without its Ethernet header, in IPIP.
Packet InIpip(const Packet& inner) {
  Packet packet = Packet().Ipv4("172.16.0.1", "172.16.0.2", 4);
  for (std::size_t i = 14; i < inner.bytes().size(); ++i) packet.Raw({inner.bytes()[i]});
  return packet;
}

// `inner` in VXLAN.
Packet InVxlan(const Packet& inner) {
  Packet packet = Packet().Ipv4("172.16.0.1", "172.16.0.2", 17).Ports(7, 4789);
  packet.Raw({0, 0, 0, 0, 8, 0, 0, 0, 0, 0, 1, 0});
  for (const std::uint8_t byte : inner.bytes()) packet.Raw({byte});
  return packet;
}

// Rules of every kind that match nothing here, too many for the direct way.
std::vector<CaptureFilter> Crowd() {
  std::vector<CaptureFilter> crowd;
  for (int i = 0; i < 20; ++i) {
    crowd.push_back(Filter({{{"source_address", "100.64.0." + std::to_string(i)},
                             {"destination_port", std::to_string(60'000 + i)}}}));
  }
  crowd.push_back(Filter({{{"source_address", "2001:db8:ffff::/48"}, {"vlan", "4000"}}}));
  return crowd;
}

// ---- Jobs ---------------------------------------------------------------------------------------

TEST(CompiledFilter, WithoutJobsNobodyWantsAnything) {
  TestBurst burst;
  burst.Add(Udp4("10.0.0.1", "10.0.0.2", 1, 2).bytes());
  Program program(Prepared{});
  EXPECT_TRUE(program.Match(burst.burst()).empty());
  EXPECT_EQ(program.stats().jobs, 0U);
  EXPECT_EQ(program.stats().rules, 0U);
}

TEST(CompiledFilter, AnEmptyFilterWantsWhateverComes) {
  TestBurst burst;
  burst.Add(Udp4("10.0.0.1", "10.0.0.2", 1, 2).bytes());
  burst.Add({1, 2, 3});
  burst.Add({});
  Program program({Filter({}), Filter({{}}), Filter({{{"port", "9"}}, {}})});
  EXPECT_EQ(program.Match(burst.burst()), (std::vector<PacketSet>{0b111, 0b111, 0b111}));
}

TEST(CompiledFilter, AnEmptyBurstHasNothingForAnybody) {
  TestBurst burst;
  for (const bool crowded : {false, true}) {
    std::vector<CaptureFilter> filters = crowded ? Crowd() : std::vector<CaptureFilter>();
    filters.push_back(Filter({{{"protocol", "udp"}}}));
    filters.push_back(Filter({{{"layer", "inner"}}}, {{{"length", "1"}}}));
    for (const PacketSet wanted : Program(filters).Match(burst.burst())) EXPECT_EQ(wanted, 0U);
  }
}

TEST(CompiledFilter, ABurstLeavesNothingForTheNext) {
  TestBurst burst;
  burst.Add(Udp4("10.0.0.1", "10.0.0.2", 1, 2).bytes());
  burst.Add(InIpip(Udp4("10.0.0.1", "10.0.0.2", 1, 53)).bytes());
  TestBurst other;
  other.Add(Tcp4(2).bytes());
  other.Add(Tcp4(2).bytes());
  Program program({Filter({{{"protocol", "udp"}}}, {{{"port", "9"}}}),
                   Filter({{{"layer", "inner"}, {"destination_port", "53"}}}),
                   Filter({{{"bpf", "udp"}, {"source_address", "10.0.0.1"}}}),
                   Filter({{}}, {{{"bpf", "tcp"}}})});
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(program.Match(burst.burst()), (std::vector<PacketSet>{0b01, 0b10, 0b01, 0b11}));
    EXPECT_EQ(program.Match(other.burst()), (std::vector<PacketSet>{0, 0, 0, 0}));
  }
}

TEST(CompiledFilter, AThousandJobsEachGetTheirs) {
  constexpr std::uint32_t kJobs = 1024;
  std::vector<CaptureFilter> filters;
  for (std::uint32_t job = 0; job < kJobs - 2; ++job) {
    filters.push_back(Filter({{{"destination_port", std::to_string(job)}}}));
  }
  filters.push_back(Filter({}));
  filters.push_back(Filter({{{"protocol", "udp"}}}, {{{"destination_port", "7"}}}));
  Program program(filters);
  EXPECT_EQ(program.stats().jobs, kJobs);
  for (std::uint32_t first = 0; first < kJobs - 2; first += 32) {
    TestBurst burst;
    std::vector<PacketSet> expected(kJobs);
    for (std::uint32_t i = 0; i < 32; ++i) {
      burst.Add(Udp4("10.0.0.1", "10.0.0.2", 1, static_cast<std::uint16_t>(first + i)).bytes());
      if (first + i < kJobs - 2) expected[first + i] = PacketSet{1} << i;
    }
    expected[kJobs - 2] = 0xffffffff;
    expected[kJobs - 1] = first == 0 ? 0xffffff7f : 0xffffffff;
    ASSERT_EQ(program.Match(burst.burst()), expected);
  }
}

TEST(CompiledFilter, SixteenThousandFiltersInSixteenJobs) {
  constexpr std::uint32_t kJobs = 16;
  constexpr std::uint32_t kFilters = 1024;
  const auto address = [](std::uint32_t job, std::uint32_t filter) {
    return "10." + std::to_string(job) + "." + std::to_string(filter / 256) + "." +
           std::to_string(filter % 256);
  };
  std::vector<CaptureFilter> filters(kJobs);
  for (std::uint32_t job = 0; job < kJobs; ++job) {
    for (std::uint32_t i = 0; i < kFilters; ++i) {
      filters[job].filters.push_back(Spec(
          {{"source_address", address(job, i)}, {"destination_port", std::to_string(i % 500)}}));
    }
  }
  Program program(filters);
  EXPECT_EQ(program.stats().rules, kJobs * kFilters);
  EXPECT_TRUE(program.stats().classified);
  EXPECT_LT(program.stats().bytes, std::size_t{100} << 20);
  std::mt19937_64 random(3);
  for (int round = 0; round < 100; ++round) {
    TestBurst burst;
    std::vector<PacketSet> expected(kJobs);
    for (std::uint32_t i = 0; i < kBurstPacketsMax; ++i) {
      const auto job = static_cast<std::uint32_t>(random() % kJobs);
      const auto filter = static_cast<std::uint32_t>(random() % kFilters);
      const bool wrong_port = random() % 4 == 0;
      const auto port = static_cast<std::uint16_t>(wrong_port ? 501 : filter % 500);
      burst.Add(Udp4(address(job, filter).c_str(), "10.0.0.2", 1, port).bytes());
      expected[job] |= PacketSet{!wrong_port} << i;
    }
    ASSERT_EQ(program.Match(burst.burst()), expected);
  }
}

TEST(CompiledFilter, TheSameFilterInManyJobsServesAll) {
  TestBurst burst;
  burst.Add(Udp4("10.0.0.1", "10.0.0.2", 1, 53).bytes());
  burst.Add(Udp4("10.0.0.1", "10.0.0.2", 1, 54).bytes());
  const auto one = Prepare({Filter({{{"destination_port", "53"}}})})[0];
  for (const std::size_t jobs : {1, 2, 17, 1000}) {
    EXPECT_EQ(Program(Prepared(jobs, one)).Match(burst.burst()),
              std::vector<PacketSet>(jobs, 0b01));
  }
}

TEST(CompiledFilter, AnyOfAJobsFiltersIsEnough) {
  TestBurst burst;
  burst.Add(Udp4("10.0.0.1", "10.0.0.2", 1, 53).bytes());
  burst.Add(Udp4("10.0.0.3", "10.0.0.2", 1, 54).bytes());
  burst.Add(Udp4("10.0.0.1", "10.0.0.2", 1, 54).bytes());
  burst.Add(Udp4("10.0.0.9", "10.0.0.2", 1, 9).bytes());
  const CaptureFilter filter =
      Filter({{{"destination_port", "53"}}, {{"source_address", "10.0.0.1"}}, {{"bpf", "port 9"}}});
  EXPECT_EQ(MatchOne(filter, burst), 0b1101U);
}

// ---- Excluding ----------------------------------------------------------------------------------

TEST(CompiledFilter, WhatIsExcludedIsNotWanted) {
  TestBurst burst;
  burst.Add(Udp4("10.0.0.1", "10.0.0.2", 1, 53).bytes());
  burst.Add(Udp4("10.0.0.1", "10.0.0.2", 1, 54).bytes());
  burst.Add({1, 2, 3});
  burst.Add(InIpip(Udp4("10.0.0.1", "10.0.0.2", 1, 53)).bytes());
  std::vector<CaptureFilter> filters = {
      Filter({}, {{{"destination_port", "53"}}}),
      Filter({{{"protocol", "udp"}}}, {{{"destination_port", "53"}}}),
      Filter({{{"protocol", "udp"}}}, {{{"bpf", "port 54"}}}),
      Filter({}, {{{"bpf", "port 54"}}}),
      Filter({{{"bpf", "udp"}}}, {{{"bpf", "port 54"}}}),
      Filter({}, {{{"layer", "inner"}, {"destination_port", "53"}}}),
      Filter({}, {{{"layer", "any"}, {"destination_port", "53"}}}),
      Filter({{{"layer", "any"}, {"protocol", "udp"}}}, {{{"layer", "inner"}, {"bpf", "ip"}}}),
      Filter({}, {{{"destination_port", "53"}}, {{"destination_port", "54"}}}),
      Filter({{{"destination_port", "53"}}}, {{{"destination_port", "53"}}}),
  };
  const std::vector<PacketSet> expected = {0b1110, 0b0010, 0b0001, 0b1101, 0b0001,
                                           0b0111, 0b0110, 0b0011, 0b1100, 0b0000};
  for (std::size_t i = 0; i < filters.size(); ++i) {
    EXPECT_EQ(MatchOne(filters[i], burst), expected[i]) << filters[i].ToString();
  }
  EXPECT_EQ(Program(filters).Match(burst.burst()), expected) << "all at once";
}

TEST(CompiledFilter, OneJobExcludesForItselfOnly) {
  TestBurst burst;
  burst.Add(Udp4("10.0.0.1", "10.0.0.2", 1, 53).bytes());
  Program program({Filter({}, {{{"port", "53"}}}), Filter({}), Filter({{{"port", "53"}}})});
  EXPECT_EQ(program.Match(burst.burst()), (std::vector<PacketSet>{0, 1, 1}));
}

// ---- Fields -------------------------------------------------------------------------------------

TEST(CompiledFilter, EachFieldDecides) {
  TestBurst burst;
  burst.Add(Udp4("10.0.0.1", "10.0.0.2", 1000, 53).bytes());                        // 0
  burst.Add(Udp4("10.0.0.2", "10.0.0.1", 53, 1000).bytes());                        // 1
  burst.Add(Packet().Ipv4("10.0.0.1", "10.0.0.2", 1).Raw({8, 3}).Pad(60).bytes());  // 2
  burst.Add(Packet().Vlan(0x6003).Ipv4("10.0.0.1", "10.0.0.2", 17).Ports(1000, 53).Pad(64).bytes());
  burst.Add(Packet().Ipv6("2001:db8::1", "2001:db8::2", 17).Ports(1000, 53).bytes());  // 4
  burst.Add(Tcp4(0x02).bytes());                                                       // 5
  burst.Add(Tcp4(0x12).bytes());                                                       // 6
  burst.Add(Packet().EtherType(0x0806).Pad(60).bytes());                               // 7
  burst.Add(Packet().Ipv4("192.0.2.1", "192.0.2.2", 6, 0x2000).Ports(1, 2).bytes());   // 8
  burst.Add(Packet().Ipv4("192.0.2.1", "192.0.2.2", 6, 0x2001).Ports(1, 2).bytes());   // 9
  Packet voice = Packet().EtherType(0x0800).Raw({0x45, 46 << 2});
  burst.Add(voice.Pad(34).bytes());  // 10
  burst.burst().packets[10].wire_bytes = 100'000;
  burst.Add(Packet().Vlan(9).Vlan(3).EtherType(0x88cc).Pad(60).bytes());  // 11
  burst.Add({});                                                          // 12
  burst.burst().port = 1;
  const FilterContext context = Context("10.0.0.1;2001:db8::/64", {"left", "right"});

  const std::vector<std::pair<Fields, PacketSet>> cases = {
      {{{"source_address", "10.0.0.1"}}, 0b1101},
      {{{"source_address", "10.0.0.0/8"}}, 0b1111},
      {{{"source_address", "0.0.0.0/0"}}, 0b11101101111},
      {{{"source_address", "2001:db8::/32"}}, 0b10000},
      {{{"source_address", "::/0"}}, 0b10000},
      {{{"source_address", "10.0.0.2-10.0.0.9"}}, 0b00010},
      {{{"source_address", "10.0.0.1;2001:db8::1;10.9.0.0/16"}}, 0b11101},
      {{{"destination_address", "10.0.0.2"}}, 0b1101},
      {{{"destination_address", "2001:db8::2"}}, 0b10000},
      {{{"destination_address", "2001:db8::3"}}, 0},
      {{{"destination_address", "0.0.0.0-255.255.255.255;::/0"}}, 0b11101111111},
      {{{"address", "10.0.0.2"}}, 0b1111},
      {{{"address", "10.0.0.2"}, {"source_address", "10.0.0.1"}}, 0b1101},
      {{{"address", "2001:db8::2"}}, 0b10000},
      {{{"source_port", "1000"}}, 0b11001},
      {{{"source_port", "0-65535"}}, 0b101111011 & ~0b100},
      {{{"destination_port", "50-60"}}, 0b11001},
      {{{"destination_port", "54-60"}}, 0},
      {{{"destination_port", "2;1000"}}, 0b101100010},
      {{{"port", "53"}}, 0b11011},
      {{{"port", "53"}, {"address", "10.0.0.2"}}, 0b01011},
      {{{"port", "1000"}, {"destination_port", "1000"}}, 0b00010},
      {{{"protocol", "udp"}}, 0b11011},
      {{{"protocol", "icmp"}}, 0b00100},
      {{{"protocol", "1;17"}}, 0b11111},
      {{{"protocol", "udp"}, {"source_address", "10.0.0.2"}, {"source_port", "53"}}, 0b00010},
      {{{"local_address", "10.0.0.1"}}, 0b01111},
      {{{"local_port", "1000"}}, 0b11011},
      {{{"local_port", "53"}}, 0b10000},  // both ends of packet 4 are local
      {{{"remote_address", "10.0.0.2"}}, 0b01111},
      {{{"remote_port", "53"}}, 0b11011},
      {{{"remote_port", "53"}, {"direction", "out"}}, 0b11001},
      {{{"direction", "in"}}, 0b10010},
      {{{"direction", "out"}}, 0b11101},
      {{{"local_port", "53"}, {"direction", "in"}}, 0b10000},
      {{{"vlan", "3"}}, 0b1000},
      {{{"vlan", "0-4095"}}, 0b100000001000},
      {{{"tcp_flags", "syn"}}, 0b1100000},
      {{{"tcp_flags", "syn,!ack"}}, 0b0100000},
      {{{"tcp_flags", "0x02/0x12;0x12/0x12"}}, 0b1100000},
      {{{"tcp_flags", "rst;ack"}}, 0b1000000},
      {{{"tcp_flags", "!fin"}}, 0b1100000},
      {{{"icmp_type", "8"}}, 0b100},
      {{{"icmp_code", "0-2"}}, 0},
      {{{"icmp_code", "3"}, {"icmp_type", "0-9"}}, 0b100},
      {{{"ip_version", "4"}}, 0b11101101111},
      {{{"ip_version", "6"}}, 0b00000010000},
      {{{"ip_version", "4;6"}}, 0b11101111111},
      {{{"dscp", "ef"}}, 0b10000000000},
      {{{"dscp", "0"}}, 0b01101111111},
      {{{"length", "65535"}}, 0b10000000000},
      {{{"length", "60"}}, 0b100010000111},
      {{{"length", "0"}}, 0b1000000000000},
      {{{"length", "0-65535"}}, 0b1111111111111},
      {{{"fragment", "no"}}, 0b10001111111},
      {{{"fragment", "first"}}, 0b00100000000},
      {{{"fragment", "later"}}, 0b01000000000},
      {{{"fragment", "yes"}}, 0b01100000000},
      {{{"fragment", "no;later"}}, 0b11001111111},
      {{{"ether_type", "arp"}}, 0b10000000},
      {{{"ether_type", "0x88cc"}}, 0b100000000000},
      {{{"ether_type", "0x0800-0x0806"}}, 0b11111101111},
      {{{"port_name", "right"}}, 0b1111111111111},
      {{{"port_name", "left"}}, 0},
      {{{"port_name", "left;right"}, {"protocol", "icmp"}}, 0b100},
      {{{"layer", "inner"}}, 0},
      {{{"layer", "any"}, {"protocol", "icmp"}}, 0b100},
      {{{"bpf", "arp"}}, 0b10000000},
      {{{"bpf", "vlan 3"}}, 0b1000},
      {{{"bpf", "udp"}, {"source_address", "10.0.0.1"}}, 0b00001},
  };
  std::vector<CaptureFilter> all;
  std::vector<PacketSet> expected;
  for (const auto& [fields, packets] : cases) {
    const CaptureFilter filter = Filter({fields});
    const std::string name = filter.ToString();
    EXPECT_EQ(MatchOne(filter, burst, context), packets) << name;
    std::vector<CaptureFilter> crowd = Crowd();
    crowd.push_back(filter);
    EXPECT_EQ(Program(crowd, context).Match(burst.burst()).back(), packets) << name << ", crowded";
    all.push_back(filter);
    expected.push_back(packets);
  }
  EXPECT_EQ(Program(all, context).Match(burst.burst()), expected) << "all at once";
}

TEST(CompiledFilter, FromNoPortNoPortNameHolds) {
  TestBurst burst;
  burst.Add(Tcp4(2).bytes());
  const FilterContext context = Context("", {"left", "right"});
  const CaptureFilter filter = Filter({{{"port_name", "left;right"}}});
  EXPECT_EQ(MatchOne(filter, burst, context), 0U);
  burst.burst().port = 0;
  EXPECT_EQ(MatchOne(filter, burst, context), 1U);
}

TEST(CompiledFilter, LocalIsWhatLocalAddressSaysWhereNoPrefixesAreKnown) {
  TestBurst burst;
  burst.Add(Udp4("10.0.0.1", "10.0.0.2", 1000, 53).bytes());
  burst.Add(Udp4("10.0.0.2", "10.0.0.1", 53, 1000).bytes());
  burst.Add(Udp4("10.0.0.2", "10.0.0.1", 1000, 53).bytes());
  EXPECT_EQ(MatchOne(Filter({{{"local_address", "10.0.0.1"}, {"remote_port", "53"}}}), burst),
            0b011U);
  EXPECT_EQ(MatchOne(Filter({{{"local_address", "10.0.0.0/8"}, {"remote_port", "53"}}}), burst),
            0b111U);
}

TEST(CompiledFilter, FewPlainRulesGoTheDirectWay) {
  const auto classified = [](std::size_t jobs, const Fields& last) {
    std::vector<CaptureFilter> filters;
    for (std::size_t i = 0; i + 1 < jobs; ++i) {
      filters.push_back(Filter({{{"destination_port", std::to_string(i)}}}));
    }
    filters.push_back(Filter({last}));
    return Program(filters, Context("", {"left"})).stats().classified;
  };
  const Fields plain = {{"source_address", "10.0.0.0/8"},
                        {"destination_address", "2001:db8::/32;10.0.0.1-10.0.0.9"}};
  EXPECT_FALSE(classified(1, {}));
  EXPECT_FALSE(classified(DirectMatcher::kRulesMax, {{"source_address", "10.0.0.0/8"}}));
  EXPECT_TRUE(classified(DirectMatcher::kRulesMax + 1, {{"source_address", "10.0.0.0/8"}}));
  EXPECT_FALSE(classified(DirectMatcher::kRulesMax - 1, {{"port", "53"}}));
  EXPECT_TRUE(classified(DirectMatcher::kRulesMax, {{"port", "53"}})) << "two rules";
  EXPECT_TRUE(classified(1, plain));
  for (const auto& [name, value] : Fields{{"vlan", "1"},
                                          {"tcp_flags", "syn"},
                                          {"length", "60"},
                                          {"fragment", "no"},
                                          {"port_name", "left"},
                                          {"layer", "inner"},
                                          {"source_port", "1;3"},
                                          {"dscp", "0"},
                                          {"icmp_type", "1"},
                                          {"ether_type", "arp"},
                                          {"protocol", "1-2"}}) {
    EXPECT_TRUE(classified(1, {{name, value}})) << name;
  }
}

TEST(CompiledFilter, AllFieldsHoldOnTheSameLayer) {
  TestBurst burst;
  burst.Add(InIpip(Udp4("10.0.0.1", "10.0.0.2", 1000, 53)).bytes());
  burst.Add(InVxlan(Packet().Vlan(5).Ipv4("10.0.0.1", "10.0.0.3", 6).Ports(1, 2)).bytes());
  burst.Add(InVxlan(InIpip(Udp4("10.0.0.1", "10.0.0.2", 1000, 53))).bytes());
  burst.Add(Udp4("10.0.0.1", "10.0.0.2", 1000, 53).bytes());
  const std::vector<std::pair<Fields, PacketSet>> cases = {
      {{{"layer", "inner"}}, 0b0111},
      {{{"layer", "any"}}, 0b1111},
      {{{"layer", "inner"}, {"protocol", "udp"}}, 0b0101},
      {{{"layer", "inner"}, {"protocol", "udp"}, {"source_address", "10.0.0.1"}}, 0b0101},
      {{{"layer", "inner"}, {"protocol", "udp"}, {"source_address", "172.16.0.1"}}, 0},
      {{{"layer", "any"}, {"protocol", "udp"}, {"source_address", "172.16.0.1"}}, 0b0110},
      {{{"layer", "any"}, {"source_address", "10.0.0.1"}}, 0b1111},
      {{{"layer", "outer"}, {"source_address", "10.0.0.1"}}, 0b1000},
      {{{"layer", "inner"}, {"vlan", "5"}}, 0b0010},
      {{{"layer", "inner"}, {"vlan", "5"}, {"bpf", "dst port 4789"}}, 0b0010},
      {{{"layer", "inner"}, {"protocol", "4"}}, 0b0100},
      {{{"layer", "inner"}, {"length", "0-84"}}, 0b0001},
  };
  for (const auto& [fields, packets] : cases) {
    const CaptureFilter filter = Filter({fields});
    EXPECT_EQ(MatchOne(filter, burst), packets) << filter.ToString();
  }
}

TEST(CompiledFilter, AnInnerLayerNeedsNoKnownEtherType) {
  TestBurst burst;
  burst.Add(InVxlan(Packet().EtherType(38).Pad(60)).bytes());          // 802.3
  burst.Add(InVxlan(Packet().Vlan(5).EtherType(38).Pad(60)).bytes());  // tagged 802.3
  EXPECT_EQ(MatchOne(Filter({{{"layer", "inner"}}}), burst), 0b11U);
  EXPECT_EQ(MatchOne(Filter({{{"layer", "inner"}, {"vlan", "5"}}}), burst), 0b10U);
}

TEST(CompiledFilter, AllOfIpv6IsAPrefixLikeAnyOther) {
  TestBurst burst;
  burst.Add(Packet().Ipv6("2001:db8::1", "2001:db8::2", 17).Ports(1, 2).bytes());
  burst.Add(Udp4("10.0.0.1", "10.0.0.2", 1, 2).bytes());
  for (const char* field : {"source_address", "destination_address", "address"}) {
    EXPECT_EQ(MatchOne(Filter({{{field, "::/0"}}}), burst), 0b01U) << field;
    EXPECT_EQ(MatchOne(Filter({{{field, "::/0"}, {"fragment", "no"}}}), burst), 0b01U) << field;
    EXPECT_EQ(MatchOne(Filter({{{field, "::/0;10.0.0.0/8"}}}), burst), 0b11U) << field;
  }
}

// ---- Questions ----------------------------------------------------------------------------------

TEST(CompiledFilter, BpfSeesTheWholePacketAndAfterTheFields) {
  TestBurst burst;
  burst.Add(Udp4("10.0.0.1", "10.0.0.2", 1, 53).bytes());
  burst.Add(Udp4("10.0.0.1", "10.0.0.2", 1, 54).bytes());
  burst.Add(Udp4("10.0.0.9", "10.0.0.2", 1, 53).bytes());
  const Bytes whole = Udp4("10.0.0.1", "10.0.0.2", 1, 53).bytes();
  burst.AddPieces(whole, {20, 17, whole.size() - 37});
  const std::vector<CaptureFilter> filters = {
      Filter({{{"bpf", "port 53"}}}),
      Filter({{{"bpf", "port 53"}, {"source_address", "10.0.0.1"}}}),
      Filter({{{"bpf", "port 53"}, {"length", "60"}, {"source_address", "10.0.0.9"}}}),
      // Has it already: the second does not take it away.
      Filter({{{"bpf", "port 53"}}, {{"bpf", "port 54"}}, {{"bpf", "port 55"}}}),
  };
  const std::vector<PacketSet> expected = {0b1101, 0b1001, 0b0100, 0b1111};
  for (std::size_t i = 0; i < filters.size(); ++i) {
    EXPECT_EQ(MatchOne(filters[i], burst), expected[i]) << filters[i].ToString();
  }
  EXPECT_EQ(Program(filters).Match(burst.burst()), expected);
}

// ---- Errors -------------------------------------------------------------------------------------

TEST(PreparedFilter, RefusesAContradictionAndNamesIt) {
  EXPECT_NE(
      RefusalOf(Filter({{{"port", "1"}},
                        {{"source_address", "10.0.0.1"}, {"destination_address", "2001:db8::1"}}}))
          .find("filters[1].source_address"),
      std::string::npos);
  EXPECT_NE(RefusalOf(Filter({}, {{{"protocol", "icmp"}, {"port", "1"}}})).find("exclude[0].port"),
            std::string::npos);
  const std::string sides = RefusalOf(Filter({{{"local_address", "10.0.0.1"},
                                               {"source_address", "10.0.0.2"},
                                               {"destination_address", "10.0.0.3"}}}));
  EXPECT_NE(sides.find("filters[0]"), std::string::npos) << sides;
  EXPECT_NE(sides.find("10.0.0.3"), std::string::npos) << sides;
}

TEST(PreparedFilter, NeedsToKnowWhatIsLocal) {
  for (const auto& [name, value] : Fields{{"direction", "in"},
                                          {"remote_address", "10.0.0.1"},
                                          {"local_port", "53"},
                                          {"remote_port", "53"}}) {
    const std::string said = RefusalOf(Filter({{{name, value}}}));
    EXPECT_EQ(said.find("filters[0]." + name + " needs to know"), 0U) << said;
    EXPECT_NE(said.find("dataplane.local_prefixes"), std::string::npos) << said;
    Prepare({Filter({{{name, value}}})}, Context("10.0.0.0/8"));
  }
  EXPECT_EQ(RefusalOf(Filter({{{"direction", "in"}, {"local_address", "10.0.0.1"}}}))
                .find("filters[0].direction"),
            0U);
  const std::string outside =
      RefusalOf(Filter({{{"local_address", "192.0.2.1"}}}), Context("10.0.0.0/8"));
  EXPECT_NE(outside.find("192.0.2.1"), std::string::npos) << outside;
  EXPECT_NE(outside.find("10.0.0.0/8"), std::string::npos) << outside;
}

TEST(PreparedFilter, KnowsThePortsThereAre) {
  const CaptureFilter filter = Filter({{{"port_name", "middle"}}});
  const std::string said = RefusalOf(filter, Context("", {"left", "right"}));
  EXPECT_NE(said.find("middle"), std::string::npos) << said;
  EXPECT_NE(said.find("left, right"), std::string::npos) << said;
  EXPECT_NE(RefusalOf(filter).find("there are none"), std::string::npos);
}

TEST(PreparedFilter, PassesOnWhatIsWrongWithAnExpression) {
  const std::string said = RefusalOf(Filter({{{"port", "1"}}, {{"bpf", "port wurst"}}}));
  EXPECT_EQ(said.find("filters[1].bpf"), 0U) << said;
  EXPECT_NE(said.find("wurst"), std::string::npos) << said;
}

TEST(CompiledFilter, RefusesMoreRulesThanThereIsRoomFor) {
  // Either address and either port: four rules each.
  std::vector<FilterSpec> specs;
  for (std::uint32_t i = 0; i < Classifier::kRulesMax / 4 + 1; ++i) {
    specs.push_back(
        Spec({{"address", "10.0." + std::to_string(i / 256 % 256) + "." + std::to_string(i % 256)},
              {"port", std::to_string(i)}}));
  }
  const Prepared prepared = Prepare({CaptureFilter{specs, {}}});
  const auto refused = CompiledFilter::Compile(prepared);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(MessageOf(refused.status()).find("65540 rules"), std::string::npos) << refused.status();
  EXPECT_NE(MessageOf(refused.status()).find("65536"), std::string::npos) << refused.status();
}

TEST(CompiledFilter, RefusesWhatTakesTooMuchMemory) {
  // Nested ranges: every one of them makes two new classes of all others.
  std::vector<FilterSpec> specs;
  for (std::uint32_t i = 0; i < 4000; ++i) {
    specs.push_back(Spec({{"destination_port", std::to_string(i) + "-" + std::to_string(60000 - i)},
                          {"source_port", std::to_string(i)}}));
  }
  const Prepared prepared = Prepare({CaptureFilter{specs, {}}});
  EXPECT_TRUE(CompiledFilter::Compile(prepared).ok());
  const auto refused = CompiledFilter::Compile(prepared, std::size_t{1} << 20);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(MessageOf(refused.status()).find("1 MiB"), std::string::npos) << refused.status();
}

TEST(CompiledFilter, SaysHowMuchMemoryItTakes) {
  const Program few({Filter({{{"destination_port", "53"}}})});
  std::vector<CaptureFilter> filters = Crowd();
  const Program many(filters);
  EXPECT_GT(few.stats().bytes, 0U);
  EXPECT_GT(many.stats().bytes, few.stats().bytes);
}

// ---- Against the definition ---------------------------------------------------------------------

class RandomChooser final : public testing::Chooser {
 public:
  explicit RandomChooser(std::uint64_t seed) : random_(seed) {}
  std::uint32_t Below(std::uint32_t end) override {
    return static_cast<std::uint32_t>((random_() >> 32) * end >> 32);
  }

 private:
  std::mt19937_64 random_;
};

// What was compared, so that the comparison cannot be about nothing.
struct Tally {
  std::uint64_t rule_sets = 0;
  std::uint64_t pairs = 0;    // of rule set and packet
  std::uint64_t answers = 0;  // of job and packet
  std::uint64_t wanted = 0;
  std::uint64_t chopped = 0;
  std::uint64_t direct = 0;  // rule sets
  std::uint64_t filters = 0;
  std::uint64_t filters_matched = 0;
  std::uint64_t largest = 0;  // filters of a rule set
  std::uint64_t impossible = 0;
  std::uint64_t excluded = 0;                         // packets that only `exclude` kept out
  std::map<std::string, std::uint64_t> matched_with;  // field: packets let in by a filter with it
  std::array<std::uint64_t, 3> matched_on{};          // Layer
};

class AgreesWithTheDefinition : public ::testing::Test {
 protected:
  static constexpr std::size_t kPackets = 8000;
  static constexpr std::uint64_t kPairs = 1'500'000;

  AgreesWithTheDefinition() {
    testing::PacketMaker maker(choose_);
    for (std::size_t i = 0; i < kPackets; ++i) {
      packets_.emplace_back(maker.Make());
      // Cut by a snaplen, or by a broken file.
      if (choose_.OneIn(10)) packets_.back().wire_bytes += choose_.Of({1U, 1000U, 70'000U});
    }
  }

  // Mostly few filters, where there are special ways; up to 2,000.
  std::uint32_t FilterCount() {
    switch (choose_.Below(40)) {
      case 0:
        return 300 + choose_.Below(1701);
      case 1:
      case 2:
      case 3:
        return 65 + choose_.Below(235);
      case 4:
      case 5:
      case 6:
      case 7:
        return 9 + choose_.Below(56);
      default:
        return 1 + choose_.Below(8);
    }
  }

  void OneRuleSet() {
    ++tally_.rule_sets;
    FilterContext context;
    testing::FilterMaker::Options options;
    if (choose_.OneIn(2)) {
      context.local_prefixes = *ParseAddressSet("10.0.0.0/16;2001:db8::/48;fe80::1-fe80::9");
      options.local_known = true;
    }
    if (!choose_.OneIn(3)) context.port_names = {"left", "right", "middle"};
    options.port_names = context.port_names;
    options.plain = choose_.OneIn(6);
    testing::FilterMaker maker(choose_, options);
    testing::FilterDefinition definition(context);

    std::vector<CaptureFilter> filters;
    const std::uint32_t count = options.plain ? 1 + choose_.Below(14) : FilterCount();
    const std::uint32_t jobs = 1 + choose_.Below(choose_.OneIn(2) ? std::min(count, 8U) : count);
    filters.resize(jobs);
    for (std::uint32_t i = 0; i < count; ++i) {
      const FilterSpec spec = maker.Make(choose_.Of(packets_));
      CaptureFilter& filter = filters[i < jobs ? i : choose_.Below(jobs)];
      if (!CanMatch(spec, context, definition)) continue;
      if (spec == FilterSpec{} && !choose_.OneIn(20)) continue;
      const bool exclude = spec != FilterSpec{} && choose_.OneIn(6);
      (exclude ? filter.exclude : filter.filters).push_back(spec);
      ++tally_.filters;
    }
    tally_.largest = std::max<std::uint64_t>(tally_.largest, count);
    Program program(filters, context);
    tally_.direct += !program.stats().classified;
    matched_.clear();
    // Few packets for many filters, so that all sizes take about the same time.
    for (std::uint32_t bursts = 4 + 4000 / (80 + count); bursts != 0; --bursts) {
      OneBurst(filters, program, definition);
    }
    tally_.filters_matched += matched_.size();
  }

  // Prepare() refuses what no packet can match: then the definition has none either.
  bool CanMatch(FilterSpec spec, const FilterContext& context,
                testing::FilterDefinition& definition) {
    spec.bpf.clear();
    spec.payload.clear();
    if (PreparedFilter::Prepare(CaptureFilter{{spec}, {}}, context).ok()) return true;
    ++tally_.impossible;
    for (int i = 0; i < 200; ++i) {
      EXPECT_FALSE(definition.Holds(spec, choose_.Of(packets_), 0)) << spec.ToString();
    }
    return false;
  }

  void OneBurst(const std::vector<CaptureFilter>& filters, Program& program,
                testing::FilterDefinition& definition) {
    TestBurst burst;
    std::vector<const SeenPacket*> seen;
    for (std::uint32_t i = 1 + choose_.Below(kBurstPacketsMax); i != 0; --i) {
      const SeenPacket& packet = choose_.Of(packets_);
      Add(packet, burst);
      burst.burst().packets[seen.size()].wire_bytes = packet.wire_bytes;
      seen.push_back(&packet);
    }
    burst.burst().port = choose_.Of<std::uint16_t>({0, 1, 2, kNoPort});
    const std::vector<PacketSet> wanted = program.Match(burst.burst());
    tally_.pairs += seen.size();
    for (std::size_t job = 0; job < filters.size(); ++job) {
      for (std::size_t i = 0; i < seen.size(); ++i) {
        const bool holds = definition.Holds(filters[job], *seen[i], burst.burst().port);
        ASSERT_EQ((wanted[job] >> i) & 1, holds)
            << "rule set " << tally_.rule_sets << ", job " << job << ", packet " << i << ":\n"
            << filters[job].ToString() << "\n"
            << Hex(seen[i]->bytes);
        ++tally_.answers;
        tally_.wanted += holds;
      }
    }
    // Of some packets of each burst, who let them in or kept them out.
    for (std::size_t i = 0; i < seen.size(); i += 16) {
      Explain(filters, *seen[i], burst.burst().port, definition);
    }
  }

  void Add(const SeenPacket& packet, TestBurst& burst) {
    const std::size_t size = packet.bytes.size();
    if (!choose_.OneIn(5) || size == 0) return burst.Add(packet.bytes);
    ++tally_.chopped;
    std::vector<std::size_t> pieces;
    for (std::size_t left = size; left != 0 || pieces.empty(); left -= pieces.back()) {
      pieces.push_back(std::min<std::size_t>(left, choose_.Below(choose_.Of({4U, 40U, 200U}))));
      if (pieces.size() == 8) pieces.back() = left;
    }
    burst.AddPieces(packet.bytes, pieces);
  }

  void Explain(const std::vector<CaptureFilter>& filters, const SeenPacket& packet,
               std::uint16_t port, testing::FilterDefinition& definition) {
    for (const CaptureFilter& filter : filters) {
      bool let_in = filter.filters.empty();
      for (const FilterSpec& spec : filter.filters) {
        if (!definition.Holds(spec, packet, port)) continue;
        let_in = true;
        matched_.insert({&spec, true});
        ++tally_.matched_on[static_cast<std::size_t>(spec.layer)];
        for (const std::string_view name : FilterSpec::FieldNames()) {
          if (!spec.GetAll(name).empty()) ++tally_.matched_with[std::string(name)];
        }
      }
      tally_.excluded += let_in && !definition.Holds(filter, packet, port);
    }
  }

  static std::string Hex(const Bytes& bytes) {
    std::string text;
    for (const std::uint8_t byte : bytes) {
      text += "0123456789abcdef"[byte / 16];
      text += "0123456789abcdef"[byte % 16];
    }
    return text;
  }

  RandomChooser choose_{20261121};
  std::vector<SeenPacket> packets_;
  std::map<const FilterSpec*, bool> matched_;  // filters of the rule set
  Tally tally_;
};

TEST_F(AgreesWithTheDefinition, OnMillionsOfPairsOfRuleSetAndPacket) {
  while (tally_.pairs < kPairs && !HasFatalFailure()) OneRuleSet();
  const auto show = [](const char* what, std::uint64_t number) {
    RecordProperty(what, std::to_string(number));
    std::cout << "  " << what << ": " << number << "\n";
  };
  show("rule sets", tally_.rule_sets);
  show("pairs of rule set and packet", tally_.pairs);
  show("answers compared", tally_.answers);
  show("of them yes", tally_.wanted);
  show("chopped packets", tally_.chopped);
  show("rule sets matched the direct way", tally_.direct);
  show("filters", tally_.filters);
  show("filters that matched, of those looked at", tally_.filters_matched);
  show("filters that can match nothing", tally_.impossible);
  show("sampled packets excluded", tally_.excluded);
  for (const auto& [field, packets] : tally_.matched_with) show(field.c_str(), packets);

  EXPECT_GE(tally_.pairs, kPairs);
  EXPECT_GE(tally_.answers, 4 * tally_.pairs);
  EXPECT_GE(tally_.rule_sets, 500U);
  EXPECT_GE(tally_.filters, 20'000U);
  EXPECT_GE(tally_.largest, 1500U);
  EXPECT_GT(tally_.wanted, tally_.answers / 50);
  EXPECT_LT(tally_.wanted, tally_.answers / 2);
  EXPECT_GT(tally_.chopped, tally_.pairs / 10);
  EXPECT_GT(tally_.direct, tally_.rule_sets / 20);
  EXPECT_LT(tally_.direct, tally_.rule_sets / 2);
  EXPECT_GT(tally_.impossible, 10U);
  EXPECT_GT(tally_.excluded, 1000U);
  for (const std::string_view name : FilterSpec::FieldNames()) {
    EXPECT_GT(tally_.matched_with[std::string(name)], 50U) << name;
  }
  for (const std::uint64_t packets : tally_.matched_on) EXPECT_GT(packets, 1000U);
}

// The packets of the comparison are what it claims.
TEST_F(AgreesWithTheDefinition, OnPacketsOfEveryKind) {
  std::map<std::string, std::uint64_t> kinds;
  std::array<std::uint64_t, kLayersMax + 1> with_layers{};
  for (const SeenPacket& packet : packets_) {
    ASSERT_LE(packet.layers.size(), kLayersMax);
    ++with_layers[packet.layers.size()];
    for (std::size_t i = 0; i < packet.layers.size(); ++i) {
      const testing::LayerDefinition& layer = packet.layers[i];
      const std::string where = i == 0 ? "outer " : "inner ";
      kinds[where + "IPv4"] += layer.ip_version == 4U;
      kinds[where + "IPv6"] += layer.ip_version == 6U;
      kinds[where + "no IP"] += !layer.ip_version;
      kinds[where + "no Ethernet type"] += !layer.ether_type;
      kinds[where + "VLAN"] += layer.vlan.has_value();
      kinds[where + "ports"] += layer.source_port.has_value();
      kinds[where + "TCP flags"] += layer.tcp_flags.has_value();
      kinds[where + "ICMP"] += layer.icmp_type.has_value();
      kinds[where + "first fragment"] += layer.fragment == 1U;
      kinds[where + "later fragment"] += layer.fragment == 2U;
      kinds[where + "payload"] += layer.payload_begin < layer.payload_end;
    }
  }
  EXPECT_EQ(with_layers[0], 0U);
  for (std::size_t count = 1; count <= kLayersMax; ++count) EXPECT_GT(with_layers[count], 200U);
  EXPECT_EQ(kinds.size(), 22U);
  for (const auto& [kind, count] : kinds) EXPECT_GT(count, 50U) << kind;
}

}  // namespace
}  // namespace edgecap::filter
