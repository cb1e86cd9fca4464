// SPDX-License-Identifier: Apache-2.0

#include "control/cli/options.h"

#include <algorithm>
#include <cstdlib>

#include "base/status_macros.h"
#include "config/config.h"

namespace edgecap::cli {
namespace {

struct FilterOption {
  const char* field;
  const char* type;
  const char* meaning;
};

constexpr FilterOption kFilterOptions[] = {
    {"source_address", "ADDRESS",
     "from this address or network: 192.0.2.7, 10.0.0.0/8, 2001:db8::/32"},
    {"destination_address", "ADDRESS", "to this address or network"},
    {"source_port", "PORT", "from this port or range of ports: 53, 1000-2000"},
    {"destination_port", "PORT", "to this port or range of ports"},
    {"protocol", "PROTOCOL", "above IP, by name or number: tcp, udp, icmp, 47"},
};

// "source_address" -> "--source-address"
std::string FlagOf(std::string field) {
  std::replace(field.begin(), field.end(), '_', '-');
  return "--" + field;
}

template <typename Parse>
CLI::Option* AddParsed(CLI::App& app, const std::string& flags, std::optional<std::uint64_t>& value,
                       const std::string& meaning, Parse parse) {
  const std::string name = flags.substr(flags.rfind(',') + 1);
  const auto read = [&value, name, parse](const std::string& text) {
    const absl::StatusOr<std::uint64_t> number = parse(text);
    if (!number.ok()) throw CLI::ValidationError(name, MessageOf(number.status()));
    value = *number;
  };
  return app.add_option_function<std::string>(flags, read, meaning);
}

}  // namespace

CLI::Option* AddNumber(CLI::App& app, const std::string& flags, std::optional<std::uint64_t>& value,
                       const NumberRange& range, const std::string& meaning) {
  const auto parse = [range](const std::string& text) { return ParseNumber(text, range); };
  return AddParsed(app, flags, value, meaning, parse)->type_name("N");
}

CLI::Option* AddSeconds(CLI::App& app, const std::string& flags,
                        std::optional<std::uint64_t>& value_ns, const std::string& meaning) {
  const auto parse = [](const std::string& text) { return ParseSeconds(text); };
  return AddParsed(app, flags, value_ns, meaning, parse)->type_name("SECONDS");
}

void AddFilterOptions(CLI::App& app, FilterWords& words) {
  for (const FilterOption& option : kFilterOptions) {
    const auto keep = [&words, field = option.field](const std::string& text) {
      words[field] = text;
    };
    app.add_option_function<std::string>(FlagOf(option.field), keep, option.meaning)
        ->type_name(option.type)
        ->group(kFilterGroup);
  }
}

absl::StatusOr<filter::FilterSpec> ToFilterSpec(const FilterWords& words) {
  filter::FilterSpec spec;
  for (const auto& [field, text] : words) EDGECAP_RETURN_IF_ERROR(spec.Set(field, text));
  EDGECAP_RETURN_IF_ERROR(spec.Validate());
  return spec;
}

DaemonOptions::DaemonOptions() {
  const char* from_environment = std::getenv("EDGECAP_SOCKET");
  const bool is_set = from_environment != nullptr && *from_environment != '\0';
  socket = is_set ? std::string(from_environment) : config::ControlConfig().socket;
}

void AddSocketOption(CLI::App& app, DaemonOptions& options) {
  app.add_option("--socket", options.socket,
                 "the daemon's socket, or set EDGECAP_SOCKET [" + options.socket + "]")
      ->type_name("PATH")
      ->group(kDaemonGroup);
}

void AddDaemonOptions(CLI::App& app, DaemonOptions& options) {
  AddSocketOption(app, options);
  app.add_flag("--json", options.json, "print the daemon's JSON as it is")->group(kOutputGroup);
}

}  // namespace edgecap::cli
