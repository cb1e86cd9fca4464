// SPDX-License-Identifier: Apache-2.0

#include "control/cli/yaml_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/status_macros.h"

namespace edgecap::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string Read(const std::string& text) {
  const absl::StatusOr<control::Json> json = ReadYaml(text, "f");
  return json.ok() ? control::Dump(*json) : MessageOf(json.status());
}

TEST(YamlJsonTest, ScalarsAreStringsAndTheRestIsAsWritten) {
  EXPECT_EQ(Read("{protocol: tcp, port: [80, '443', 0x1], local_address: 2001:db8::1}"),
            R"({"protocol":"tcp","port":["80","443","0x1"],"local_address":"2001:db8::1"})");
  EXPECT_EQ(Read("filters:\n  - port: 80;443  # both\n  - payload: '(?i)get'\nexclude: []\n"),
            R"({"filters":[{"port":"80;443"},{"payload":"(?i)get"}],"exclude":[]})");
  EXPECT_EQ(Read("x:"), R"({"x":null})");
  EXPECT_EQ(Read("[true, ~, 1.50]"), R"(["true",null,"1.50"])");
  EXPECT_EQ(Read(""), "null");
  EXPECT_EQ(Read("# nothing"), "null");
  EXPECT_EQ(Read("word"), R"("word")");
}

TEST(YamlJsonTest, JsonIsYaml) {
  EXPECT_EQ(Read(R"({"filters": [{"port": 80, "payload": ["a\\x00", "\u00e4"]}], "exclude": {}})"),
            R"({"filters":[{"port":"80","payload":["a\\x00","ä"]}],"exclude":{}})");
}

TEST(YamlJsonTest, AliasesStandForWhatTheyName) {
  EXPECT_EQ(Read("{a: &x {port: [1, 2]}, b: *x, c: [*x, &y z, *y]}"),
            R"({"a":{"port":["1","2"]},"b":{"port":["1","2"]},"c":[{"port":["1","2"]},"z","z"]})");
}

TEST(YamlJsonTest, AliasesOfAliasesAreCountedWhereTheyStand) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string before = std::to_string(i - 1);
    const std::string name = "a" + std::to_string(i);
    text += name + ": &" + name + " {";
    for (int k = 0; k < 10; ++k) text += "k" + std::to_string(k) + ": *a" + before + ", ";
    text += "}\n";
  }
  EXPECT_THAT(Read(text), HasSubstr("f:6:"));  // the millionth value is in a5
  EXPECT_THAT(Read(text), HasSubstr("more than 1000000 values, aliases counted"));
}

TEST(YamlJsonTest, WhatYamlWouldPassOverInSilenceIsRefused) {
  EXPECT_EQ(Read("port: 1\nport: 2\n"), "f:2:1: \"port\" is given more than once: give it once");
  EXPECT_THAT(Read("{a: 1}{b: 2}"), HasSubstr("a second document begins"));
  EXPECT_THAT(Read("a: 1\n---\nb: 2\n"), StartsWith("f:2:"));
  EXPECT_THAT(Read("{tcp_flags: syn,!ack}"), HasSubstr("write text with a ! in quotes"));
  EXPECT_THAT(Read("{tcp_flags: !ack}"), HasSubstr("write text with a ! in quotes"));
  EXPECT_THAT(Read("{port: !!int 5}"), HasSubstr("is a tag to YAML"));
  EXPECT_THAT(Read("? [a, b]\n: 1\n"), HasSubstr("a key must be text"));
  EXPECT_THAT(Read("? ~\n: 1\n"), HasSubstr("a key must be text, not null"));
  std::string wide = "{";
  for (int i = 0; i < 101; ++i) wide += "k" + std::to_string(i) + ": 1,";
  EXPECT_THAT(Read(wide + "}"), HasSubstr("more than 100 keys"));
}

TEST(YamlJsonTest, DepthIsBounded) {
  EXPECT_EQ(Read("[[[[[[[[x]]]]]]]]"), R"([[[[[[[["x"]]]]]]]])");
  EXPECT_THAT(Read("[[[[[[[[[x]]]]]]]]]"), HasSubstr("nested deeper than 8 levels"));
  EXPECT_THAT(Read(std::string(100'000, '[')), HasSubstr("nested deeper than 8 levels"));
  EXPECT_THAT(Read("{a: &x [[[[[x]]]]], b: [[*x]]}"), HasSubstr("[[[[[[[\"x\"]]]]]]]"));
  EXPECT_THAT(Read("{a: &x [[[[[x]]]]], b: [[[*x]]]}"), HasSubstr("nested deeper than 8 levels"));
}

TEST(YamlJsonTest, BrokenTextIsNamedWithLineAndColumn) {
  EXPECT_THAT(Read("filters:\n  - {port: 80\n"), StartsWith("f:"));
  EXPECT_THAT(Read("a: b: c\n"), StartsWith("f:1:"));
  EXPECT_THAT(Read("{a: *nowhere}"), HasSubstr("f:1:5: the referenced anchor"));
  EXPECT_THAT(Read("\"open"), StartsWith("f:1:"));
}

}  // namespace
}  // namespace edgecap::cli
