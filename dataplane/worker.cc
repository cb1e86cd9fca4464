// SPDX-License-Identifier: Apache-2.0

#include "dataplane/worker.h"

#include <sys/prctl.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "filter/flow_hash.h"

namespace edgecap::dataplane {
namespace {

constexpr std::uint32_t kPollsPerHousekeeping = 256;
constexpr std::uint32_t kIdlePollsBeforeSleep = 1024;
constexpr std::uint64_t kFlushCheckNs = 20'000'000;
constexpr timespec kPatientPoll{0, 20'000};

}  // namespace

Worker::Worker(std::uint32_t number, const WorkerOptions& options,
               std::vector<std::unique_ptr<RxSource>> sources, JobPublisher& jobs,
               const Clock& clock)
    : number_(number),
      options_(options),
      sources_(std::move(sources)),
      jobs_(jobs),
      clock_(clock) {}

void Worker::Run() noexcept {
  // The default slack of 50 us would make a short idle sleep a long one.
  prctl(PR_SET_TIMERSLACK, 1000UL);
  GoOnline();
  for (std::uint32_t polls = 1; !stop_requested_.load(std::memory_order_relaxed); ++polls) {
    if (PollOnce() != 0) {
      idle_polls_ = 0;
      idle_sleep_us_ = 0;
    } else if (++idle_polls_ >= kIdlePollsBeforeSleep) {
      Housekeep();
      IdleSleep();
    }
    if (polls % kPollsPerHousekeeping == 0) Housekeep();
  }
  GoOffline();
}

void Worker::GoOnline() noexcept {
  // Acknowledges nothing before the table is read: control then waits for this worker.
  jobs_.Acknowledge(number_, 0);
  TakeUpTable(jobs_.Current());
}

void Worker::GoOffline() noexcept { jobs_.GoOffline(number_); }

std::uint32_t Worker::PollOnce() noexcept {
  if (const JobTable* current = jobs_.Current(); current != table_) [[unlikely]] {
    TakeUpTable(current);
  }
  std::uint32_t received = 0;
  std::size_t ended = 0;
  for (const std::unique_ptr<RxSource>& source : sources_) {
    const bool patient = source->Patient();
    // A file waits for somebody who wants it.
    if (patient && table_->jobs.empty()) continue;
    source->Receive(burst_);
    if (burst_.count != 0) {
      received += burst_.count;
      ProcessBurst(patient);
      source->Release(burst_);
    }
    if (source->Ended()) ++ended;
  }
  // Not before the last burst has been dealt with, which may have meant waiting for a block.
  if (ended == sources_.size()) sources_ended_.store(true, std::memory_order_release);
  return received;
}

void Worker::TakeUpTable(const JobTable* table) noexcept {
  const Traffic received = received_.Value();
  for (JobPart* part : table->retired[number_]) {
    if (part->Active()) {
      part->end.Add(received);
      part->phase.store(JobPart::Phase::kEnded, std::memory_order_release);
    }
    // Of a reservoir control makes the sample, when this table is acknowledged, and ends the
    // stream.
    if (part->reservoir == nullptr) part->builder.Finish();
  }
  for (JobPart* part : table->parts[number_]) {
    if (part->phase.load(std::memory_order_relaxed) != JobPart::Phase::kWaiting) continue;
    part->begin.Add(received);
    part->phase.store(JobPart::Phase::kActive, std::memory_order_release);
  }
  table_ = table;
  jobs_.Acknowledge(number_, table->version);
}

void Worker::EndOverdueJobs(std::uint64_t now_ns) noexcept {
  for (std::size_t i = 0; i < table_->jobs.size(); ++i) {
    JobPart& part = *table_->parts[number_][i];
    if (!part.Active() || !table_->jobs[i]->TimeOver(now_ns)) continue;
    part.end.Add(received_.Value());
    part.phase.store(JobPart::Phase::kEnded, std::memory_order_release);
  }
}

void Worker::ProcessBurst(bool patient) noexcept {
  // A file's times are of another day: its captures have no time limit.
  if (burst_.time_ns[0] >= table_->earliest_deadline_ns && !patient) [[unlikely]] {
    EndOverdueJobs(burst_.time_ns[0]);
  }
  const Traffic all{burst_.count, burst_.wire_bytes};
  received_.Add(all);
  flow_hashed_ = 0;
  filter::MatchScratch& scratch = *table_->scratch[number_];
  table_->filter->Match(burst_, scratch);
  PacketSet wanted = 0;
  for (const filter::JobMatch& match : scratch.matches()) {
    JobPart& part = *table_->parts[number_][match.job];
    if (!part.Active()) continue;
    wanted |= match.packets;
    Capture(*table_->jobs[match.job], part, match.packets, patient);
  }
  const Traffic matched = burst_.Amount(wanted);
  matched_.Add(matched);
  unmatched_.Add(all - matched);
}

void Worker::Capture(Job& job, JobPart& part, PacketSet packets, bool patient) noexcept {
  const Traffic matched = burst_.Amount(packets);
  part.matched.Add(matched);
  if (part.reservoir != nullptr) {
    part.reservoir->Take(burst_, packets);
    return;
  }
  const std::uint64_t* const flow_hash =
      part.sampler.NeedsFlowHash() ? FlowHashes(packets) : nullptr;
  const PacketSet taken = part.sampler.Thin(burst_, packets, flow_hash);
  if (taken != packets) part.sampled_out.Add(matched - burst_.Amount(taken));
  if (taken == 0) return;
  if (job.limit_.Reached()) {
    part.over_limit.Add(burst_.Amount(taken));
    return;
  }
  const bool had_records = part.builder.HasRecords();
  Store(job, part, taken, patient);
  if (!had_records) part.oldest_record_ns = clock_.NowNs();
}

const std::uint64_t* Worker::FlowHashes(PacketSet packets) noexcept {
  // Several jobs may want them; each mixes in its own seed.
  if (const PacketSet missing = packets & ~flow_hashed_; missing != 0) {
    filter::FlowHashes(burst_, missing, /*seed=*/0, flow_hash_);
    flow_hashed_ |= missing;
  }
  return flow_hash_;
}

void Worker::Store(Job& job, JobPart& part, PacketSet packets, bool patient) noexcept {
  const Traffic amount = burst_.Amount(packets);
  // Where there is room for the whole burst, there is for some of its packets.
  if (burst_.stored_bytes + amount.packets * sizeof(pcapwriter::RecordHeader) >
      part.builder.Room()) {
    StoreOneByOne(job, part, packets, patient);
    return;
  }
  const PacketSet granted = job.limit_.limited() ? Claim(job, packets) : packets;
  const Traffic captured = burst_.Amount(granted);
  part.stored_bytes.Add(part.builder.Append(burst_, granted, captured, job.spec_.snaplen));
  part.captured.Add(captured);
  if (granted != packets) part.over_limit.Add(amount - captured);
}

void Worker::StoreOneByOne(Job& job, JobPart& part, PacketSet packets, bool patient) noexcept {
  ForEachPacket(packets, [&](std::uint32_t index) {
    const PacketSet one = PacketSet{1} << index;
    const Traffic amount = burst_.Amount(one);
    const std::uint32_t stored = std::min(burst_.StoredBytes(index), job.spec_.snaplen);
    // Room first, then the claim: what was claimed is never given back (sampler/capture_limit.h).
    if (!Reserve(part, pcapwriter::RecordBytes(stored), patient)) {
      part.no_block.Add(amount);
    } else if (job.limit_.limited() && Claim(job, one) == 0) {
      part.over_limit.Add(amount);
    } else {
      part.stored_bytes.Add(part.builder.Append(burst_, one, amount, job.spec_.snaplen));
      part.captured.Add(amount);
    }
  });
}

PacketSet Worker::Claim(Job& job, PacketSet packets) noexcept {
  std::array<std::uint32_t, kBurstPacketsMax> stored;
  std::uint32_t count = 0;
  ForEachPacket(packets, [&](std::uint32_t index) {
    stored[count++] = std::min(burst_.StoredBytes(index), job.spec_.snaplen);
  });
  for (count -= job.limit_.Claim({stored.data(), count}); count != 0; --count) {
    packets &= ~std::bit_floor(packets);
  }
  return packets;
}

bool Worker::Reserve(JobPart& part, std::uint32_t bytes, bool patient) noexcept {
  while (!part.builder.Reserve(bytes)) {
    const bool wait =
        patient && !stop_requested_.load(std::memory_order_relaxed) && jobs_.Current() == table_;
    if (!wait) return false;
    nanosleep(&kPatientPoll, nullptr);
  }
  return true;
}

void Worker::Housekeep() noexcept {
  const std::uint64_t now_ns = clock_.NowNs();
  if (now_ns < next_flush_check_ns_) return;
  next_flush_check_ns_ = now_ns + kFlushCheckNs;
  for (JobPart* part : table_->parts[number_]) {
    if (part->builder.HasRecords() &&
        now_ns - part->oldest_record_ns >= options_.flush_interval_ns) {
      part->builder.Flush();
    }
  }
}

void Worker::IdleSleep() noexcept {
  if (options_.idle_sleep_us_max == 0) return;
  idle_sleep_us_ = std::min(idle_sleep_us_ * 2 + 1, options_.idle_sleep_us_max);
  const timespec sleep{0, static_cast<long>(idle_sleep_us_) * 1000};
  nanosleep(&sleep, nullptr);
}

void Worker::InterruptSources() noexcept {
  for (const std::unique_ptr<RxSource>& source : sources_) source->Interrupt();
}

WorkerLedger Worker::Ledger() const noexcept {
  // Doors first, so that a reader in passing never sees more leave than came.
  const Traffic unmatched = unmatched_.Value();
  const Traffic matched = matched_.Value();
  return {received_.Value(), unmatched, matched};
}

absl::Status Worker::SourceError() const {
  for (const std::unique_ptr<RxSource>& source : sources_) {
    if (absl::Status error = source->Error(); source->Ended() && !error.ok()) return error;
  }
  return absl::OkStatus();
}

}  // namespace edgecap::dataplane
