// SPDX-License-Identifier: Apache-2.0

#include "control/cli/record_report.h"

#include <map>
#include <utility>

#include "base/status_macros.h"
#include "base/traffic.h"
#include "control/cli/format.h"
#include "control/cli/json_view.h"

namespace edgecap::cli {
namespace {

using nlohmann::json;

constexpr std::pair<const char*, Traffic JobLedger::*> kDoors[] = {
    {"seen", &JobLedger::seen},
    {"filtered_out", &JobLedger::filtered_out},
    {"matched", &JobLedger::matched},
    {"sampled_out", &JobLedger::sampled_out},
    {"over_limit", &JobLedger::over_limit},
    {"no_block", &JobLedger::no_block},
    {"captured", &JobLedger::captured},
    {"written", &JobLedger::written},
    {"lost_on_disk", &JobLedger::lost_on_disk},
};

json PortJson(const PortLedger& port) {
  return {{"name", port.name},
          {"device", port.device},
          {"offered_packets", port.OfferedPackets()},
          {"received_packets", port.received_packets},
          {"received_bytes", port.received_bytes},
          {"rx_missed", port.rx_missed},
          {"rx_nombuf", port.rx_nombuf},
          {"rx_errors", port.rx_errors}};
}

json FileJson(const pcapwriter::ShardInfo& shard) {
  return {{"name", shard.path},
          {"worker", shard.worker},
          {"bytes", shard.bytes},
          {"packets", shard.packets},
          {"whole", shard.whole}};
}

std::string ReasonInWords(const std::string& end_reason) {
  static const std::map<std::string, std::string> kWords = {
      {"end_of_file", "end of the file"},   {"packet_limit", "packet limit reached"},
      {"byte_limit", "byte limit reached"}, {"time_limit", "time limit reached"},
      {"interrupted", "interrupted"},       {"error", "ended by an error"},
  };
  const auto words = kWords.find(end_reason);
  return words == kWords.end() ? end_reason : words->second;
}

std::uint64_t LostPackets(const json& record) {
  const json& doors = Member(Member(record, "ledger"), "packets");
  std::uint64_t lost = Count(doors, "no_block") + Count(doors, "lost_on_disk");
  for (const json& port : Member(record, "ports")) {
    lost += Count(port, "rx_missed") + Count(port, "rx_nombuf") + Count(port, "rx_errors");
  }
  return lost;
}

}  // namespace

json LedgerJson(const JobLedger& ledger) {
  json packets = json::object();
  json bytes = json::object();
  for (const auto& [name, door] : kDoors) {
    packets[name] = (ledger.*door).packets;
    bytes[name] = (ledger.*door).bytes;
  }
  return {{"packets", packets}, {"bytes", bytes}, {"balanced", ledger.Balances()}};
}

json RecordJson(const RecordResult& result) {
  json record = {{"end_reason", result.end_reason},
                 {"error_message", nullptr},
                 {"elapsed_s", result.elapsed.count()},
                 {"packets_captured", result.ledger.captured.packets},
                 {"bytes_captured", result.stored_bytes},
                 {"ledger", LedgerJson(result.ledger)},
                 {"files", json::array()},
                 {"ports", json::array()}};
  if (!result.error.ok()) record["error_message"] = MessageOf(result.error);
  for (const auto& shard : result.shards) record["files"].push_back(FileJson(shard));
  for (const auto& port : result.ports) record["ports"].push_back(PortJson(port));
  return record;
}

std::string FormatRecord(const json& record) {
  std::string text = ReasonInWords(Text(record, "end_reason")) + "\n";
  text += Text(record, "packets_captured") + " packets captured\n";
  text += Text(Member(Member(record, "ledger"), "packets"), "seen") + " packets seen\n";
  text += std::to_string(LostPackets(record)) + " packets lost\n\n";
  text += FormatLedger(Member(record, "ledger"));
  if (const json& ports = Member(record, "ports"); !ports.empty()) {
    text += "\n" + FormatPorts(ports);
  }
  return text;
}

}  // namespace edgecap::cli
