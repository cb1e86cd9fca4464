// SPDX-License-Identifier: Apache-2.0

#include "dataplane/engine.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <cstring>
#include <future>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "dataplane/job_part.h"
#include "dataplane/job_publisher.h"
#include "dataplane/job_table.h"
#include "dataplane/reservoir_sample.h"
#include "dataplane/worker.h"
#include "pcapwriter/block_pool.h"
#include "pcapwriter/block_queue.h"
#include "pcapwriter/writer.h"

namespace edgecap::dataplane {
namespace {

absl::Status PinThisThread(int core) {
  if (core < 0) return absl::OkStatus();
  cpu_set_t cores;
  CPU_ZERO(&cores);
  CPU_SET(core, &cores);
  const int error = pthread_setaffinity_np(pthread_self(), sizeof(cores), &cores);
  if (error == 0) return absl::OkStatus();
  return absl::InvalidArgumentError("cannot run a worker on core " + std::to_string(core) + ": " +
                                    std::strerror(error) +
                                    "; name a core that this process may use (see nproc, taskset)");
}

// A worker and the thread it runs on.
struct WorkerThread {
  std::unique_ptr<Worker> worker;
  std::thread thread;
};

}  // namespace

// Members are destroyed in reverse: workers are joined (Stop) before anything they point to goes.
struct Engine::Impl {
  Impl(const EngineOptions& options_in, pcapwriter::FileSystem& files_in, const Clock& clock_in)
      : options(options_in), files(files_in), clock(clock_in) {}

  absl::Status Start(std::vector<WorkerSetup> setups);
  absl::Status StartWorker(std::uint32_t number, WorkerSetup setup);
  absl::StatusOr<std::shared_ptr<const filter::PreparedFilter>> Prepare(const JobSpec& spec) const;
  absl::StatusOr<std::unique_ptr<JobTable>> NewTable(std::span<const std::shared_ptr<Job>> jobs,
                                                     std::size_t filter_bytes_max);
  void Publish(std::unique_ptr<JobTable> table);
  std::uint32_t WriterOf(const Job& job, std::uint32_t worker) const;
  std::uint64_t ReservoirBytes() const;
  ReservoirPlan PlanOfReservoirs() const;
  void FinishReservoirsOf(Job& job);

  const EngineOptions options;
  pcapwriter::FileSystem& files;
  const Clock& clock;

  std::unique_ptr<pcapwriter::BlockPool> pool;
  std::vector<std::unique_ptr<pcapwriter::BlockQueue>> rings;  // by writer
  // [writer][worker]: each worker's end of each ring.
  std::vector<std::vector<std::unique_ptr<pcapwriter::BlockQueue::Producer>>> producers;
  // By writer: control's end of each ring, for the end markers of sampled streams.
  std::vector<std::unique_ptr<pcapwriter::BlockQueue::Producer>> control_producers;
  std::vector<std::unique_ptr<pcapwriter::Writer>> writers;

  std::vector<std::shared_ptr<Job>> running;
  std::vector<std::shared_ptr<Job>> ending;  // kept until the writers have closed their shards
  filter::FilterStats filter_stats;
  std::uint32_t worker_count = 0;
  std::uint64_t version = 0;
  std::uint64_t jobs_begun = 0;
  std::unique_ptr<JobPublisher> publisher;
  std::vector<WorkerThread> workers;
  std::uint32_t packet_bytes_max = 0;  // of all sources
  bool patient = true;                 // all sources are
  bool stopped = false;
};

absl::Status Engine::Impl::Start(std::vector<WorkerSetup> setups) {
  worker_count = static_cast<std::uint32_t>(setups.size());
  EDGECAP_ASSIGN_OR_RETURN(
      pool, pcapwriter::BlockPool::Create(options.block_bytes, options.block_count,
                                          options.hugepages, options.writer_threads));
  EDGECAP_ASSIGN_OR_RETURN(auto first, NewTable({}, filter::CompiledFilter::kBytesMax));
  publisher = std::make_unique<JobPublisher>(worker_count, std::move(first));

  // All blocks and an end marker of every stream may be in one ring.
  const std::size_t ring_capacity =
      options.block_count + std::size_t{options.max_jobs} * worker_count;
  for (std::uint32_t i = 0; i < options.writer_threads; ++i) {
    rings.push_back(std::make_unique<pcapwriter::BlockQueue>(ring_capacity, worker_count + 1));
    control_producers.push_back(std::make_unique<pcapwriter::BlockQueue::Producer>(*rings.back()));
    producers.emplace_back();
    for (std::uint32_t worker = 0; worker < worker_count; ++worker) {
      producers.back().push_back(std::make_unique<pcapwriter::BlockQueue::Producer>(*rings.back()));
    }
    writers.push_back(
        std::make_unique<pcapwriter::Writer>(i, *rings.back(), *pool, files, options.sync));
  }
  for (std::uint32_t i = 0; i < worker_count; ++i) {
    EDGECAP_RETURN_IF_ERROR(StartWorker(i, std::move(setups[i])));
  }
  return absl::OkStatus();
}

absl::Status Engine::Impl::StartWorker(std::uint32_t number, WorkerSetup setup) {
  const WorkerOptions worker_options{std::uint64_t{options.flush_interval_ms} * 1'000'000,
                                     options.idle_sleep_us_max};
  for (const auto& source : setup.sources) {
    packet_bytes_max = std::max(packet_bytes_max, source->PacketBytesMax());
    patient = patient && source->Patient();
  }
  WorkerThread& entry = workers.emplace_back();
  entry.worker =
      std::make_unique<Worker>(number, worker_options, std::move(setup.sources), *publisher, clock);
  std::promise<absl::Status> started;
  std::future<absl::Status> result = started.get_future();
  entry.thread =
      std::thread([&started, number, worker = entry.worker.get(), core = setup.core,
                   on_start = std::move(setup.on_start), on_stop = std::move(setup.on_stop)] {
        pthread_setname_np(pthread_self(), ("worker-" + std::to_string(number)).c_str());
        const absl::Status pinned = PinThisThread(core);
        if (pinned.ok()) {
          if (on_start) on_start();
          worker->GoOnline();
        }
        started.set_value(pinned);
        if (!pinned.ok()) return;
        worker->Run();
        if (on_stop) on_stop();
      });
  return result.get();
}

std::uint32_t Engine::Impl::WriterOf(const Job& job, std::uint32_t worker) const {
  return static_cast<std::uint32_t>((job.number_ + worker) % writers.size());
}

std::uint64_t Engine::Impl::ReservoirBytes() const {
  std::uint64_t bytes = 0;
  for (const auto& job : running) {
    for (const auto& part : job->parts_) {
      if (part->reservoir != nullptr) bytes += part->reservoir->memory_bytes();
    }
  }
  return bytes;
}

ReservoirPlan Engine::Impl::PlanOfReservoirs() const {
  const std::uint64_t taken = ReservoirBytes();
  return {worker_count, std::max(packet_bytes_max, 1u), patient,
          options.reservoir_bytes_max - std::min(taken, options.reservoir_bytes_max)};
}

void Engine::Impl::FinishReservoirsOf(Job& job) {
  FinishReservoirs(job.spec_, job.parts_, job.streams_);
  for (const auto& stream : job.streams_) {
    control_producers[WriterOf(job, stream->worker())]->Push(&stream->end_marker);
  }
}

absl::StatusOr<std::unique_ptr<JobTable>> Engine::Impl::NewTable(
    std::span<const std::shared_ptr<Job>> jobs, std::size_t filter_bytes_max) {
  std::vector<std::shared_ptr<const filter::PreparedFilter>> filters;
  for (const auto& job : jobs) filters.push_back(job->filter_);
  auto table = std::make_unique<JobTable>();
  EDGECAP_ASSIGN_OR_RETURN(table->filter,
                           filter::CompiledFilter::Compile(filters, filter_bytes_max));
  table->parts.resize(worker_count);
  table->retired.resize(worker_count);
  for (std::uint32_t worker = 0; worker < worker_count; ++worker) {
    EDGECAP_ASSIGN_OR_RETURN(auto scratch, table->filter->NewScratch());
    table->scratch.push_back(std::move(scratch));
    for (const auto& job : jobs) table->parts[worker].push_back(job->parts_[worker].get());
  }
  for (const auto& job : jobs) {
    table->jobs.push_back(job.get());
    if (job->deadline_ns_ != 0) {
      table->earliest_deadline_ns = std::min(table->earliest_deadline_ns, job->deadline_ns_);
    }
  }
  return table;
}

void Engine::Impl::Publish(std::unique_ptr<JobTable> table) {
  table->version = ++version;
  filter_stats = table->filter->stats();
  publisher->Publish(std::move(table));
}

absl::StatusOr<std::shared_ptr<const filter::PreparedFilter>> Engine::Impl::Prepare(
    const JobSpec& spec) const {
  // Also those whose files are still being closed: their end markers have a place in the rings.
  const auto closing =
      std::ranges::count_if(ending, [](const auto& job) { return !job->Closed(); });
  if (running.size() + static_cast<std::size_t>(closing) >= options.max_jobs) {
    return absl::ResourceExhaustedError(
        std::to_string(running.size()) + " captures are running and " + std::to_string(closing) +
        " are being closed, of at most " + std::to_string(options.max_jobs) + "; stop one or wait");
  }
  std::size_t rules = spec.filter.filters.size() + spec.filter.exclude.size();
  const std::size_t asked = rules;
  for (const auto& job : running) rules += job->filter_->parts().size();
  if (rules > options.max_rules) {
    return absl::ResourceExhaustedError(
        "filters: " + std::to_string(asked) + " are asked for, and running captures have " +
        std::to_string(rules - asked) + ", together more than limits.max_rules, " +
        std::to_string(options.max_rules) + "; use fewer filters (a list of values counts as one)");
  }
  EDGECAP_RETURN_IF_ERROR(spec.sampling.Validate());
  return filter::PreparedFilter::Prepare(spec.filter, options.filter_context);
}

absl::StatusOr<std::unique_ptr<Engine>> Engine::Start(const EngineOptions& options,
                                                      std::vector<WorkerSetup> workers,
                                                      pcapwriter::FileSystem& files,
                                                      const Clock& clock) {
  EDGECAP_CHECK(!workers.empty() && options.writer_threads > 0 && options.max_jobs > 0);
  if (options.block_bytes < pcapwriter::kBlockBytesMin ||
      options.block_bytes % pcapwriter::kBlockAlignBytes != 0) {
    return absl::InvalidArgumentError(
        "block_bytes: " + std::to_string(options.block_bytes) + " is not a multiple of " +
        std::to_string(pcapwriter::kBlockAlignBytes) + " and at least " +
        std::to_string(pcapwriter::kBlockBytesMin) + " (one packet of the largest snaplen)");
  }
  std::unique_ptr<Engine> engine(new Engine(std::make_unique<Impl>(options, files, clock)));
  EDGECAP_RETURN_IF_ERROR(engine->impl_->Start(std::move(workers)));
  return engine;
}

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Engine::~Engine() { Stop(); }

absl::StatusOr<std::shared_ptr<Job>> Engine::Begin(JobSpec spec) {
  Impl& impl = *impl_;
  EDGECAP_CHECK(!impl.stopped && spec.snaplen >= 1 && spec.snaplen <= kSnaplenMax);
  EDGECAP_ASSIGN_OR_RETURN(auto filter, impl.Prepare(spec));
  std::erase_if(impl.ending, [](const auto& job) { return job->Closed(); });

  std::vector<std::unique_ptr<sampler::Reservoir>> reservoirs;
  if (spec.sampling.method == sampler::SamplingMethod::kReservoir) {
    EDGECAP_ASSIGN_OR_RETURN(reservoirs, MakeReservoirs(spec, impl.PlanOfReservoirs()));
  }

  auto job = std::make_shared<Job>(std::move(spec), impl.worker_count, impl.jobs_begun++);
  job->filter_ = std::move(filter);
  for (std::uint32_t worker = 0; worker < impl.worker_count; ++worker) {
    job->parts_.push_back(
        std::make_unique<JobPart>(job->spec_.sampling, worker, *job->streams_[worker], *impl.pool,
                                  *impl.producers[impl.WriterOf(*job, worker)][worker],
                                  job->rate_limit_ ? &*job->rate_limit_ : nullptr));
    if (!reservoirs.empty()) job->parts_.back()->reservoir = std::move(reservoirs[worker]);
    job->workers_.push_back(impl.workers[worker].worker.get());
  }
  job->start_time_ns_ = impl.clock.NowNs();
  if (job->spec_.time_limit_ns != 0) {
    job->deadline_ns_ = job->start_time_ns_ + job->spec_.time_limit_ns;
  }
  impl.running.push_back(job);
  auto table = impl.NewTable(impl.running, filter::CompiledFilter::kBytesMax);
  if (!table.ok()) {
    impl.running.pop_back();
    return table.status();
  }
  impl.Publish(*std::move(table));
  return job;
}

absl::StatusOr<std::string> Engine::Check(const JobSpec& spec) const {
  EDGECAP_ASSIGN_OR_RETURN(const auto filter, impl_->Prepare(spec));
  std::vector<std::shared_ptr<const filter::PreparedFilter>> filters;
  for (const auto& job : impl_->running) filters.push_back(job->filter_);
  filters.push_back(filter);
  EDGECAP_RETURN_IF_ERROR(filter::CompiledFilter::Compile(filters).status());
  if (spec.sampling.method == sampler::SamplingMethod::kReservoir) {
    EDGECAP_RETURN_IF_ERROR(MakeReservoirs(spec, impl_->PlanOfReservoirs()).status());
  }
  return filter->Describe();
}

void Engine::End(Job& job) {
  Impl& impl = *impl_;
  const auto place = std::find_if(impl.running.begin(), impl.running.end(),
                                  [&](const auto& other) { return other.get() == &job; });
  EDGECAP_CHECK(place != impl.running.end());
  impl.ending.push_back(*place);
  impl.running.erase(place);

  // Less than what was compiled before, so it can be; only its memory may not be bounded again.
  auto table = impl.NewTable(impl.running, ~std::size_t{0});
  EDGECAP_CHECK(table.ok());
  for (std::uint32_t worker = 0; worker < impl.worker_count; ++worker) {
    (*table)->retired[worker].push_back(job.parts_[worker].get());
  }
  impl.Publish(*std::move(table));
  if (job.spec_.sampling.method == sampler::SamplingMethod::kReservoir) {
    impl.FinishReservoirsOf(job);
  }
  job.DetachFromWorkers();
}

bool Engine::SourcesEnded() const {
  return std::all_of(impl_->workers.begin(), impl_->workers.end(),
                     [](const WorkerThread& entry) { return entry.worker->SourcesEnded(); });
}

absl::Status Engine::SourceError() const {
  for (const WorkerThread& entry : impl_->workers) {
    EDGECAP_RETURN_IF_ERROR(entry.worker->SourceError());
  }
  return absl::OkStatus();
}

void Engine::InterruptSources() {
  for (const WorkerThread& entry : impl_->workers) entry.worker->InterruptSources();
}

EngineStats Engine::Stats() const {
  EngineStats stats;
  for (const WorkerThread& entry : impl_->workers) stats.workers.push_back(entry.worker->Ledger());
  stats.blocks_total = impl_->pool->block_count();
  stats.blocks_free = impl_->pool->FreeApprox();
  stats.block_bytes = impl_->pool->block_bytes();
  stats.blocks_in_hugepages = impl_->pool->hugepages();
  stats.filter = impl_->filter_stats;
  stats.reservoir_bytes = impl_->ReservoirBytes();
  stats.jobs_running = static_cast<std::uint32_t>(impl_->running.size());
  return stats;
}

void Engine::Stop() {
  if (impl_ == nullptr || std::exchange(impl_->stopped, true)) return;
  InterruptSources();
  while (!impl_->running.empty()) End(*impl_->running.back());
  for (WorkerThread& entry : impl_->workers) entry.worker->RequestStop();
  for (WorkerThread& entry : impl_->workers) entry.thread.join();
  for (auto& writer : impl_->writers) writer->Stop();
}

}  // namespace edgecap::dataplane
