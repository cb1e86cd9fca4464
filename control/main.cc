// SPDX-License-Identifier: Apache-2.0
//
// edgecapd: reads the configuration, runs the daemon. Exit codes: 0 ended as asked, 1 failed,
// 2 wrong usage.

#include <CLI/CLI.hpp>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "base/status_macros.h"
#include "config/config_loader.h"
#include "config/settings.h"
#include "control/daemon.h"

namespace {

constexpr int kOk = 0;
constexpr int kFailed = 1;
constexpr int kUsage = 2;

constexpr const char* kDescription =
    "edgecapd captures packets from DPDK ports on request, into exact pcap files.\n"
    "Ask it with the program edgecap, or with HTTP and JSON on its operator socket.";

constexpr const char* kExamples =
    "Examples:\n"
    "  edgecapd --config /etc/edgecap/edgecapd.yaml --check   is the file right?\n"
    "  edgecapd --config /etc/edgecap/edgecapd.yaml           run until SIGTERM or Ctrl-C\n"
    "  edgecapd --help-config                                 every setting: unit, range, default\n"
    "\n"
    "Exit codes: 0 ended as asked (or the file is right), 1 failed, 2 wrong usage.";

int Fail(const absl::Status& status) {
  std::fprintf(stderr, "edgecapd: error: %s\n", edgecap::MessageOf(status).c_str());
  return kFailed;
}

int Check(const std::string& path) {
  const auto config = edgecap::config::LoadConfig(path);
  if (!config.ok()) {
    std::fprintf(stderr, "%s\n", edgecap::MessageOf(config.status()).c_str());
    return kFailed;
  }
  std::printf("%s: ok\n", path.c_str());
  return kOk;
}

int Serve(const std::string& path) {
  auto config = edgecap::config::LoadConfig(path);
  if (!config.ok()) return Fail(config.status());
  const auto daemon = edgecap::control::Daemon::Start(*std::move(config));
  if (!daemon.ok()) return Fail(daemon.status());
  const absl::Status ended = (*daemon)->Run();
  return ended.ok() ? kOk : Fail(ended);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(kDescription, "edgecapd");
  app.footer(kExamples);
  std::string path;
  bool check = false;
  bool help_config = false;
  app.add_option("--config", path, "The configuration file (YAML)")->type_name("FILE");
  app.add_flag("--check", check, "Only say whether the configuration file is right");
  app.add_flag("--help-config", help_config, "Describe every setting of the configuration");
  app.set_version_flag("--version", "edgecapd " EDGECAP_VERSION, "Print the version");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kOk : kUsage;
  }
  if (help_config) {
    std::fputs(edgecap::config::SettingsReference().c_str(), stdout);
    return kOk;
  }
  if (path.empty()) {
    std::fputs("edgecapd: error: --config FILE is missing; see edgecapd --help\n", stderr);
    return kUsage;
  }
  return check ? Check(path) : Serve(path);
}
