// SPDX-License-Identifier: Apache-2.0

#include "control/cli/filter_steps.h"

#include <bit>
#include <memory>
#include <utility>

#include "base/check.h"
#include "base/packet.h"
#include "base/status_macros.h"
#include "filter/compiled_filter.h"

namespace edgecap::cli {
namespace {

using filter::CaptureFilter;
using filter::FilterSpec;

// A step is a filter of its own: its FilterSpec up to the field in question. All of them are one
// program, as if each were a capture.
struct Plan {
  std::vector<CaptureFilter> filters;
  std::vector<FilterStep> steps;
};

std::string PlaceOf(const char* list, std::size_t index) {
  return std::string(list) + "[" + std::to_string(index) + "]";
}

void AddWhole(const FilterSpec& spec, std::string place, Plan& plan) {
  plan.filters.push_back({{spec}, {}});
  plan.steps.push_back({std::move(place), spec.ToString(), 0});
}

void AddParts(const FilterSpec& spec, std::string place, Plan& plan) {
  FilterSpec so_far;
  so_far.layer = spec.layer;  // where all the others are looked for
  if (spec.layer != filter::Layer::kOuter) {
    plan.filters.push_back({{so_far}, {}});
    plan.steps.push_back({std::exchange(place, ""), "layer " + *spec.Get("layer"), 0});
  }
  for (const std::string_view field : FilterSpec::FieldNames()) {
    if (field == "layer") continue;
    std::string asked;
    for (const std::string& value : spec.GetAll(field)) {
      asked += (asked.empty() ? "" : ";") + value;
      if (field == "payload") EDGECAP_CHECK(so_far.Set(field, value).ok());
    }
    if (asked.empty()) continue;
    if (field != "payload") EDGECAP_CHECK(so_far.Set(field, *spec.Get(field)).ok());
    plan.filters.push_back({{so_far}, {}});
    plan.steps.push_back({std::exchange(place, ""), std::string(field) + " " + asked, 0});
  }
  if (!place.empty()) AddWhole(spec, std::move(place), plan);  // it has no fields
}

Plan MakePlan(const CaptureFilter& filter) {
  Plan plan;
  const std::size_t specs = filter.filters.size() + filter.exclude.size();
  if (specs > kFilterStepsMax) return plan;
  std::size_t parts = 0;
  for (const auto* list : {&filter.filters, &filter.exclude}) {
    for (const FilterSpec& spec : *list) {
      for (const std::string_view field : FilterSpec::FieldNames()) {
        parts += spec.GetAll(field).empty() ? 0 : 1;
      }
    }
  }
  const auto add = parts <= kFilterStepsMax ? AddParts : AddWhole;
  for (std::size_t i = 0; i < filter.filters.size(); ++i) {
    add(filter.filters[i], PlaceOf("filters", i), plan);
  }
  for (std::size_t i = 0; i < filter.exclude.size(); ++i) {
    add(filter.exclude[i], PlaceOf("exclude", i), plan);
  }
  return plan;
}

}  // namespace

absl::StatusOr<FilterSteps> CountFilterSteps(const CaptureFilter& filter,
                                             const filter::FilterContext& context,
                                             dataplane::RxSource& source) {
  Plan plan = MakePlan(filter);
  plan.filters.push_back(filter);  // the last job is the whole
  std::vector<std::shared_ptr<const filter::PreparedFilter>> prepared;
  for (const CaptureFilter& step : plan.filters) {
    EDGECAP_ASSIGN_OR_RETURN(prepared.emplace_back(),
                             filter::PreparedFilter::Prepare(step, context));
  }
  EDGECAP_ASSIGN_OR_RETURN(const auto program, filter::CompiledFilter::Compile(prepared));
  EDGECAP_ASSIGN_OR_RETURN(const auto scratch, program->NewScratch());

  FilterSteps result;
  std::vector<std::uint64_t> packets(plan.filters.size());
  auto burst = std::make_unique<Burst>();
  while (!source.Ended()) {
    source.Receive(*burst);
    if (burst->count == 0) continue;
    result.packets += burst->count;
    program->Match(*burst, *scratch);
    for (const filter::JobMatch& match : scratch->matches()) {
      packets[match.job] += static_cast<std::uint64_t>(std::popcount(match.packets));
    }
    source.Release(*burst);
  }
  EDGECAP_RETURN_IF_ERROR(source.Error());
  for (std::size_t i = 0; i < plan.steps.size(); ++i) plan.steps[i].packets = packets[i];
  result.steps = std::move(plan.steps);
  result.wanted = packets.back();
  return result;
}

}  // namespace edgecap::cli
