// SPDX-License-Identifier: Apache-2.0

#include "control/filter_notation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace edgecap::control {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string InOurs(const ParsedFilter& parsed) {
  EXPECT_TRUE(parsed.violations.empty()) << JoinMessages(parsed.violations);
  EXPECT_TRUE(parsed.filter.Validate().ok());
  return parsed.filter.ToString();
}

std::string Cloudflare(const std::string& text) {
  return InOurs(ReadCloudflareFilter(Json::parse(text)));
}

std::string Azure(const std::string& text) { return InOurs(ReadAzureFilters(Json::parse(text))); }

// ---- Cloudflare: the examples of its documentation, as its clients send them --------------------

TEST(CloudflareFilterTest, TheDocumentedExamplesAreRead) {
  EXPECT_EQ(Cloudflare(R"({"source_address": "1.2.3.4", "source_port": 123,
                           "destination_address": "5.6.7.8", "destination_port": 80,
                           "protocol": 6})"),
            "source_address 1.2.3.4, destination_address 5.6.7.8, source_port 123, "
            "destination_port 80, protocol tcp");
  EXPECT_EQ(Cloudflare("{}"), "every packet");
}

TEST(CloudflareFilterTest, NumbersMayHaveAPointAndAddressesSixteenBytes) {
  EXPECT_EQ(Cloudflare(R"({"source_port": 443.0, "protocol": 1.7e1})"),
            "source_port 443, protocol udp");
  EXPECT_EQ(Cloudflare(R"({"destination_address": "2001:db8::1", "protocol": 0})"),
            "destination_address 2001:db8::1, protocol 0");
  EXPECT_EQ(Cloudflare(R"({"source_port": 0, "destination_port": 65535})"),
            "source_port 0, destination_port 65535");
}

struct Wrong {
  std::string text;
  std::string field;
  std::string message;
};

TEST(CloudflareFilterTest, WhatTheNotationDoesNotHaveIsRefused) {
  const std::string one = "must be one IP address such as \"192.0.2.1\", not ";
  const std::string port = "must be a whole number from 0 to 65535, not ";
  const Wrong cases[] = {
      {R"({"source_address": "10.0.0.0/8"})", "filter_v1.source_address", one + "\"10.0.0.0/8\""},
      {R"({"source_address": "10.0.0.1-10.0.0.2"})", "filter_v1.source_address", one},
      {R"({"source_address": "10.0.0.1;"})", "filter_v1.source_address", one},
      {R"({"source_address": ""})", "filter_v1.source_address", one + "\"\""},
      {R"({"source_address": null})", "filter_v1.source_address", one + "null"},
      {R"({"source_address": 1})", "filter_v1.source_address", one + "1"},
      {R"({"source_address": ["10.0.0.1"]})", "filter_v1.source_address", one},
      {R"({"destination_address": "10.0.0.300"})", "filter_v1.destination_address",
       R"(filter_v1.destination_address "10.0.0.300" is not an IP address)"},
      {R"({"source_port": "443"})", "filter_v1.source_port", port + "\"443\""},
      {R"({"source_port": 443.5})", "filter_v1.source_port", port + "443.5"},
      {R"({"source_port": 65536})", "filter_v1.source_port", port + "65536"},
      {R"({"source_port": -1})", "filter_v1.source_port", port + "-1"},
      {R"({"source_port": 1e300})", "filter_v1.source_port", port},
      {R"({"source_port": true})", "filter_v1.source_port", port + "true"},
      {R"({"source_port": [1]})", "filter_v1.source_port", port},
      {R"({"protocol": 256})", "filter_v1.protocol", "must be a whole number from 0 to 255"},
      {R"({"protocol": "tcp"})", "filter_v1.protocol", "must be a whole number from 0 to 255"},
      {R"({"port": 1})", "filter_v1",
       R"(has no field "port": there are source_address, destination_address, source_port, )"
       "destination_port, protocol"},
      {R"({"source_port": 1, "protocol": 1})", "filter_v1",
       "contradicts itself: source_port 1 and protocol icmp can never hold together"},
      {"[]", "filter_v1", "filter_v1 must be an object, not []"},
      {"null", "filter_v1", "filter_v1 must be an object, not null"},
  };
  for (const Wrong& c : cases) {
    const ParsedFilter parsed = ReadCloudflareFilter(Json::parse(c.text));
    ASSERT_THAT(parsed.violations, SizeIs(1)) << c.text << JoinMessages(parsed.violations);
    EXPECT_EQ(parsed.violations[0].field, c.field);
    EXPECT_THAT(parsed.violations[0].message, HasSubstr(c.message));
  }
}

// ---- Azure -------------------------------------------------------------------------------------

TEST(AzureFiltersTest, TheDocumentedExamplesAreRead) {
  EXPECT_EQ(Azure(R"([{"protocol": "TCP", "localIPAddress": "10.0.0.4", "localPort": "80"}])"),
            "protocol tcp, local_address 10.0.0.4, local_port 80");
  EXPECT_EQ(Azure(R"([{"protocol": "", "localIPAddress": "", "remoteIPAddress": "",
                       "localPort": "", "remotePort": ""}])"),
            "every packet");
  EXPECT_EQ(Azure(R"([{"localIPAddress": "127.0.0.1-127.0.0.255"}])"),
            "local_address 127.0.0.1-127.0.0.255");
  EXPECT_EQ(Azure(R"([{"remoteIPAddress": "127.0.0.1;127.0.0.5;"}])"),
            "remote_address 127.0.0.1;127.0.0.5");
  EXPECT_EQ(Azure(R"([{"localPort": "80-85", "remotePort": "80;443;"}])"),
            "local_port 80-85, remote_port 80;443");
  EXPECT_EQ(Azure(R"([{"protocol": "Any", "localIPAddress": "127.0.0.1-127.0.0.255",
                       "remoteIPAddress": "10.0.0.1;10.0.0.5", "localPort": "80-85",
                       "remotePort": "80;443;"}])"),
            "local_address 127.0.0.1-127.0.0.255, local_port 80-85, "
            "remote_address 10.0.0.1;10.0.0.5, remote_port 80;443");
}

TEST(AzureFiltersTest, ThereMayBeNoneOrSeveral) {
  EXPECT_EQ(Azure("null"), "every packet");
  EXPECT_EQ(Azure("[]"), "every packet");
  EXPECT_EQ(Azure("[{}]"), "every packet");
  EXPECT_EQ(Azure(R"([{"protocol": "UDP"}, {"protocol": "TCP", "localPort": "80"}])"),
            "(protocol udp) or (protocol tcp, local_port 80)");
}

TEST(AzureFiltersTest, NothingAndAnyAskNothing) {
  EXPECT_EQ(Azure(R"([{"protocol": "Any", "localPort": null, "remotePort": "53"}])"),
            "remote_port 53");
  EXPECT_EQ(Azure(R"([{"protocol": null, "localPort": "1;"}])"), "local_port 1");
  EXPECT_EQ(Azure(R"([{"protocol": "tcp"}])"), "protocol tcp");
  EXPECT_EQ(Azure(R"([{"remotePort": "80-85;"}])"), "remote_port 80-85");
}

TEST(AzureFiltersTest, WhatTheNotationDoesNotHaveIsRefused) {
  const std::string forms = "the notation has one value, one range a-b, or a list a;b of values";
  const Wrong cases[] = {
      {R"([{"localPort": "80;90-95"}])", "filters[0].localPort",
       R"(filters[0].localPort "80;90-95" has a range inside a list, which is not supported: )" +
           forms},
      {R"([{"localPort": "80-85;90"}])", "filters[0].localPort", "has a range inside a list"},
      {R"([{"localPort": "80-85;90-95"}])", "filters[0].localPort", "has several ranges, which is"},
      {R"([{"localPort": "80-85;90-95;"}])", "filters[0].localPort", "has several ranges"},
      {R"([{"remoteIPAddress": "10.0.0.1-10.0.0.2;10.0.0.4"}])", "filters[0].remoteIPAddress",
       "has a range inside a list"},
      {R"([{"remoteIPAddress": "10.0.0.0/8"}])", "filters[0].remoteIPAddress", "has a prefix"},
      {R"([{}, {"localIPAddress": "10.0.0.300"}])", "filters[1].localIPAddress",
       R"(filters[1].localIPAddress "10.0.0.300" is not an IP address)"},
      {R"([{"localPort": "70000"}])", "filters[0].localPort", R"("70000" is no port)"},
      {R"([{"localPort": "85-80"}])", "filters[0].localPort", "ends before it begins; write 80-85"},
      {R"([{"localPort": ";"}])", "filters[0].localPort", "is an empty list"},
      {R"([{"localPort": "80;;90"}])", "filters[0].localPort", "has nothing at place 2"},
      {R"([{"localPort": "1-2-3"}])", "filters[0].localPort", "is no port"},
      {R"([{"localPort": 80}])", "filters[0].localPort", "must be a string, not 80"},
      {R"([{"protocol": "ICMP"}])", "filters[0].protocol",
       R"(must be "TCP", "UDP" or "Any", not "ICMP")"},
      {R"([{"protocol": 6}])", "filters[0].protocol", "must be a string, not 6"},
      {R"([{"LocalPort": "80"}])", "filters[0]",
       R"(has no field "LocalPort": there are protocol, localIPAddress, remoteIPAddress, localPort,)"
       " remotePort"},
      {R"([{"localIPAddress": "10.0.0.1", "remoteIPAddress": "::1"}])", "filters[0]",
       "contradicts itself: local_address 10.0.0.1 and remote_address ::1"},
      {R"({"protocol": "TCP"})", "filters", "filters must be an array, not {"},
      {R"(["TCP"])", "filters[0]", "filters[0] must be an object, not \"TCP\""},
  };
  for (const Wrong& c : cases) {
    const ParsedFilter parsed = ReadAzureFilters(Json::parse(c.text));
    ASSERT_THAT(parsed.violations, SizeIs(1)) << c.text << JoinMessages(parsed.violations);
    EXPECT_EQ(parsed.violations[0].field, c.field);
    EXPECT_THAT(parsed.violations[0].message, HasSubstr(c.message));
  }
}

TEST(AzureFiltersTest, MillionsOfMistakesGetAShortAnswer) {
  Json list = Json::array();
  for (int i = 0; i < 10'000; ++i) list.push_back({{std::string(1000, 'x'), 1}});
  const ParsedFilter parsed = ReadAzureFilters(list);
  EXPECT_THAT(parsed.violations, SizeIs(100));
  EXPECT_LT(JoinMessages(parsed.violations).size(), 100'000U);
}

}  // namespace
}  // namespace edgecap::control
