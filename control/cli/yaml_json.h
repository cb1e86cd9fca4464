// SPDX-License-Identifier: Apache-2.0
//
// YAML as JSON, so that what a person writes in either is read by the one reader there is. JSON is
// YAML too. Every scalar becomes a string: whether 443 is a number is the reader's business.
//
// Threading: pure functions.

#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "control/json_text.h"

namespace edgecap::cli {

// Reads the one document of `text`. Strict: a key twice, a tag (an unquoted word that begins with
// '!'), a second document, more than 8 levels, 100 keys in a map or a million values, those of
// aliases counted wherever they stand, are errors.
//
// Errors: kInvalidArgument, "name:line:column: what is wrong"; `name` is where the text is from.
[[nodiscard]] absl::StatusOr<control::Json> ReadYaml(const std::string& text,
                                                     std::string_view name);

}  // namespace edgecap::cli
