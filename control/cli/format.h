// SPDX-License-Identifier: Apache-2.0
//
// The API's JSON as text for people: aligned, exact numbers, one fact a line. `edgecap record`
// reports in the same JSON, so that a ledger looks the same wherever it is printed.
//
// Life cycle: functions only.
//
// Threading: any.

#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace edgecap::cli {

// {"captures": [...]}, one line each.
[[nodiscard]] std::string FormatCaptureList(const nlohmann::json& list);

// One capture object with all that is known of it.
[[nodiscard]] std::string FormatCapture(const nlohmann::json& capture);

// One line on how a running capture is going.
[[nodiscard]] std::string FormatProgress(const nlohmann::json& capture);

// Every door of a job's ledger, in packets and bytes.
[[nodiscard]] std::string FormatLedger(const nlohmann::json& ledger);

// The ports' own counters, one line each.
[[nodiscard]] std::string FormatPorts(const nlohmann::json& ports);

[[nodiscard]] std::string FormatStats(const nlohmann::json& stats);

// The filter of a capture or a request: "protocol tcp, port 80;443, but not (port 22)", or "every
// packet".
[[nodiscard]] std::string FormatFilter(const nlohmann::json& capture);

// What a dry run found.
[[nodiscard]] std::string FormatDryRun(const nlohmann::json& dry_run);

// "1.5 GiB", "512 B".
[[nodiscard]] std::string FormatBytes(std::uint64_t bytes);

}  // namespace edgecap::cli
