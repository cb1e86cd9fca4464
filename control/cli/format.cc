// SPDX-License-Identifier: Apache-2.0

#include "control/cli/format.h"

#include <array>
#include <cstdio>
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
                  Text(capture, "bytes_captured"), FormatFilter(Member(capture, "filter"))});
  }
  return table.ToString();
}

std::string FormatCapture(const json& capture) {
  const bool stopping =
      Member(capture, "stop_requested") == true && Text(capture, "status") == "running";
  TextTable facts({{}, {}});
  for (const char* name : {"id", "type", "machine"}) facts.AddRow({name, Text(capture, name)});
  facts.AddRow({"filter", FormatFilter(Member(capture, "filter"))});
  facts.AddRow({"limits", FormatLimits(capture)});
  if (const std::string snaplen = Text(capture, "snaplen"); !snaplen.empty()) {
    facts.AddRow({"snaplen", snaplen + " bytes"});
  }
  if (const std::string one_in = Text(capture, "one_in"); !one_in.empty()) {
    facts.AddRow({"sampling", "one in " + one_in});
  }
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
  facts.AddRow({"resident", FormatBytes(Count(stats, "resident_bytes"))});
  return facts.ToString() + "\n" + FormatPorts(Member(stats, "ports")) + "\n" +
         FormatWorkers(Member(stats, "workers"));
}

std::string FormatFilter(const json& filter) {
  std::string text;
  for (const auto& [name, value] : filter.items()) {
    if (value.is_null()) continue;
    text += (text.empty() ? "" : ", ") + name + " " + ToText(value);
  }
  return text.empty() ? "every packet" : text;
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
