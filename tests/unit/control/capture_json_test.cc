// SPDX-License-Identifier: Apache-2.0

#include "control/capture_json.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/clock.h"

namespace edgecap::control {
namespace {

ParsedRequest Parse(std::string_view body) { return ParseCaptureRequest(body, {}); }

struct WrongBody {
  const char* name;
  std::string body;
  std::string field;
  std::string message_part;
};

class WrongBodyTest : public testing::TestWithParam<WrongBody> {};

TEST_P(WrongBodyTest, IsRefusedWithFieldValueAndWayOut) {
  const ParsedRequest parsed = Parse(GetParam().body);
  ASSERT_EQ(parsed.violations.size(), 1u) << JoinMessages(parsed.violations);
  EXPECT_EQ(parsed.violations[0].field, GetParam().field);
  EXPECT_NE(parsed.violations[0].message.find(GetParam().message_part), std::string::npos)
      << parsed.violations[0].message;
}

const WrongBody kWrongBodies[] = {
    {"Empty", "", "", "the body is empty"},
    {"NotJson", "{\"type\":", "", "not JSON"},
    {"NotUtf8", "{\"type\":\"\xff\"}", "", "not JSON"},
    {"HugeNumber", R"({"type":"full","time_limit":1e999})", "", "not JSON"},
    {"Garbage", "{\"type\":\"full\"} x", "", "not JSON"},
    {"Array", "[1]", "", "must be a JSON object"},
    {"Deep",
     "{\"type\":\"full\",\"filter\":" + std::string(5000, '[') + std::string(5000, ']') + "}",
     "filter", "nested deeper than 8 levels"},
    {"NoType", "{}", "type", "type is missing"},
    {"UnknownType", R"({"type":"half"})", "type", R"("simple" or "full", not "half")"},
    {"TypeOfWrongType", R"({"type":1})", "type", "not 1"},
    {"UnknownField", R"({"type":"full","colour":1})", "colour", "a request may have type, filter"},
    {"RepeatedField", R"({"type":"full","snaplen":1,"snaplen":2})", "snaplen", "more than once"},
    {"RepeatedFilterField", R"({"type":"full","filter":{"protocol":6,"protocol":17}})",
     "filter.protocol", "more than once"},
    {"Negative", R"({"type":"full","time_limit":-1})", "time_limit", "from 1 to 86400, not -1"},
    {"Zero", R"({"type":"full","packet_limit":0})", "packet_limit", "from 1 to"},
    {"TooLong", R"({"type":"full","time_limit":86401})", "time_limit", "not 86401"},
    {"Fraction", R"({"type":"full","byte_limit":1.5})", "byte_limit", "not 1.5"},
    {"Text", R"({"type":"full","snaplen":"96"})", "snaplen", "not \"96\""},
    {"Beyond64Bits", R"({"type":"full","packet_limit":18446744073709551616})", "packet_limit",
     "not 1.8446744073709552e+19"},
    {"Snaplen", R"({"type":"full","snaplen":262145})", "snaplen", "from 1 to 262144"},
    {"OneIn", R"({"type":"simple","one_in":4294967296})", "one_in", "from 1 to 4294967295"},
    {"OneInWithFull", R"({"type":"full","one_in":10})", "one_in", "ask for type \"simple\""},
    {"SeedWithFull", R"({"type":"full","seed":10})", "seed", "ask for type \"simple\""},
    {"FilterOfWrongType", R"({"type":"full","filter":"tcp"})", "filter", "must be an object"},
    {"FilterFieldOfWrongType", R"({"type":"full","filter":{"source_port":[1]}})",
     "filter.source_port", "a string or a whole number, not [1]"},
    {"FilterValue", R"({"type":"full","filter":{"source_port":70000}})", "filter.source_port",
     "70000"},
    {"FilterField", R"({"type":"full","filter":{"vlan":7}})", "filter.vlan", "vlan"},
    {"Contradiction",
     R"({"type":"full","filter":{"source_address":"10.0.0.1","destination_address":"::1"}})",
     "filter", "source_address"},
};

INSTANTIATE_TEST_SUITE_P(Bodies, WrongBodyTest, testing::ValuesIn(kWrongBodies),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(CaptureJsonTest, ACompleteRequestIsRead) {
  const ParsedRequest parsed = Parse(R"({"type":"simple","time_limit":60,"packet_limit":5,
      "byte_limit":6,"snaplen":96,"one_in":10,"seed":0,
      "filter":{"source_address":"192.0.2.0/24","destination_port":443,"protocol":"tcp"}})");
  ASSERT_TRUE(parsed.violations.empty()) << JoinMessages(parsed.violations);
  EXPECT_EQ(parsed.request.type, CaptureType::kSimple);
  EXPECT_EQ(parsed.request.time_limit_s, 60u);
  EXPECT_EQ(parsed.request.packet_limit, 5u);
  EXPECT_EQ(parsed.request.byte_limit, 6u);
  EXPECT_EQ(parsed.request.snaplen, 96u);
  EXPECT_EQ(parsed.request.one_in, 10u);
  EXPECT_EQ(parsed.request.seed, 0u);
  EXPECT_EQ(parsed.request.filter.Get("source_address"), "192.0.2.0/24");
  EXPECT_EQ(parsed.request.filter.Get("destination_port"), "443");
}

TEST(CaptureJsonTest, AllViolationsAreReportedTogether) {
  const ParsedRequest parsed = Parse(
      R"({"type":"full","colour":1,"time_limit":0,"snaplen":"x","one_in":2,
          "filter":{"protocol":999}})");
  EXPECT_EQ(parsed.violations.size(), 5u) << JoinMessages(parsed.violations);
}

TEST(CaptureJsonTest, LongValuesAreCutInMessages) {
  const std::string body =
      R"({"type":")" + std::string(39, 'x') + "\u00e9" + std::string(50000, 'y') + R"("})";
  const ParsedRequest parsed = Parse(body);
  ASSERT_EQ(parsed.violations.size(), 1u);
  EXPECT_LT(parsed.violations[0].message.size(), 200u);
}

TEST(CaptureJsonTest, EveryTruncationOfARequestIsRefusedWithoutACrash) {
  const std::string body = R"({"type":"simple","filter":{"protocol":"tcp"},"one_in":10})";
  for (std::size_t size = 0; size < body.size(); ++size) {
    EXPECT_FALSE(Parse(body.substr(0, size)).violations.empty()) << size;
  }
}

Capture Example() {
  Capture capture;
  capture.id = "0123456789abcdef0123456789abcdef";
  capture.status = CaptureStatus::kRunning;
  capture.request = WithDefaults({}, {});
  capture.created_ns = 1'700'000'000 * kNsPerSecond + 1'999'999;
  capture.started_ns = capture.created_ns;
  capture.ledger.captured = {3, 300};
  capture.stored_bytes = 30;
  capture.files.push_back({"/var/lib/edgecap/x/m1-0-0.pcap", 1, 24, 3, true});
  return capture;
}

TEST(CaptureJsonTest, ARunningCaptureShowsWhatIsKnown) {
  const auto json = nlohmann::json::parse(CaptureJson(Example(), {"m1", "ams01"}));
  EXPECT_EQ(json["type"], "full");
  EXPECT_EQ(json["status"], "running");
  EXPECT_EQ(json["machine"], "m1");
  EXPECT_EQ(json["colo"], "ams01");
  EXPECT_EQ(json["created"], "2023-11-14T22:13:20.001Z");
  EXPECT_EQ(json["time_limit"], 300);
  EXPECT_EQ(json["snaplen"], 262144);
  EXPECT_EQ(json["packets_captured"], 3);
  EXPECT_EQ(json["bytes_captured"], 30);
  EXPECT_EQ(json["ledger"]["packets"]["captured"], 3);
  EXPECT_EQ(json["ledger"]["bytes"]["captured"], 300);
  EXPECT_EQ(json["files"][0]["name"], "m1-0-0.pcap");
  EXPECT_EQ(json["files"][0]["whole"], true);
  EXPECT_EQ(json["filter"], nlohmann::json::object());
  for (const char* absent : {"ended", "packet_limit", "one_in", "end_reason", "error_message"}) {
    EXPECT_FALSE(json.contains(absent)) << absent;
  }
  EXPECT_FALSE(json["ledger"].contains("balanced"));
}

TEST(CaptureJsonTest, AnEndedCaptureSaysWhyAndWhetherTheLedgerBalances) {
  Capture capture = Example();
  capture.status = CaptureStatus::kFailed;
  capture.end_reason = kEndedByError;
  capture.error_message = "cannot write /tmp/\xff.pcap: disk full";
  const auto json = nlohmann::json::parse(CaptureJson(capture, {"m1", ""}));
  EXPECT_EQ(json["end_reason"], "error");
  EXPECT_EQ(json["ledger"]["balanced"], false);
  EXPECT_EQ(json["error_message"], "cannot write /tmp/\uFFFD.pcap: disk full");
  EXPECT_FALSE(json.contains("colo"));
}

TEST(CaptureJsonTest, AnErrorHasDetailsOnlyWhereThereAreSome) {
  EXPECT_EQ(ErrorJson("not_found", "no"),
            "{\"error\":{\"code\":\"not_found\",\"message\":\"no\"}}\n");
  EXPECT_EQ(ErrorJson("c", "m", {{"f", "d"}}),
            "{\"error\":{\"code\":\"c\",\"message\":\"m\","
            "\"details\":[{\"field\":\"f\",\"message\":\"d\"}]}}\n");
}

}  // namespace
}  // namespace edgecap::control
