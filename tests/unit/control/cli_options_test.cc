// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include "base/status_macros.h"
#include "control/cli/capture_commands.h"
#include "control/cli/capture_id.h"
#include "control/cli/client.h"
#include "control/cli/command_line.h"
#include "control/cli/exit_code.h"
#include "control/cli/numbers.h"
#include "control/cli/options.h"
#include "control/cli/record_plan.h"

namespace edgecap::cli {
namespace {

using nlohmann::json;

constexpr char kIdA[] = "aaaa0000000000000000000000000001";
constexpr char kIdB[] = "aaaa0000000000000000000000000002";

json TwoCaptures() { return {{"captures", {{{"id", kIdA}}, {{"id", kIdB}}}}}; }

int RunWords(std::vector<const char*> words) {
  words.insert(words.begin(), "edgecap");
  return RunCommandLine(static_cast<int>(words.size()), words.data());
}

RecordOptions FromFile() {
  RecordOptions options;
  options.read_path = "in.pcap";
  options.write_path = "out.pcap";
  return options;
}

RecordOptions FromDevice() {
  RecordOptions options;
  options.vdev = "net_null0";
  options.discard = true;
  return options;
}

TEST(ParseNumberTest, TakesPlainDigitsOnly) {
  EXPECT_EQ(*ParseNumber("010", {}), 10u);
  EXPECT_EQ(*ParseNumber("18446744073709551615", {}), 18446744073709551615u);
  for (const char* text : {"", " 1", "1 ", "-1", "+1", "0x10", "1e3", "1k", "1.0",
                           "18446744073709551616", "99999999999999999999999"}) {
    EXPECT_FALSE(ParseNumber(text, {}).ok()) << text;
  }
}

TEST(ParseNumberTest, HoldsItsRange) {
  EXPECT_TRUE(ParseNumber("1", {.least = 1, .most = 5}).ok());
  EXPECT_TRUE(ParseNumber("5", {.least = 1, .most = 5}).ok());
  EXPECT_FALSE(ParseNumber("0", {.least = 1, .most = 5}).ok());
  EXPECT_NE(MessageOf(ParseNumber("6", {.least = 1, .most = 5}).status()).find("from 1 to 5"),
            std::string::npos);
}

TEST(ParseSecondsTest, TakesDecimalsExactly) {
  EXPECT_EQ(*ParseSeconds("2"), 2'000'000'000u);
  EXPECT_EQ(*ParseSeconds("0.25"), 250'000'000u);
  EXPECT_EQ(*ParseSeconds("0.000000001"), 1u);
  for (const char* text :
       {"", "0", "0.0", ".5", "5.", "1.2.3", "-1", "1e2", "0.0000000001", "99999999999", "inf"}) {
    EXPECT_FALSE(ParseSeconds(text).ok()) << text;
  }
}

TEST(FilterOptionsTest, EveryFieldOfAFilterHasAnOption) {
  CLI::App app;
  FilterWords words;
  AddFilterOptions(app, words);
  for (const std::string_view field : filter::FilterSpec::FieldNames()) {
    std::string flag = "--" + std::string(field);
    std::replace(flag.begin(), flag.end(), '_', '-');
    EXPECT_NE(app.get_option_no_throw(flag), nullptr) << flag;
  }
}

TEST(FilterOptionsTest, TheWordsAreJudgedByTheFilter) {
  const auto spec = ToFilterSpec({{"source_address", "10.0.0.0/8"}, {"protocol", "tcp"}});
  ASSERT_TRUE(spec.ok());
  EXPECT_EQ(spec->protocol, 6);
  EXPECT_FALSE(ToFilterSpec({{"source_port", "70000"}}).ok());
}

TEST(CreateRequestTest, HoldsOnlyWhatWasGiven) {
  CreateOptions options;
  options.type = "full";
  EXPECT_EQ(CreateRequest(options), json({{"type", "full"}}));
  options.filter = {{"destination_port", "443"}};
  options.time_limit = 60;
  options.seed = 0;
  EXPECT_EQ(CreateRequest(options), json({{"type", "full"},
                                          {"filter", {{"destination_port", "443"}}},
                                          {"time_limit", 60},
                                          {"seed", 0}}));
}

TEST(CaptureIdTest, AreFourToThirtyTwoHexDigits) {
  EXPECT_TRUE(CheckId("abcd").ok());
  EXPECT_TRUE(CheckId(kIdA).ok());
  for (const char* text : {"", "abc", "abcg", "../x", "aaaa00000000000000000000000000010"}) {
    EXPECT_FALSE(CheckId(text).ok()) << text;
  }
}

TEST(CaptureIdTest, AUniquePrefixIsEnough) {
  EXPECT_EQ(*MatchId(TwoCaptures(), kIdA), kIdA);
  EXPECT_EQ(MatchId(TwoCaptures(), "bbbb").status().code(), absl::StatusCode::kNotFound);
  const absl::Status several = MatchId(TwoCaptures(), "aaaa").status();
  EXPECT_NE(MessageOf(several).find(kIdB), std::string::npos) << MessageOf(several);
}

TEST(ToStatusTest, ShowsTheDaemonsMessageWithItsDetails) {
  const absl::Status status = ToStatus(
      400,
      R"({"error":{"code":"invalid","message":"bad request","details":[{"field":"snaplen","message":"is 0"}]}})");
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(MessageOf(status), "bad request\n  snaplen: is 0");
}

TEST(ToStatusTest, HasAMessageForAnyAnswer) {
  EXPECT_TRUE(ToStatus(201, "").ok());
  for (const char* body : {"", "<html>", "[]", R"({"error":"x"})", R"({"error":{"details":7}})"}) {
    EXPECT_FALSE(MessageOf(ToStatus(500, body)).empty()) << body;
  }
}

TEST(PlanRecordTest, AFileIsReadByOneUnpinnedWorkerWithoutADevice) {
  const auto plan = PlanRecord(FromFile());
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->core, -1);
  EXPECT_TRUE(plan->dataplane.ports.empty());
  EXPECT_EQ(plan->job.shards.path, "out.pcap");
  EXPECT_EQ(plan->job.sampling.one_in, 1u);
  EXPECT_EQ(plan->job.snaplen, dataplane::kSnaplenMax);
}

TEST(PlanRecordTest, ADeviceHasOnePortAndOneWorker) {
  RecordOptions options = FromDevice();
  options.no_huge = true;
  options.time_limit_ns = 1'500'000'000;
  const auto plan = PlanRecord(options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->dataplane.ports.size(), 1u);
  EXPECT_EQ(plan->dataplane.ports[0].device, "net_null0");
  EXPECT_EQ(plan->dataplane.worker_cores.size(), 1u);
  EXPECT_EQ(plan->dataplane.hugepages, "off");
  EXPECT_EQ(plan->job.time_limit_ns, 1'500'000'000u);
}

TEST(PlanRecordTest, WantsOneSourceAndOneOutput) {
  EXPECT_FALSE(PlanRecord(RecordOptions()).ok());
  RecordOptions two_sources = FromFile();
  two_sources.vdev = "net_null0";
  EXPECT_FALSE(PlanRecord(two_sources).ok());
  RecordOptions two_outputs = FromFile();
  two_outputs.discard = true;
  EXPECT_FALSE(PlanRecord(two_outputs).ok());
  RecordOptions no_output = FromDevice();
  no_output.discard = false;
  EXPECT_FALSE(PlanRecord(no_output).ok());
}

TEST(PlanRecordTest, AFileHasNoTimeLimitAndNoDeviceSettings) {
  RecordOptions with_time = FromFile();
  with_time.time_limit_ns = 1;
  EXPECT_NE(MessageOf(PlanRecord(with_time).status()).find("a file is read to its end"),
            std::string::npos);
  RecordOptions with_eal = FromFile();
  with_eal.eal_args = {"--log-level=8"};
  EXPECT_FALSE(PlanRecord(with_eal).ok());
}

TEST(PlanRecordTest, APortIsAPciAddress) {
  RecordOptions options = FromDevice();
  options.vdev.clear();
  options.port = "net_null0";
  EXPECT_FALSE(PlanRecord(options).ok());
  options.port = "0000:3b:00.0";
  EXPECT_TRUE(PlanRecord(options).ok());
}

TEST(PlanRecordTest, RefusesAProcessorThatIsNotThere) {
  RecordOptions options = FromFile();
  options.core = 1'000'000;
  EXPECT_NE(MessageOf(PlanRecord(options).status()).find("1000000"), std::string::npos);
}

TEST(CommandLineTest, AWrongCommandLineExitsWithTwo) {
  EXPECT_EQ(RunWords({}), kExitUsage);
  EXPECT_EQ(RunWords({"fly"}), kExitUsage);
  EXPECT_EQ(RunWords({"list", "--sockett", "x"}), kExitUsage);
  EXPECT_EQ(RunWords({"show", "../etc"}), kExitUsage);
  EXPECT_EQ(RunWords({"create", "half"}), kExitUsage);
  EXPECT_EQ(RunWords({"create", "full", "--time-limit", "1k"}), kExitUsage);
  EXPECT_EQ(RunWords({"create", "full", "--source-port", "70000"}), kExitUsage);
  EXPECT_EQ(RunWords({"record", "--read", "a", "-w", "b", "--time-limit", "5"}), kExitUsage);
  EXPECT_EQ(RunWords({"record", "--read", "a", "-w", "b", "--block-bytes", "3"}), kExitUsage);
}

TEST(CommandLineTest, HelpIsThereForEveryCommand) {
  EXPECT_EQ(RunWords({"--help"}), kExitSuccess);
  EXPECT_EQ(RunWords({"--version"}), kExitSuccess);
  for (const char* command :
       {"record", "create", "list", "show", "wait", "stop", "delete", "download", "stats"}) {
    EXPECT_EQ(RunWords({command, "--help"}), kExitSuccess) << command;
  }
}

TEST(CommandLineTest, WithoutADaemonItFails) {
  EXPECT_EQ(RunWords({"list", "--socket", "/nonexistent/edgecap.sock"}), kExitFailure);
  EXPECT_EQ(RunWords({"--socket", "/nonexistent/edgecap.sock", "stats"}), kExitFailure);
}

}  // namespace
}  // namespace edgecap::cli
