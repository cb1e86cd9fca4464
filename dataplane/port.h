// SPDX-License-Identifier: Apache-2.0
//
// One DPDK port, set up for receiving everything: promiscuous, RSS over addresses and ports where
// the device can, its own buffer pool, its receive timestamps where it has a readable clock.
//
// Life cycle: Open() probes (vdevs), configures and starts; the destructor stops and closes.
// REQUIRES: EAL runs, and no worker polls a queue when the port is destroyed.
//
// Threading: control only; Statistics() asks the driver.

#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/ledger.h"
#include "base/tick_clock.h"
#include "config/config.h"
#include "dataplane/ethdev_rx_source.h"

struct rte_mempool;

namespace edgecap::dataplane {

class Port {
 public:
  // `workers` bounds the number of queues.
  //
  // Errors: kNotFound when there is no such device, kResourceExhausted without memory for buffers,
  // kInvalidArgument when the device refuses the configuration. Messages name the device.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Port>> Open(
      const config::PortConfig& port, const config::DataplaneConfig& dataplane,
      std::uint32_t workers);

  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;
  ~Port();

  [[nodiscard]] std::uint16_t queues() const { return queues_; }

  // `number` is the port's in Burst::port.
  [[nodiscard]] std::unique_ptr<RxSource> MakeSource(std::uint16_t number, std::uint16_t queue,
                                                     const Clock& clock) const;

  // Since Open().
  [[nodiscard]] PortLedger Statistics() const;

 private:
  Port(const config::PortConfig& config, std::uint16_t id);
  [[nodiscard]] absl::Status SetUp(const config::DataplaneConfig& dataplane, std::uint32_t workers);
  [[nodiscard]] absl::Status SetUpQueues();
  [[nodiscard]] absl::Status Fail(const std::string& doing, int error) const;
  [[nodiscard]] PortLedger ReadCounters() const;

  const config::PortConfig config_;
  const std::uint16_t id_;
  std::uint16_t queues_ = 0;
  std::uint16_t tx_queues_ = 0;
  rte_mempool* pool_ = nullptr;
  CardTime card_time_;
  std::unique_ptr<TickClock> card_clock_;
  PortLedger at_start_;
};

}  // namespace edgecap::dataplane
