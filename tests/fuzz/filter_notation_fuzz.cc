// SPDX-License-Identifier: Apache-2.0
//
// The other services' filter notations, any text: each is read or refused with violations that name
// a place; what is read is a valid filter, has only the fields of the notation, and reads the same
// again from our own JSON.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "control/filter_json.h"
#include "control/filter_notation.h"

namespace edgecap::control {
namespace {

void CheckFilter(const ParsedFilter& parsed, const std::set<std::string_view>& fields) {
  EDGECAP_CHECK(parsed.violations.size() <= 100);
  for (const Violation& violation : parsed.violations) {
    EDGECAP_CHECK(violation.message.starts_with(violation.field));
    EDGECAP_CHECK(!violation.field.empty() && violation.message.size() < 2048);
  }
  if (!parsed.violations.empty()) return;
  EDGECAP_CHECK(parsed.filter.Validate().ok() && parsed.filter.exclude.empty());
  for (const filter::FilterSpec& spec : parsed.filter.filters) {
    for (const std::string_view name : filter::FilterSpec::FieldNames()) {
      EDGECAP_CHECK(spec.GetAll(name).empty() || fields.contains(name));
    }
  }
  Json written = Json::object();
  PutCaptureFilter(parsed.filter, written);
  std::vector<Violation> violations;
  EDGECAP_CHECK(ReadCaptureFilter(written, violations) == parsed.filter && violations.empty());
}

}  // namespace
}  // namespace edgecap::control

// A body with one of the notations in it, or both: {"filter_v1": {...}, "filters": [...]}.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace edgecap::control;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<Violation> violations;
  const std::optional<Json> body = ParseObject(text, "{}", violations);
  if (!body.has_value()) return 0;
  if (const auto filter = body->find("filter_v1"); filter != body->end()) {
    const ParsedFilter parsed = ReadCloudflareFilter(*filter);
    CheckFilter(parsed, {"source_address", "destination_address", "source_port", "destination_port",
                         "protocol"});
    EDGECAP_CHECK(parsed.filter.filters.size() == 1);
  }
  if (const auto filters = body->find("filters"); filters != body->end()) {
    CheckFilter(ReadAzureFilters(*filters),
                {"protocol", "local_address", "remote_address", "local_port", "remote_port"});
  }
  return 0;
}
