// SPDX-License-Identifier: Apache-2.0

#include "control/cli/capture_commands.h"

#include <cstdio>
#include <memory>
#include <string_view>
#include <utility>

#include "base/status_macros.h"
#include "control/cli/capture_id.h"
#include "control/cli/client.h"
#include "control/cli/filter_options.h"
#include "control/cli/format.h"
#include "control/cli/json_view.h"
#include "control/cli/output_file.h"
#include "control/cli/progress_line.h"
#include "control/cli/sampling_options.h"
#include "control/cli/stop_signals.h"
#include "control/cli/wait_for_capture.h"
#include "control/filter_json.h"
#include "pcapwriter/file_system.h"

namespace edgecap::cli {
namespace {

using nlohmann::json;

constexpr char kCapturesPath[] = "/v1/captures";

void Print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  if (!text.empty() && !text.ends_with('\n')) std::fputc('\n', stdout);
}

std::string PathOf(const std::string& id) { return std::string(kCapturesPath) + "/" + id; }

// The whole id of what was given; asks the daemon only when it has to.
absl::StatusOr<std::string> ResolveId(const Client& client, const std::string& given) {
  if (given.size() == kIdDigits) return given;
  EDGECAP_ASSIGN_OR_RETURN(const Reply list, client.Call("GET", kCapturesPath));
  return MatchId(list.json, given);
}

// A subcommand about one capture: `act(client, id)` is the command.
template <typename Act>
CLI::App* AddCaptureCommand(CLI::App& app, DaemonOptions& daemon, Command& chosen,
                            const std::string& name, const std::string& meaning, Act act) {
  CLI::App* command = app.add_subcommand(name, meaning);
  AddDaemonOptions(*command, daemon);
  auto given = std::make_shared<std::string>();
  command->add_option("id", *given, "the capture: its id, or at least the first 4 digits of it")
      ->required()
      ->type_name("ID")
      ->check([](const std::string& text) { return MessageOf(CheckId(text)); });
  command->callback([&chosen, &daemon, given, act] {
    *given = CLI::detail::to_lower(*given);
    chosen = [&daemon, given, act]() -> absl::StatusOr<int> {
      const Client client(daemon.socket);
      EDGECAP_ASSIGN_OR_RETURN(const std::string id, ResolveId(client, *given));
      return act(client, id);
    };
  });
  return command;
}

enum class Report { kNothing, kText, kJson };

// Waits, then reports; the exit code says how the capture ended.
absl::StatusOr<int> WaitAndReport(const Client& client, const std::string& id,
                                  std::optional<std::uint64_t> timeout_ns, Report report) {
  EDGECAP_ASSIGN_OR_RETURN(const Waited waited, WaitForCapture(client, id, timeout_ns));
  if (!waited.ended) {
    std::fprintf(stderr, "edgecap: capture %s has not ended in time; it is %s\n", id.c_str(),
                 Text(waited.capture.json, "status").c_str());
    return kExitTimeout;
  }
  if (report == Report::kJson) Print(waited.capture.text);
  if (report == Report::kText) Print(FormatCapture(waited.capture.json));
  if (Text(waited.capture.json, "status") == "success") return kExitSuccess;
  std::fprintf(stderr, "edgecap: capture %s failed: %s\n", id.c_str(),
               Text(waited.capture.json, "error_message").c_str());
  return kExitFailure;
}

absl::StatusOr<int> Create(const DaemonOptions& daemon, const CreateOptions& options) {
  const Client client(daemon.socket);
  const std::string body = control::Dump(CreateRequest(options));
  EDGECAP_ASSIGN_OR_RETURN(const Reply created, client.Call("POST", kCapturesPath, body));
  if (options.dry_run) {
    Print(daemon.json ? created.text : FormatDryRun(created.json));
    return kExitSuccess;
  }
  const std::string id = Text(created.json, "id");
  if (id.empty()) return absl::DataLossError("the daemon's answer has no id");
  if (!daemon.json) {
    Print(id);
  } else if (!options.wait) {
    Print(created.text);
  }
  if (!options.wait) return kExitSuccess;
  std::fflush(stdout);  // whoever reads the id may use it while we wait
  return WaitAndReport(client, id, std::nullopt, daemon.json ? Report::kJson : Report::kNothing);
}

absl::StatusOr<int> DownloadTo(const Client& client, const std::string& id, const std::string& path,
                               bool replace) {
  const StopSignals signals;
  EDGECAP_ASSIGN_OR_RETURN(const auto file,
                           OutputFile::Open(path, replace, pcapwriter::PosixFileSystem()));
  ProgressLine progress;
  std::uint64_t received = 0;
  const auto sink = [&](std::span<const std::byte> data) {
    received += data.size();
    progress.Show([&] { return FormatBytes(received); });
    return file->Append(data);
  };
  const auto cancelled = [&] { return signals.Wait(std::chrono::milliseconds(0)); };
  EDGECAP_RETURN_IF_ERROR(client.Download(PathOf(id) + "/download", sink, cancelled));
  EDGECAP_RETURN_IF_ERROR(file->Commit());
  return kExitSuccess;
}

void AddCreateOptions(CLI::App& command, CreateOptions& options, FilterOptions& filter) {
  command.add_option("type", options.type, "simple: a sample; full: every matching packet")
      ->required()
      ->type_name("simple|full")
      ->check([](const std::string& text) {
        const bool known = text == "simple" || text == "full";
        return known ? std::string() : "\"" + text + "\" is neither simple nor full";
      });
  AddFilterOptions(command, filter);
  const NumberRange positive = {.least = 1};
  AddNumber(command, "--time-limit", options.time_limit, positive, "end after so many seconds")
      ->group(kLimitsGroup);
  AddNumber(command, "--packet-limit", options.packet_limit, positive,
            "end after so many captured packets; of a reservoir the size of the sample")
      ->group(kLimitsGroup);
  AddNumber(command, "--byte-limit", options.byte_limit, positive,
            "end before more bytes of packets are captured")
      ->group(kLimitsGroup);
  AddNumber(command, "--snaplen", options.snaplen, positive, "keep so many bytes of each packet")
      ->group(kLimitsGroup);
  AddSamplingOptions(command, options.sampling);
  command.add_flag("--wait", options.wait, "wait for the end; exit codes as those of wait");
  command.add_flag("--dry-run", options.dry_run,
                   "start nothing: print what would run, or what is wrong with it");
}

}  // namespace

control::Json CreateRequest(const CreateOptions& options) {
  control::Json request = {{"type", options.type}};
  if (options.filter != filter::CaptureFilter{}) {
    control::PutCaptureFilter(options.filter, request);
  }
  const auto add = [&](std::string_view name, const auto& value) {
    if (value.has_value()) request[std::string(name)] = *value;
  };
  add("time_limit", options.time_limit);
  add("packet_limit", options.packet_limit);
  add("byte_limit", options.byte_limit);
  add("snaplen", options.snaplen);
  for (const auto& field : control::SamplingNumberFields()) {
    add(field.name, options.sampling.*field.value);
  }
  add("probability", options.sampling.probability);
  if (options.sampling.reservoir) request["reservoir"] = true;
  if (options.dry_run) request["dry_run"] = true;
  return request;
}

void AddCreateCommand(CLI::App& app, DaemonOptions& daemon, Command& chosen) {
  CLI::App* command = app.add_subcommand("create", "Start a capture and print its id");
  auto options = std::make_shared<CreateOptions>();
  auto filter = std::make_shared<FilterOptions>();
  AddCreateOptions(*command, *options, *filter);
  AddDaemonOptions(*command, daemon);
  command->footer(
      "What is not given is the daemon's to choose (section limits of its configuration). A "
      "simple\n"
      "capture that does not say how it samples draws --packet-limit packets fairly from the "
      "whole\n"
      "time. A file of filters is YAML or JSON:\n"
      "  filters: [{protocol: tcp, port: [80, 443]}, {payload: '(?i)host: example'}]\n"
      "  exclude: [{address: 192.0.2.0/24}]\n\n"
      "Examples:\n"
      "  edgecap create full --source-address 192.0.2.0/24 --destination-port 443 --time-limit 60\n"
      "  edgecap create simple --time-limit 300 --packet-limit 10000\n"
      "  edgecap create simple --per-flow 100 --port '80;443' --dry-run\n"
      "  edgecap create full --filter '{protocol: tcp, port: [80, 443]}' --filter '{port: 53}' \\\n"
      "    --exclude '{address: 192.0.2.0/24}'\n"
      "  edgecap create full --filter-file filters.yaml --time-limit 60\n"
      "  id=$(edgecap create full --protocol udp --packet-limit 100 --wait) &&\n"
      "    edgecap download $id -o udp.pcap");
  command->callback([&chosen, &daemon, options, filter] {
    absl::StatusOr<filter::CaptureFilter> read = ToCaptureFilter(*filter);
    if (!read.ok()) throw CLI::ValidationError(MessageOf(read.status()));
    options->filter = *std::move(read);
    if (const absl::Status sampling = CheckSampling(options->sampling); !sampling.ok()) {
      throw CLI::ValidationError(MessageOf(sampling));
    }
    chosen = [&daemon, options] { return Create(daemon, *options); };
  });
}

void AddListCommand(CLI::App& app, DaemonOptions& daemon, Command& chosen) {
  CLI::App* command = app.add_subcommand("list", "List the captures, newest first");
  AddDaemonOptions(*command, daemon);
  command->footer("Examples:\n  edgecap list\n  edgecap list --json | jq -r '.captures[].id'");
  command->callback([&chosen, &daemon] {
    chosen = [&daemon]() -> absl::StatusOr<int> {
      EDGECAP_ASSIGN_OR_RETURN(const Reply list, Client(daemon.socket).Call("GET", kCapturesPath));
      Print(daemon.json ? list.text : FormatCaptureList(list.json));
      return kExitSuccess;
    };
  });
}

void AddShowCommand(CLI::App& app, DaemonOptions& daemon, Command& chosen) {
  const auto act = [&daemon](const Client& client, const std::string& id) -> absl::StatusOr<int> {
    EDGECAP_ASSIGN_OR_RETURN(const Reply capture, client.Call("GET", PathOf(id)));
    Print(daemon.json ? capture.text : FormatCapture(capture.json));
    return kExitSuccess;
  };
  AddCaptureCommand(app, daemon, chosen, "show", "Show one capture, its ledger and its files", act)
      ->footer("Examples:\n  edgecap show 5f3a\n  edgecap show 5f3a --json | jq .ledger");
}

void AddWaitCommand(CLI::App& app, DaemonOptions& daemon, Command& chosen) {
  auto timeout_ns = std::make_shared<std::optional<std::uint64_t>>();
  const auto act = [&daemon, timeout_ns](const Client& client, const std::string& id) {
    return WaitAndReport(client, id, *timeout_ns, daemon.json ? Report::kJson : Report::kText);
  };
  CLI::App* command = AddCaptureCommand(app, daemon, chosen, "wait",
                                        "Wait until a capture has ended, show it", act);
  AddSeconds(*command, "--timeout", *timeout_ns, "give up after so many seconds");
  command->footer(
      "Exit codes: 0 the capture succeeded, 1 it failed, 3 it has not ended in time.\n\n"
      "Examples:\n  edgecap wait 5f3a\n  edgecap wait 5f3a --timeout 90 && echo done");
}

void AddStopCommand(CLI::App& app, DaemonOptions& daemon, Command& chosen) {
  const auto act = [&daemon](const Client& client, const std::string& id) -> absl::StatusOr<int> {
    EDGECAP_ASSIGN_OR_RETURN(const Reply capture, client.Call("POST", PathOf(id) + "/stop"));
    Print(daemon.json ? capture.text : id + " is stopping");
    return kExitSuccess;
  };
  AddCaptureCommand(app, daemon, chosen, "stop",
                    "End a capture before its limits do; keep its file", act)
      ->footer("Examples:\n  edgecap stop 5f3a && edgecap wait 5f3a");
}

void AddDeleteCommand(CLI::App& app, DaemonOptions& daemon, Command& chosen) {
  const auto act = [&daemon](const Client& client, const std::string& id) -> absl::StatusOr<int> {
    EDGECAP_ASSIGN_OR_RETURN(const Reply reply, client.Call("DELETE", PathOf(id)));
    Print(daemon.json ? reply.text : id + " is deleted");
    return kExitSuccess;
  };
  AddCaptureCommand(app, daemon, chosen, "delete", "Delete a capture and its files", act)
      ->footer("Examples:\n  edgecap delete 5f3a");
}

void AddDownloadCommand(CLI::App& app, DaemonOptions& daemon, Command& chosen) {
  struct Options {
    std::string path;
    bool force = false;
  };
  auto options = std::make_shared<Options>();
  const auto act = [options](const Client& client, const std::string& id) {
    return DownloadTo(client, id, options->path, options->force);
  };
  CLI::App* command = AddCaptureCommand(app, daemon, chosen, "download",
                                        "Fetch a capture as one pcap file, ordered by time", act);
  command->remove_option(command->get_option("--json"));
  command->add_option("-o,--output", options->path, "the file to make; - is standard output")
      ->required()
      ->type_name("FILE")
      ->group(kOutputGroup);
  command->add_flag("--force", options->force, "replace the file if it exists")
      ->group(kOutputGroup);
  command->footer(
      "The file appears when it is whole; a download that breaks off leaves nothing.\n\n"
      "Examples:\n  edgecap download 5f3a -o https.pcap\n  edgecap download 5f3a -o - | tshark -r "
      "-");
}

void AddStatsCommand(CLI::App& app, DaemonOptions& daemon, Command& chosen) {
  CLI::App* command =
      app.add_subcommand("stats", "Show the daemon's workers, ports, blocks and memory");
  AddDaemonOptions(*command, daemon);
  command->footer("Examples:\n  edgecap stats\n  edgecap stats --json | jq '.ports[].rx_missed'");
  command->callback([&chosen, &daemon] {
    chosen = [&daemon]() -> absl::StatusOr<int> {
      EDGECAP_ASSIGN_OR_RETURN(const Reply stats, Client(daemon.socket).Call("GET", "/v1/stats"));
      Print(daemon.json ? stats.text : FormatStats(stats.json));
      return kExitSuccess;
    };
  });
}

}  // namespace edgecap::cli
