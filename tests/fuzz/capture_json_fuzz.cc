// SPDX-License-Identifier: Apache-2.0
//
// The body of POST /v1/captures, any text: it is read or refused with violations that can be
// answered as JSON; what is read is valid, stays valid when completed, and reads the same again
// from the capture's own JSON.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "base/check.h"
#include "control/capture_json.h"

namespace edgecap::control {
namespace {

using nlohmann::json;

// The fields of a request, out of the JSON of a capture.
std::string RequestIn(const CaptureRequest& request, const config::LimitsConfig& limits) {
  Capture capture;
  capture.request = request;
  const json whole = json::parse(CaptureJson(capture, {"machine", ""}));
  json fields = {{"type", whole.at("type")}, {"filters", whole.at("filters")}};
  const auto keep = [&](std::string_view name) {
    if (whole.contains(name)) fields[std::string(name)] = whole.at(std::string(name));
  };
  keep("exclude");
  for (const auto& field : NumberFields(limits)) keep(field.name);
  for (const std::string_view name : SamplingFields()) keep(name);
  return fields.dump();
}

void CheckAnswer(const ParsedRequest& parsed) {
  const json answer = json::parse(ErrorJson("invalid_request", "refused", parsed.violations));
  EDGECAP_CHECK(answer.at("error").at("details").size() == parsed.violations.size());
  for (const Violation& violation : parsed.violations) EDGECAP_CHECK(!violation.message.empty());
}

}  // namespace
}  // namespace edgecap::control

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace edgecap::control;
  const edgecap::config::LimitsConfig limits;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const ParsedRequest parsed = ParseCaptureRequest(body, limits);
  if (!parsed.violations.empty()) {
    CheckAnswer(parsed);
    return 0;
  }
  EDGECAP_CHECK(Validate(parsed.request, limits).empty());
  EDGECAP_CHECK(json::parse(DryRunJson(parsed.request, "program")).at("dry_run") == true);
  const CaptureRequest complete = WithDefaults(parsed.request, limits);
  EDGECAP_CHECK(Validate(complete, limits).empty());
  const ParsedRequest again = ParseCaptureRequest(RequestIn(complete, limits), limits);
  EDGECAP_CHECK(again.violations.empty() && again.request == complete);
  return 0;
}
