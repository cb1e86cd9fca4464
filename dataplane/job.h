// SPDX-License-Identifier: Apache-2.0
//
// One capture as the engine runs it: what was asked for (JobSpec), and a handle to read how it is
// going (Job). Identity, clients and history are control's business.
//
// Threading:
//   Job member        workers   writers   control
//   parts, streams    own part  own half  reads counters
//   everything else   reads     reads     owns

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "base/ledger.h"
#include "dataplane/rx_source.h"
#include "filter/filter_spec.h"
#include "filter/prepared_filter.h"
#include "pcapwriter/stream.h"
#include "sampler/capture_limit.h"
#include "sampler/rate_limit.h"
#include "sampler/sampling_policy.h"

namespace edgecap::dataplane {

struct JobPart;  // one worker's half of a job; dataplane/job_part.h
class Worker;

inline constexpr std::uint32_t kSnaplenMax = kPacketBytesMax;  // every packet whole

struct JobSpec {
  filter::CaptureFilter filter;
  sampler::SamplingPolicy sampling;
  std::uint32_t snaplen = kSnaplenMax;  // bytes stored of each packet, at least 1
  std::uint64_t packet_limit = 0;       // captured packets; 0: no limit. With a reservoir the size
                                        // of the sample, which does not end the job
  std::uint64_t byte_limit = 0;         // stored bytes without record headers; 0: no limit
  std::uint64_t time_limit_ns = 0;      // from the start; 0: no limit
  pcapwriter::ShardPlan shards;         // where the files go
};

// What a job's sampler did with what the filter wanted, in packets.
struct SamplingReport {
  sampler::SamplingMethod method = sampler::SamplingMethod::kAll;
  std::uint64_t matched = 0;
  std::uint64_t taken = 0;               // matched and not sampled out
  std::optional<double> effective_rate;  // taken / matched; none while nothing matched
};

class Job {
 public:
  // `number` counts the engine's jobs.
  Job(JobSpec spec, std::uint32_t worker_count, std::uint64_t number);
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  ~Job();

  [[nodiscard]] const JobSpec& spec() const { return spec_; }

  // When the engine started it, nanoseconds since 1970 UTC.
  [[nodiscard]] std::uint64_t start_time_ns() const { return start_time_ns_; }

  // The packet or byte limit has been reached: nothing more will be captured.
  [[nodiscard]] bool LimitReached() const { return limit_.Reached(); }

  // Which one: "packet_limit" or "byte_limit"; empty while none is.
  [[nodiscard]] std::string_view LimitName() const;

  // The time limit has passed at `now_ns`.
  [[nodiscard]] bool TimeOver(std::uint64_t now_ns) const {
    return spec_.time_limit_ns != 0 && now_ns >= deadline_ns_;
  }
  [[nodiscard]] std::uint64_t deadline_ns() const { return deadline_ns_; }

  // A disk error of any shard; names path and errno. Ok while there is none.
  [[nodiscard]] absl::Status Error() const;

  // Every shard has been closed after Engine::End(): the ledger is final and exact.
  [[nodiscard]] bool Closed() const;

  // Summed over workers.
  [[nodiscard]] JobLedger Ledger() const;

  // While a reservoir's job runs, `taken` is what its sample would be if it ended now.
  [[nodiscard]] SamplingReport Sampling() const;

  // Bytes of packets in blocks after snaplen, the number that byte_limit bounds.
  [[nodiscard]] std::uint64_t StoredBytes() const;

  // The shards that exist (hidden ones while they are being written).
  [[nodiscard]] std::vector<pcapwriter::ShardInfo> Shards() const;

 private:
  friend class Engine;
  friend class Worker;

  // The workers may go before the job does; they are not asked any more.
  void DetachFromWorkers() { workers_.clear(); }

  const JobSpec spec_;
  const std::uint64_t number_;
  std::shared_ptr<const filter::PreparedFilter> filter_;
  std::uint64_t start_time_ns_ = 0;
  std::uint64_t deadline_ns_ = 0;
  sampler::CaptureLimit limit_;
  std::optional<sampler::RateLimit> rate_limit_;  // for the method kRate

  // By worker.
  std::vector<std::unique_ptr<pcapwriter::Stream>> streams_;
  std::vector<std::unique_ptr<JobPart>> parts_;
  std::vector<const Worker*> workers_;  // empty once the job has ended on all of them
};

}  // namespace edgecap::dataplane
