// SPDX-License-Identifier: Apache-2.0

#include "dataplane/port.h"

#include <rte_bus_vdev.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf_dyn.h>
#include <rte_mempool.h>

#include <algorithm>

#include "base/status_macros.h"
#include "config/device.h"

namespace edgecap::dataplane {
namespace {

constexpr std::uint32_t kPoolCache = 512;
constexpr std::uint64_t kRssFlows =
    RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_SCTP;

std::string NameOf(const config::PortConfig& port) {
  return port.name.empty() ? config::DeviceName(port.device) : port.name;
}

std::uint64_t ReadCardClock(const void* port) noexcept {
  std::uint64_t ticks = 0;
  rte_eth_read_clock(*static_cast<const std::uint16_t*>(port), &ticks);
  return ticks;
}

absl::StatusOr<std::uint16_t> FindPort(const config::PortConfig& config) {
  const std::string name = config::DeviceName(config.device);
  std::uint16_t id = 0;
  if (!config::IsPciAddress(config.device)) {
    if (const int error = rte_dev_probe(config.device.c_str()); error != 0) {
      return absl::NotFoundError("port " + config.device +
                                 ": cannot be made: " + rte_strerror(-error) +
                                 "; is the driver's name right, and do its files exist?");
    }
  }
  if (rte_eth_dev_get_port_by_name(name.c_str(), &id) != 0) {
    return absl::NotFoundError("port " + config.device +
                               ": no such DPDK port; is the card bound to vfio-pci "
                               "(dpdk-devbind.py --status)?");
  }
  return id;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Port>> Port::Open(const config::PortConfig& config,
                                                 const config::DataplaneConfig& dataplane,
                                                 std::uint32_t workers) {
  EDGECAP_ASSIGN_OR_RETURN(const std::uint16_t id, FindPort(config));
  std::unique_ptr<Port> port(new Port(config, id));
  EDGECAP_RETURN_IF_ERROR(port->SetUp(dataplane, workers));
  return port;
}

Port::Port(const config::PortConfig& config, std::uint16_t id) : config_(config), id_(id) {}

Port::~Port() {
  card_clock_.reset();
  rte_eth_dev_stop(id_);
  rte_eth_dev_close(id_);
  rte_mempool_free(pool_);
}

absl::Status Port::Fail(const std::string& doing, int error) const {
  return absl::InvalidArgumentError("port " + config_.device + ": " + doing + ": " +
                                    rte_strerror(-error));
}

absl::Status Port::SetUp(const config::DataplaneConfig& dataplane, std::uint32_t workers) {
  rte_eth_dev_info info{};
  if (const int error = rte_eth_dev_info_get(id_, &info); error != 0) {
    return Fail("reading its capabilities", error);
  }
  if (config_.queues > info.max_rx_queues) {
    return absl::InvalidArgumentError(
        "port " + config_.device + ": queues: " + std::to_string(config_.queues) +
        " is more than the " + std::to_string(info.max_rx_queues) + " that it has");
  }
  const std::uint32_t queues =
      config_.queues != 0 ? config_.queues : std::min<std::uint32_t>(workers, info.max_rx_queues);
  queues_ = static_cast<std::uint16_t>(queues);
  // Not used, but some drivers do not start without.
  tx_queues_ = std::min(queues_, info.max_tx_queues);

  const std::string pool_name = "edgecap_" + std::to_string(id_);
  pool_ = rte_pktmbuf_pool_create(
      pool_name.c_str(), dataplane.mbufs_per_port, kPoolCache, 0,
      static_cast<std::uint16_t>(dataplane.mbuf_bytes + RTE_PKTMBUF_HEADROOM),
      rte_eth_dev_socket_id(id_));
  if (pool_ == nullptr) {
    return absl::ResourceExhaustedError(
        "port " + config_.device + ": no memory for " + std::to_string(dataplane.mbufs_per_port) +
        " packet buffers of " + std::to_string(dataplane.mbuf_bytes) + " bytes (" +
        rte_strerror(rte_errno) + "); lower dataplane.mbufs_per_port or raise dataplane.memory_mb");
  }

  rte_eth_conf conf{};
  conf.rxmode.mtu = config_.mtu;
  if (queues_ > 1 && (info.flow_type_rss_offloads & kRssFlows) != 0) {
    conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf.rx_adv_conf.rss_conf.rss_hf = info.flow_type_rss_offloads & kRssFlows;
  }
  conf.rxmode.offloads = info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
  std::uint64_t ticks = 0;
  const bool card_time = (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_TIMESTAMP) != 0;
  if (card_time) conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_TIMESTAMP;
  if (const int error = rte_eth_dev_configure(id_, queues_, tx_queues_, &conf); error != 0) {
    return Fail("configuring " + std::to_string(queues_) + " receive queues", error);
  }
  EDGECAP_RETURN_IF_ERROR(SetUpQueues());
  // After dev_start a card's clock runs; without a readable one its ticks mean nothing to us.
  if (card_time && rte_eth_read_clock(id_, &ticks) == 0 &&
      rte_mbuf_dyn_rx_timestamp_register(&card_time_.field_offset, &card_time_.flag) == 0) {
    card_clock_ = std::make_unique<TickClock>(TickReader{ReadCardClock, &id_});
    card_time_.converter = &card_clock_->converter();
  }
  at_start_ = ReadCounters();
  return absl::OkStatus();
}

absl::Status Port::SetUpQueues() {
  std::uint16_t rx_descriptors = static_cast<std::uint16_t>(config_.rx_descriptors);
  std::uint16_t tx_descriptors = 0;
  if (const int error = rte_eth_dev_adjust_nb_rx_tx_desc(id_, &rx_descriptors, &tx_descriptors);
      error != 0) {
    return Fail("rx_descriptors " + std::to_string(config_.rx_descriptors), error);
  }
  const auto socket = static_cast<unsigned>(rte_eth_dev_socket_id(id_));
  for (std::uint16_t queue = 0; queue < queues_; ++queue) {
    if (const int error =
            rte_eth_rx_queue_setup(id_, queue, rx_descriptors, socket, nullptr, pool_);
        error != 0) {
      return Fail("setting up receive queue " + std::to_string(queue), error);
    }
  }
  for (std::uint16_t queue = 0; queue < tx_queues_; ++queue) {
    if (const int error = rte_eth_tx_queue_setup(id_, queue, tx_descriptors, socket, nullptr);
        error != 0) {
      return Fail("setting up transmit queue " + std::to_string(queue), error);
    }
  }
  if (const int error = rte_eth_dev_start(id_); error != 0) return Fail("starting", error);
  if (const int error = rte_eth_promiscuous_enable(id_); error != 0 && error != -ENOTSUP) {
    return Fail("switching to promiscuous mode", error);
  }
  return absl::OkStatus();
}

std::unique_ptr<RxSource> Port::MakeSource(std::uint16_t number, std::uint16_t queue,
                                           const Clock& clock) const {
  return std::make_unique<EthdevRxSource>(id_, queue, number, pool_, clock, card_time_);
}

PortLedger Port::ReadCounters() const {
  PortLedger ledger;
  ledger.name = NameOf(config_);
  ledger.device = config_.device;
  rte_eth_stats stats{};
  if (rte_eth_stats_get(id_, &stats) != 0) return ledger;
  ledger.received_packets = stats.ipackets;
  ledger.received_bytes = stats.ibytes;
  ledger.rx_missed = stats.imissed;
  ledger.rx_nombuf = stats.rx_nombuf;
  ledger.rx_errors = stats.ierrors;
  return ledger;
}

PortLedger Port::Statistics() const {
  PortLedger ledger = ReadCounters();
  ledger.received_packets -= at_start_.received_packets;
  ledger.received_bytes -= at_start_.received_bytes;
  ledger.rx_missed -= at_start_.rx_missed;
  ledger.rx_nombuf -= at_start_.rx_nombuf;
  ledger.rx_errors -= at_start_.rx_errors;
  return ledger;
}

}  // namespace edgecap::dataplane
