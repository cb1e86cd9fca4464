// SPDX-License-Identifier: Apache-2.0
//
// The configuration file, any text: it is read or refused with a message, and what is read is
// valid.

#include <cstdint>
#include <string_view>

#include "absl/strings/match.h"
#include "base/check.h"
#include "config/config_loader.h"
#include "config/config_validator.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace config = edgecap::config;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = config::ParseConfig(text, "fuzz.yaml");
  if (parsed.ok()) {
    EDGECAP_CHECK(config::ValidateConfig(*parsed).empty());
  } else {
    EDGECAP_CHECK(absl::StartsWith(parsed.status().message(), "fuzz.yaml:"));
  }
  return 0;
}
