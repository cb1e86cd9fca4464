// SPDX-License-Identifier: Apache-2.0

#include "control/cli/wait_for_capture.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "base/status_macros.h"
#include "control/cli/format.h"
#include "control/cli/json_view.h"
#include "control/cli/progress_line.h"

namespace edgecap::cli {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPollInterval{200};

bool Ended(const nlohmann::json& capture) {
  const std::string status = Text(capture, "status");
  return status != "pending" && status != "running";
}

}  // namespace

absl::StatusOr<Waited> WaitForCapture(const Client& client, const std::string& id,
                                      std::optional<std::uint64_t> timeout_ns) {
  const SteadyClock::time_point start = SteadyClock::now();
  ProgressLine progress;
  while (true) {
    EDGECAP_ASSIGN_OR_RETURN(Reply capture, client.Call("GET", "/v1/captures/" + id));
    if (Ended(capture.json)) return Waited{std::move(capture), true};
    progress.Show([&] { return FormatProgress(capture.json); });
    std::chrono::nanoseconds pause = kPollInterval;
    if (timeout_ns.has_value()) {
      const auto left = std::chrono::nanoseconds(*timeout_ns) - (SteadyClock::now() - start);
      if (left <= std::chrono::nanoseconds(0)) return Waited{std::move(capture), false};
      pause = std::min(pause, std::chrono::duration_cast<std::chrono::nanoseconds>(left));
    }
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace edgecap::cli
