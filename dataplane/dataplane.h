// SPDX-License-Identifier: Apache-2.0
//
// DPDK as control sees it, without a word of DPDK: EAL started from the configuration, the ports
// configured, their queues spread over workers, and the ports' own counters.
//
// Life cycle: Start() once a process (EAL cannot start twice). TakeWorkers() hands the sources to
// an Engine, which must be stopped before the Dataplane is destroyed: that stops and closes the
// ports.
//
// Threading: control only. Start() moves the calling thread, and with it all threads started later,
// off the workers' cores where there are others.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/ledger.h"
#include "config/config.h"
#include "dataplane/engine.h"

namespace edgecap::dataplane {

class Dataplane {
 public:
  // Errors: kInvalidArgument for a device that does not exist or cannot be configured, naming it;
  // kResourceExhausted when memory or hugepages are missing, with what to do; kInternal when EAL
  // refuses to start.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<Dataplane>> Start(
      const config::DataplaneConfig& config);

  Dataplane(const Dataplane&) = delete;
  Dataplane& operator=(const Dataplane&) = delete;
  ~Dataplane();

  // One setup for each configured worker core. Call once.
  [[nodiscard]] std::vector<WorkerSetup> TakeWorkers();

  // The cards' own counters.
  [[nodiscard]] std::vector<PortLedger> Ports() const;

  // "hugepages" or "no hugepages: ordinary memory", for the start message.
  [[nodiscard]] std::string MemoryKind() const;

  // The clock packet times come from, calibrated against CLOCK_REALTIME.
  [[nodiscard]] const Clock& clock() const;

 private:
  struct Impl;
  explicit Dataplane(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace edgecap::dataplane
