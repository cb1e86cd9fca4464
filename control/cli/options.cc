// SPDX-License-Identifier: Apache-2.0

#include "control/cli/options.h"

#include <cstdlib>

#include "absl/status/statusor.h"
#include "base/status_macros.h"
#include "config/config.h"

namespace edgecap::cli {
namespace {

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
