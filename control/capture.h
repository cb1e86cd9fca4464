// SPDX-License-Identifier: Apache-2.0
//
// A capture as clients see it: the request, its state, what came of it. A picture taken when it was
// asked for; nothing in it changes by itself.
//
// Life cycle: pending -> running -> success or failed. Whatever ended it, every file is whole by
// then and the ledger is exact.
//
// Threading: plain values.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ledger.h"
#include "control/capture_request.h"
#include "pcapwriter/stream.h"

namespace edgecap::control {

enum class CaptureStatus { kPending, kRunning, kSuccess, kFailed };

// "pending", "running", "success", "failed".
[[nodiscard]] constexpr std::string_view ToString(CaptureStatus status) {
  switch (status) {
    case CaptureStatus::kPending:
      return "pending";
    case CaptureStatus::kRunning:
      return "running";
    case CaptureStatus::kSuccess:
      return "success";
    case CaptureStatus::kFailed:
      return "failed";
  }
  return "";
}

// Why a capture ended; with packet_limit and byte_limit of dataplane::Job::LimitName().
inline constexpr std::string_view kEndedByTime = "time_limit";
inline constexpr std::string_view kEndedByStop = "stopped";
inline constexpr std::string_view kEndedByShutdown = "shutdown";
inline constexpr std::string_view kEndedByError = "error";  // exactly the failed ones

// This machine, as it is named in every answer.
struct Identity {
  std::string machine;
  std::string colo;  // may be empty
};

// Times are nanoseconds since 1970-01-01 UTC; 0: not yet.
struct Capture {
  std::string id;
  CaptureStatus status = CaptureStatus::kPending;
  CaptureRequest request;           // complete, but for the filters that are omitted
  std::size_t filters_omitted = 0;  // were many, and are not kept here
  std::uint64_t created_ns = 0;
  std::uint64_t started_ns = 0;
  std::uint64_t ended_ns = 0;
  bool stop_requested = false;
  std::string end_reason;
  // Names path and errno. With status success: the capture's files are whole, but its description
  // (job.json) could not be written.
  std::string error_message;
  JobLedger ledger;
  std::uint64_t stored_bytes = 0;        // what byte_limit bounds
  std::optional<double> effective_rate;  // of the sampler: packets taken of those that matched
  std::vector<pcapwriter::ShardInfo> files;

  [[nodiscard]] bool Ended() const {
    return status == CaptureStatus::kSuccess || status == CaptureStatus::kFailed;
  }
};

// How many captures there are in each state.
struct CaptureCounts {
  std::uint64_t pending = 0;
  std::uint64_t running = 0;
  std::uint64_t success = 0;
  std::uint64_t failed = 0;

  [[nodiscard]] std::uint64_t Ended() const { return success + failed; }
};

}  // namespace edgecap::control
