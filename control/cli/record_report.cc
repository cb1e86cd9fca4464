// SPDX-License-Identifier: Apache-2.0

#include "control/cli/record_report.h"

#include <map>
#include <utility>

#include "base/status_macros.h"
#include "control/cli/format.h"
#include "control/cli/json_view.h"
#include "control/ledger_json.h"

namespace edgecap::cli {
namespace {

using nlohmann::json;

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

json SamplingJson(const dataplane::SamplingReport& sampling) {
  json object = {{"method", NameOf(sampling.method)}, {"effective_rate", nullptr}};
  if (sampling.effective_rate) object["effective_rate"] = *sampling.effective_rate;
  return object;
}

}  // namespace

json LedgerJson(const JobLedger& ledger) {
  json object = control::LedgerObject(ledger);
  object["balanced"] = ledger.Balances();
  return object;
}

json RecordJson(const RecordResult& result) {
  json record = {{"end_reason", result.end_reason},
                 {"error_message", nullptr},
                 {"elapsed_s", result.elapsed.count()},
                 {"packets_captured", result.ledger.captured.packets},
                 {"bytes_captured", result.stored_bytes},
                 {"sampling", SamplingJson(result.sampling)},
                 {"ledger", LedgerJson(result.ledger)},
                 {"files", control::FileObjects(result.shards)},
                 {"workers", control::WorkerObjects(result.cores, result.workers)},
                 {"ports", control::PortObjects(result.ports)}};
  if (!result.error.ok()) record["error_message"] = MessageOf(result.error);
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
