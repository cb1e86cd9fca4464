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
     "filter[0][0][0][0][0][0][0]", "nested deeper than 8 levels"},
    {"Wide",
     [] {
       std::string body = R"({"type":"full","filters":[{},{)";
       for (int i = 0; i < 100'000; ++i) body += '"' + std::to_string(i) + "\":1,";
       return body + R"("x":1}]})";
     }(),
     "filters[1]", "field \"filters[1]\" has more than 100 fields"},
    {"NoType", "{}", "type", "type is missing"},
    {"UnknownType", R"({"type":"half"})", "type", R"("simple" or "full", not "half")"},
    {"TypeOfWrongType", R"({"type":1})", "type", "not 1"},
    {"UnknownField", R"({"type":"full","colour":1})", "colour",
     "a request may have type, filter, filters, exclude, time_limit, packet_limit, byte_limit, "
     "snaplen, one_in, probability, per_flow, rate, rate_burst, reservoir, seed, dry_run"},
    {"RepeatedField", R"({"type":"full","snaplen":1,"snaplen":2})", "snaplen", "more than once"},
    {"RepeatedFilterField", R"({"type":"full","filter":{"protocol":6,"protocol":17}})",
     "filter.protocol", "more than once"},
    {"RepeatedFieldInAList", R"({"type":"full","filters":[{},{"protocol":6,"protocol":17}]})",
     "filters[1].protocol", "more than once"},
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
    {"ProbabilityWithFull", R"({"type":"full","probability":0.5})", "probability",
     "ask for type \"simple\""},
    {"ReservoirWithFull", R"({"type":"full","reservoir":true})", "reservoir", "type \"simple\""},
    {"NoProbability", R"({"type":"simple","probability":0})", "probability",
     "probability must be a number more than 0 and at most 1, not 0"},
    {"LargeProbability", R"({"type":"simple","probability":1.5})", "probability", "not 1.5"},
    {"ProbabilityAsText", R"({"type":"simple","probability":"0.5"})", "probability",
     "at most 1, not \"0.5\""},
    {"PerFlow", R"({"type":"simple","per_flow":0})", "per_flow", "from 1 to 4294967295, not 0"},
    {"Rate", R"({"type":"simple","rate":0})", "rate", "packets a second from 1 to 1000000000"},
    {"RateBurst", R"({"type":"simple","rate":5,"rate_burst":0})", "rate_burst",
     "from 1 to 10000000"},
    {"RateBurstAlone", R"({"type":"simple","one_in":2,"rate_burst":5})", "rate_burst",
     "give rate too"},
    {"ReservoirAsNumber", R"({"type":"simple","reservoir":1})", "reservoir",
     "reservoir must be true or false, not 1"},
    {"TwoMethods", R"({"type":"simple","one_in":2,"per_flow":2})", "per_flow",
     "per_flow and one_in are both given: choose one way to sample"},
    {"ReservoirAndRate", R"({"type":"simple","rate":2,"reservoir":true})", "reservoir",
     "reservoir and rate are both given"},
    {"BytesOfAReservoir", R"({"type":"simple","reservoir":true,"byte_limit":5})", "byte_limit",
     "use packet_limit and snaplen"},
    {"BytesOfASimpleCapture", R"({"type":"simple","byte_limit":5})", "byte_limit",
     "byte_limit 5 is not for a sample over the whole time (reservoir), the default"},
    {"DryRun", R"({"type":"full","dry_run":"yes"})", "dry_run", "must be true or false"},
    {"FilterAndFilters", R"({"type":"full","filter":{},"filters":[]})", "filter", "both given"},
    {"FilterOfWrongType", R"({"type":"full","filter":"tcp"})", "filter", "must be an object"},
    {"FilterFieldOfWrongType", R"({"type":"full","filter":{"source_port":1.5}})",
     "filter.source_port", "a string, a whole number or an array of those, not 1.5"},
    {"FilterValue", R"({"type":"full","filter":{"source_port":70000}})", "filter.source_port",
     "70000"},
    {"FilterField", R"({"type":"full","filter":{"vlann":7}})", "filter.vlann", "vlan"},
    {"FourthFilter", R"({"type":"full","filters":[{},{},{},{"port":"x"}]})", "filters[3].port",
     "filters[3].port \"x\" is no port"},
    {"Exclude", R"({"type":"full","exclude":[{"port":"x"}]})", "exclude[0].port", "is no port"},
    {"ExcludeEverything", R"({"type":"full","exclude":{}})", "exclude[0]", "every packet"},
    {"Contradiction",
     R"({"type":"full","filter":{"source_address":"10.0.0.1","destination_address":"::1"}})",
     "filters[0]", "filters[0].source_address"},
};

INSTANTIATE_TEST_SUITE_P(Bodies, WrongBodyTest, testing::ValuesIn(kWrongBodies),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(CaptureJsonTest, ACompleteRequestIsRead) {
  const ParsedRequest parsed = Parse(R"({"type":"simple","time_limit":60,"packet_limit":5,
      "byte_limit":6,"snaplen":96,"one_in":10,"seed":0,"exclude":{"port":22},
      "filter":{"source_address":"192.0.2.0/24","destination_port":443,"protocol":"tcp"}})");
  ASSERT_TRUE(parsed.violations.empty()) << JoinMessages(parsed.violations);
  EXPECT_EQ(parsed.request.type, CaptureType::kSimple);
  EXPECT_EQ(parsed.request.time_limit_s, 60u);
  EXPECT_EQ(parsed.request.packet_limit, 5u);
  EXPECT_EQ(parsed.request.byte_limit, 6u);
  EXPECT_EQ(parsed.request.snaplen, 96u);
  EXPECT_EQ(parsed.request.sampling.one_in, 10u);
  EXPECT_EQ(parsed.request.sampling.seed, 0u);
  EXPECT_FALSE(parsed.dry_run);
  EXPECT_EQ(parsed.request.filter.ToString(),
            "source_address 192.0.2.0/24, destination_port 443, protocol tcp, but not (port 22)");
}

TEST(CaptureJsonTest, EveryWayToSampleIsRead) {
  const auto sampling = [](const std::string& fields) {
    const ParsedRequest parsed = Parse(R"({"type":"simple",)" + fields + "}");
    EXPECT_TRUE(parsed.violations.empty()) << JoinMessages(parsed.violations);
    return WithDefaults(parsed.request, {});
  };
  EXPECT_EQ(sampling(R"("probability":0.25)").sampling.probability, 0.25);
  EXPECT_EQ(sampling(R"("probability":1)").sampling.probability, 1.0);
  EXPECT_EQ(sampling(R"("per_flow":100)").sampling.per_flow, 100u);
  EXPECT_EQ(sampling(R"("rate":100)").sampling.rate_burst, 100u);
  EXPECT_EQ(sampling(R"("rate":100,"rate_burst":7)").sampling.rate_burst, 7u);
  EXPECT_EQ(sampling(R"("rate":1000000000)").sampling.rate_burst, 10'000'000u);
  EXPECT_EQ(sampling(R"("rate":100)").sampling.seed, std::nullopt);
  EXPECT_EQ(sampling(R"("one_in":100)").packet_limit, std::nullopt);
  const CaptureRequest reservoir = sampling(R"("reservoir":true)");
  EXPECT_TRUE(reservoir.sampling.reservoir);
  EXPECT_EQ(reservoir.packet_limit, 10'000u);
  EXPECT_TRUE(reservoir.sampling.seed.has_value());
  EXPECT_EQ(sampling(R"("packet_limit":77)").packet_limit, 77u);
  EXPECT_TRUE(sampling(R"("reservoir":false)").sampling.reservoir) << "the default of simple";
  EXPECT_FALSE(sampling(R"("reservoir":false,"one_in":2)").sampling.reservoir);
}

TEST(CaptureJsonTest, ADryRunIsReadAndAnsweredWithTheWholeRequest) {
  const ParsedRequest parsed = Parse(R"({"type":"full","dry_run":true,"filter":{"port":[1,3]}})");
  ASSERT_TRUE(parsed.violations.empty()) << JoinMessages(parsed.violations);
  EXPECT_TRUE(parsed.dry_run);
  EXPECT_EQ(DryRunJson(WithDefaults(parsed.request, {}), "two\nsteps"),
            R"({"dry_run":true,"request":{"type":"full","time_limit":300,"snaplen":262144,)"
            R"("filters":[{"port":["1","3"]}]},"program":"two\nsteps"})"
            "\n");
}

TEST(CaptureJsonTest, MoreFiltersThanMayRunAreRefusedBeforeTheyAreJudged) {
  std::string filters;
  for (int i = 0; i < 5; ++i) filters += R"({"port":1,"protocol":"icmp"},)";
  config::LimitsConfig limits;
  limits.max_rules = 5;
  const ParsedRequest parsed = ParseCaptureRequest(
      R"({"type":"full","filters":[)" + filters + R"({}],"exclude":{"port":1}})", limits);
  ASSERT_EQ(parsed.violations.size(), 1u) << JoinMessages(parsed.violations);
  EXPECT_EQ(parsed.violations[0].message,
            "7 filters are more than limits.max_rules, 5, allows: join some into lists and ranges");
}

TEST(CaptureJsonTest, ABodyOfMistakesGetsAShortAnswer) {
  std::string body = R"({"type":"full")";
  for (int i = 0; i < 50'000; ++i) body += ",\"x" + std::to_string(i) + "\":1";
  EXPECT_EQ(JoinMessages(Parse(body + "}").violations), "the body has more than 100 fields");
  body = R"({"type":"full")";
  for (int i = 0; i < 90; ++i) body += ",\"x" + std::to_string(i) + "\":1";
  EXPECT_EQ(Parse(body + "}").violations.size(), 90u);
  body = R"({"type":"full")";
  for (int i = 0; i < 50'000; ++i) body += R"(,"x":1)";
  EXPECT_LE(Parse(body + "}").violations.size(), 100u);
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
  EXPECT_EQ(json["filters"], nlohmann::json::array());
  EXPECT_EQ(json["sampling"], nlohmann::json::parse(R"({"method":"all","effective_rate":null})"));
  for (const char* absent :
       {"ended", "packet_limit", "one_in", "exclude", "end_reason", "error_message"}) {
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

TEST(CaptureJsonTest, TheSamplersFieldsAreThereAsAskedAndItsEffectBeside) {
  Capture capture = Example();
  capture.request =
      WithDefaults(Parse(R"({"type":"simple","probability":0.1,"seed":5})").request, {});
  capture.effective_rate = 0.0995;
  auto json = nlohmann::json::parse(CaptureJson(capture, {"m1", ""}));
  EXPECT_EQ(json["probability"], 0.1);
  EXPECT_EQ(json["seed"], 5);
  EXPECT_EQ(json["sampling"]["method"], "probability");
  EXPECT_EQ(json["sampling"]["effective_rate"], 0.0995);
  EXPECT_FALSE(json.contains("reservoir"));
  capture.request = WithDefaults(Parse(R"({"type":"simple"})").request, {});
  json = nlohmann::json::parse(CaptureJson(capture, {"m1", ""}));
  EXPECT_EQ(json["reservoir"], true);
  EXPECT_EQ(json["packet_limit"], 10'000);
  EXPECT_EQ(json["sampling"]["method"], "reservoir");
}

TEST(CaptureJsonTest, AListShowsTheNumberOfManyFilters) {
  Capture few = Example();
  few.request.filter.filters.resize(16);
  Capture many = few;
  many.request.filter.exclude.resize(1);
  many.request.filter.exclude[0].port = {{1, 1}};
  const auto list = nlohmann::json::parse(CapturesJson({few, many}, {"m1", ""}))["captures"];
  EXPECT_EQ(list[0]["filters"].size(), 16u);
  EXPECT_FALSE(list[0].contains("filters_omitted"));
  EXPECT_EQ(list[1]["filters_omitted"], 17);
  EXPECT_FALSE(list[1].contains("filters") || list[1].contains("exclude"));
  const auto one = nlohmann::json::parse(CaptureJson(many, {"m1", ""}));
  EXPECT_EQ(one["filters"].size(), 16u);
  EXPECT_EQ(one["exclude"].size(), 1u);
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
