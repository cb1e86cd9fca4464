// SPDX-License-Identifier: Apache-2.0

#include "control/cli/filter_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "base/status_macros.h"
#include "tests/unit/control/control_fakes.h"

namespace edgecap::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// The filter of a command line, or what is wrong with it.
std::string Read(std::vector<std::string> words) {
  CLI::App app;
  FilterOptions options;
  AddFilterOptions(app, options);
  std::reverse(words.begin(), words.end());
  try {
    app.parse(words);
  } catch (const CLI::ParseError& error) {
    return error.what();
  }
  const absl::StatusOr<filter::CaptureFilter> filter = ToCaptureFilter(options);
  return filter.ok() ? filter->ToString() : MessageOf(filter.status());
}

TEST(FilterOptionsTest, EveryFieldOfAFilterHasAnOption) {
  CLI::App app;
  FilterOptions options;
  AddFilterOptions(app, options);
  for (const std::string_view field : filter::FilterSpec::FieldNames()) {
    std::string flag = "--" + std::string(field);
    std::replace(flag.begin(), flag.end(), '_', '-');
    EXPECT_NE(app.get_option_no_throw(flag), nullptr) << flag;
  }
}

TEST(FilterOptionsTest, TheOptionsOfFieldsAreOneFilter) {
  EXPECT_EQ(Read({}), "every packet");
  EXPECT_EQ(Read({"--source-address", "10.0.0.0/8", "--protocol", "tcp", "--port", "80;443"}),
            "source_address 10.0.0.0/8, port 80;443, protocol tcp");
  EXPECT_EQ(Read({"--tcp-flags", "syn,!ack", "--layer", "any", "--direction=in"}),
            "direction in, tcp_flags syn,!ack, layer any");
}

TEST(FilterOptionsTest, TextsAreTakenAsTheyAre) {
  EXPECT_EQ(Read({"--payload", "[a,b]", "--payload", "{}", "--payload", "x;y"}),
            R"(payload "[a,b]" or "{}" or "x;y")");
  EXPECT_EQ(Read({"--bpf", "[x]"}), R"(bpf "[x]")");
  EXPECT_EQ(Read({"--bpf", "tcp[13] & 2 != 0 or (udp and port 53)"}),
            R"x(bpf "tcp[13] & 2 != 0 or (udp and port 53)")x");
}

TEST(FilterOptionsTest, SeveralFiltersAreMaps) {
  EXPECT_EQ(Read({"--filter", "{protocol: tcp, port: [80, 443]}", "--filter", R"({"port": 53})"}),
            "(port 80;443, protocol tcp) or (port 53)");
  EXPECT_EQ(Read({"--filter", "port: 53"}), "port 53");
  EXPECT_EQ(Read({"--filter", "{}"}), "every packet");
  EXPECT_EQ(Read({"--port", "53", "--exclude", "{vlan: 7}", "--exclude", "{vlan: 9}"}),
            "port 53, but not (vlan 7) or (vlan 9)");
  EXPECT_EQ(Read({"--exclude", "{vlan: 7}"}), "every packet, but not (vlan 7)");
}

TEST(FilterOptionsTest, AFileHoldsFiltersAndExclude) {
  const control::TemporaryDirectory directory;
  const std::string yaml = directory / "f.yaml";
  std::ofstream(yaml) << "filters:\n  - protocol: tcp\n    port: [80, 443]\n  - {port: 53}\n"
                         "exclude:\n  address: 10.0.0.0/8\n";
  EXPECT_EQ(Read({"--filter-file", yaml}),
            "(port 80;443, protocol tcp) or (port 53), but not (address 10.0.0.0/8)");
  EXPECT_THAT(Read({"--filter-file", yaml, "--exclude", "{vlan: 7}"}),
              HasSubstr("but not (address 10.0.0.0/8) or (vlan 7)"));
  const std::string json = directory / "f.json";
  std::ofstream(json) << R"({"filter": {"port": 53}})";
  EXPECT_EQ(Read({"--filter-file", json}), "port 53");
}

TEST(FilterOptionsTest, WhatIsWrongIsNamed) {
  const control::TemporaryDirectory directory;
  const auto file = [&directory](const std::string& text) {
    std::ofstream(directory / "f.yaml") << text;
    return Read({"--filter-file", directory / "f.yaml"});
  };
  EXPECT_THAT(Read({"--source-port", "70000"}),
              StartsWith(R"(source_port "70000" is no port; write a number from 0 to 65535)"));
  EXPECT_THAT(Read({"--source-port", "1", "--protocol", "icmp"}),
              HasSubstr("source_port 1 and protocol icmp can never hold together"));
  EXPECT_THAT(Read({"--source-port", "1", "--source-port", "2"}), HasSubstr("--source-port"));
  EXPECT_THAT(Read({"--port", ""}), HasSubstr("empty"));
  EXPECT_THAT(Read({"--filter", "{port: 70000}"}),
              StartsWith(R"(--filter.port "70000" is no port)"));
  EXPECT_THAT(Read({"--filter", "port 53"}),
              StartsWith(R"(--filter must be an object such as {"protocol": "tcp")"));
  EXPECT_THAT(Read({"--filter", "{port: 53"}), StartsWith("--filter:1:"));
  EXPECT_THAT(Read({"--filter", "{port: 1, protocol: icmp}"}),
              StartsWith("--filter: port 1 and protocol icmp can never hold together"));
  EXPECT_THAT(Read({"--filter", "{tcp_flags: !ack}"}), HasSubstr("in quotes"));
  EXPECT_THAT(Read({"--exclude", "{}"}), HasSubstr("exclude[0] has no field and would exclude"));
  EXPECT_THAT(Read({"--exclude", "{port: x}"}), StartsWith(R"(--exclude.port "x" is no port)"));
  EXPECT_THAT(Read({"--port", "1", "--filter", "{port: 2}"}),
              StartsWith("--port and --filter are both given"));
  EXPECT_THAT(Read({"--filter", "{port: 2}", "--filter-file", "x"}),
              StartsWith("--filter and --filter-file are both given"));
  EXPECT_THAT(Read({"--filter-file", "/nonexistent/f"}),
              HasSubstr("cannot read --filter-file /nonexistent/f: No such file"));
  EXPECT_THAT(Read({"--filter-file", directory.path()}), HasSubstr("Is a directory"));
  EXPECT_THAT(file("filters:\n  - port: 80\n  - port: 70000\n"),
              HasSubstr(R"(f.yaml: filters[1].port "70000" is no port)"));
  EXPECT_THAT(
      file("filter: {port: 80}\ncolour: red\n"),
      HasSubstr(R"(f.yaml: there is no field "colour": there are filter, filters, exclude)"));
  EXPECT_THAT(file("- port: 80\n"), HasSubstr("must be a map of filters and exclude, not [{"));
  EXPECT_THAT(file(""), HasSubstr("must be a map of filters and exclude, not null"));
  EXPECT_THAT(file("filters: [\n"), HasSubstr("f.yaml:2:"));
  EXPECT_THAT(file("filters: [{port: 1, protocol: icmp}]\n"),
              HasSubstr("filters[0].port 1 and protocol icmp"));
}

}  // namespace
}  // namespace edgecap::cli
