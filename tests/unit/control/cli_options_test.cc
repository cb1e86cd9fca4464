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
#include "control/cli/sampling_options.h"

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

TEST(SamplingOptionsTest, EveryWayToSampleHasAnOption) {
  const auto parse = [](std::vector<std::string> words) {
    CLI::App app;
    control::SamplingRequest request;
    AddSamplingOptions(app, request);
    std::reverse(words.begin(), words.end());
    app.parse(words);
    return request;
  };
  EXPECT_EQ(parse({"--one-in", "5", "--seed", "7"}),
            (control::SamplingRequest{.one_in = 5, .seed = 7}));
  EXPECT_EQ(parse({"--probability", "0.25"}), (control::SamplingRequest{.probability = 0.25}));
  EXPECT_EQ(parse({"--probability", "1e-3"}), (control::SamplingRequest{.probability = 0.001}));
  EXPECT_EQ(parse({"--per-flow", "100"}), (control::SamplingRequest{.per_flow = 100}));
  EXPECT_EQ(parse({"--rate", "100", "--rate-burst", "5"}),
            (control::SamplingRequest{.rate = 100, .rate_burst = 5}));
  EXPECT_EQ(parse({"--reservoir"}), (control::SamplingRequest{.reservoir = true}));
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{{"--one-in", "0"},
                                             {"--one-in", "4294967296"},
                                             {"--per-flow", "0"},
                                             {"--rate", "0"},
                                             {"--rate", "1000000001"},
                                             {"--rate-burst", "10000001"},
                                             {"--probability", "0"},
                                             {"--probability", "1.1"},
                                             {"--probability", "nan"},
                                             {"--probability", "inf"},
                                             {"--probability", "-0.5"},
                                             {"--probability", "0.5x"},
                                             {"--probability", ""}}) {
    EXPECT_THROW(parse(wrong), CLI::ValidationError) << wrong[0] << " " << wrong[1];
  }
}

TEST(CreateRequestTest, HoldsOnlyWhatWasGiven) {
  CreateOptions options;
  options.type = "full";
  EXPECT_EQ(json(CreateRequest(options)), json({{"type", "full"}}));
  options.filter.filters.resize(1);
  ASSERT_TRUE(options.filter.filters[0].Set("destination_port", "443").ok());
  options.time_limit = 60;
  options.sampling.seed = 0;
  EXPECT_EQ(json(CreateRequest(options)), json({{"type", "full"},
                                                {"filters", {{{"destination_port", "443"}}}},
                                                {"time_limit", 60},
                                                {"seed", 0}}));
}

TEST(CreateRequestTest, HoldsEveryWayToSample) {
  CreateOptions options;
  options.type = "simple";
  options.sampling = {.one_in = 1,
                      .probability = 0.5,
                      .per_flow = 2,
                      .rate = 3,
                      .rate_burst = 4,
                      .reservoir = true,
                      .seed = 5};
  options.dry_run = true;
  EXPECT_EQ(json(CreateRequest(options)), json({{"type", "simple"},
                                                {"one_in", 1},
                                                {"probability", 0.5},
                                                {"per_flow", 2},
                                                {"rate", 3},
                                                {"rate_burst", 4},
                                                {"reservoir", true},
                                                {"seed", 5},
                                                {"dry_run", true}}));
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
  EXPECT_EQ(plan->job.sampling.method, sampler::SamplingMethod::kAll);
  EXPECT_EQ(plan->job.filter, filter::CaptureFilter{});
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

TEST(PlanRecordTest, FiltersAndSamplersReachTheJob) {
  RecordOptions options = FromFile();
  options.filter.fields = {{"port", {"53"}}};
  options.filter.exclude = {"{address: 10.0.0.1}"};
  options.sampling = {.reservoir = true, .seed = 9};
  options.packet_limit = 100;
  const auto plan = PlanRecord(options);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->job.filter.ToString(), "port 53, but not (address 10.0.0.1)");
  EXPECT_EQ(plan->job.sampling.method, sampler::SamplingMethod::kReservoir);
  EXPECT_EQ(plan->job.sampling.seed, 9u);
  EXPECT_EQ(plan->job.packet_limit, 100u);
}

TEST(PlanRecordTest, AReservoirHasAPacketLimitAndNoByteLimit) {
  RecordOptions options = FromFile();
  options.sampling.reservoir = true;
  EXPECT_EQ(MessageOf(PlanRecord(options).status()),
            "--reservoir: how many packets? give --packet-limit too");
  options.packet_limit = 1;
  options.byte_limit = 1;
  EXPECT_EQ(MessageOf(PlanRecord(options).status()),
            "--byte-limit is not for --reservoir: use --packet-limit and --snaplen");
  options.byte_limit.reset();
  EXPECT_TRUE(PlanRecord(options).ok());
  options.sampling.one_in = 2;
  EXPECT_EQ(MessageOf(PlanRecord(options).status()),
            "reservoir and one_in are both given: choose one way to sample");
}

TEST(PlanRecordTest, StandardInputIsReadForOnePurpose) {
  RecordOptions options = FromFile();
  options.read_path = "-";
  options.filter.file = "-";
  EXPECT_NE(MessageOf(PlanRecord(options).status()).find("only one of them"), std::string::npos);
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
  options.pci = "net_null0";
  EXPECT_FALSE(PlanRecord(options).ok());
  options.pci = "0000:3b:00.0";
  EXPECT_TRUE(PlanRecord(options).ok());
}

TEST(PlanRecordTest, PortIsACardOrAFieldOfTheFilterByItsForm) {
  const auto plan = [](std::vector<std::string> ports) {
    RecordOptions options;
    options.write_path = "out.pcap";
    options.filter.fields["port"] = std::move(ports);
    return PlanRecord(options);
  };
  const auto card = plan({"0000:3b:00.0"});
  ASSERT_TRUE(card.ok()) << card.status();
  EXPECT_EQ(card->dataplane.ports[0].device, "0000:3b:00.0");
  EXPECT_EQ(card->job.filter.ToString(), "every packet");
  const auto both = plan({"80;443", "3b:00.0"});
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_EQ(both->dataplane.ports[0].device, "3b:00.0");
  EXPECT_EQ(both->job.filter.ToString(), "port 80;443");
  EXPECT_NE(MessageOf(plan({"eth0"}).status()).find("--port \"eth0\" is no PCI address"),
            std::string::npos);
  EXPECT_NE(MessageOf(plan({"3b:00.0", "80", "443"}).status()).find("write a list"),
            std::string::npos);
  EXPECT_NE(MessageOf(plan({"3b:00.0", "eth0"}).status()).find("port \"eth0\" is no port"),
            std::string::npos);
  RecordOptions file = FromFile();
  file.filter.fields["port"] = {"53"};
  ASSERT_TRUE(PlanRecord(file).ok());
  EXPECT_EQ(PlanRecord(file)->job.filter.ToString(), "port 53");
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
  EXPECT_EQ(RunWords({"create", "full", "--filter", "{port: 70000}"}), kExitUsage);
  EXPECT_EQ(RunWords({"create", "full", "--exclude", "{}"}), kExitUsage);
  EXPECT_EQ(RunWords({"create", "full", "--port", "1", "--filter", "{port: 2}"}), kExitUsage);
  EXPECT_EQ(RunWords({"create", "full", "--filter-file", "/nonexistent"}), kExitUsage);
  EXPECT_EQ(RunWords({"create", "simple", "--one-in", "2", "--per-flow", "2"}), kExitUsage);
  EXPECT_EQ(RunWords({"record", "--read", "a", "-w", "b", "--reservoir"}), kExitUsage);
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
