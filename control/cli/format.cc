// SPDX-License-Identifier: Apache-2.0

#include "control/cli/format.h"

#include <array>
#include <cstddef>
#include <cstdio>
#include <sstream>
#include <string_view>

#include "control/cli/json_view.h"
#include "control/cli/text_table.h"

namespace edgecap::cli {
namespace {

using nlohmann::json;

// The ledger as one reads it: from what came to what is in the file.
struct LedgerLine {
  const char* door;
  const char* label;
};

constexpr LedgerLine kLedgerLines[] = {
    {"seen", "seen"},
    {"filtered_out", "  filtered out"},
    {"matched", "  matched"},
    {"sampled_out", "    sampled out"},
    {"over_limit", "    over limit"},
    {"no_block", "    no block free"},
    {"captured", "    captured"},
    {"written", "      written"},
    {"lost_on_disk", "      lost on disk"},
};

std::string OrDash(std::string text) { return text.empty() ? "-" : text; }

std::string Plural(std::uint64_t count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

std::string Amount(std::uint64_t packets, std::uint64_t bytes) {
  return Plural(packets, "packet") + ", " + Plural(bytes, "byte");
}

std::string FormatLimits(const json& capture) {
  std::string text;
  const auto add = [&](const char* name, const char* unit) {
    const json& limit = Member(capture, name);
    if (!limit.is_number() || limit == 0) return;
    text += (text.empty() ? "" : ", ") + ToText(limit) + " " + unit;
  };
  add("time_limit", "seconds");
  add("packet_limit", "packets");
  add("byte_limit", "bytes");
  return text.empty() ? "none" : text;
}

// "one in 100, effective rate 0.0099"; empty where every packet is taken.
std::string FormatSampling(const json& capture) {
  struct Row {
    const char* field;
    const char* before;
    const char* after;
  };
  constexpr Row kRows[] = {
      {"one_in", "one in ", ""},
      {"probability", "each packet with probability ", ""},
      {"per_flow", "whole flows, one in ", ""},
      {"rate", "", " packets a second"},
      {"rate_burst", ", at once up to ", ""},
  };
  std::string text;
  for (const Row& row : kRows) {
    const std::string value = Text(capture, row.field);
    if (!value.empty()) text += row.before + value + row.after;
  }
  if (Member(capture, "reservoir") == true) {
    text = Text(capture, "packet_limit") + " packets of the whole time (reservoir)";
  }
  const std::string rate = Text(Member(capture, "sampling"), "effective_rate");
  return text.empty() || rate.empty() ? text : text + ", effective rate " + rate;
}

// "80;443" of one value or a list of them.
std::string FormatValues(const json& values) {
  if (!values.is_array()) return ToText(values);
  std::string text;
  for (const json& value : values) text += (text.empty() ? "" : ";") + ToText(value);
  return text;
}

std::string FormatFields(const json& filter) {
  std::string text;
  for (const auto& [name, value] : filter.items()) {
    if (value.is_null()) continue;
    text += (text.empty() ? "" : ", ") + name + " " + FormatValues(value);
  }
  return text.empty() ? "every packet" : text;
}

std::string JoinFilters(const json& filters) {
  std::string text;
  for (const json& filter : filters) {
    text += (text.empty() ? "(" : " or (") + FormatFields(filter) + ")";
  }
  return text;
}

// For a column.
std::string Shortened(std::string text) {
  constexpr std::size_t kColumnBytes = 100;
  if (text.size() <= kColumnBytes) return text;
  std::size_t end = kColumnBytes;
  while ((text[end] & 0xC0) == 0x80) --end;  // not in the middle of a UTF-8 sequence
  return text.substr(0, end) + "...";
}

// The rows about what was asked for.
void AddRequest(const json& request, TextTable& facts) {
  facts.AddRow({"filter", FormatFilter(request)});
  facts.AddRow({"limits", FormatLimits(request)});
  if (const std::string snaplen = Text(request, "snaplen"); !snaplen.empty()) {
    facts.AddRow({"snaplen", snaplen + " bytes"});
  }
  if (const std::string sampling = FormatSampling(request); !sampling.empty()) {
    facts.AddRow({"sampling", sampling});
  }
}

std::string FormatFiles(const json& files) {
  TextTable table({{"file"},
                   {"worker", Align::kRight},
                   {"packets", Align::kRight},
                   {"bytes", Align::kRight},
                   {"whole"}});
  for (const json& file : files) {
    table.AddRow({Text(file, "name"), Text(file, "worker"), Text(file, "packets"),
                  Text(file, "bytes"), Member(file, "whole") == true ? "yes" : "no"});
  }
  return table.ToString();
}

std::string FormatWorkers(const json& workers) {
  TextTable table({{"worker", Align::kRight},
                   {"core", Align::kRight},
                   {"received", Align::kRight},
                   {"unmatched", Align::kRight},
                   {"matched", Align::kRight},
                   {"received bytes", Align::kRight}});
  for (const json& worker : workers) {
    const json& received = Member(worker, "received");
    table.AddRow({Text(worker, "worker"), Text(worker, "core"), Text(received, "packets"),
                  Text(Member(worker, "unmatched"), "packets"),
                  Text(Member(worker, "matched"), "packets"), Text(received, "bytes")});
  }
  return table.ToString();
}

std::string FormatBlocks(const json& blocks) {
  const std::string kind =
      Member(blocks, "hugepages") == true ? "in hugepages" : "in ordinary memory";
  return Text(blocks, "free") + " of " + Text(blocks, "total") + " free, " +
         FormatBytes(Count(blocks, "bytes")) + " each, " + kind;
}

std::string FormatProgram(const json& filter) {
  return Text(filter, "rules") + " rules of " + Text(filter, "captures") + " captures, " +
         FormatBytes(Count(filter, "bytes"));
}

// Only an ended capture is balanced or not: before, blocks are on their way.
std::string BalanceInWords(const json& balanced) {
  if (balanced == true) return "balanced: every packet is accounted for\n";
  if (balanced == false) return "NOT BALANCED: packets are missing; please report this\n";
  return "still running: packets are on their way\n";
}

// "running 1, success 12" of an object of counts.
std::string FormatCounts(const json& counts) {
  std::string text;
  for (const auto& [name, value] : counts.items()) {
    text += (text.empty() ? "" : ", ") + name + " " + ToText(value);
  }
  return OrDash(text);
}

}  // namespace

std::string FormatCaptureList(const json& list) {
  const json& captures = Member(list, "captures");
  if (captures.empty()) return "no captures\n";
  TextTable table({{"id"},
                   {"type"},
                   {"status"},
                   {"created"},
                   {"packets", Align::kRight},
                   {"bytes", Align::kRight},
                   {"filter"}});
  for (const json& capture : captures) {
    table.AddRow({Text(capture, "id"), Text(capture, "type"), Text(capture, "status"),
                  Text(capture, "created"), Text(capture, "packets_captured"),
                  Text(capture, "bytes_captured"), Shortened(FormatFilter(capture))});
  }
  return table.ToString();
}

std::string FormatCapture(const json& capture) {
  const bool stopping =
      Member(capture, "stop_requested") == true && Text(capture, "status") == "running";
  TextTable facts({{}, {}});
  for (const char* name : {"id", "type", "machine"}) facts.AddRow({name, Text(capture, name)});
  AddRequest(capture, facts);
  facts.AddRow({"status", Text(capture, "status") + (stopping ? ", stop requested" : "")});
  for (const char* name : {"created", "started", "ended"}) {
    facts.AddRow({name, OrDash(Text(capture, name))});
  }
  facts.AddRow({"end reason", OrDash(Text(capture, "end_reason"))});
  if (const std::string error = Text(capture, "error_message"); !error.empty()) {
    facts.AddRow({"error", error});
  }
  facts.AddRow(
      {"captured", Amount(Count(capture, "packets_captured"), Count(capture, "bytes_captured"))});
  std::string text = facts.ToString() + "\n" + FormatLedger(Member(capture, "ledger"));
  if (const json& files = Member(capture, "files"); !files.empty()) {
    text += "\n" + FormatFiles(files);
  }
  return text;
}

std::string FormatProgress(const json& capture) {
  return Text(capture, "id") + " " + Text(capture, "status") + ": " +
         Amount(Count(capture, "packets_captured"), Count(capture, "bytes_captured"));
}

std::string FormatLedger(const json& ledger) {
  TextTable table({{"ledger"}, {"packets", Align::kRight}, {"bytes", Align::kRight}});
  for (const LedgerLine& line : kLedgerLines) {
    table.AddRow({line.label, OrDash(Text(Member(ledger, "packets"), line.door)),
                  OrDash(Text(Member(ledger, "bytes"), line.door))});
  }
  return table.ToString() + BalanceInWords(Member(ledger, "balanced"));
}

std::string FormatPorts(const json& ports) {
  TextTable table({{"port"},
                   {"offered", Align::kRight},
                   {"received", Align::kRight},
                   {"rx_missed", Align::kRight},
                   {"rx_nombuf", Align::kRight},
                   {"rx_errors", Align::kRight},
                   {"received bytes", Align::kRight},
                   {"device"}});
  for (const json& port : ports) {
    table.AddRow({Text(port, "name"), Text(port, "offered_packets"), Text(port, "received_packets"),
                  Text(port, "rx_missed"), Text(port, "rx_nombuf"), Text(port, "rx_errors"),
                  Text(port, "received_bytes"), Text(port, "device")});
  }
  return table.ToString();
}

std::string FormatStats(const json& stats) {
  TextTable facts({{}, {}});
  facts.AddRow({"machine", Text(stats, "machine")});
  facts.AddRow({"version", Text(stats, "version")});
  facts.AddRow({"uptime", Text(stats, "uptime_s") + " s"});
  facts.AddRow({"captures", FormatCounts(Member(Member(stats, "captures"), "by_status"))});
  facts.AddRow({"blocks", FormatBlocks(Member(stats, "blocks"))});
  facts.AddRow({"filter", FormatProgram(Member(stats, "filter"))});
  facts.AddRow({"reservoirs", FormatBytes(Count(stats, "reservoir_bytes"))});
  facts.AddRow({"resident", FormatBytes(Count(stats, "resident_bytes"))});
  return facts.ToString() + "\n" + FormatPorts(Member(stats, "ports")) + "\n" +
         FormatWorkers(Member(stats, "workers"));
}

std::string FormatFilter(const json& capture) {
  if (const std::uint64_t omitted = Count(capture, "filters_omitted"); omitted != 0) {
    return Plural(omitted, "filter");
  }
  const json& filters = Member(capture, "filters");
  const json& exclude = Member(capture, "exclude");
  const std::string wanted = filters.empty()       ? "every packet"
                             : filters.size() == 1 ? FormatFields(filters[0])
                                                   : JoinFilters(filters);
  return exclude.empty() ? wanted : wanted + ", but not " + JoinFilters(exclude);
}

std::string FormatDryRun(const json& dry_run) {
  const json& request = Member(dry_run, "request");
  TextTable facts({{}, {}});
  facts.AddRow({"type", Text(request, "type")});
  AddRequest(request, facts);
  std::string text = "nothing was started; this would run:\n\n" + facts.ToString();
  const json& program = Member(dry_run, "program");
  std::istringstream lines(program.is_string() ? program.get<std::string>() : "");
  for (std::string line; std::getline(lines, line);) text += "\n" + ToText(line);
  return text + "\n";
}

std::string FormatBytes(std::uint64_t bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  auto amount = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; amount >= 1024 && unit + 1 < kUnits.size(); ++unit) amount /= 1024;
  char text[32];
  std::snprintf(text, sizeof(text), unit == 0 ? "%.0f %s" : "%.1f %s", amount, kUnits[unit]);
  return text;
}

}  // namespace edgecap::cli
