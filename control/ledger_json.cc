// SPDX-License-Identifier: Apache-2.0

#include "control/ledger_json.h"

#include <string>
#include <utility>

#include "base/traffic.h"

namespace edgecap::control {
namespace {

using Json = nlohmann::ordered_json;

using Door = std::pair<const char*, Traffic JobLedger::*>;
constexpr Door kDoors[] = {
    {"seen", &JobLedger::seen},
    {"filtered_out", &JobLedger::filtered_out},
    {"matched", &JobLedger::matched},
    {"sampled_out", &JobLedger::sampled_out},
    {"over_limit", &JobLedger::over_limit},
    {"no_block", &JobLedger::no_block},
    {"captured", &JobLedger::captured},
    {"written", &JobLedger::written},
    {"lost_on_disk", &JobLedger::lost_on_disk},
};

Json TrafficObject(const Traffic& traffic) {
  return {{"packets", traffic.packets}, {"bytes", traffic.bytes}};
}

}  // namespace

Json LedgerObject(const JobLedger& ledger) {
  Json packets = Json::object();
  Json bytes = Json::object();
  for (const auto& [name, door] : kDoors) {
    packets[name] = (ledger.*door).packets;
    bytes[name] = (ledger.*door).bytes;
  }
  return {{"packets", std::move(packets)}, {"bytes", std::move(bytes)}};
}

Json WorkerObjects(std::span<const std::uint32_t> cores, const std::vector<WorkerLedger>& ledgers) {
  Json list = Json::array();
  for (const WorkerLedger& ledger : ledgers) {
    list.push_back({{"worker", list.size()},
                    {"core", cores[list.size()]},
                    {"received", TrafficObject(ledger.received)},
                    {"unmatched", TrafficObject(ledger.unmatched)},
                    {"matched", TrafficObject(ledger.matched)}});
  }
  return list;
}

Json PortObjects(const std::vector<PortLedger>& ports) {
  Json list = Json::array();
  for (const PortLedger& port : ports) {
    list.push_back({{"name", port.name},
                    {"device", port.device},
                    {"offered_packets", port.OfferedPackets()},
                    {"received_packets", port.received_packets},
                    {"received_bytes", port.received_bytes},
                    {"rx_missed", port.rx_missed},
                    {"rx_nombuf", port.rx_nombuf},
                    {"rx_errors", port.rx_errors}});
  }
  return list;
}

Json FileObjects(const std::vector<pcapwriter::ShardInfo>& files) {
  Json list = Json::array();
  for (const pcapwriter::ShardInfo& file : files) {
    list.push_back({{"name", file.path.substr(file.path.rfind('/') + 1)},
                    {"worker", file.worker},
                    {"bytes", file.bytes},
                    {"packets", file.packets},
                    {"whole", file.whole}});
  }
  return list;
}

}  // namespace edgecap::control
