// SPDX-License-Identifier: Apache-2.0

#include "filter/filter_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status_macros.h"

namespace edgecap::filter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

struct Field {
  std::string name;
  std::string text;
};

FilterSpec SpecOf(const std::vector<Field>& fields) {
  FilterSpec spec;
  for (const auto& [name, text] : fields) {
    EXPECT_EQ(MessageOf(spec.Set(name, text)), "") << name << " " << text;
  }
  return spec;
}

TEST(FilterSpecTest, ASpecWithoutFieldsWantsEveryPacket) {
  const FilterSpec spec;
  EXPECT_TRUE(spec.Validate().ok());
  EXPECT_EQ(spec.ToString(), "every packet");
  for (const std::string_view name : FilterSpec::FieldNames()) {
    EXPECT_EQ(spec.Get(name), std::nullopt) << name;
    EXPECT_THAT(spec.GetAll(name), IsEmpty()) << name;
  }
}

TEST(FilterSpecTest, FieldsHaveTheNamesOfTheDocumentation) {
  const auto names = FilterSpec::FieldNames();
  EXPECT_THAT(std::vector<std::string>(names.begin(), names.end()),
              ElementsAre("source_address", "destination_address", "address", "source_port",
                          "destination_port", "port", "protocol", "local_address", "local_port",
                          "remote_address", "remote_port", "direction", "vlan", "tcp_flags",
                          "icmp_type", "icmp_code", "ip_version", "dscp", "length", "fragment",
                          "ether_type", "port_name", "layer", "bpf", "payload"));
}

AddressRange V4(std::array<std::uint8_t, 4> first, std::array<std::uint8_t, 4> last) {
  AddressRange range;
  std::ranges::copy(first, range.first.begin());
  std::ranges::copy(last, range.last.begin());
  return range;
}

TEST(FilterSpecTest, AddressesAreReadInWireOrder) {
  const FilterSpec spec = SpecOf({{"source_address", "10.32.0.0/11"},
                                  {"destination_address", "192.0.2.1"},
                                  {"address", "192.0.2.254-192.0.3.1"},
                                  {"local_address", "10.0.0.0/8;2001:db8::/32"},
                                  {"remote_address", "0.0.0.0/0"}});
  EXPECT_THAT(spec.source_address, ElementsAre(V4({10, 32}, {10, 63, 255, 255})));
  EXPECT_THAT(spec.destination_address, ElementsAre(V4({192, 0, 2, 1}, {192, 0, 2, 1})));
  EXPECT_THAT(spec.address, ElementsAre(V4({192, 0, 2, 254}, {192, 0, 3, 1})));
  AddressRange v6 = {.v6 = true, .first = {0x20, 0x01, 0x0d, 0xb8}};
  v6.last.fill(0xff);
  std::copy_n(v6.first.begin(), 4, v6.last.begin());
  EXPECT_THAT(spec.local_address, ElementsAre(V4({10}, {10, 255, 255, 255}), v6));
  EXPECT_THAT(spec.remote_address, ElementsAre(V4({}, {255, 255, 255, 255})));
}

TEST(FilterSpecTest, NumbersAreReadAsRanges) {
  const FilterSpec spec = SpecOf({{"source_port", "443"},
                                  {"destination_port", "1000-2000"},
                                  {"port", "22;80-90;8080;"},
                                  {"protocol", "tcp;17"},
                                  {"fragment", "yes"},
                                  {"dscp", "ef"},
                                  {"ether_type", "0x0806"}});
  EXPECT_THAT(spec.source_port, ElementsAre(NumberRange{443, 443}));
  EXPECT_THAT(spec.destination_port, ElementsAre(NumberRange{1000, 2000}));
  EXPECT_THAT(spec.port,
              ElementsAre(NumberRange{22, 22}, NumberRange{80, 90}, NumberRange{8080, 8080}));
  EXPECT_THAT(spec.protocol, ElementsAre(NumberRange{6, 6}, NumberRange{17, 17}));
  EXPECT_THAT(spec.fragment, ElementsAre(NumberRange{1, 2}));
  EXPECT_THAT(spec.dscp, ElementsAre(NumberRange{46, 46}));
  EXPECT_THAT(spec.ether_type, ElementsAre(NumberRange{0x806, 0x806}));
}

TEST(FilterSpecTest, FlagsAreReadAsMaskAndValue) {
  EXPECT_THAT(SpecOf({{"tcp_flags", "syn,!ack;rst"}}).tcp_flags,
              ElementsAre(FlagTest{0x04, 0x04}, FlagTest{0x12, 0x02}));
  EXPECT_THAT(SpecOf({{"tcp_flags", "0x02/0x12"}}).tcp_flags, ElementsAre(FlagTest{0x12, 0x02}));
  EXPECT_THAT(SpecOf({{"tcp_flags", "fin,syn,rst,psh,ack,urg,ece,cwr"}}).tcp_flags,
              ElementsAre(FlagTest{0xff, 0xff}));
}

TEST(FilterSpecTest, WordsAndTextsAreKept) {
  const FilterSpec spec = SpecOf({{"direction", "OUT"},
                                  {"layer", "inner"},
                                  {"port_name", "uplink;lan0;uplink"},
                                  {"bpf", "tcp[13] & 2 != 0; "},
                                  {"payload", "(?i)get;"},
                                  {"payload", "^\\x16\\x03"}});
  EXPECT_EQ(spec.direction, Direction::kOut);
  EXPECT_EQ(spec.layer, Layer::kInner);
  EXPECT_THAT(spec.port_name, ElementsAre("lan0", "uplink"));
  EXPECT_EQ(spec.bpf, "tcp[13] & 2 != 0; ");
  EXPECT_THAT(spec.payload, ElementsAre("(?i)get;", "^\\x16\\x03"));
}

struct TextCase {
  std::string field;
  std::string text;
  std::string printed;
};

TEST(FilterSpecTest, WhatGetPrintsIsWhatSetReads) {
  const TextCase cases[] = {
      {"source_address", "192.0.2.1", "192.0.2.1"},
      {"source_address", "192.0.2.1/32", "192.0.2.1"},
      {"source_address", "0.0.0.0/0", "0.0.0.0/0"},
      {"source_address", "255.255.255.254/31", "255.255.255.254/31"},
      {"source_address", "0.0.0.0-255.255.255.255", "0.0.0.0/0"},
      {"source_address", "10.0.0.1-10.0.0.1", "10.0.0.1"},
      {"source_address", "10.0.0.1-10.0.0.2", "10.0.0.1-10.0.0.2"},
      {"source_address", "10.0.0.0-10.0.0.255", "10.0.0.0/24"},
      {"source_address", "10.0.0.128-10.0.1.127", "10.0.0.128-10.0.1.127"},
      {"source_address", "10.0.1.0/24;10.0.0.0/24", "10.0.0.0/23"},
      {"source_address", "10.0.0.0/24;10.0.0.7;10.0.2.0/24", "10.0.0.0/24;10.0.2.0/24"},
      {"source_address", "10.0.0.255;10.0.1.0", "10.0.0.255-10.0.1.0"},
      {"source_address", "255.255.255.255;0.0.0.0", "0.0.0.0;255.255.255.255"},
      {"source_address", "255.255.255.255;::", "255.255.255.255;::"},
      {"destination_address", "::/0", "::/0"},
      {"destination_address", "::/0;::1", "::/0"},
      {"destination_address", "2001:DB8:0::/32", "2001:db8::/32"},
      {"destination_address", "2001:db8::1/128", "2001:db8::1"},
      {"destination_address", "2001:db8::8000/113", "2001:db8::8000/113"},
      {"destination_address", "2001:db8::1-2001:db8::9", "2001:db8::1-2001:db8::9"},
      {"destination_address", "2001:db8::ffff;2001:db8::1:0", "2001:db8::ffff-2001:db8::1:0"},
      {"destination_address", "::ffff:192.0.2.1", "::ffff:192.0.2.1"},
      {"address", "2001:db8::1;192.0.2.1;", "192.0.2.1;2001:db8::1"},
      {"source_port", "0", "0"},
      {"source_port", "65535", "65535"},
      {"source_port", "443-443", "443"},
      {"source_port", "443;", "443"},
      {"source_port", "80;79;1-78", "1-80"},
      {"source_port", "20-30;10-25;5", "5;10-30"},
      {"destination_port", "0-65535", "0-65535"},
      {"remote_port", "2;1;4", "1-2;4"},
      {"protocol", "tcp", "tcp"},
      {"protocol", "UDP", "udp"},
      {"protocol", "6", "tcp"},
      {"protocol", "4", "ipip"},
      {"protocol", "ipv6", "ipv6"},
      {"protocol", "58", "icmpv6"},
      {"protocol", "IPv6-ICMP", "icmpv6"},
      {"protocol", "0", "0"},
      {"protocol", "255", "255"},
      {"protocol", "udp;TCP;47", "tcp;udp;gre"},
      {"protocol", "ah;esp", "50-51"},
      {"direction", "in", "in"},
      {"vlan", "0", "0"},
      {"vlan", "4095;100-199", "100-199;4095"},
      {"tcp_flags", "SYN", "syn"},
      {"tcp_flags", "ack,syn", "syn,ack"},
      {"tcp_flags", "!ack,syn,syn", "syn,!ack"},
      {"tcp_flags", "2/18", "syn,!ack"},
      {"tcp_flags", "0/0x3f", "!fin,!syn,!rst,!psh,!ack,!urg"},
      {"tcp_flags", "syn;syn;0x02/0x02", "syn"},
      {"icmp_type", "8;0", "0;8"},
      {"icmp_code", "0-255", "0-255"},
      {"ip_version", "6", "6"},
      {"ip_version", "ipv6;4", "4;6"},
      {"dscp", "46", "ef"},
      {"dscp", "AF11;cs0", "cs0;af11"},
      {"dscp", "0-63", "0-63"},
      {"length", "1515-65535", "1515-65535"},
      {"fragment", "no", "no"},
      {"fragment", "later;first", "yes"},
      {"fragment", "no;first", "no;first"},
      {"fragment", "yes;no", "no;first;later"},
      {"ether_type", "2054", "arp"},
      {"ether_type", "0X86DD", "ipv6"},
      {"ether_type", "ip", "ipv4"},
      {"ether_type", "0x1234", "0x1234"},
      {"ether_type", "0x0-0x5ff", "0x0000-0x05ff"},
      {"ether_type", "0x8847-0x8848", "0x8847-0x8848"},
      {"port_name", "b;a;b;", "a;b"},
      {"port_name", "0000:3b:00.0", "0000:3b:00.0"},
      {"layer", "any", "any"},
      {"layer", "Inner", "inner"},
      {"bpf", "host 10.0.0.1 or (udp and port 53)", "host 10.0.0.1 or (udp and port 53)"},
      {"payload", "a;b", "a;b"},
  };
  for (const TextCase& c : cases) {
    const FilterSpec spec = SpecOf({{c.field, c.text}});
    ASSERT_EQ(spec.Get(c.field), c.printed) << c.text;
    EXPECT_EQ(SpecOf({{c.field, c.printed}}), spec) << c.text;
    EXPECT_THAT(spec.ToString(), StartsWith(c.field + " "));
  }
}

TEST(FilterSpecTest, EveryNameIsReadAsTheNumberItStandsFor) {
  const Field names[] = {{"icmp", "1"},         {"igmp", "2"},   {"ipip", "4"},     {"tcp", "6"},
                         {"egp", "8"},          {"udp", "17"},   {"dccp", "33"},    {"ipv6", "41"},
                         {"rsvp", "46"},        {"gre", "47"},   {"esp", "50"},     {"ah", "51"},
                         {"icmpv6", "58"},      {"icmp6", "58"}, {"eigrp", "88"},   {"ospf", "89"},
                         {"pim", "103"},        {"vrrp", "112"}, {"ipcomp", "108"}, {"l2tp", "115"},
                         {"mpls-in-ip", "137"}, {"sctp", "132"}, {"udplite", "136"}};
  for (const auto& [name, number] : names) {
    EXPECT_EQ(SpecOf({{"protocol", name}}), SpecOf({{"protocol", number}})) << name;
  }
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(SpecOf({{"dscp", "cs" + std::to_string(i)}}),
              SpecOf({{"dscp", std::to_string(8 * i)}}));
  }
  for (int i = 1; i <= 4; ++i) {
    for (int k = 1; k <= 3; ++k) {
      EXPECT_EQ(SpecOf({{"dscp", "af" + std::to_string(i) + std::to_string(k)}}),
                SpecOf({{"dscp", std::to_string(8 * i + 2 * k)}}));
    }
  }
  const Field types[] = {{"ipv4", "0x0800"},
                         {"ipv6", "0x86dd"},
                         {"arp", "0x0806"},
                         {"rarp", "0x8035"},
                         {"mpls", "0x8847"},
                         {"mpls-multicast", "0x8848"},
                         {"pppoe-discovery", "0x8863"},
                         {"pppoe-session", "0x8864"},
                         {"lacp", "0x8809"},
                         {"lldp", "0x88cc"},
                         {"eapol", "0x888e"},
                         {"macsec", "0x88e5"},
                         {"ptp", "0x88f7"},
                         {"loopback", "0x9000"}};
  for (const auto& [name, number] : types) {
    EXPECT_EQ(SpecOf({{"ether_type", name}}), SpecOf({{"ether_type", number}})) << name;
  }
}

TEST(FilterSpecTest, GetAllGivesValueByValue) {
  const FilterSpec spec = SpecOf({{"source_address", "2001:db8::/32;10.0.0.0/8;10.0.0.1"},
                                  {"protocol", "udp;tcp"},
                                  {"fragment", "no;first"},
                                  {"bpf", "ip; "},
                                  {"payload", "a;b"},
                                  {"payload", "c"}});
  EXPECT_THAT(spec.GetAll("source_address"), ElementsAre("10.0.0.0/8", "2001:db8::/32"));
  EXPECT_THAT(spec.GetAll("protocol"), ElementsAre("tcp", "udp"));
  EXPECT_THAT(spec.GetAll("fragment"), ElementsAre("no", "first"));
  EXPECT_THAT(spec.GetAll("bpf"), ElementsAre("ip; "));
  EXPECT_THAT(spec.GetAll("payload"), ElementsAre("a;b", "c"));
  EXPECT_EQ(spec.Get("payload"), std::nullopt) << "several expressions are no one text";
  EXPECT_THAT(spec.GetAll("vlan"), IsEmpty());
  EXPECT_THAT(spec.GetAll("no_field"), IsEmpty());
}

TEST(FilterSpecTest, SetAllReadsWhatGetAllGives) {
  const FilterSpec spec = SpecOf({{"source_address", "2001:db8::/32;10.0.0.0/8"},
                                  {"tcp_flags", "syn,!ack;rst"},
                                  {"fragment", "no;first"},
                                  {"direction", "in"},
                                  {"port_name", "a;b"},
                                  {"layer", "any"},
                                  {"bpf", "ip; "},
                                  {"payload", "a;b"},
                                  {"payload", "c"}});
  FilterSpec again = SpecOf({{"payload", "replaced"}, {"port_name", "replaced"}});
  for (const std::string_view name : FilterSpec::FieldNames()) {
    const std::vector<std::string> values = spec.GetAll(name);
    if (values.empty()) continue;
    EXPECT_EQ(MessageOf(again.SetAll(name, values)), "") << name;
  }
  EXPECT_EQ(again, spec);
}

TEST(FilterSpecTest, SetAllRefusesListsThatAreNone) {
  struct Case {
    std::string name;
    std::vector<std::string> values;
    std::string message;
  };
  const Case cases[] = {
      {"port", {}, "port is an empty list; leave the field out to match any"},
      {"payload", {}, "payload is an empty list"},
      {"bpf", {}, "bpf is an empty list"},
      {"port", {"80", ""}, "port has nothing at place 2 of the list; leave the empty value out"},
      {"payload", {""}, "payload has nothing at place 1 of the list"},
      {"port", {"80", "70000"}, "port \"70000\" is no port"},
      {"bpf", {"ip", "arp"}, "bpf has 2 values but takes one; write a filter for each"},
      {"direction", {"in", "out"}, "direction has 2 values but takes one"},
      {"layer", {"inner", "outer"}, "layer has 2 values but takes one"},
      {"src", {"1"}, "there is no filter field \"src\""},
  };
  for (const Case& c : cases) {
    FilterSpec spec;
    EXPECT_THAT(MessageOf(spec.SetAll(c.name, c.values)), StartsWith(c.message));
    EXPECT_EQ(spec, FilterSpec{});
  }
  FilterSpec spec = SpecOf({{"payload", "kept"}});
  const std::vector<std::string> one_too_long = {"x", std::string(kPayloadBytesMax + 1, 'x')};
  EXPECT_FALSE(spec.SetAll("payload", one_too_long).ok());
  EXPECT_THAT(spec.payload, ElementsAre("kept"));
}

TEST(FilterSpecTest, ALaterValueReplacesAnEarlierOneAndPayloadGainsOne) {
  EXPECT_EQ(SpecOf({{"protocol", "tcp"}, {"protocol", "udp"}}).Get("protocol"), "udp");
  EXPECT_EQ(SpecOf({{"bpf", "ip"}, {"bpf", "arp"}}).Get("bpf"), "arp");
  EXPECT_EQ(SpecOf({{"layer", "inner"}, {"layer", "outer"}}), FilterSpec{});
  EXPECT_THAT(SpecOf({{"payload", "x"}, {"payload", "y"}}).payload, ElementsAre("x", "y"));
}

TEST(FilterSpecTest, ToStringNamesAllFieldsInOneOrder) {
  EXPECT_EQ(
      SpecOf({{"protocol", "tcp"}, {"destination_port", "443"}, {"source_address", "192.0.2.0/24"}})
          .ToString(),
      "source_address 192.0.2.0/24, destination_port 443, protocol tcp");
  EXPECT_EQ(
      SpecOf({{"payload", "say \"hi\"\n"}, {"payload", "b"}, {"bpf", "ip"}, {"port_name", "l\x01"}})
          .ToString(),
      R"(port_name l\001, bpf "ip", payload "say \"hi\"\n" or "b")");
}

struct BadCase {
  std::string field;
  std::string text;
  std::string complaint;
  std::string value;  // the value of the list that the complaint is about; empty: the text
};

TEST(FilterSpecTest, BadTextIsRefusedWithFieldValueAndTheWayOut) {
  const std::string empty = "is empty; leave the field out to match any";
  const std::string no_address = "is not an IP address; write one like 192.0.2.1";
  const std::string no_length = "has no valid prefix length; write a number from 0 to ";
  const std::string no_port = "is no port; write a number from 0 to 65535, a range like 1000-2000";
  const std::string no_protocol =
      "is no protocol; write a number from 0 to 255, a range like 50-51, or one of icmp, ";
  const std::string no_flags =
      "is no test of TCP flags; write syn, or several like syn,!ack, of fin";
  const std::string no_mask = "is no VALUE/MASK; write numbers from 0 to 255 (0xff) like 0x02/0x12";
  const std::string empty_list = "is an empty list; leave the field out to match any";
  const BadCase cases[] = {
      {"source_address", "", empty},
      {"source_address", "example.com", no_address},
      {"source_address", "10.0.0", no_address},
      {"source_address", "10.0.0.256", no_address},
      {"source_address", "010.0.0.1", no_address},
      {"source_address", " 10.0.0.1", no_address},
      {"source_address", "10.0.0.1 ", no_address},
      {"source_address", "/8", no_address},
      {"source_address", "2001:db8::1::2", no_address},
      {"source_address", "fe80::1%eth0", no_address},
      {"source_address", "10.0.0.1,10.0.0.2", no_address},
      {"source_address", "10.0.0.1-", no_address},
      {"source_address", "-10.0.0.1", no_address},
      {"source_address", "10.0.0.1-10.0.0.2-10.0.0.3", no_address},
      {"source_address", "10.0.0.0/24-10.0.1.0/24", no_address},
      {"source_address", "10.0.0.1-2001:db8::1", "is a range from one IP version to the other"},
      {"source_address", "10.0.0.9-10.0.0.1",
       "is a range that ends before it begins; write 10.0.0.1-10.0.0.9"},
      {"remote_address", "2001:db8::2-2001:db8::1",
       "is a range that ends before it begins; write 2001:db8::1-2001:db8::2"},
      {"source_address", "10.0.0.1;10.0.0.300;10.0.0.2", no_address, "10.0.0.300"},
      {"source_address", "10.0.0.0/", no_length + "32"},
      {"source_address", "10.0.0.0/33", no_length + "32"},
      {"source_address", "10.0.0.0/-1", no_address},
      {"source_address", "10.0.0.0/08", no_length + "32"},
      {"source_address", "10.0.0.0/8/8", no_length + "32"},
      {"source_address", "10.0.0.0/255.0.0.0", no_length + "32"},
      {"source_address", "2001:db8::/129", no_length + "128"},
      {"source_address", "10.0.0.1/8", "has address bits beyond /8; write 10.0.0.0/8 or 10.0.0.1"},
      {"destination_address", "192.0.2.129/25",
       "has address bits beyond /25; write 192.0.2.128/25 or 192.0.2.129"},
      {"destination_address", "2001:db8::1/32",
       "has address bits beyond /32; write 2001:db8::/32 or 2001:db8::1"},
      {"destination_address", "1.2.3.4/0",
       "has address bits beyond /0; write 0.0.0.0/0 or 1.2.3.4"},
      {"source_port", "", empty},
      {"source_port", ";", empty_list},
      {"source_port", ";;", "has nothing at place 1 of the list"},
      {"source_port", ";80", "has nothing at place 1 of the list; write the values with one ;"},
      {"source_port", "80;;443", "has nothing at place 2 of the list"},
      {"source_port", "80;443;;", "has nothing at place 3 of the list"},
      {"source_port", "https", no_port},
      {"source_port", "65536", no_port},
      {"source_port", "70000", no_port},
      {"source_port", "80;70000;443", no_port, "70000"},
      {"source_port", "99999999999999999999", no_port},
      {"source_port", "-1", no_port},
      {"source_port", "+80", no_port},
      {"source_port", "080", no_port},
      {"source_port", "0x50", no_port},
      {"source_port", "80.0", no_port},
      {"source_port", "1-", no_port},
      {"source_port", "-", no_port},
      {"source_port", "1-2-3", no_port},
      {"source_port", "1 - 2", no_port},
      {"source_port", "80; 443", no_port, " 443"},
      {"destination_port", "2000-1000", "is a range that ends before it begins; write 1000-2000"},
      {"protocol", "", empty},
      {"protocol", "tcpp", no_protocol},
      {"protocol", "256", no_protocol},
      {"protocol", "-6", no_protocol},
      {"protocol", "6.0", no_protocol},
      {"protocol", "tcp ", no_protocol},
      {"protocol", "tcp-udp", no_protocol},
      {"direction", "both", "is refused; write one of in, out"},
      {"direction", "in;out", "is refused; write one of in, out"},
      {"vlan", "4096", "is no VLAN id; write a number from 0 to 4095, a range like 100-199"},
      {"tcp_flags", "", empty},
      {"tcp_flags", "sync", no_flags},
      {"tcp_flags", "syn,", no_flags},
      {"tcp_flags", "!", no_flags},
      {"tcp_flags", "!!syn", no_flags},
      {"tcp_flags", "syn ack", no_flags},
      {"tcp_flags", "2", no_flags},
      {"tcp_flags", "syn;ak", no_flags, "ak"},
      {"tcp_flags", "syn,ack,!syn", "can never hold: syn is asked both set and not set"},
      {"tcp_flags", "0x100/0x100", no_mask},
      {"tcp_flags", "syn/ack", no_mask},
      {"tcp_flags", "0x/0x1", no_mask},
      {"tcp_flags", "0/0", "tests no flag; write protocol tcp"},
      {"tcp_flags", "0x12/0x02", "can never hold: the value has flags that the mask leaves out"},
      {"icmp_type", "256", "is no ICMP type; write a number from 0 to 255"},
      {"icmp_code", "x", "is no ICMP code; write a number from 0 to 255"},
      {"ip_version", "5", "is no IP version; write one of 4, 6, ipv4, ipv6"},
      {"ip_version", "4-6", "is no IP version; write one of 4, 6"},
      {"dscp", "64", "is no DSCP; write a number from 0 to 63, a range like 32-46, or one of cs0"},
      {"dscp", "af44", "is no DSCP"},
      {"length", "65536", "is no packet length; write a number from 0 to 65535"},
      {"fragment", "1", "is no kind of fragment; write one of no, first, later, yes"},
      {"ether_type", "0x10000", "is no Ethernet type; write a number from 0 to 65535"},
      {"ether_type", "86dd", "is no Ethernet type"},
      {"ether_type", "0x0806-0x0800", "is a range that ends before it begins; write 0x0800-0x0806"},
      {"port_name", "", empty},
      {"port_name", "a;;b", "has nothing at place 2"},
      {"layer", "middle", "is refused; write one of outer, inner, any"},
      {"bpf", "", empty},
      {"payload", "", empty},
  };
  for (const BadCase& c : cases) {
    FilterSpec spec;
    const absl::Status status = spec.Set(c.field, c.text);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.text;
    EXPECT_THAT(
        MessageOf(status),
        StartsWith(c.field + " \"" + (c.value.empty() ? c.text : c.value) + "\" " + c.complaint));
    EXPECT_EQ(spec, FilterSpec{}) << c.text;
  }
}

std::string Repeat(std::string_view text, std::size_t times) {
  std::string repeated;
  for (std::size_t i = 0; i < times; ++i) repeated += text;
  return repeated;
}

TEST(FilterSpecTest, ListsAndTextsHaveALimit) {
  FilterSpec spec;
  EXPECT_TRUE(spec.Set("port", Repeat("80;", kFilterListMax)).ok());
  EXPECT_THAT(MessageOf(spec.Set("port", Repeat("80;", kFilterListMax + 1))),
              HasSubstr("...\" has 1025 values; at most 1024 are allowed: write ranges"));
  EXPECT_TRUE(spec.Set("bpf", std::string(kBpfBytesMax, 'x')).ok());
  EXPECT_THAT(MessageOf(spec.Set("bpf", std::string(kBpfBytesMax + 1, 'x'))),
              HasSubstr("xxx...\" has 16385 bytes; at most 16384 are allowed"));
  EXPECT_TRUE(spec.Set("payload", std::string(kPayloadBytesMax, 'x')).ok());
  EXPECT_THAT(MessageOf(spec.Set("payload", std::string(kPayloadBytesMax + 1, 'x'))),
              HasSubstr("xxx...\" has 1025 bytes; at most 1024 are allowed"));
  for (std::size_t i = 1; i < kPayloadExpressionsMax; ++i) {
    ASSERT_TRUE(spec.Set("payload", "y").ok());
  }
  EXPECT_THAT(
      MessageOf(spec.Set("payload", "z")),
      StartsWith("payload \"z\" has 257 values; at most 256 are allowed: join some with |"));
  EXPECT_EQ(spec.payload.size(), kPayloadExpressionsMax);
  EXPECT_THAT(MessageOf(spec.Set("port_name", std::string(kPortNameBytesMax + 1, 'x'))),
              HasSubstr("has 257 bytes; at most 256 are allowed"));
}

TEST(FilterSpecTest, ValidateKnowsTheLimitsToo) {
  FilterSpec spec;
  for (std::uint32_t i = 0; i <= kFilterListMax; ++i) spec.port.push_back({2 * i, 2 * i});
  EXPECT_THAT(MessageOf(spec.Validate()), HasSubstr("port: has 1025 values; at most 1024"));
  spec = {};
  spec.payload.assign(kPayloadExpressionsMax + 1, "x");
  EXPECT_THAT(MessageOf(spec.Validate()), HasSubstr("payload: has 257 values; at most 256"));
  spec = {};
  spec.payload = {"x", std::string(kPayloadBytesMax + 1, 'x')};
  EXPECT_THAT(MessageOf(spec.Validate()), HasSubstr("has 1025 bytes; at most 1024"));
  spec = {};
  spec.bpf.assign(kBpfBytesMax + 1, 'x');
  EXPECT_THAT(MessageOf(spec.Validate()), StartsWith("bpf \"xxx"));
}

TEST(FilterSpecTest, ATextOfAMegabyteIsRefusedShortly) {
  FilterSpec spec;
  for (const std::string_view name : FilterSpec::FieldNames()) {
    for (const std::string& text :
         {Repeat("10.0.0.1;", 120'000), std::string(1'000'000, ';'), std::string(1'000'000, '9')}) {
      const absl::Status status = spec.Set(name, text);
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
      EXPECT_LT(MessageOf(status).size(), 500U) << name;
    }
  }
  EXPECT_EQ(spec, FilterSpec{});
}

TEST(FilterSpecTest, MessagesHoldOnlyShortPrintableAscii) {
  FilterSpec spec;
  EXPECT_THAT(MessageOf(spec.Set("source_address", std::string_view("10.0.0.1\0x", 10))),
              HasSubstr("source_address \"10.0.0.1\\000x\" is not an IP address"));
  EXPECT_THAT(MessageOf(spec.Set("protocol", "t\xc3\xa4\n")),
              HasSubstr("protocol \"t\\303\\244\\n\" is no protocol"));
  EXPECT_THAT(MessageOf(spec.Set("source_port", std::string(100000, '9'))),
              HasSubstr(std::string(64, '9') + "...\" is no port"));
  EXPECT_THAT(MessageOf(spec.Set("bpf", std::string_view("ip\0x", 4))),
              HasSubstr("bpf \"ip\\000x\" has a zero byte in it"));
  EXPECT_THAT(MessageOf(spec.Set("payload", std::string_view("\0", 1))),
              HasSubstr("has a zero byte in it; in an expression write \\x00"));
  EXPECT_THAT(
      MessageOf(SpecOf({{"payload", "x"}, {"port_name", "\x01"}, {"icmp_type", "1"}, {"port", "1"}})
                    .Validate()),
      HasSubstr("port 1 and icmp_type 1"));
}

TEST(FilterSpecTest, AnUnknownFieldIsAnsweredWithTheKnownOnes) {
  FilterSpec spec;
  const absl::Status status = spec.Set("src", "10.0.0.1");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(MessageOf(status),
              StartsWith("there is no filter field \"src\"; there are source_address, "));
  for (const std::string_view name : FilterSpec::FieldNames()) {
    EXPECT_THAT(MessageOf(status), HasSubstr(std::string(name)));
  }
  EXPECT_EQ(spec.Get("src"), std::nullopt);
}

struct Contradiction {
  std::vector<Field> fields;
  std::string message;
};

TEST(FilterSpecTest, FieldsThatCanNeverHoldTogetherAreRefused) {
  const std::string versions = " can never hold together: one is IPv4, the other IPv6";
  const std::string ports =
      " can never hold together: only tcp, udp, udplite, sctp, dccp have ports";
  const std::string flags = " can never hold together: only tcp has flags";
  const std::string icmp = " can never hold together: only icmp, icmpv6 have a type and a code";
  const std::string no_ip = " can never hold together: such a packet is no IP packet";
  const std::string first = " can never hold together: it is only in a packet's first fragment";
  const Contradiction cases[] = {
      {{{"source_address", "10.0.0.0/8"}, {"destination_address", "2001:db8::1"}},
       "source_address 10.0.0.0/8 and destination_address 2001:db8::1" + versions},
      {{{"source_address", "2001:db8::1"}, {"address", "10.0.0.1"}},
       "source_address 2001:db8::1 and address 10.0.0.1" + versions},
      {{{"local_address", "10.0.0.1;10.0.0.3"}, {"remote_address", "2001:db8::1"}},
       "local_address 10.0.0.1;10.0.0.3 and remote_address 2001:db8::1" + versions},
      {{{"remote_address", "10.0.0.1"}, {"ip_version", "6"}},
       "remote_address 10.0.0.1 and ip_version 6" + versions},
      {{{"address", "2001:db8::1"}, {"ip_version", "4"}},
       "address 2001:db8::1 and ip_version 4" + versions},
      {{{"ether_type", "ipv4"}, {"ip_version", "6"}},
       "ip_version 6 and ether_type ipv4" + versions},
      {{{"ether_type", "0x86dd"}, {"source_address", "10.0.0.1"}},
       "source_address 10.0.0.1 and ether_type ipv6" + versions},
      {{{"ether_type", "arp"}, {"port", "53"}}, "port 53 and ether_type arp" + no_ip},
      {{{"ether_type", "arp"}, {"dscp", "ef"}}, "dscp ef and ether_type arp" + no_ip},
      {{{"ether_type", "arp;lldp"}, {"direction", "in"}},
       "direction in and ether_type arp;lldp" + no_ip},
      {{{"source_port", "443"}, {"protocol", "icmp"}}, "source_port 443 and protocol icmp" + ports},
      {{{"destination_port", "1-9"}, {"protocol", "200"}},
       "destination_port 1-9 and protocol 200" + ports},
      {{{"port", "1"}, {"protocol", "icmp;gre"}}, "port 1 and protocol icmp;gre" + ports},
      {{{"local_port", "1"}, {"protocol", "18-32"}}, "local_port 1 and protocol 18-32" + ports},
      {{{"remote_port", "1"}, {"icmp_type", "8"}}, "remote_port 1 and icmp_type 8" + ports},
      {{{"tcp_flags", "syn"}, {"protocol", "udp"}}, "tcp_flags syn and protocol udp" + flags},
      {{{"tcp_flags", "syn"}, {"icmp_code", "0"}}, "tcp_flags syn and icmp_code 0" + flags},
      {{{"icmp_type", "8"}, {"protocol", "tcp"}}, "icmp_type 8 and protocol tcp" + icmp},
      {{{"icmp_code", "0"}, {"protocol", "udp"}}, "icmp_code 0 and protocol udp" + icmp},
      {{{"fragment", "later"}, {"port", "53"}}, "port 53 and fragment later" + first},
      {{{"fragment", "later"}, {"tcp_flags", "syn"}}, "tcp_flags syn and fragment later" + first},
      {{{"fragment", "later"}, {"icmp_type", "8"}}, "icmp_type 8 and fragment later" + first},
      {{{"address", "10.0.0.1"},
        {"source_address", "10.0.0.2"},
        {"destination_address", "10.0.0.3"}},
       "address 10.0.0.1 and source_address 10.0.0.2 and destination_address 10.0.0.3 can never "
       "hold together: neither side's address can be the first"},
      {{{"port", "1"}, {"source_port", "2-9"}, {"destination_port", "10"}},
       "port 1 and source_port 2-9 and destination_port 10 can never hold together: neither "
       "side's port can be the first"},
  };
  for (const Contradiction& c : cases) {
    const absl::Status status = SpecOf(c.fields).Validate();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(MessageOf(status), c.message);
  }
}

TEST(FilterSpecTest, FieldsThatSomePacketCouldHoldAreAllowed) {
  const std::vector<Field> cases[] = {
      {{"source_address", "10.0.0.0/8"}, {"destination_address", "192.0.2.1"}},
      {{"source_address", "::/0"}, {"destination_address", "2001:db8::1"}},
      {{"source_address", "10.0.0.1;::1"}, {"destination_address", "2001:db8::1"}},
      {{"source_address", "10.0.0.1;::1"}, {"ip_version", "6"}, {"ether_type", "ipv6;arp"}},
      {{"source_address", "2001:db8::1"}, {"protocol", "icmp"}},
      {{"source_address", "192.0.2.1"}, {"protocol", "icmpv6"}},
      {{"address", "10.0.0.1"}, {"source_address", "10.0.0.2"}},
      {{"address", "10.0.0.1"},
       {"source_address", "10.0.0.2"},
       {"destination_address", "10.0.0.0/8"}},
      {{"port", "1"}, {"source_port", "2"}, {"destination_port", "1-9"}},
      {{"source_port", "443"}, {"destination_port", "1-9"}},
      {{"source_port", "443"}, {"protocol", "tcp"}},
      {{"source_port", "443"}, {"protocol", "udp"}},
      {{"source_port", "443"}, {"protocol", "udplite"}},
      {{"source_port", "443"}, {"protocol", "sctp"}},
      {{"source_port", "443"}, {"protocol", "dccp"}},
      {{"source_port", "443"}, {"protocol", "icmp;tcp"}},
      {{"source_port", "443"}, {"tcp_flags", "syn"}, {"protocol", "0-255"}},
      {{"icmp_type", "8"}, {"icmp_code", "0"}, {"protocol", "icmpv6"}},
      {{"fragment", "later"}, {"protocol", "udp"}},
      {{"fragment", "yes"}, {"port", "53"}},
      {{"ether_type", "arp"}, {"vlan", "7"}, {"length", "64"}, {"layer", "any"}},
      {{"ether_type", "ipv4"}, {"port", "53"}, {"payload", "x"}, {"bpf", "arp"}},
  };
  for (const std::vector<Field>& fields : cases) {
    const FilterSpec spec = SpecOf(fields);
    EXPECT_EQ(MessageOf(spec.Validate()), "") << spec.ToString();
  }
}

TEST(CaptureFilterTest, WithoutFiltersItWantsEveryPacket) {
  EXPECT_TRUE(CaptureFilter{}.Validate().ok());
  EXPECT_EQ(CaptureFilter{}.ToString(), "every packet");
}

TEST(CaptureFilterTest, ItIsPrintedAsOneSentence) {
  const FilterSpec tcp = SpecOf({{"protocol", "tcp"}});
  const FilterSpec dns = SpecOf({{"port", "53"}, {"protocol", "udp"}});
  EXPECT_EQ((CaptureFilter{.filters = {tcp}}).ToString(), "protocol tcp");
  EXPECT_EQ((CaptureFilter{.filters = {tcp, dns}}).ToString(),
            "(protocol tcp) or (port 53, protocol udp)");
  EXPECT_EQ((CaptureFilter{.filters = {tcp}, .exclude = {dns, tcp}}).ToString(),
            "protocol tcp, but not (port 53, protocol udp) or (protocol tcp)");
  EXPECT_EQ((CaptureFilter{.exclude = {dns}}).ToString(),
            "every packet, but not (port 53, protocol udp)");
}

TEST(CaptureFilterTest, AContradictionIsNamedWithItsPlace) {
  const FilterSpec tcp = SpecOf({{"protocol", "tcp"}});
  const FilterSpec bad = SpecOf({{"source_port", "1"}, {"protocol", "icmp"}});
  EXPECT_THAT(MessageOf(CaptureFilter{.filters = {tcp, tcp, tcp, bad}}.Validate()),
              StartsWith("filters[3].source_port 1 and protocol icmp can never hold together"));
  EXPECT_THAT(MessageOf(CaptureFilter{.filters = {tcp}, .exclude = {bad}}.Validate()),
              StartsWith("exclude[0].source_port 1 and protocol icmp"));
  EXPECT_EQ(MessageOf(CaptureFilter{.exclude = {tcp, FilterSpec{}}}.Validate()),
            "exclude[1] has no field and would exclude every packet; leave it out");
  EXPECT_TRUE((CaptureFilter{.filters = {tcp, FilterSpec{}}, .exclude = {tcp}}).Validate().ok());
}

TEST(AddressSetTest, IsReadAndPrintedWithoutAField) {
  const absl::StatusOr<AddressSet> set = ParseAddressSet("10.1.0.0/16;10.0.0.0/16;2001:db8::/32");
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(ToString(*set), "10.0.0.0/15;2001:db8::/32");
  EXPECT_THAT(MessageOf(ParseAddressSet("10.0.0.0/15;10.0.0").status()),
              StartsWith("\"10.0.0\" is not an IP address"));
}

}  // namespace
}  // namespace edgecap::filter
