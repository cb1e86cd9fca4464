// SPDX-License-Identifier: Apache-2.0

#include "control/cli/record_command.h"

#include <cstdio>
#include <memory>
#include <string>

#include "base/check.h"
#include "base/status_macros.h"
#include "config/settings.h"
#include "control/cli/filter_options.h"
#include "control/cli/format.h"
#include "control/cli/options.h"
#include "control/cli/output_file.h"
#include "control/cli/record_plan.h"
#include "control/cli/record_report.h"
#include "control/cli/recorder.h"
#include "control/cli/sampling_options.h"

namespace edgecap::cli {
namespace {

constexpr char kSourceGroup[] = "Source (one of them)";
constexpr char kMachineGroup[] = "Machine";

constexpr char kExamples[] =
    "A file keeps its packets' times, is read as fast as it can be written, and loses nothing.\n"
    "A device never waits: what cannot be taken is counted. Ctrl-C ends a capture; its file is\n"
    "whole. The file has its name only when it is whole.\n\n"
    "Examples:\n"
    "  edgecap record --read in.pcap -w out.pcap --source-address 10.0.0.0/8 --protocol tcp\n"
    "  edgecap record --pci 0000:3b:00.0 -w out.pcap --destination-port 443 --time-limit 60\n"
    "  edgecap record --vdev net_null0,size=64 --discard --no-huge --time-limit 5\n"
    "  edgecap record --read in.pcap -w - --one-in 100 | tshark -r -\n"
    "  edgecap record --read in.pcap -w sample.pcap --reservoir --packet-limit 10000\n"
    "  edgecap record --read in.pcap -w tls.pcap --port '443;8443' --payload '^\\x16\\x03'\n"
    "  edgecap record --read in.pcap -w vm.pcap --layer inner --address 10.1.0.0/16\n"
    "  edgecap record --read in.pcap -w web.pcap --filter '{protocol: tcp, port: [80, 443]}' \\\n"
    "    --filter '{protocol: udp, port: 443}' --exclude '{address: 192.0.2.0/24}'\n"
    "  edgecap record --read in.pcap -w out.pcap --filter-file filters.yaml";

template <typename Table>
const config::Rules& RulesOf(const Table& table, std::string_view key) {
  for (const auto& setting : table) {
    if (setting.key == key) return setting.rules;
  }
  EDGECAP_CHECK(false && "no such setting");
}

// A number with the range that the daemon's configuration gives it.
void AddSetting(CLI::App& app, const std::string& flags, std::optional<std::uint64_t>& value,
                const config::Rules& rules, const std::string& meaning) {
  const auto check = [&rules](const std::string& text) -> std::string {
    const auto number = ParseNumber(text, {});
    if (!number.ok()) return MessageOf(number.status());
    if (rules.Allow(*number)) return {};
    return text + " is out of range; take " + rules.AllowedNumbers();
  };
  AddNumber(app, flags, value, {}, meaning)->check(check)->group(kMachineGroup);
}

void AddSourceAndOutput(CLI::App& command, RecordOptions& options) {
  command.add_option("-r,--read", options.read_path, "a capture file; - is standard input")
      ->type_name("FILE")
      ->group(kSourceGroup);
  command
      .add_option("--vdev", options.vdev, "a virtual DPDK device, for example net_null0,size=64")
      ->type_name("DEVICE")
      ->group(kSourceGroup);
  command
      .add_option("--pci", options.pci,
                  "a network card by its PCI address: 0000:3b:00.0; --port takes it too")
      ->type_name("PCI")
      ->group(kSourceGroup);
  command.add_option("-w,--write", options.write_path, "the file to make; - is standard output")
      ->type_name("FILE")
      ->group(kOutputGroup);
  command.add_flag("--discard", options.discard, "keep nothing: measure without a disk")
      ->group(kOutputGroup);
  command.add_flag("--force", options.force, "replace the file if it exists")->group(kOutputGroup);
  command.add_flag("-q,--quiet", options.quiet, "print errors only")->group(kOutputGroup);
  command
      .add_flag("--json", options.json,
                "report in JSON, on standard output (with -w -: on standard error)")
      ->group(kOutputGroup);
}

void AddLimits(CLI::App& command, RecordOptions& options) {
  const NumberRange positive = {.least = 1};
  AddNumber(command, "-c,--packet-limit", options.packet_limit, positive,
            "end after so many captured packets; of a reservoir the size of the sample")
      ->group(kLimitsGroup);
  AddNumber(command, "--byte-limit", options.byte_limit, positive,
            "end before more bytes of packets are captured")
      ->group(kLimitsGroup);
  AddSeconds(command, "--time-limit", options.time_limit_ns,
             "end after so many seconds; may have decimals")
      ->group(kLimitsGroup);
  AddNumber(command, "-s,--snaplen", options.snaplen, {.least = 1, .most = dataplane::kSnaplenMax},
            "keep so many bytes of each packet")
      ->group(kLimitsGroup);
}

void AddMachineOptions(CLI::App& command, RecordOptions& options) {
  const auto settings = config::Settings();
  AddNumber(command, "--core", options.core, {}, "run the worker on this processor")
      ->group(kMachineGroup);
  AddSetting(command, "--blocks", options.blocks, RulesOf(settings, "capture.block_count"),
             "number of blocks between worker and writer");
  AddSetting(command, "--block-bytes", options.block_bytes,
             RulesOf(settings, "capture.block_bytes"), "size of a block");
  AddSetting(command, "--queues", options.queues, RulesOf(config::PortSettings(), "queues"),
             "receive queues of the device");
  AddSetting(command, "--mbufs", options.mbufs, RulesOf(settings, "dataplane.mbufs_per_port"),
             "packet buffers of the device");
  AddSetting(command, "--mbuf-bytes", options.mbuf_bytes, RulesOf(settings, "dataplane.mbuf_bytes"),
             "packet bytes in one buffer");
  AddSetting(command, "--idle-sleep-us", options.idle_sleep_us,
             RulesOf(settings, "dataplane.idle_sleep_us_max"),
             "longest sleep of an idle worker in microseconds; 0: never");
  command.add_flag("--no-huge", options.no_huge, "use ordinary memory, no hugepages")
      ->group(kMachineGroup);
  command
      .add_option("--eal", options.eal_args,
                  "a word for DPDK's EAL, as --eal=--log-level=8; may be repeated")
      ->type_name("ARG")
      ->allow_extra_args(false)
      ->group(kMachineGroup);
}

void PrintReport(const RecordOptions& options, const RecordResult& result) {
  const nlohmann::json record = RecordJson(result);
  if (options.json) {
    const std::string text = record.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
    std::fprintf(options.write_path == "-" ? stderr : stdout, "%s\n", text.c_str());
  } else if (!options.quiet) {
    std::fputs(FormatRecord(record).c_str(), stderr);
  }
}

absl::StatusOr<int> RunRecord(const RecordOptions& options, const RecordPlan& plan) {
  if (!options.discard) EDGECAP_RETURN_IF_ERROR(CheckOutput(options.write_path, options.force));
  EDGECAP_ASSIGN_OR_RETURN(const RecordResult result, Record(plan));
  PrintReport(options, result);
  if (!result.error.ok()) return result.error;
  return kExitSuccess;
}

}  // namespace

void AddRecordCommand(CLI::App& app, Command& chosen) {
  CLI::App* command =
      app.add_subcommand("record", "Capture at once, without the daemon, from a device or a file");
  auto options = std::make_shared<RecordOptions>();
  AddSourceAndOutput(*command, *options);
  AddFilterOptions(*command, options->filter);
  AddLocalPrefixOption(*command, options->local_prefixes);
  // A card and a port of the filter.
  command->get_option("--port")->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  AddLimits(*command, *options);
  AddSamplingOptions(*command, options->sampling);
  AddMachineOptions(*command, *options);
  command->footer(kExamples);
  command->callback([&chosen, options] {
    const absl::StatusOr<RecordPlan> plan = PlanRecord(*options);
    if (!plan.ok()) throw CLI::ValidationError(MessageOf(plan.status()));
    chosen = [options, plan = *plan] { return RunRecord(*options, plan); };
  });
}

}  // namespace edgecap::cli
