// SPDX-License-Identifier: Apache-2.0

#include "filter/filter_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/status_macros.h"

namespace edgecap::filter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

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
  }
}

TEST(FilterSpecTest, FieldsHaveTheNamesOfTheDocumentation) {
  const auto names = FilterSpec::FieldNames();
  EXPECT_THAT(std::vector<std::string>(names.begin(), names.end()),
              ElementsAre("source_address", "destination_address", "source_port",
                          "destination_port", "protocol"));
}

TEST(FilterSpecTest, AddressesAreReadInWireOrder) {
  const FilterSpec spec =
      SpecOf({{"source_address", "10.32.0.0/11"}, {"destination_address", "192.0.2.1"}});
  EXPECT_EQ(spec.source_address, (Prefix{.v6 = false, .length = 11, .address = {10, 32}}));
  EXPECT_EQ(spec.destination_address,
            (Prefix{.v6 = false, .length = 32, .address = {192, 0, 2, 1}}));

  const FilterSpec v6 = SpecOf({{"source_address", "2001:db8::/32"}});
  EXPECT_EQ(v6.source_address,
            (Prefix{.v6 = true, .length = 32, .address = {0x20, 0x01, 0x0d, 0xb8}}));
}

TEST(FilterSpecTest, PortsAreReadAsRanges) {
  const FilterSpec spec = SpecOf({{"source_port", "443"}, {"destination_port", "1000-2000"}});
  EXPECT_EQ(spec.source_port, (PortRange{443, 443}));
  EXPECT_EQ(spec.destination_port, (PortRange{1000, 2000}));
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
      {"destination_address", "::/0", "::/0"},
      {"destination_address", "2001:DB8:0::/32", "2001:db8::/32"},
      {"destination_address", "2001:db8::1/128", "2001:db8::1"},
      {"destination_address", "2001:db8::8000/113", "2001:db8::8000/113"},
      {"destination_address", "::ffff:192.0.2.1", "::ffff:192.0.2.1"},
      {"source_port", "0", "0"},
      {"source_port", "65535", "65535"},
      {"source_port", "443-443", "443"},
      {"destination_port", "0-65535", "0-65535"},
      {"protocol", "tcp", "tcp"},
      {"protocol", "UDP", "udp"},
      {"protocol", "6", "tcp"},
      {"protocol", "4", "ipip"},
      {"protocol", "ipv6", "ipv6"},
      {"protocol", "58", "icmpv6"},
      {"protocol", "IPv6-ICMP", "icmpv6"},
      {"protocol", "0", "0"},
      {"protocol", "255", "255"},
  };
  for (const TextCase& c : cases) {
    const FilterSpec spec = SpecOf({{c.field, c.text}});
    ASSERT_EQ(spec.Get(c.field), c.printed) << c.text;
    EXPECT_EQ(SpecOf({{c.field, c.printed}}), spec) << c.text;
    EXPECT_EQ(spec.ToString(), c.field + " " + c.printed);
  }
}

TEST(FilterSpecTest, ALaterValueReplacesAnEarlierOne) {
  EXPECT_EQ(SpecOf({{"protocol", "tcp"}, {"protocol", "udp"}}).Get("protocol"), "udp");
}

TEST(FilterSpecTest, ToStringNamesAllFieldsInOneOrder) {
  EXPECT_EQ(
      SpecOf({{"protocol", "tcp"}, {"destination_port", "443"}, {"source_address", "192.0.2.0/24"}})
          .ToString(),
      "source_address 192.0.2.0/24, destination_port 443, protocol tcp");
}

struct BadCase {
  std::string field;
  std::string text;
  std::string complaint;
};

TEST(FilterSpecTest, BadTextIsRefusedWithFieldValueAndTheWayOut) {
  const std::string no_address = "is not an IP address; write one like 192.0.2.1";
  const std::string no_length = "has no valid prefix length; write a number from 0 to ";
  const std::string no_port = "is no port; write a number from 0 to 65535";
  const std::string no_protocol = "is no protocol; write a number from 0 to 255 or one of icmp, ";
  const BadCase cases[] = {
      {"source_address", "", "is empty; leave the field out to match any"},
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
      {"source_address", "10.0.0.0/", no_length + "32"},
      {"source_address", "10.0.0.0/33", no_length + "32"},
      {"source_address", "10.0.0.0/-1", no_length + "32"},
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
      {"source_port", "", "is empty"},
      {"source_port", "https", no_port},
      {"source_port", "65536", no_port},
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
      {"destination_port", "2000-1000", "is a range that ends before it begins; write 1000-2000"},
      {"protocol", "", "is empty"},
      {"protocol", "tcpp", no_protocol},
      {"protocol", "256", no_protocol},
      {"protocol", "-6", no_protocol},
      {"protocol", "6.0", no_protocol},
      {"protocol", "tcp ", no_protocol},
  };
  for (const BadCase& c : cases) {
    FilterSpec spec;
    const absl::Status status = spec.Set(c.field, c.text);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.text;
    EXPECT_THAT(MessageOf(status),
                ::testing::StartsWith(c.field + " \"" + c.text + "\" " + c.complaint));
    EXPECT_EQ(spec, FilterSpec{}) << c.text;
  }
}

TEST(FilterSpecTest, MessagesHoldOnlyShortPrintableAscii) {
  FilterSpec spec;
  EXPECT_THAT(MessageOf(spec.Set("source_address", std::string_view("10.0.0.1\0x", 10))),
              HasSubstr("source_address \"10.0.0.1\\000x\" is not an IP address"));
  EXPECT_THAT(MessageOf(spec.Set("protocol", "t\xc3\xa4\n")),
              HasSubstr("protocol \"t\\303\\244\\n\" is no protocol"));
  EXPECT_THAT(MessageOf(spec.Set("source_port", std::string(100000, '9'))),
              HasSubstr(std::string(64, '9') + "...\" is no port"));
}

TEST(FilterSpecTest, AnUnknownFieldIsAnsweredWithTheKnownOnes) {
  FilterSpec spec;
  const absl::Status status = spec.Set("src", "10.0.0.1");
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(MessageOf(status),
            "there is no filter field \"src\"; there are source_address, destination_address, "
            "source_port, destination_port, protocol");
  EXPECT_EQ(spec.Get("src"), std::nullopt);
}

TEST(FilterSpecTest, FieldsThatCanNeverHoldTogetherAreRefused) {
  EXPECT_EQ(
      MessageOf(SpecOf({{"source_address", "10.0.0.0/8"}, {"destination_address", "2001:db8::1"}})
                    .Validate()),
      "source_address 10.0.0.0/8 and destination_address 2001:db8::1 can never hold "
      "together: one is IPv4, the other IPv6");
  EXPECT_EQ(MessageOf(SpecOf({{"source_port", "443"}, {"protocol", "icmp"}}).Validate()),
            "source_port 443 and protocol icmp can never hold together: only tcp, udp, udplite, "
            "sctp, dccp have ports");
  EXPECT_EQ(MessageOf(SpecOf({{"destination_port", "1-9"}, {"protocol", "200"}}).Validate()),
            "destination_port 1-9 and protocol 200 can never hold together: only tcp, udp, "
            "udplite, sctp, dccp have ports");
}

TEST(FilterSpecTest, FieldsThatSomePacketCouldHoldAreAllowed) {
  const std::vector<Field> cases[] = {
      {{"source_address", "10.0.0.0/8"}, {"destination_address", "192.0.2.1"}},
      {{"source_address", "::/0"}, {"destination_address", "2001:db8::1"}},
      {{"source_address", "2001:db8::1"}, {"protocol", "icmp"}},
      {{"source_address", "192.0.2.1"}, {"protocol", "icmpv6"}},
      {{"source_port", "443"}, {"destination_port", "1-9"}},
      {{"source_port", "443"}, {"protocol", "tcp"}},
      {{"source_port", "443"}, {"protocol", "udp"}},
      {{"source_port", "443"}, {"protocol", "udplite"}},
      {{"source_port", "443"}, {"protocol", "sctp"}},
      {{"source_port", "443"}, {"protocol", "dccp"}},
  };
  for (const std::vector<Field>& fields : cases) {
    const FilterSpec spec = SpecOf(fields);
    EXPECT_TRUE(spec.Validate().ok()) << spec.ToString();
  }
}

}  // namespace
}  // namespace edgecap::filter
