// SPDX-License-Identifier: Apache-2.0

#include <gtest/gtest.h>

#include "base/ledger.h"
#include "control/cli/format.h"
#include "control/cli/json_view.h"
#include "control/cli/record_report.h"
#include "control/cli/text_table.h"

namespace edgecap::cli {
namespace {

using nlohmann::json;

JobLedger BalancedLedger() {
  JobLedger ledger;
  ledger.seen = {100, 10000};
  ledger.filtered_out = {40, 4000};
  ledger.matched = {60, 6000};
  ledger.sampled_out = {10, 1000};
  ledger.over_limit = {5, 500};
  ledger.no_block = {3, 300};
  ledger.captured = {42, 4200};
  ledger.written = {41, 4100};
  ledger.lost_on_disk = {1, 100};
  return ledger;
}

json RunningCapture() {
  return {{"id", "0123456789abcdef0123456789abcdef"},
          {"type", "full"},
          {"status", "running"},
          {"machine", "edge1"},
          {"created", "2024-05-01T10:00:00Z"},
          {"started", "2024-05-01T10:00:00Z"},
          {"ended", nullptr},
          {"time_limit", 60},
          {"packet_limit", 0},
          {"byte_limit", nullptr},
          {"snaplen", 262144},
          {"one_in", 1},
          {"sampling", {{"method", "one_in"}, {"effective_rate", 0.5}}},
          {"filters", {{{"destination_port", "443"}, {"protocol", "tcp"}}}},
          {"stop_requested", false},
          {"end_reason", nullptr},
          {"error_message", nullptr},
          {"packets_captured", 42},
          {"bytes_captured", 4200},
          {"ledger", LedgerJson(BalancedLedger())},
          {"files", json::array()}};
}

TEST(TextTableTest, PutsNumbersToTheRightAndEndsNoLineWithBlanks) {
  TextTable table({{"name"}, {"n", Align::kRight}, {"note"}});
  table.AddRow({"a", "1000", ""});
  table.AddRow({"longer", "7", "x"});
  EXPECT_EQ(table.ToString(),
            "name       n  note\n"
            "a       1000\n"
            "longer     7  x\n");
}

TEST(TextTableTest, IsWithoutATitleLineWhenNoColumnHasATitle) {
  TextTable table({{}, {}});
  table.AddRow({"key", "value"});
  EXPECT_EQ(table.ToString(2), "  key  value\n");
}

TEST(FormatTest, TheLedgerShowsEveryDoorInPacketsAndBytes) {
  EXPECT_EQ(FormatLedger(LedgerJson(BalancedLedger())),
            "ledger              packets  bytes\n"
            "seen                    100  10000\n"
            "  filtered out           40   4000\n"
            "  matched                60   6000\n"
            "    sampled out          10   1000\n"
            "    over limit            5    500\n"
            "    no block free         3    300\n"
            "    captured             42   4200\n"
            "      written            41   4100\n"
            "      lost on disk        1    100\n"
            "balanced: every packet is accounted for\n");
}

TEST(FormatTest, ALedgerThatDoesNotAddUpSaysSoUnlessPacketsAreOnTheirWay) {
  JobLedger ledger = BalancedLedger();
  ledger.written = {};
  json open = LedgerJson(ledger);
  EXPECT_NE(FormatLedger(open).find("NOT BALANCED"), std::string::npos);
  open.erase("balanced");
  EXPECT_NE(FormatLedger(open).find("still running"), std::string::npos);
}

TEST(FormatTest, ACaptureShowsWhatWasAskedAndWhatCameOfIt) {
  const std::string text = FormatCapture(RunningCapture());
  for (const char* line :
       {"id          0123456789abcdef0123456789abcdef\n",
        "filter      destination_port 443, protocol tcp\n", "limits      60 seconds\n",
        "status      running\n", "ended       -\n", "captured    42 packets, 4200 bytes\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "is not in\n" << text;
  }
}

TEST(FormatTest, AFailedCaptureShowsItsError) {
  json capture = RunningCapture();
  capture["status"] = "failed";
  capture["error_message"] = "/data/a.pcap: No space left on device";
  EXPECT_NE(FormatCapture(capture).find("error       /data/a.pcap: No space left on device\n"),
            std::string::npos);
}

TEST(FormatTest, ACaptureThatIsAskedToStopSaysSo) {
  json capture = RunningCapture();
  capture["stop_requested"] = true;
  EXPECT_NE(FormatCapture(capture).find("running, stop requested\n"), std::string::npos);
}

TEST(FormatTest, TheListHasOneLineForEachCapture) {
  EXPECT_EQ(FormatCaptureList({{"captures", json::array()}}), "no captures\n");
  const std::string text = FormatCaptureList({{"captures", {RunningCapture(), RunningCapture()}}});
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
}

TEST(FormatTest, AnEmptyFilterIsEveryPacket) {
  EXPECT_EQ(FormatFilter(json::object()), "every packet");
  EXPECT_EQ(FormatFilter(nullptr), "every packet");
  EXPECT_EQ(FormatFilter(json::parse(R"({"filters": []})")), "every packet");
  EXPECT_EQ(FormatFilter(json::parse(R"({"filters": [{}]})")), "every packet");
  EXPECT_EQ(FormatFilter(json::parse(R"({"filters": [{"port": ["80", "443"]}, {"vlan": "7"}],
                                         "exclude": [{"port": "22"}]})")),
            "(port 80;443) or (vlan 7), but not (port 22)");
  EXPECT_EQ(FormatFilter(json::parse(R"({"filters": [], "exclude": [{"port": "22"}]})")),
            "every packet, but not (port 22)");
  EXPECT_EQ(FormatFilter(json::parse(R"({"filters_omitted": 10000})")), "10000 filters");
}

TEST(FormatTest, NothingBreaksOnAnswersOfAnotherShape) {
  for (const char* text : {"null", "[]", "3", "\"x\"", "{}", R"({"captures":3,"ledger":[1]})",
                           R"({"files":{"a":1},"workers":"x","ports":[3],"captures":[null]})"}) {
    const json odd = json::parse(text);
    EXPECT_FALSE(FormatCapture(odd).empty());
    EXPECT_FALSE(FormatCaptureList(odd).empty());
    EXPECT_FALSE(FormatStats(odd).empty());
  }
}

TEST(FormatTest, ControlCharactersDoNotReachTheTerminal) {
  EXPECT_EQ(Text({{"error_message", "\033[2Jgone\n"}}, "error_message"), "?[2Jgone?");
}

TEST(FormatTest, BytesHaveAUnit) {
  EXPECT_EQ(FormatBytes(0), "0 B");
  EXPECT_EQ(FormatBytes(1023), "1023 B");
  EXPECT_EQ(FormatBytes(1536), "1.5 KiB");
  EXPECT_EQ(FormatBytes(std::uint64_t{3} << 40), "3.0 TiB");
}

TEST(RecordReportTest, ReportsLikeTcpdumpAndCountsEveryLoss) {
  RecordResult result;
  result.end_reason = "packet_limit";
  result.ledger = BalancedLedger();
  PortLedger port;
  port.name = "net_null0";
  port.rx_missed = 6;
  result.ports = {port};
  const std::string text = FormatRecord(RecordJson(result));
  EXPECT_TRUE(
      text.starts_with("packet limit reached\n"
                       "42 packets captured\n"
                       "100 packets seen\n"
                       "10 packets lost\n"))
      << text;
  EXPECT_NE(text.find("net_null0"), std::string::npos);
}

TEST(RecordReportTest, TheJsonSpeaksTheWordsOfTheApi) {
  RecordResult result;
  result.end_reason = "error";
  result.error = absl::DataLossError("in.pcap: truncated");
  result.ledger = BalancedLedger();
  result.stored_bytes = 4200;
  const json record = RecordJson(result);
  EXPECT_EQ(record["error_message"], "in.pcap: truncated");
  EXPECT_EQ(record["packets_captured"], 42);
  EXPECT_EQ(record["bytes_captured"], 4200);
  EXPECT_EQ(record["ledger"]["packets"]["written"], 41);
  EXPECT_EQ(record["ledger"]["balanced"], true);
}

}  // namespace
}  // namespace edgecap::cli
