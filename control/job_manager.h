// SPDX-License-Identifier: Apache-2.0
//
// The one owner of all captures: takes requests, starts and ends jobs, keeps what came of them.
// A request is validated as a whole before anything is started; an ended capture stays listed until
// limits.max_finished others have ended after it (its files stay longer, until they are deleted).
// Of the filters of ended captures the newest limits.max_rules are kept; job.json, which is written
// beside the files when a capture has ended, has them all.
//
// Life cycle: Tick() is called every few milliseconds while HasRunning(); Shutdown() last, before
// the engine is stopped.
//
// Threading: control only. Shutdown() waits; nothing else does.

#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/clock.h"
#include "config/config.h"
#include "control/capture.h"
#include "control/capture_directory.h"
#include "control/capture_engine.h"

namespace edgecap::control {

// What a request would start.
struct DryRun {
  CaptureRequest request;  // complete
  std::string program;     // of its filter, in words
};

class JobManager {
 public:
  // `engine` and `clock` outlive the manager.
  JobManager(CaptureEngine& engine, const Clock& clock, CaptureDirectory directory,
             const config::LimitsConfig& limits, Identity identity);
  JobManager(const JobManager&) = delete;
  JobManager& operator=(const JobManager&) = delete;

  // Starts a capture: when this returns, workers capture for it.
  //
  // Errors, after which nothing was started and no file made:
  //   kInvalidArgument     see Validate(), or a filter that the engine cannot compile
  //   kResourceExhausted   limits.max_running captures run already
  //   kUnavailable         the directory cannot be written; names path and errno
  [[nodiscard]] absl::StatusOr<Capture> Create(const CaptureRequest& request);

  // What Create() would run now. Starts nothing, makes no file.
  //
  // Errors: those of Create(), but for limits.max_running and the directory.
  [[nodiscard]] absl::StatusOr<DryRun> Check(const CaptureRequest& request) const;

  // Errors: kNotFound.
  [[nodiscard]] absl::StatusOr<Capture> Get(std::string_view id) const;

  // Newest first.
  [[nodiscard]] std::vector<Capture> List() const;

  // Ends a capture, which is still running until its files are closed. One that has ended already
  // is left as it is: whoever stops it has what they want. Errors: kNotFound.
  [[nodiscard]] absl::StatusOr<Capture> Stop(std::string_view id);

  // Forgets an ended capture and removes its files.
  // Errors: kNotFound; kFailedPrecondition while it runs; kUnavailable when a file cannot be
  // removed, and then the capture stays.
  [[nodiscard]] absl::Status Delete(std::string_view id);

  // Ends jobs that have reached a limit or lost a disk, and concludes those that are closed.
  void Tick();

  // Some capture is not at its end yet: Tick() has work.
  [[nodiscard]] bool HasRunning() const { return running_ != 0; }

  [[nodiscard]] CaptureCounts Counts() const;

  // Ends everything and waits until all files are closed.
  void Shutdown();

 private:
  struct Entry {
    Capture capture;
    std::unique_ptr<RunningJob> job;  // until the capture has ended
    bool ending = false;              // End() was called; Closed() is awaited
  };

  Entry* Find(std::string_view id) const;
  dataplane::JobSpec Plan(const CaptureRequest& request, std::string directory) const;
  static Capture Picture(const Entry& entry);
  void End(Entry& entry, std::string_view reason);
  void Conclude(Entry& entry);
  void ForgetOldest();
  void OmitFilters();

  CaptureEngine& engine_;
  const Clock& clock_;
  const CaptureDirectory directory_;
  const config::LimitsConfig limits_;
  const Identity identity_;
  std::vector<std::unique_ptr<Entry>> entries_;  // oldest first
  std::size_t running_ = 0;
};

}  // namespace edgecap::control
