// SPDX-License-Identifier: Apache-2.0
//
// The native filter JSON, any text: it is read or refused with violations that name a place; what
// is read is written as JSON that is read as the same filter, and its judgement does not change.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "control/filter_json.h"

namespace edgecap::control {
namespace {

constexpr std::size_t kViolationsMax = 101;
constexpr std::size_t kMessageBytesMax = 2048;

void CheckViolations(const std::vector<Violation>& violations) {
  EDGECAP_CHECK(violations.size() <= kViolationsMax);
  for (const Violation& violation : violations) {
    EDGECAP_CHECK(!violation.message.empty() && violation.message.size() < kMessageBytesMax);
  }
}

void CheckRoundTrip(const filter::CaptureFilter& filter) {
  Json written = Json::object();
  PutCaptureFilter(filter, written);
  std::vector<Violation> violations;
  const std::optional<Json> parsed = ParseObject(Dump(written), "{}", violations);
  EDGECAP_CHECK(parsed.has_value());
  const filter::CaptureFilter again = ReadCaptureFilter(*parsed, violations);
  EDGECAP_CHECK(violations.empty() && again == filter);
  EDGECAP_CHECK(again.Validate() == filter.Validate());
  EDGECAP_CHECK(!filter.ToString().empty());
  ValidateFilter(filter, violations);
  EDGECAP_CHECK(violations.empty() == filter.Validate().ok());
  CheckViolations(violations);
}

}  // namespace
}  // namespace edgecap::control

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace edgecap::control;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<Violation> violations;
  const std::optional<Json> object = ParseObject(text, "{}", violations);
  EDGECAP_CHECK(object.has_value() == violations.empty());
  if (object.has_value()) {
    const edgecap::filter::CaptureFilter filter = ReadCaptureFilter(*object, violations);
    if (violations.empty()) CheckRoundTrip(filter);
  }
  CheckViolations(violations);
  return 0;
}
