// SPDX-License-Identifier: Apache-2.0

#include "control/cli/sampling_options.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <string>
#include <system_error>

#include "control/cli/options.h"

namespace edgecap::cli {
namespace {

constexpr char kSamplingGroup[] = "Sampling (one way)";

// "rate_burst" -> "--rate-burst"
std::string FlagOf(std::string_view field) {
  std::string flag = "--" + std::string(field);
  std::replace(flag.begin() + 2, flag.end(), '_', '-');
  return flag;
}

void ReadProbability(const std::string& text, std::optional<double>& probability) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || !(value > 0 && value <= 1)) {
    throw CLI::ValidationError("--probability", control::ProbabilityMessage(text));
  }
  probability = value;
}

}  // namespace

void AddSamplingOptions(CLI::App& app, control::SamplingRequest& request) {
  static const std::map<std::string_view, std::string> kMeanings = {
      {"one_in", "take one packet of each so many, at a random place among them"},
      {"per_flow", "take whole flows, both directions: one flow of so many"},
      {"rate", "take at most so many packets a second"},
      {"rate_burst", "with --rate: how many at once after a pause [the rate]"},
      {"seed", "start of the random choice"},
  };
  for (const auto& field : control::SamplingNumberFields()) {
    AddNumber(app, FlagOf(field.name), request.*field.value,
              {.least = field.min, .most = field.max}, kMeanings.at(field.name))
        ->group(kSamplingGroup);
  }
  app.add_option_function<std::string>(
         "--probability",
         [&request](const std::string& text) { ReadProbability(text, request.probability); },
         "take each packet with this probability, for example 0.01")
      ->type_name("P")
      ->group(kSamplingGroup);
  app.add_flag("--reservoir", request.reservoir,
               "take --packet-limit packets, drawn fairly from the whole time")
      ->group(kSamplingGroup);
}

absl::Status CheckSampling(const control::SamplingRequest& request) {
  std::vector<control::Violation> violations;
  control::ValidateSampling(request, violations);
  if (violations.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(control::JoinMessages(violations));
}

}  // namespace edgecap::cli
