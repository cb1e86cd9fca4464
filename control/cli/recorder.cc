// SPDX-License-Identifier: Apache-2.0

#include "control/cli/recorder.h"

#include <cstdio>
#include <memory>
#include <string_view>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/status_macros.h"
#include "base/tick_clock.h"
#include "control/cli/progress_line.h"
#include "control/cli/stop_signals.h"
#include "dataplane/dataplane.h"
#include "dataplane/engine.h"
#include "dataplane/file_rx_source.h"
#include "dataplane/job.h"
#include "pcapwriter/file_system.h"

namespace edgecap::cli {
namespace {

using dataplane::Dataplane;
using dataplane::Engine;
using dataplane::Job;
using dataplane::WorkerSetup;

constexpr std::chrono::milliseconds kPollInterval{2};

// Where packets and their times come from. Outlives the engine.
struct Input {
  std::unique_ptr<Dataplane> device;  // null with a file
  std::unique_ptr<Clock> own_clock;   // null with a device
  std::vector<WorkerSetup> workers;

  const Clock& clock() const { return device ? device->clock() : *own_clock; }
};

Input FileInput(std::unique_ptr<dataplane::RxSource> file, int core) {
  Input input;
  input.own_clock = std::make_unique<TickClock>();
  input.workers.resize(1);
  input.workers.front().core = core;
  input.workers.front().sources.push_back(std::move(file));
  return input;
}

absl::StatusOr<Input> DeviceInput(const config::DataplaneConfig& config) {
  Input input;
  EDGECAP_ASSIGN_OR_RETURN(input.device, Dataplane::Start(config));
  input.workers = input.device->TakeWorkers();
  return input;
}

std::string FormatProgress(const Job& job) {
  const JobLedger ledger = job.Ledger();
  return std::to_string(ledger.captured.packets) + " captured, " +
         std::to_string(ledger.seen.packets) + " seen, " + std::to_string(ledger.no_block.packets) +
         " without a block";
}

// Why the capture is over; empty while it goes on.
std::string_view EndReason(const Engine& engine, const Job& job, const Clock& clock) {
  if (!job.Error().ok()) return "error";
  if (job.LimitReached()) return job.LimitName();
  if (job.TimeOver(clock.NowNs())) return "time_limit";
  if (!engine.SourcesEnded()) return {};
  return engine.SourceError().ok() ? "end_of_file" : "error";
}

std::string WaitForEnd(const Engine& engine, const Job& job, const Clock& clock,
                       const StopSignals& signals, bool with_progress) {
  ProgressLine progress(with_progress);
  while (true) {
    const std::string_view reason = EndReason(engine, job, clock);
    if (!reason.empty()) return std::string(reason);
    if (signals.Wait(kPollInterval)) return "interrupted";
    progress.Show([&] { return FormatProgress(job); });
  }
}

absl::StatusOr<RecordResult> Capture(const RecordPlan& plan, Input input,
                                     const StopSignals& signals) {
  pcapwriter::FileSystem& files =
      plan.discard ? pcapwriter::DiscardFileSystem() : pcapwriter::PosixFileSystem();
  dataplane::EngineOptions options = plan.engine;
  if (input.device != nullptr) {
    for (const PortLedger& port : input.device->Ports()) {
      options.filter_context.port_names.push_back(port.name);
    }
  }
  EDGECAP_ASSIGN_OR_RETURN(const std::unique_ptr<Engine> engine,
                           Engine::Start(options, std::move(input.workers), files, input.clock()));
  const auto start = std::chrono::steady_clock::now();
  EDGECAP_ASSIGN_OR_RETURN(const std::shared_ptr<Job> job, engine->Begin(plan.job));
  if (input.device != nullptr && plan.progress) {
    std::fprintf(stderr, "edgecap: capturing from %s (%s); Ctrl-C ends it\n",
                 plan.dataplane.ports.front().device.c_str(), input.device->MemoryKind().c_str());
  }

  RecordResult result;
  result.end_reason = WaitForEnd(*engine, *job, input.clock(), signals, plan.progress);
  engine->InterruptSources();  // End() waits for the worker, which may be waiting for a pipe
  engine->End(*job);
  while (!job->Closed()) std::this_thread::sleep_for(kPollInterval);
  result.elapsed = std::chrono::steady_clock::now() - start;

  result.ledger = job->Ledger();
  result.stored_bytes = job->StoredBytes();
  result.sampling = job->Sampling();
  if (!plan.discard) result.shards = job->Shards();
  result.error = job->Error().ok() ? engine->SourceError() : job->Error();
  if (input.device != nullptr) {
    // The workers go on until the engine ends: then all has been counted, on both sides.
    engine->Stop();
    result.cores = plan.dataplane.worker_cores;
    result.workers = engine->Stats().workers;
    result.ports = input.device->Ports();
  }
  return result;
}

}  // namespace

absl::StatusOr<RecordResult> Record(const RecordPlan& plan) {
  // A pipe may have nothing to read yet: until it has, Ctrl-C ends the program as usual.
  std::unique_ptr<dataplane::RxSource> file;
  if (!plan.read_path.empty()) {
    EDGECAP_ASSIGN_OR_RETURN(file, dataplane::OpenFileRxSource(plan.read_path));
  }
  const StopSignals signals;  // before other threads start, so that none of them is interrupted
  if (file != nullptr) return Capture(plan, FileInput(std::move(file), plan.core), signals);
  EDGECAP_ASSIGN_OR_RETURN(Input input, DeviceInput(plan.dataplane));
  return Capture(plan, std::move(input), signals);
}

}  // namespace edgecap::cli
