// SPDX-License-Identifier: Apache-2.0

#include "config/config_validator.h"

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <set>
#include <utility>
#include <variant>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "config/device.h"
#include "config/settings.h"

namespace edgecap::config {
namespace {

absl::string_view Abseil(std::string_view text) { return {text.data(), text.size()}; }

std::string PortKey(std::size_t index, std::string_view field) {
  return absl::StrCat("dataplane.ports[", index, "].", Abseil(field));
}

class Validator {
 public:
  // By value: the accessors of the table want to write, and write here.
  explicit Validator(Config config) : config_(std::move(config)) {}

  std::vector<Violation> Run() {
    CheckEach(Settings(), config_, "");
    CheckPortsAreDistinct();
    CheckBuffersOfPorts();
    CheckTimeLimits();
    CheckBlocks();
    return std::move(violations_);
  }

 private:
  // ---- One value by its row -------------------------------------------------------------------

  template <typename Owner>
  void CheckEach(std::span<const Setting<Owner>> settings, Owner& owner,
                 const std::string& prefix) {
    for (const Setting<Owner>& setting : settings) {
      const std::string key = absl::StrCat(prefix, Abseil(setting.key));
      std::visit([&](auto field) { Check(key, setting.rules, field(owner)); }, setting.field);
    }
  }

  void Check(const std::string&, const Rules&, bool) {}

  template <std::unsigned_integral Number>
  void Check(const std::string& key, const Rules& rules, Number number) {
    if (rules.Allow(number)) return;
    Refuse(key, absl::StrCat(number, " is refused; allowed: ", rules.AllowedNumbers()));
  }

  void Check(const std::string& key, const Rules& rules, const std::string& text) {
    if (rules.Allow(text)) return;
    Refuse(key, absl::StrCat(text.empty() ? "is missing or empty" : Quoted(text) + " is refused",
                             "; allowed: ", rules.AllowedTexts()));
  }

  template <typename Entry>
  void Check(const std::string& key, const Rules& rules, std::vector<Entry>& entries) {
    if (!rules.entries.Contains(entries.size())) {
      Refuse(key, absl::StrCat(entries.size(),
                               " entries are refused; allowed: ", rules.AllowedEntries()));
    }
    for (std::size_t i = 0; i < entries.size(); ++i) {
      Check(absl::StrCat(key, "[", i, "]"), rules, entries[i]);
    }
  }

  void Check(const std::string& key, const Rules&, PortConfig& port) {
    CheckEach(PortSettings(), port, key + ".");
  }

  void Refuse(const std::string& key, std::string text) {
    refused_.insert(key);
    violations_.push_back({{key}, std::move(text)});
  }

  // ---- Rules between values; none is judged by a value that was refused by itself -------------

  void CheckPortsAreDistinct() {
    const std::vector<PortConfig>& ports = config_.dataplane.ports;
    for (std::size_t i = 0; i < ports.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (DeviceName(ports[i].device) == DeviceName(ports[j].device)) {
          Contradict(
              {PortKey(i, "device"), PortKey(j, "device")},
              absl::StrCat(Quoted(DeviceName(ports[i].device)), " is also the device of ports[", j,
                           "]; each device can be one port only"));
        } else if (NameOf(ports[i]) == NameOf(ports[j])) {
          Contradict({PortKey(i, "name"), PortKey(j, "name")},
                     absl::StrCat(Quoted(NameOf(ports[i])), " is also the name of ports[", j,
                                  "]; give each port a name of its own"));
        }
      }
    }
  }

  void CheckBuffersOfPorts() {
    const DataplaneConfig& dataplane = config_.dataplane;
    for (std::size_t i = 0; i < dataplane.ports.size(); ++i) {
      const PortConfig& port = dataplane.ports[i];
      const std::uint64_t held = std::uint64_t{1} * std::max(port.queues, 1u) * port.rx_descriptors;
      if (held < dataplane.mbufs_per_port) continue;
      Contradict({PortKey(i, "rx_descriptors"), PortKey(i, "queues"), "dataplane.mbufs_per_port"},
                 absl::StrCat("the queues of ports[", i, "] hold ", held,
                              " packets; allowed: less than mbufs_per_port, which is ",
                              dataplane.mbufs_per_port));
    }
  }

  void CheckTimeLimits() {
    const LimitsConfig& limits = config_.limits;
    if (limits.default_time_limit_s <= limits.max_time_limit_s) return;
    Contradict({"limits.default_time_limit_s", "limits.max_time_limit_s"},
               absl::StrCat("default_time_limit_s ", limits.default_time_limit_s,
                            " is refused; allowed: up to max_time_limit_s, which is ",
                            limits.max_time_limit_s));
  }

  void CheckBlocks() {
    constexpr std::uint64_t kMaxPoolBytes = std::uint64_t{1} << 40;
    const CaptureConfig& capture = config_.capture;
    const std::uint64_t workers = config_.dataplane.worker_cores.size();
    // Each worker has one block to fill while another is written.
    const std::uint64_t needed = 2 * workers + 2;
    if (capture.block_count < needed) {
      Contradict(
          {"capture.block_count", "dataplane.worker_cores"},
          absl::StrCat("block_count ", capture.block_count, " is refused; allowed: at least ",
                       needed, ", two for each of ", workers, " workers and two more"));
    }
    // Divided, so that no value can overflow.
    if (capture.block_bytes > kMaxPoolBytes / std::max<std::uint64_t>(capture.block_count, 1)) {
      Contradict({"capture.block_count", "capture.block_bytes"},
                 absl::StrCat("block_count ", capture.block_count, " times block_bytes ",
                              capture.block_bytes, " is refused; allowed: up to ", kMaxPoolBytes,
                              " bytes of memory"));
    }
  }

  void Contradict(std::vector<std::string> keys, std::string text) {
    const bool judgeable = std::ranges::none_of(
        keys, [this](const std::string& key) { return refused_.contains(key); });
    if (judgeable) violations_.push_back({std::move(keys), std::move(text)});
  }

  static std::string NameOf(const PortConfig& port) {
    return port.name.empty() ? DeviceName(port.device) : port.name;
  }

  Config config_;
  std::vector<Violation> violations_;
  std::set<std::string> refused_;
};

}  // namespace

std::vector<Violation> ValidateConfig(const Config& config) { return Validator(config).Run(); }

std::string Quoted(std::string_view text) {
  constexpr std::size_t kShownBytes = 128;
  const bool cut = text.size() > kShownBytes;
  return absl::StrCat("\"", absl::CEscape(Abseil(text.substr(0, kShownBytes))),
                      cut ? "...\"" : "\"");
}

}  // namespace edgecap::config
