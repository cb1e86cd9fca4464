// SPDX-License-Identifier: Apache-2.0

#include "dataplane/job.h"

#include <algorithm>
#include <utility>

#include "dataplane/job_part.h"
#include "dataplane/worker.h"

namespace edgecap::dataplane {
namespace {

bool IsReservoir(const JobSpec& spec) {
  return spec.sampling.method == sampler::SamplingMethod::kReservoir;
}

// `value` * part / whole, without overflow.
std::uint64_t Share(std::uint64_t value, std::uint64_t part, std::uint64_t whole) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<std::uint64_t>(Wide{value} * part / whole);
}

}  // namespace

Job::Job(JobSpec spec, std::uint32_t worker_count, std::uint64_t number)
    : spec_(std::move(spec)),
      number_(number),
      limit_(IsReservoir(spec_) ? 0 : spec_.packet_limit, spec_.byte_limit) {
  if (spec_.sampling.method == sampler::SamplingMethod::kRate) {
    rate_limit_.emplace(spec_.sampling.rate, spec_.sampling.rate_burst);
  }
  for (std::uint32_t worker = 0; worker < worker_count; ++worker) {
    streams_.push_back(std::make_unique<pcapwriter::Stream>(spec_.shards, worker, spec_.snaplen));
  }
}

Job::~Job() = default;

std::string_view Job::LimitName() const {
  if (limit_.PacketsReached()) return "packet_limit";
  if (limit_.BytesReached()) return "byte_limit";
  return "";
}

absl::Status Job::Error() const {
  for (const auto& stream : streams_) {
    if (stream->Failed()) return stream->Error();
  }
  return absl::OkStatus();
}

bool Job::Closed() const {
  return std::all_of(streams_.begin(), streams_.end(),
                     [](const auto& stream) { return stream->closed(); });
}

JobLedger Job::Ledger() const {
  JobLedger sum;
  for (std::size_t worker = 0; worker < parts_.size(); ++worker) {
    const JobPart& part = *parts_[worker];
    JobLedger ledger;
    // From the last door to the first, so that a reader in passing never sees more leave than came.
    ledger.written = streams_[worker]->Written();
    ledger.lost_on_disk = streams_[worker]->Lost();
    ledger.captured = part.Captured();
    ledger.no_block = part.no_block.Value();
    ledger.over_limit = part.over_limit.Value();
    ledger.sampled_out = part.sampled_out.Value();
    ledger.matched = part.matched.Value();
    ledger.seen = part.Seen(workers_.empty() ? Traffic{} : workers_[worker]->Received());
    ledger.filtered_out = ledger.seen - ledger.matched;
    sum += ledger;
  }
  if (IsReservoir(spec_)) {
    // While it runs the reservoirs may hold more than the sample will have. At its end each packet
    // of theirs is as likely to be in the sample as another.
    if (sum.captured.packets > spec_.packet_limit) {
      sum.captured.bytes = Share(sum.captured.bytes, spec_.packet_limit, sum.captured.packets);
      sum.captured.packets = spec_.packet_limit;
    }
    sum.captured.packets = std::min(sum.captured.packets, sum.matched.packets);
    sum.captured.bytes = std::min(sum.captured.bytes, sum.matched.bytes);
    sum.sampled_out = sum.matched - sum.captured;
  }
  return sum;
}

SamplingReport Job::Sampling() const {
  const JobLedger ledger = Ledger();
  SamplingReport report{spec_.sampling.method, ledger.matched.packets,
                        (ledger.matched - ledger.sampled_out).packets, std::nullopt};
  if (report.matched != 0) {
    report.effective_rate = static_cast<double>(report.taken) / static_cast<double>(report.matched);
  }
  return report;
}

std::uint64_t Job::StoredBytes() const {
  std::uint64_t bytes = 0;
  std::uint64_t packets = 0;
  for (const auto& part : parts_) {
    bytes += part->StoredBytes();
    packets += part->Captured().packets;
  }
  if (IsReservoir(spec_) && packets > spec_.packet_limit) {
    bytes = Share(bytes, spec_.packet_limit, packets);
  }
  return bytes;
}

std::vector<pcapwriter::ShardInfo> Job::Shards() const {
  std::vector<pcapwriter::ShardInfo> shards;
  for (const auto& stream : streams_) {
    if (pcapwriter::ShardInfo info = stream->Info(); !info.path.empty()) {
      shards.push_back(std::move(info));
    }
  }
  return shards;
}

}  // namespace edgecap::dataplane
