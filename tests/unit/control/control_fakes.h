// SPDX-License-Identifier: Apache-2.0
//
// What the tests of control play with: an engine whose jobs do what the test says, a clock that
// stands still, a directory that is gone afterwards.
//
// Threading: the test's thread.

#pragma once

#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "base/check.h"
#include "base/clock.h"
#include "control/capture_engine.h"

namespace edgecap::control {

class FakeClock final : public Clock {
 public:
  std::uint64_t NowNs() const noexcept override { return now_ns; }

  std::uint64_t now_ns = 1'700'000'000 * kNsPerSecond;
};

// What a job looks like from outside; the test holds and changes it.
struct FakeJobState {
  dataplane::JobSpec spec;
  std::uint64_t start_time_ns = 0;
  std::string limit_reached;
  absl::Status error;
  bool ended = false;
  bool closes_when_ended = true;
  bool closed = false;
  JobLedger ledger;
  std::uint64_t stored_bytes = 0;
  std::optional<double> effective_rate;
  std::vector<pcapwriter::ShardInfo> shards;

  // A packet of 100 bytes that went all the way.
  void Capture(std::uint64_t packets) {
    const Traffic traffic{packets, packets * 100};
    ledger.seen += traffic;
    ledger.matched += traffic;
    ledger.captured += traffic;
    ledger.written += traffic;
    stored_bytes += traffic.bytes;
  }
};

class FakeRunningJob final : public RunningJob {
 public:
  explicit FakeRunningJob(std::shared_ptr<FakeJobState> state) : state_(std::move(state)) {}

  std::uint64_t StartTimeNs() const override { return state_->start_time_ns; }
  std::string_view LimitReached(std::uint64_t now_ns) const override {
    if (!state_->limit_reached.empty()) return state_->limit_reached;
    const bool over = now_ns >= state_->start_time_ns + state_->spec.time_limit_ns;
    return over ? "time_limit" : "";
  }
  absl::Status Error() const override { return state_->error; }
  void End() override {
    EDGECAP_CHECK(!state_->ended);
    state_->ended = true;
    state_->closed = state_->closes_when_ended;
  }
  bool Closed() const override { return state_->closed; }
  JobLedger Ledger() const override { return state_->ledger; }
  std::optional<double> EffectiveRate() const override { return state_->effective_rate; }
  std::uint64_t StoredBytes() const override { return state_->stored_bytes; }
  std::vector<pcapwriter::ShardInfo> Shards() const override { return state_->shards; }

 private:
  const std::shared_ptr<FakeJobState> state_;
};

class FakeEngine final : public CaptureEngine {
 public:
  explicit FakeEngine(const Clock& clock) : clock_(clock) {}

  absl::StatusOr<std::unique_ptr<RunningJob>> Begin(dataplane::JobSpec spec) override {
    if (!refusal.ok()) return refusal;
    jobs.push_back(std::make_shared<FakeJobState>());
    jobs.back()->spec = std::move(spec);
    jobs.back()->start_time_ns = clock_.NowNs();
    return std::make_unique<FakeRunningJob>(jobs.back());
  }

  absl::StatusOr<std::string> Check(const dataplane::JobSpec& spec) const override {
    if (!refusal.ok()) return refusal;
    return "program of: " + spec.filter.ToString();
  }

  absl::Status refusal;
  std::vector<std::shared_ptr<FakeJobState>> jobs;  // as begun

 private:
  const Clock& clock_;
};

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string path = (std::filesystem::temp_directory_path() / "edgecap_XXXXXX").string();
    EDGECAP_CHECK(mkdtemp(path.data()) != nullptr);
    path_ = path;
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace edgecap::control
