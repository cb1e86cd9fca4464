// SPDX-License-Identifier: Apache-2.0
//
// The outcome of `edgecap record` in the words of the API, and as tcpdump would say it.
//
// Life cycle: functions only.
//
// Threading: any.

#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/ledger.h"
#include "control/cli/recorder.h"

namespace edgecap::cli {

// {"packets": {"seen", ...}, "bytes": {...}, "balanced"}
[[nodiscard]] nlohmann::json LedgerJson(const JobLedger& ledger);

// end_reason, error_message, elapsed_s, packets_captured, bytes_captured, ledger, files, ports.
[[nodiscard]] nlohmann::json RecordJson(const RecordResult& result);

// The same for people: why it ended, captured, seen and lost, then ledger and ports.
[[nodiscard]] std::string FormatRecord(const nlohmann::json& record);

}  // namespace edgecap::cli
