// SPDX-License-Identifier: Apache-2.0

#include "dataplane/dataplane.h"

#include <pthread.h>
#include <rte_lcore.h>
#include <sched.h>

#include <utility>

#include "base/status_macros.h"
#include "base/tick_clock.h"
#include "dataplane/eal.h"
#include "dataplane/port.h"

namespace edgecap::dataplane {
namespace {

// This thread, and those it starts from now on, leave the workers' cores alone, where there are
// others: a worker that is put aside for a millisecond loses packets.
void LeaveWorkerCores(const std::vector<std::uint32_t>& worker_cores) {
  cpu_set_t cores;
  pthread_getaffinity_np(pthread_self(), sizeof(cores), &cores);
  for (const std::uint32_t core : worker_cores) CPU_CLR(core, &cores);
  if (CPU_COUNT(&cores) != 0) pthread_setaffinity_np(pthread_self(), sizeof(cores), &cores);
}

}  // namespace

// Ports go before EAL.
struct Dataplane::Impl {
  config::DataplaneConfig config;
  TickClock clock;
  std::unique_ptr<Eal> eal;
  std::vector<std::unique_ptr<Port>> ports;
};

absl::StatusOr<std::unique_ptr<Dataplane>> Dataplane::Start(const config::DataplaneConfig& config) {
  LeaveWorkerCores(config.worker_cores);
  auto impl = std::make_unique<Impl>();
  impl->config = config;
  EDGECAP_ASSIGN_OR_RETURN(impl->eal, Eal::Start(config));
  const auto workers = static_cast<std::uint32_t>(config.worker_cores.size());
  for (const config::PortConfig& port : config.ports) {
    EDGECAP_ASSIGN_OR_RETURN(impl->ports.emplace_back(), Port::Open(port, config, workers));
  }
  return std::unique_ptr<Dataplane>(new Dataplane(std::move(impl)));
}

Dataplane::Dataplane(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Dataplane::~Dataplane() = default;

std::vector<WorkerSetup> Dataplane::TakeWorkers() {
  std::vector<WorkerSetup> workers;
  for (const std::uint32_t core : impl_->config.worker_cores) {
    WorkerSetup& worker = workers.emplace_back();
    worker.core = static_cast<int>(core);
    // A registered thread has its own cache of packet buffers. Without (no lcore id left) it is
    // slower, not wrong.
    worker.on_start = [] { static_cast<void>(rte_thread_register()); };
    worker.on_stop = [] { rte_thread_unregister(); };
  }
  std::size_t next = 0;
  for (std::uint16_t number = 0; number < impl_->ports.size(); ++number) {
    const Port& port = *impl_->ports[number];
    for (std::uint16_t queue = 0; queue < port.queues(); ++queue) {
      workers[next++ % workers.size()].sources.push_back(
          port.MakeSource(number, queue, impl_->clock));
    }
  }
  return workers;
}

std::vector<PortLedger> Dataplane::Ports() const {
  std::vector<PortLedger> ledgers;
  for (const auto& port : impl_->ports) ledgers.push_back(port->Statistics());
  return ledgers;
}

std::string Dataplane::MemoryKind() const {
  return impl_->eal->hugepages() ? "hugepages" : "no hugepages: ordinary memory";
}

const Clock& Dataplane::clock() const { return impl_->clock; }

}  // namespace edgecap::dataplane
