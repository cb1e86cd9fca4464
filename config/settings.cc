// SPDX-License-Identifier: Apache-2.0

#include "config/settings.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace edgecap::config {
namespace {

constexpr std::string_view kHugepages[] = {"auto", "on", "off"};

// How a setting's field is reached, for reading and for writing.
#define FIELD(path) \
  [](Config & config) -> auto& { return config.path; }
#define PORT_FIELD(path) \
  [](PortConfig & port) -> auto& { return port.path; }

constexpr Setting<PortConfig> kPortSettings[] = {
    {.key = "device",
     .field = PORT_FIELD(device),
     .rules = {.range = {1, 4096}},
     .meaning = "PCI address, or DPDK virtual device with its arguments"},
    {.key = "name",
     .field = PORT_FIELD(name),
     .rules = {.range = {0, 64}},
     .meaning = "in statistics; empty: the device up to its first comma"},
    {.key = "queues",
     .field = PORT_FIELD(queues),
     .rules = {.range = {0, 128}},
     .meaning = "receive queues; 0: one for each worker, or as many as the device has"},
    {.key = "rx_descriptors",
     .field = PORT_FIELD(rx_descriptors),
     .rules = {.unit = "descriptors", .range = {64, 32768}},
     .meaning = "packets that each queue of the card can hold"},
    {.key = "mtu",
     .field = PORT_FIELD(mtu),
     .rules = {.unit = "bytes", .range = {0, 65535}},
     .meaning = "largest packet behind the Ethernet header; 0: the device's default, often 1500"},
};

constexpr Setting<Config> kSettings[] = {
    {.key = "machine",
     .field = FIELD(machine),
     .rules = {.range = {0, 64}, .form = TextForm::kName},
     .meaning = "this server's name in shards and statistics; empty: the host name"},
    {.key = "colo",
     .field = FIELD(colo),
     .rules = {.range = {0, 64}, .form = TextForm::kName},
     .meaning = "name of the place this server stands in; empty: none"},
    {.key = "dataplane.ports",
     .field = FIELD(dataplane.ports),
     .rules = {.entries = {1, 64}},
     .meaning = "DPDK ports to receive from; an entry may be just its device"},
    {.key = "dataplane.worker_cores",
     .field = FIELD(dataplane.worker_cores),
     .rules = {.range = {0, 1023}, .entries = {1, 128}},
     .meaning = "one worker on each core named; a core may be named twice"},
    {.key = "dataplane.hugepages",
     .field = FIELD(dataplane.hugepages),
     .rules = {.choices = kHugepages},
     .meaning = "auto: where the machine has some; on: required; off: ordinary memory"},
    {.key = "dataplane.memory_mb",
     .field = FIELD(dataplane.memory_mb),
     .rules = {.unit = "MiB", .range = {0, 1048576}},
     .meaning = "memory of DPDK; 0: what the ports need"},
    {.key = "dataplane.eal_args",
     .field = FIELD(dataplane.eal_args),
     .rules = {.range = {1, 4096}, .entries = {0, 128}},
     .meaning = "further arguments for DPDK's EAL, as they are"},
    {.key = "dataplane.mbufs_per_port",
     .field = FIELD(dataplane.mbufs_per_port),
     .rules = {.unit = "buffers", .range = {1024, 16777216}},
     .meaning = "receive buffers of each port; more than all its queues hold"},
    {.key = "dataplane.mbuf_bytes",
     .field = FIELD(dataplane.mbuf_bytes),
     .rules = {.unit = "bytes", .range = {256, 65000}},
     .meaning = "room for packet bytes in one buffer; longer packets take several"},
    {.key = "dataplane.idle_sleep_us_max",
     .field = FIELD(dataplane.idle_sleep_us_max),
     .rules = {.unit = "microseconds", .range = {0, 10000}},
     .meaning = "longest sleep of a worker without packets; 0: never sleeps"},
    {.key = "dataplane.local_prefixes",
     .field = FIELD(dataplane.local_prefixes),
     .rules = {.range = {2, 49}, .form = TextForm::kPrefix, .entries = {0, 1024}},
     .meaning = "networks that are here, for the filter fields local_*, remote_* and direction"},
    {.key = "capture.directory",
     .field = FIELD(capture.directory),
     .rules = {.range = {1, 2048}, .form = TextForm::kAbsolutePath},
     .meaning = "where captures are written"},
    {.key = "capture.block_bytes",
     .field = FIELD(capture.block_bytes),
     .rules = {.unit = "bytes", .range = {266240, 1073741824}, .multiple_of = 4096},
     .meaning = "size of one block, the unit in which workers hand packets to writers"},
    {.key = "capture.block_count",
     .field = FIELD(capture.block_count),
     .rules = {.unit = "blocks", .range = {4, 1048576}},
     .meaning = "blocks in the pool; what a slow disk may fall behind before packets are dropped"},
    {.key = "capture.flush_interval_ms",
     .field = FIELD(capture.flush_interval_ms),
     .rules = {.unit = "milliseconds", .range = {10, 900}},
     .meaning = "longest wait of a packet in a block that does not fill"},
    {.key = "capture.writer_threads",
     .field = FIELD(capture.writer_threads),
     .rules = {.unit = "threads", .range = {1, 64}},
     .meaning = "threads that write blocks to disk"},
    {.key = "capture.reservoir_bytes_max",
     .field = FIELD(capture.reservoir_bytes_max),
     .rules = {.unit = "bytes", .range = {1048576, std::uint64_t{1} << 40}},
     .meaning = "memory of the reservoirs of all running captures that sample so"},
    {.key = "capture.sync",
     .field = FIELD(capture.sync),
     .rules = {},
     .meaning = "fdatasync each shard before it is given its name"},
    {.key = "limits.max_running",
     .field = FIELD(limits.max_running),
     .rules = {.unit = "captures", .range = {1, 4096}},
     .meaning = "captures at once"},
    {.key = "limits.max_rules",
     .field = FIELD(limits.max_rules),
     .rules = {.unit = "filters", .range = {1, 32768}},
     .meaning = "filters of all running captures together, those to exclude counted too"},
    {.key = "limits.max_finished",
     .field = FIELD(limits.max_finished),
     .rules = {.unit = "captures", .range = {1, 1000000}},
     .meaning = "ended captures that are still listed"},
    {.key = "limits.default_time_limit_s",
     .field = FIELD(limits.default_time_limit_s),
     .rules = {.unit = "seconds", .range = {1, 604800}},
     .meaning = "time limit of a capture that asks for none"},
    {.key = "limits.max_time_limit_s",
     .field = FIELD(limits.max_time_limit_s),
     .rules = {.unit = "seconds", .range = {1, 604800}},
     .meaning = "longest time limit that a capture may ask for"},
    {.key = "limits.simple_snaplen_bytes",
     .field = FIELD(limits.simple_snaplen_bytes),
     .rules = {.unit = "bytes", .range = {1, 262144}},
     .meaning = "bytes kept of each packet of a simple capture that does not say"},
    {.key = "limits.simple_packet_limit",
     .field = FIELD(limits.simple_packet_limit),
     .rules = {.unit = "packets", .range = {1, 100000000}},
     .meaning = "size of a sample over a capture's whole time that does not say (a reservoir)"},
    {.key = "control.socket",
     .field = FIELD(control.socket),
     // sockaddr_un holds 108 bytes, the last of them zero.
     .rules = {.range = {1, 107}, .form = TextForm::kAbsolutePath},
     .meaning = "the operator socket"},
    {.key = "control.socket_group",
     .field = FIELD(control.socket_group),
     .rules = {.range = {0, 32}},
     .meaning = "group that may use the socket besides root and the daemon's user; empty: none"},
    {.key = "control.max_body_bytes",
     .field = FIELD(control.max_body_bytes),
     .rules = {.unit = "bytes", .range = {1024, 16777216}},
     .meaning = "longest request body"},
    {.key = "control.max_connections",
     .field = FIELD(control.max_connections),
     .rules = {.unit = "connections", .range = {1, 4096}},
     .meaning = "connections to the socket at once"},
};

#undef FIELD
#undef PORT_FIELD

absl::string_view Abseil(std::string_view text) { return {text.data(), text.size()}; }

std::string RangeText(const Range& range) { return absl::StrCat(range.min, " to ", range.max); }

template <typename Texts>
std::string Join(const Texts& texts) {
  std::string joined;
  for (const auto& text : texts) {
    absl::StrAppend(&joined, joined.empty() ? "" : ", ", Abseil(text));
  }
  return joined;
}

// An address, or one with a length behind which all its bits are zero.
bool IsPrefix(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string address(text.substr(0, slash));
  const bool v6 = address.find(':') != std::string::npos;
  std::array<std::uint8_t, 16> bytes{};
  if (address.find('\0') != std::string::npos ||
      inet_pton(v6 ? AF_INET6 : AF_INET, address.c_str(), bytes.data()) != 1) {
    return false;
  }
  if (slash == std::string_view::npos) return true;
  const std::string_view digits = text.substr(slash + 1);
  std::uint32_t length = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, length);
  if (error != std::errc() || stop != end || length > (v6 ? 128 : 32)) return false;
  if (digits.size() > 1 && digits.front() == '0') return false;
  for (std::uint32_t bit = length; bit < 128; ++bit) {
    if ((bytes[bit / 8] & (0x80 >> bit % 8)) != 0) return false;
  }
  return true;
}

// ---- The reference: type, default and allowed values, each by the type of the field ------------

struct Described {
  std::string type;
  std::string value;
  std::string allowed;
};

Described Describe(bool value, const Rules&) {
  return {"boolean", value ? "true" : "false", "true, false"};
}

template <std::unsigned_integral Number>
Described Describe(Number value, const Rules& rules) {
  return {"number", absl::StrCat(value), rules.AllowedNumbers()};
}

Described Describe(const std::string& value, const Rules& rules) {
  return {"text", absl::StrCat("\"", value, "\""), rules.AllowedTexts()};
}

template <typename Entry>
Described Describe(const std::vector<Entry>& values, const Rules& rules) {
  const Described entry = Describe(Entry{}, rules);
  std::vector<std::string> texts;
  for (const Entry& value : values) texts.push_back(Describe(value, rules).value);
  return {absl::StrCat("list of ", entry.type, "s"), absl::StrCat("[", Join(texts), "]"),
          absl::StrCat(rules.AllowedEntries(), ", each ", entry.allowed)};
}

Described Describe(const std::vector<PortConfig>&, const Rules& rules) {
  return {"list of ports", "[]", rules.AllowedEntries()};
}

using Row = std::array<std::string, 5>;

template <typename Owner>
Row MakeRow(const Setting<Owner>& setting, std::string_view prefix) {
  Owner defaults;
  const Described described = std::visit(
      [&](auto field) { return Describe(field(defaults), setting.rules); }, setting.field);
  return {absl::StrCat(Abseil(prefix), Abseil(setting.key)), described.type, described.value,
          described.allowed, std::string(setting.meaning)};
}

}  // namespace

bool Rules::Allow(std::uint64_t number) const {
  return range.Contains(number) && number % multiple_of == 0;
}

bool Rules::Allow(std::string_view text) const {
  if (!choices.empty()) return std::ranges::count(choices, text) != 0;
  if (!range.Contains(text.size())) return false;
  switch (form) {
    case TextForm::kPrintable:
      break;
    case TextForm::kName:
      return !text.starts_with('.') && std::ranges::all_of(text, [](unsigned char c) {
        return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
      });
    case TextForm::kAbsolutePath:
      if (!text.starts_with('/')) return false;
      break;
    case TextForm::kPrefix:
      return IsPrefix(text);
  }
  return std::ranges::none_of(text, [](unsigned char c) { return absl::ascii_iscntrl(c); });
}

std::string Rules::AllowedNumbers() const {
  return absl::StrCat(RangeText(range), unit.empty() ? "" : " ", Abseil(unit),
                      multiple_of > 1 ? absl::StrCat(", a multiple of ", multiple_of) : "");
}

std::string Rules::AllowedTexts() const {
  if (!choices.empty()) return Join(choices);
  switch (form) {
    case TextForm::kName:
      return absl::StrCat(RangeText(range), " of A-Z a-z 0-9 . _ -, not beginning with a dot");
    case TextForm::kAbsolutePath:
      return absl::StrCat("absolute path of ", RangeText(range), " characters");
    case TextForm::kPrefix:
      return "network such as 10.0.0.0/8 or 2001:db8::/32 without bits behind its length";
    case TextForm::kPrintable:
      break;
  }
  return absl::StrCat(RangeText(range), " printable characters");
}

std::string Rules::AllowedEntries() const { return absl::StrCat(RangeText(entries), " entries"); }

std::span<const Setting<Config>> Settings() { return kSettings; }

std::span<const Setting<PortConfig>> PortSettings() { return kPortSettings; }

std::string SettingsReference() {
  std::vector<Row> rows = {{"Setting", "Type", "Default", "Allowed", "Meaning"}};
  for (const Setting<Config>& setting : kSettings) {
    rows.push_back(MakeRow(setting, ""));
    if (setting.key != "dataplane.ports") continue;
    for (const auto& of_port : kPortSettings) {
      rows.push_back(MakeRow(of_port, "dataplane.ports[]."));
    }
  }
  std::array<std::size_t, std::tuple_size_v<Row>> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  Row rule;
  for (std::size_t i = 0; i < rule.size(); ++i) rule[i] = std::string(widths[i], '-');
  rows.insert(rows.begin() + 1, rule);

  std::string text;
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      absl::StrAppend(&text, "| ", row[i], std::string(widths[i] - row[i].size() + 1, ' '));
    }
    absl::StrAppend(&text, "|\n");
  }
  return text;
}

}  // namespace edgecap::config
