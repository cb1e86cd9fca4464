// SPDX-License-Identifier: Apache-2.0

#include "control/filter_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/status_macros.h"

namespace edgecap::control {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

struct Read {
  filter::CaptureFilter filter;
  std::vector<Violation> violations;
};

Read ReadText(const std::string& text) {
  Read read;
  read.filter = ReadCaptureFilter(Json::parse(text), read.violations);
  return read;
}

filter::CaptureFilter MustRead(const std::string& text) {
  const Read read = ReadText(text);
  EXPECT_TRUE(read.violations.empty()) << JoinMessages(read.violations);
  return read.filter;
}

std::string Written(const filter::CaptureFilter& filter) {
  Json object = Json::object();
  PutCaptureFilter(filter, object);
  return Dump(object);
}

TEST(FilterJsonTest, AFieldIsAStringANumberOrAnArrayOfThose) {
  const filter::CaptureFilter filter = MustRead(R"({"filters": [
      {"protocol": "tcp;udp", "port": 443},
      {"port": [80, "443", "1000-2000;53"], "address": ["10.0.0.0/8", "2001:db8::1"]},
      {"payload": ["a;b", "(?i)get"], "bpf": "ip", "tcp_flags": ["syn,!ack", "rst"]}]})");
  ASSERT_THAT(filter.filters, SizeIs(3));
  EXPECT_EQ(filter.filters[0].ToString(), "port 443, protocol tcp;udp");
  EXPECT_EQ(filter.filters[1].ToString(),
            "address 10.0.0.0/8;2001:db8::1, port 53;80;443;1000-2000");
  EXPECT_EQ(filter.filters[2].ToString(),
            R"(tcp_flags rst;syn,!ack, bpf "ip", payload "a;b" or "(?i)get")");
}

TEST(FilterJsonTest, TheShortFormsAreThoseOfOneEntry) {
  EXPECT_EQ(MustRead(R"({"filter": {"vlan": 7}})"), MustRead(R"({"filters": [{"vlan": 7}]})"));
  EXPECT_EQ(MustRead(R"({"exclude": {"vlan": 7}})"), MustRead(R"({"exclude": [{"vlan": 7}]})"));
  EXPECT_EQ(MustRead(R"({"filters": [], "exclude": []})"), filter::CaptureFilter{});
  EXPECT_EQ(MustRead(R"({"type": "full", "snaplen": "other people's"})"), filter::CaptureFilter{});
  EXPECT_THAT(MustRead(R"({"filter": {}})").filters, SizeIs(1));
}

TEST(FilterJsonTest, OneValueIsWrittenAsAStringAndSeveralAsAnArray) {
  EXPECT_EQ(Written({}), R"({"filters":[]})");
  EXPECT_EQ(Written(MustRead(R"({"filter": {"port": [443, 80], "protocol": 6, "bpf": "a;b",
                                            "payload": "x;y", "fragment": "no;first"},
                                 "exclude": {"layer": "any", "payload": ["c", "b"]}})")),
            R"({"filters":[{"port":["80","443"],"protocol":"tcp","fragment":["no","first"],)"
            R"("bpf":"a;b","payload":"x;y"}],"exclude":[{"layer":"any","payload":["c","b"]}]})");
}

TEST(FilterJsonTest, WhatIsWrittenIsReadAsTheSame) {
  const filter::CaptureFilter filter = MustRead(R"({"filters": [
      {"source_address": "10.0.0.0/8;192.0.2.1-192.0.2.9;::1", "destination_port": "1-9;80"},
      {"local_address": "10.0.0.1", "remote_port": [1, 2, 3], "direction": "in"},
      {"ether_type": ["arp", "0x88b5"], "vlan": "1-99", "port_name": ["b", "a"]},
      {"payload": ["x;", "\u00e4\\x00", "x;"], "layer": "inner"}, {}],
      "exclude": [{"dscp": "ef"}]})");
  EXPECT_EQ(MustRead(Written(filter)), filter);
}

struct WrongFilter {
  std::string text;
  std::string field;
  std::string message;
};

TEST(FilterJsonTest, WhatIsWrongIsNamedWithItsPlace) {
  const WrongFilter cases[] = {
      {R"({"filters": [{}, {}, {}, {"source_port": 70000}]})", "filters[3].source_port",
       R"(filters[3].source_port "70000" is no port; write a number from 0 to 65535)"},
      {R"({"filters": [{"port": ["80", "x"]}]})", "filters[0].port",
       R"(filters[0].port "x" is no port)"},
      {R"({"filter": {"address": "10.0.0.300"}})", "filter.address",
       R"(filter.address "10.0.0.300" is not an IP address)"},
      {R"({"exclude": [{"port": "9-1"}]})", "exclude[0].port",
       R"(exclude[0].port "9-1" is a range that ends before it begins; write 1-9)"},
      {R"({"exclude": {"vlann": 1}})", "exclude.vlann",
       R"(exclude: there is no filter field "vlann"; there are source_address, )"},
      {R"({"filters": [{"port": []}]})", "filters[0].port", "filters[0].port is an empty list"},
      {R"({"filters": [{"port": [80, ""]}]})", "filters[0].port",
       "filters[0].port has nothing at place 2 of the list"},
      {R"({"filters": [{"bpf": ["ip", "arp"]}]})", "filters[0].bpf",
       "filters[0].bpf has 2 values but takes one"},
      {R"({"filters": [{"port": 80.5}]})", "filters[0].port",
       "filters[0].port must be a string, a whole number or an array of those, not 80.5"},
      {R"({"filters": [{"port": -1}]})", "filters[0].port", R"(filters[0].port "-1" is no port)"},
      {R"({"filters": [{"port": null}]})", "filters[0].port", "filters[0].port must be a string"},
      {R"({"filters": [{"port": true}]})", "filters[0].port", "filters[0].port must be a string"},
      {R"({"filters": [{"port": {"a": 1}}]})", "filters[0].port", "filters[0].port must be a stri"},
      {R"({"filters": [{"port": [[80]]}]})", "filters[0].port", "filters[0].port must be a string"},
      {R"({"filters": [{"port": [80, null]}]})", "filters[0].port", "filters[0].port must be a st"},
      {R"({"filters": {"port": 80}})", "filters", "filters must be an array of filters such as [{"},
      {R"({"filters": "tcp"})", "filters", R"(must be an array of filters such as [{"protocol":)"},
      {R"({"filters": ["tcp"]})", "filters[0]", "filters[0] must be an object such as {"},
      {R"({"filter": [{}]})", "filter", "filter must be an object such as {"},
      {R"({"exclude": 5})", "exclude", "exclude must be an object such as {"},
      {R"({"filter": {}, "filters": []})", "filter", "filter and filters are both given"},
  };
  for (const WrongFilter& c : cases) {
    const Read read = ReadText(c.text);
    ASSERT_THAT(read.violations, SizeIs(1)) << c.text << JoinMessages(read.violations);
    EXPECT_EQ(read.violations[0].field, c.field);
    EXPECT_THAT(read.violations[0].message, HasSubstr(c.message));
  }
}

TEST(FilterJsonTest, MillionsOfMistakesGetAShortAnswer) {
  Json list = Json::array();
  for (int i = 0; i < 20'000; ++i) {
    list.push_back({{"port", std::string(2000, 'x')}, {std::string(5000, 'y'), 1}});
  }
  std::vector<Violation> violations;
  const auto filter = ReadCaptureFilter({{"filters", list}, {"exclude", 1}}, violations);
  EXPECT_THAT(violations, SizeIs(100));
  for (const Violation& violation : violations) {
    EXPECT_LT(violation.message.size(), 1000U);
    EXPECT_LT(violation.field.size(), 200U);
  }
}

TEST(FilterJsonTest, AContradictionIsAViolationWithItsPlace) {
  std::vector<Violation> violations;
  ValidateFilter(MustRead(R"({"filters": [{}, {"port": 1, "protocol": "icmp"}]})"), violations);
  ASSERT_THAT(violations, SizeIs(1));
  EXPECT_EQ(violations[0].field, "filters[1]");
  EXPECT_THAT(violations[0].message,
              StartsWith("filters[1].port 1 and protocol icmp can never hold together"));
  violations.clear();
  ValidateFilter(MustRead(R"({"exclude": {}})"), violations);
  ASSERT_THAT(violations, SizeIs(1));
  EXPECT_EQ(violations[0].field, "exclude[0]");
  violations.clear();
  ValidateFilter(MustRead(R"({"filters": [{}, {"port": 1}]})"), violations);
  EXPECT_TRUE(violations.empty());
}

}  // namespace
}  // namespace edgecap::control
