// SPDX-License-Identifier: Apache-2.0

#include "dataplane/eal.h"

#include <pthread.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <sched.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "base/memory_info.h"
#include "config/device.h"

namespace edgecap::dataplane {
namespace {

constexpr std::uint64_t kMegabyte = 1024 * 1024;
// Besides the packet buffers: queues, devices, DPDK's own.
constexpr std::uint64_t kOtherMemoryMb = 64;

// In ordinary memory no packet buffer crosses a 4 KiB page, so up to half of each page is lost.
std::uint64_t NeededMemoryMb(const config::DataplaneConfig& config, bool hugepages) {
  if (config.memory_mb != 0) return config.memory_mb;
  const std::uint64_t buffer_bytes =
      sizeof(rte_mbuf) + RTE_PKTMBUF_HEADROOM + config.mbuf_bytes + 64;
  const std::uint64_t bytes = buffer_bytes * config.mbufs_per_port * config.ports.size();
  return (hugepages ? bytes * 5 / 4 : bytes * 9 / 4) / kMegabyte + kOtherMemoryMb;
}

// Free hugepages of all sizes, in megabytes.
std::uint64_t FreeHugepagesMb() {
  std::uint64_t free_mb = 0;
  std::error_code error;
  for (const auto& size : std::filesystem::directory_iterator("/sys/kernel/mm/hugepages", error)) {
    // "hugepages-2048kB"
    const std::string name = size.path().filename();
    std::uint64_t pages = 0;
    std::ifstream(size.path() / "free_hugepages") >> pages;
    free_mb += pages * std::stoull(name.substr(name.find('-') + 1)) / 1024;
  }
  return free_mb;
}

std::vector<std::string> Arguments(const config::DataplaneConfig& config, bool hugepages,
                                   std::uint64_t memory_mb, int core) {
  std::vector<std::string> arguments = {"edgecap", "--no-telemetry", "--log-level=error", "-l",
                                        std::to_string(core)};
  if (hugepages) {
    arguments.push_back("--in-memory");
  } else {
    // --in-memory and --no-huge exclude each other; this too leaves nothing behind.
    arguments.insert(arguments.end(),
                     {"--no-huge", "--no-shconf", "-m", std::to_string(memory_mb)});
  }
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) arguments.push_back("--force-max-simd-bitwidth=512");
#endif
  bool pci = false;
  for (const config::PortConfig& port : config.ports) {
    if (!config::IsPciAddress(port.device)) continue;
    pci = true;
    arguments.insert(arguments.end(), {"-a", port.device});
  }
  if (!pci) arguments.push_back("--no-pci");
  arguments.insert(arguments.end(), config.eal_args.begin(), config.eal_args.end());
  return arguments;
}

int FirstCore(const cpu_set_t& cores) {
  int core = 0;
  while (core < CPU_SETSIZE - 1 && !CPU_ISSET(core, &cores)) ++core;
  return core;
}

absl::Status CheckOrdinaryMemory(std::uint64_t needed_mb) {
  const std::uint64_t available_mb = AvailableMemoryBytes() / kMegabyte;
  if (needed_mb < available_mb) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      "packet buffers: " + std::to_string(needed_mb) + " MB of ordinary memory are needed, and " +
      std::to_string(available_mb) +
      " MB are available; lower dataplane.mbufs_per_port or dataplane.mbuf_bytes, or reserve "
      "hugepages");
}

// Whether DPDK's memory is hugepages.
absl::StatusOr<bool> ChooseHugepages(const config::DataplaneConfig& config) {
  const std::uint64_t needed_mb = NeededMemoryMb(config, /*hugepages=*/true);
  const std::uint64_t free_mb = FreeHugepagesMb();
  if (config.hugepages != "off" && free_mb >= needed_mb) return true;
  if (config.hugepages != "on") {
    const absl::Status enough = CheckOrdinaryMemory(NeededMemoryMb(config, /*hugepages=*/false));
    if (!enough.ok()) return enough;
    return false;
  }
  return absl::ResourceExhaustedError(
      "dataplane.hugepages is on, but only " + std::to_string(free_mb) + " MB of " +
      std::to_string(needed_mb) + " MB are free; reserve them (echo " +
      std::to_string((needed_mb + 1) / 2) +
      " > /proc/sys/vm/nr_hugepages) or set dataplane.hugepages: auto");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Eal>> Eal::Start(const config::DataplaneConfig& config) {
  absl::StatusOr<bool> hugepages = ChooseHugepages(config);
  if (!hugepages.ok()) return std::move(hugepages).status();
  cpu_set_t cores;
  pthread_getaffinity_np(pthread_self(), sizeof(cores), &cores);
  std::vector<std::string> arguments =
      Arguments(config, *hugepages, NeededMemoryMb(config, *hugepages), FirstCore(cores));
  std::vector<char*> argv;
  std::string text;
  for (std::string& argument : arguments) {
    argv.push_back(argument.data());
    text += " " + argument;
  }
  argv.push_back(nullptr);
  const int result = rte_eal_init(static_cast<int>(arguments.size()), argv.data());
  pthread_setaffinity_np(pthread_self(), sizeof(cores), &cores);
  if (result < 0) {
    return absl::InternalError("DPDK did not start: " + std::string(rte_strerror(rte_errno)) +
                               "; its words were:" + text +
                               "; what it printed above says why (dataplane.eal_args, "
                               "dataplane.memory_mb, dataplane.hugepages)");
  }
  return std::unique_ptr<Eal>(new Eal(*hugepages));
}

Eal::~Eal() { rte_eal_cleanup(); }

}  // namespace edgecap::dataplane
