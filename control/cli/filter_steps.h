// SPDX-License-Identifier: Apache-2.0
//
// What `edgecap explain --read` counts: how many packets are left after each part of a filter.
//
// Threading: none.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/rx_source.h"
#include "filter/filter_context.h"
#include "filter/filter_spec.h"

namespace edgecap::cli {

// One line of the answer: what was asked in addition to the lines before, and what is left.
struct FilterStep {
  std::string place;  // "filters[0]", "exclude[1]", or empty: the same as the line before
  std::string asked;  // "protocol tcp"
  std::uint64_t packets = 0;
};

struct FilterSteps {
  std::uint64_t packets = 0;  // all that were read
  std::vector<FilterStep> steps;
  std::uint64_t wanted = 0;  // by any of the filters, and not excluded
};

// More parts than this are not counted one by one, only whole filters; and more filters than this
// only together.
inline constexpr std::size_t kFilterStepsMax = 512;

// Reads `source` to its end.
//
// Errors: kInvalidArgument as PreparedFilter::Prepare(); of the source.
[[nodiscard]] absl::StatusOr<FilterSteps> CountFilterSteps(const filter::CaptureFilter& filter,
                                                           const filter::FilterContext& context,
                                                           dataplane::RxSource& source);

}  // namespace edgecap::cli
