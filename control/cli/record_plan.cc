// SPDX-License-Identifier: Apache-2.0

#include "control/cli/record_plan.h"

#include <sched.h>

#include <algorithm>
#include <utility>

#include "base/status_macros.h"
#include "config/device.h"
#include "control/cli/sampling_options.h"

namespace edgecap::cli {
namespace {

// The processors this process may run on, in ascending order.
std::vector<std::uint32_t> AvailableCores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<std::uint32_t> cores;
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return cores;
  for (std::uint32_t core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  }
  return cores;
}

absl::Status CheckCore(std::uint64_t core) {
  std::string available;
  for (const std::uint32_t there : AvailableCores()) {
    if (there == core) return absl::OkStatus();
    available += (available.empty() ? "" : ", ") + std::to_string(there);
  }
  return absl::InvalidArgumentError("--core: " + std::to_string(core) +
                                    " is not available to this process; there are " + available);
}

absl::Status CheckOneSource(const RecordOptions& options) {
  const int sources =
      int{!options.read_path.empty()} + int{!options.vdev.empty()} + int{!options.pci.empty()};
  if (sources == 1) return absl::OkStatus();
  if (sources > 1) {
    return absl::InvalidArgumentError(
        "give one of --read, --vdev and --pci (or --port with a PCI address), not several");
  }
  std::string text =
      "nothing to record from; give --read FILE, --vdev DEVICE or --pci PCI (or --port PCI)";
  if (const auto port = options.filter.fields.find("port"); port != options.filter.fields.end()) {
    text += "; --port \"" + port->second.front() + "\" is no PCI address like 0000:3b:00.0";
  }
  return absl::InvalidArgumentError(text);
}

// The card out of what was given as --port.
absl::Status TakeCard(RecordOptions& options) {
  const auto port = options.filter.fields.find("port");
  if (port == options.filter.fields.end()) return absl::OkStatus();
  std::vector<std::string>& texts = port->second;
  const auto card = std::ranges::find_if(
      texts, [](const std::string& text) { return config::IsPciAddress(text); });
  if (card != texts.end() && options.pci.empty()) {
    options.pci = *card;
    texts.erase(card);
  }
  if (texts.size() > 1) {
    return absl::InvalidArgumentError("--port is given several times: write a list, --port '" +
                                      texts[0] + ";" + texts[1] + "'");
  }
  if (texts.empty()) options.filter.fields.erase(port);
  return absl::OkStatus();
}

absl::Status CheckOneOutput(const RecordOptions& options) {
  if (options.discard != options.write_path.empty()) {
    return absl::InvalidArgumentError(
        options.discard ? "give -w FILE or --discard, not both"
                        : "nowhere to write to; give -w FILE, or --discard to keep nothing");
  }
  return absl::OkStatus();
}

// What only a device has.
absl::Status CheckFileOptions(const RecordOptions& options) {
  if (options.time_limit_ns.has_value()) {
    return absl::InvalidArgumentError(
        "--time-limit: a file is read to its end; leave it out with --read");
  }
  const char* device_only = options.queues.has_value()       ? "--queues"
                            : options.mbufs.has_value()      ? "--mbufs"
                            : options.mbuf_bytes.has_value() ? "--mbuf-bytes"
                            : !options.eal_args.empty()      ? "--eal"
                                                             : nullptr;
  if (device_only == nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(std::string(device_only) +
                                    ": a file has none; leave it out with --read");
}

absl::Status CheckDevice(const RecordOptions& options) {
  if (options.pci.empty() || config::IsPciAddress(options.pci)) return absl::OkStatus();
  return absl::InvalidArgumentError("--pci: \"" + options.pci +
                                    "\" is no PCI address like 0000:3b:00.0; a virtual device is "
                                    "given with --vdev");
}

config::DataplaneConfig DeviceConfig(const RecordOptions& options) {
  config::DataplaneConfig dataplane;
  config::PortConfig port;
  port.device = options.vdev.empty() ? options.pci : options.vdev;
  port.queues = static_cast<std::uint32_t>(options.queues.value_or(port.queues));
  dataplane.ports = {port};
  dataplane.worker_cores = {static_cast<std::uint32_t>(
      options.core.has_value() ? *options.core : AvailableCores().back())};
  if (options.no_huge) dataplane.hugepages = "off";
  dataplane.eal_args = options.eal_args;
  dataplane.mbufs_per_port =
      static_cast<std::uint32_t>(options.mbufs.value_or(dataplane.mbufs_per_port));
  dataplane.mbuf_bytes =
      static_cast<std::uint32_t>(options.mbuf_bytes.value_or(dataplane.mbuf_bytes));
  dataplane.idle_sleep_us_max =
      static_cast<std::uint32_t>(options.idle_sleep_us.value_or(dataplane.idle_sleep_us_max));
  return dataplane;
}

dataplane::EngineOptions EngineOptionsOf(const RecordOptions& options) {
  dataplane::EngineOptions engine;
  engine.block_count = options.blocks.value_or(engine.block_count);
  engine.block_bytes = options.block_bytes.value_or(engine.block_bytes);
  engine.hugepages = !options.no_huge;
  engine.idle_sleep_us_max =
      static_cast<std::uint32_t>(options.idle_sleep_us.value_or(engine.idle_sleep_us_max));
  engine.max_jobs = 1;
  engine.max_rules = filter::Classifier::kRulesMax;
  return engine;
}

// A reservoir's size is its packet limit, and it knows no bytes.
absl::Status CheckReservoir(const RecordOptions& options) {
  if (!options.sampling.reservoir) return absl::OkStatus();
  if (!options.packet_limit) {
    return absl::InvalidArgumentError("--reservoir: how many packets? give --packet-limit too");
  }
  if (!options.byte_limit) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "--byte-limit is not for --reservoir: use --packet-limit and --snaplen");
}

// Standard input is read once.
absl::Status CheckStandardInput(const RecordOptions& options) {
  if (options.read_path != "-" || options.filter.file != "-") return absl::OkStatus();
  return absl::InvalidArgumentError(
      "--read - and --filter-file - are both given: only one of them can be standard input");
}

dataplane::JobSpec JobOf(const RecordOptions& options, filter::CaptureFilter filter) {
  dataplane::JobSpec job;
  job.filter = std::move(filter);
  job.sampling = PolicyOf(options.sampling);
  job.snaplen = static_cast<std::uint32_t>(options.snaplen.value_or(job.snaplen));
  job.packet_limit = options.packet_limit.value_or(0);
  job.byte_limit = options.byte_limit.value_or(0);
  job.time_limit_ns = options.time_limit_ns.value_or(0);
  job.shards.path = options.discard ? "discarded.pcap" : options.write_path;
  return job;
}

}  // namespace

absl::StatusOr<RecordPlan> PlanRecord(const RecordOptions& given) {
  RecordOptions options = given;
  EDGECAP_RETURN_IF_ERROR(TakeCard(options));
  EDGECAP_RETURN_IF_ERROR(CheckOneSource(options));
  EDGECAP_RETURN_IF_ERROR(CheckOneOutput(options));
  EDGECAP_RETURN_IF_ERROR(CheckDevice(options));
  const bool from_file = !options.read_path.empty();
  if (from_file) EDGECAP_RETURN_IF_ERROR(CheckFileOptions(options));
  if (options.core.has_value()) EDGECAP_RETURN_IF_ERROR(CheckCore(*options.core));
  EDGECAP_RETURN_IF_ERROR(CheckSampling(options.sampling));
  EDGECAP_RETURN_IF_ERROR(CheckReservoir(options));
  EDGECAP_RETURN_IF_ERROR(CheckStandardInput(options));
  EDGECAP_ASSIGN_OR_RETURN(filter::CaptureFilter filter, ToCaptureFilter(options.filter));

  RecordPlan plan;
  plan.read_path = options.read_path;
  if (!from_file) plan.dataplane = DeviceConfig(options);
  if (options.core.has_value()) plan.core = static_cast<int>(*options.core);
  plan.engine = EngineOptionsOf(options);
  EDGECAP_ASSIGN_OR_RETURN(plan.engine.filter_context, ToFilterContext(options.local_prefixes));
  plan.job = JobOf(options, std::move(filter));
  plan.discard = options.discard;
  plan.progress = !options.quiet;
  return plan;
}

}  // namespace edgecap::cli
