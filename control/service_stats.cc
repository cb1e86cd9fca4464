// SPDX-License-Identifier: Apache-2.0

#include "control/service_stats.h"

#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "base/clock.h"
#include "control/capture_json.h"
#include "control/ledger_json.h"

namespace edgecap::control {
namespace {

using Json = nlohmann::ordered_json;

Json CountsObject(const CaptureCounts& counts) {
  return {{"running", counts.running},
          {"ended", counts.Ended()},
          {"by_status",
           {{"pending", counts.pending},
            {"running", counts.running},
            {"success", counts.success},
            {"failed", counts.failed}}}};
}

}  // namespace

std::string ServiceStatsJson(const ServiceStats& stats) {
  Json object = {{"machine", stats.identity.machine}};
  if (!stats.identity.colo.empty()) object["colo"] = stats.identity.colo;
  object["version"] = stats.version;
  object["started"] = Rfc3339(stats.started_ns);
  object["uptime_s"] = (stats.now_ns - stats.started_ns) / kNsPerSecond;
  object["workers"] = WorkerObjects(stats.cores, stats.workers);
  object["ports"] = PortObjects(stats.ports);
  object["blocks"] = {{"total", stats.blocks_total},
                      {"free", stats.blocks_free},
                      {"bytes", stats.block_bytes},
                      {"hugepages", stats.blocks_in_hugepages}};
  object["filter"] = {{"captures", stats.filter.jobs},
                      {"rules", stats.filter.rules},
                      {"classified", stats.filter.classified},
                      {"bytes", stats.filter.bytes}};
  object["reservoir_bytes"] = stats.reservoir_bytes;
  object["captures"] = CountsObject(stats.captures);
  object["resident_bytes"] = stats.resident_bytes;
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::uint64_t ResidentBytes() {
  std::uint64_t total_pages = 0;
  std::uint64_t resident_pages = 0;
  std::ifstream("/proc/self/statm") >> total_pages >> resident_pages;
  return resident_pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

}  // namespace edgecap::control
