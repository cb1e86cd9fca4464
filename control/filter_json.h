// SPDX-License-Identifier: Apache-2.0
//
// The filter language in JSON, as the native API, the command line and filter files read it:
//
//   "filters": [{"protocol": "tcp", "destination_port": [80, 443]}, {"address": "10.0.0.0/8"}],
//   "exclude": [{"port": 22}]
//
// A field is a string ("80;443", as FilterSpec::Set() reads it), a whole number, or an array of
// those. `exclude` may be one object; "filter": {...} is short for "filters": [{...}].
//
// Written it is always `filters` and `exclude`: a field with one value as a string, one with
// several as an array of strings. What was written is read as the same filter.
//
// Threading: pure functions.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "control/json_text.h"
#include "control/violation.h"
#include "filter/filter_spec.h"

namespace edgecap::control {

// "filter", "filters", "exclude".
[[nodiscard]] std::vector<std::string_view> FilterFields();

// Reads those fields of `object`; others are somebody else's. What is wrong is added to
// `violations` with its place ("filters[3].source_port"), at most a hundred of them. Rules across
// fields are CaptureFilter::Validate()'s.
[[nodiscard]] filter::CaptureFilter ReadCaptureFilter(const Json& object,
                                                      std::vector<Violation>& violations);

// One filter; `place` is its name in messages.
[[nodiscard]] filter::FilterSpec ReadFilterSpec(const Json& value, const std::string& place,
                                                std::vector<Violation>& violations);

// The violation that CaptureFilter::Validate() finds, with its place.
void ValidateFilter(const filter::CaptureFilter& filter, std::vector<Violation>& violations);

[[nodiscard]] Json FilterSpecJson(const filter::FilterSpec& spec);

// Sets `filters`, and `exclude` where there is any.
void PutCaptureFilter(const filter::CaptureFilter& filter, Json& object);

}  // namespace edgecap::control
