// SPDX-License-Identifier: Apache-2.0

#include "control/capture_engine.h"

#include <utility>

#include "base/status_macros.h"
#include "control/capture.h"
#include "dataplane/engine.h"

namespace edgecap::control {
namespace {

class EngineJob final : public RunningJob {
 public:
  EngineJob(dataplane::Engine& engine, std::shared_ptr<dataplane::Job> job)
      : engine_(engine), job_(std::move(job)) {}

  std::uint64_t StartTimeNs() const override { return job_->start_time_ns(); }

  std::string_view LimitReached(std::uint64_t now_ns) const override {
    if (job_->LimitReached()) return job_->LimitName();
    return job_->TimeOver(now_ns) ? kEndedByTime : std::string_view();
  }

  absl::Status Error() const override { return job_->Error(); }
  void End() override { engine_.End(*job_); }
  bool Closed() const override { return job_->Closed(); }
  JobLedger Ledger() const override { return job_->Ledger(); }
  std::optional<double> EffectiveRate() const override { return job_->Sampling().effective_rate; }
  std::uint64_t StoredBytes() const override { return job_->StoredBytes(); }
  std::vector<pcapwriter::ShardInfo> Shards() const override { return job_->Shards(); }

 private:
  dataplane::Engine& engine_;
  const std::shared_ptr<dataplane::Job> job_;
};

class DataplaneCaptureEngine final : public CaptureEngine {
 public:
  explicit DataplaneCaptureEngine(dataplane::Engine& engine) : engine_(engine) {}

  absl::StatusOr<std::unique_ptr<RunningJob>> Begin(dataplane::JobSpec spec) override {
    EDGECAP_ASSIGN_OR_RETURN(std::shared_ptr<dataplane::Job> job, engine_.Begin(std::move(spec)));
    return std::make_unique<EngineJob>(engine_, std::move(job));
  }

  absl::StatusOr<std::string> Check(const dataplane::JobSpec& spec) const override {
    return engine_.Check(spec);
  }

 private:
  dataplane::Engine& engine_;
};

}  // namespace

std::unique_ptr<CaptureEngine> MakeCaptureEngine(dataplane::Engine& engine) {
  return std::make_unique<DataplaneCaptureEngine>(engine);
}

}  // namespace edgecap::control
