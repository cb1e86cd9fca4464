// SPDX-License-Identifier: Apache-2.0
//
// The engine as the job manager needs it: begin a job, look at it, end it. A seam, so that the
// life of a capture is tested without DPDK, threads or disks.
//
// Life cycle: Begin() gives a handle; End() once; the handle is dropped after Closed().
//
// Threading: control only.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/ledger.h"
#include "dataplane/job.h"
#include "pcapwriter/stream.h"

namespace edgecap::dataplane {
class Engine;
}

namespace edgecap::control {

class RunningJob {
 public:
  virtual ~RunningJob() = default;

  // When it started, nanoseconds since 1970-01-01 UTC.
  [[nodiscard]] virtual std::uint64_t StartTimeNs() const = 0;

  // "packet_limit", "byte_limit" or "time_limit" once that is reached; empty before.
  [[nodiscard]] virtual std::string_view LimitReached(std::uint64_t now_ns) const = 0;

  // The first disk error of any shard.
  [[nodiscard]] virtual absl::Status Error() const = 0;

  // REQUIRES: not called before.
  virtual void End() = 0;

  // After End(): ledger and shards are final.
  [[nodiscard]] virtual bool Closed() const = 0;

  [[nodiscard]] virtual JobLedger Ledger() const = 0;

  // Packets that the sampler takes of those that match; nothing while none has matched.
  [[nodiscard]] virtual std::optional<double> EffectiveRate() const = 0;
  [[nodiscard]] virtual std::uint64_t StoredBytes() const = 0;
  [[nodiscard]] virtual std::vector<pcapwriter::ShardInfo> Shards() const = 0;
};

class CaptureEngine {
 public:
  virtual ~CaptureEngine() = default;

  // Errors: those of dataplane::Engine::Begin().
  [[nodiscard]] virtual absl::StatusOr<std::unique_ptr<RunningJob>> Begin(
      dataplane::JobSpec spec) = 0;

  // What Begin() would say of the job, without starting anything: the program of its filter in
  // words, or the error.
  [[nodiscard]] virtual absl::StatusOr<std::string> Check(const dataplane::JobSpec& spec) const = 0;
};

// The real one; `engine` outlives it and its jobs.
[[nodiscard]] std::unique_ptr<CaptureEngine> MakeCaptureEngine(dataplane::Engine& engine);

}  // namespace edgecap::control
