// SPDX-License-Identifier: Apache-2.0

#include "control/job_manager.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "control/capture_json.h"
#include "control/random.h"

namespace edgecap::control {

JobManager::JobManager(CaptureEngine& engine, const Clock& clock, CaptureDirectory directory,
                       const config::LimitsConfig& limits, Identity identity)
    : engine_(engine),
      clock_(clock),
      directory_(std::move(directory)),
      limits_(limits),
      identity_(std::move(identity)) {}

absl::StatusOr<Capture> JobManager::Create(const CaptureRequest& request) {
  if (const std::vector<Violation> violations = Validate(request, limits_); !violations.empty()) {
    return absl::InvalidArgumentError(JoinMessages(violations));
  }
  if (running_ >= limits_.max_running) {
    return absl::ResourceExhaustedError(
        std::to_string(running_) +
        " captures are running, as many as limits.max_running allows: stop one, or wait");
  }

  auto entry = std::make_unique<Entry>();
  Capture& capture = entry->capture;
  capture.id = RandomId();
  capture.request = WithDefaults(request, limits_);
  capture.created_ns = clock_.NowNs();

  EDGECAP_ASSIGN_OR_RETURN(std::string directory, directory_.Make(capture.id));
  absl::StatusOr<std::unique_ptr<RunningJob>> job =
      engine_.Begin(Plan(capture.request, std::move(directory)));
  if (!job.ok()) {
    // The engine's message is the one that helps; what is left of an empty directory is not.
    directory_.Remove(capture.id).IgnoreError();
    return std::move(job).status();
  }
  entry->job = *std::move(job);
  capture.started_ns = entry->job->StartTimeNs();
  capture.status = CaptureStatus::kRunning;
  ++running_;
  entries_.push_back(std::move(entry));
  return Picture(*entries_.back());
}

absl::StatusOr<DryRun> JobManager::Check(const CaptureRequest& request) const {
  if (const std::vector<Violation> violations = Validate(request, limits_); !violations.empty()) {
    return absl::InvalidArgumentError(JoinMessages(violations));
  }
  DryRun dry_run;
  dry_run.request = WithDefaults(request, limits_);
  EDGECAP_ASSIGN_OR_RETURN(dry_run.program,
                           engine_.Check(Plan(dry_run.request, directory_.root())));
  return dry_run;
}

dataplane::JobSpec JobManager::Plan(const CaptureRequest& request, std::string directory) const {
  dataplane::JobSpec spec;
  spec.filter = request.filter;
  spec.sampling = PolicyOf(request.sampling);
  spec.snaplen = static_cast<std::uint32_t>(*request.snaplen);
  spec.packet_limit = request.packet_limit.value_or(0);
  spec.byte_limit = request.byte_limit.value_or(0);
  spec.time_limit_ns = *request.time_limit_s * kNsPerSecond;
  spec.shards.directory = std::move(directory);
  spec.shards.machine = identity_.machine;
  return spec;
}

absl::StatusOr<Capture> JobManager::Get(std::string_view id) const {
  const Entry* entry = Find(id);
  if (entry == nullptr) {
    return absl::NotFoundError("there is no capture with id \"" + std::string(id) +
                               "\": list the captures to see those there are");
  }
  return Picture(*entry);
}

std::vector<Capture> JobManager::List() const {
  std::vector<Capture> captures;
  captures.reserve(entries_.size());
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    captures.push_back(Picture(**entry));
  }
  return captures;
}

absl::StatusOr<Capture> JobManager::Stop(std::string_view id) {
  Entry* entry = Find(id);
  if (entry != nullptr && entry->job != nullptr && !entry->ending) {
    entry->capture.stop_requested = true;
    End(*entry, kEndedByStop);
  }
  return Get(id);
}

absl::Status JobManager::Delete(std::string_view id) {
  EDGECAP_ASSIGN_OR_RETURN(const Capture capture, Get(id));
  if (!capture.Ended()) {
    return absl::FailedPreconditionError("capture " + capture.id +
                                         " is still running; stop it first");
  }
  EDGECAP_RETURN_IF_ERROR(directory_.Remove(capture.id));
  std::erase_if(entries_, [&](const auto& entry) { return entry->capture.id == capture.id; });
  return absl::OkStatus();
}

void JobManager::Tick() {
  if (running_ == 0) return;
  const std::uint64_t now_ns = clock_.NowNs();
  for (const auto& entry : entries_) {
    if (entry->job == nullptr) continue;
    if (!entry->ending) {
      if (!entry->job->Error().ok()) {
        End(*entry, kEndedByError);
      } else if (std::string_view limit = entry->job->LimitReached(now_ns); !limit.empty()) {
        End(*entry, limit);
      }
    }
    if (entry->ending && entry->job->Closed()) Conclude(*entry);
  }
  ForgetOldest();
}

CaptureCounts JobManager::Counts() const {
  CaptureCounts counts;
  for (const auto& entry : entries_) {
    switch (entry->capture.status) {
      case CaptureStatus::kPending:
        ++counts.pending;
        break;
      case CaptureStatus::kRunning:
        ++counts.running;
        break;
      case CaptureStatus::kSuccess:
        ++counts.success;
        break;
      case CaptureStatus::kFailed:
        ++counts.failed;
        break;
    }
  }
  return counts;
}

void JobManager::Shutdown() {
  for (const auto& entry : entries_) {
    if (entry->job != nullptr && !entry->ending) End(*entry, kEndedByShutdown);
  }
  while (Tick(), HasRunning()) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

JobManager::Entry* JobManager::Find(std::string_view id) const {
  const auto found =
      std::ranges::find_if(entries_, [id](const auto& entry) { return entry->capture.id == id; });
  return found == entries_.end() ? nullptr : found->get();
}

Capture JobManager::Picture(const Entry& entry) {
  Capture capture = entry.capture;
  if (entry.job != nullptr) {
    capture.ledger = entry.job->Ledger();
    capture.stored_bytes = entry.job->StoredBytes();
    capture.effective_rate = entry.job->EffectiveRate();
    capture.files = entry.job->Shards();
  }
  return capture;
}

void JobManager::End(Entry& entry, std::string_view reason) {
  EDGECAP_CHECK(!entry.ending);
  entry.ending = true;
  entry.capture.end_reason = reason;
  entry.job->End();
}

void JobManager::Conclude(Entry& entry) {
  entry.capture = Picture(entry);
  Capture& capture = entry.capture;
  capture.ended_ns = clock_.NowNs();
  capture.status = CaptureStatus::kSuccess;
  // A disk may fail as late as in the last block or the rename.
  if (absl::Status error = entry.job->Error(); !error.ok()) {
    capture.status = CaptureStatus::kFailed;
    capture.end_reason = kEndedByError;
    capture.error_message = MessageOf(error);
  }
  entry.job.reset();
  --running_;
  // Without it the capture is no worse: its files are whole, and the list still has the rest.
  const absl::Status described =
      directory_.WriteDescription(capture.id, CaptureJson(capture, identity_));
  if (!described.ok() && capture.error_message.empty()) {
    capture.error_message = MessageOf(described);
  }
}

void JobManager::ForgetOldest() {
  while (entries_.size() - running_ > limits_.max_finished) {
    const auto ended_at = [](const auto& entry) {
      return entry->job != nullptr ? ~std::uint64_t{0} : entry->capture.ended_ns;
    };
    entries_.erase(std::ranges::min_element(entries_, {}, ended_at));
  }
  OmitFilters();
}

// A capture's filters may take megabytes, a thousand captures' gigabytes.
void JobManager::OmitFilters() {
  std::size_t kept = 0;
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    Capture& capture = (*entry)->capture;
    if (!capture.Ended()) continue;
    filter::CaptureFilter& filter = capture.request.filter;
    const std::size_t filters = filter.filters.size() + filter.exclude.size();
    kept += filters;
    if (kept <= limits_.max_rules) continue;
    kept -= filters;
    capture.filters_omitted += filters;
    filter = {};
  }
}

}  // namespace edgecap::control
