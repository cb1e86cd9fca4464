// SPDX-License-Identifier: Apache-2.0

#include "control/sampling_request.h"

#include <algorithm>
#include <charconv>
#include <limits>

namespace edgecap::control {
namespace {

using sampler::SamplingMethod;
using sampler::SamplingPolicy;

constexpr std::uint64_t kAny32 = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kAny64 = std::numeric_limits<std::uint64_t>::max();

constexpr NumberField<SamplingRequest> kNumberFields[] = {
    {"one_in", &SamplingRequest::one_in, 1, kAny32, ""},
    {"per_flow", &SamplingRequest::per_flow, 1, kAny32, ""},
    {"rate", &SamplingRequest::rate, 1, sampler::kRateMax, "packets a second"},
    {"rate_burst", &SamplingRequest::rate_burst, 1, sampler::kRateBurstMax, "packets"},
    {"seed", &SamplingRequest::seed, 0, kAny64, ""},
};

constexpr std::string_view kFields[] = {"one_in",     "probability", "per_flow", "rate",
                                        "rate_burst", "reservoir",   "seed"};

std::vector<std::string_view> MethodsOf(const SamplingRequest& request) {
  std::vector<std::string_view> methods = GivenFields(request);
  std::erase(methods, "rate_burst");
  std::erase(methods, "seed");
  return methods;
}

std::string PlainNumber(double number) {
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof(text), number);
  return {text, end};
}

}  // namespace

std::span<const NumberField<SamplingRequest>> SamplingNumberFields() { return kNumberFields; }

std::span<const std::string_view> SamplingFields() { return kFields; }

std::vector<std::string_view> GivenFields(const SamplingRequest& request) {
  std::vector<std::string_view> given;
  for (const std::string_view name : kFields) {
    const auto* number =
        std::ranges::find(kNumberFields, name, [](const auto& f) { return f.name; });
    const bool is_given = number != std::end(kNumberFields) ? (request.*number->value).has_value()
                          : name == "probability"           ? request.probability.has_value()
                                                            : request.reservoir;
    if (is_given) given.push_back(name);
  }
  return given;
}

SamplingMethod MethodOf(const SamplingRequest& request) {
  if (request.one_in) return SamplingMethod::kOneIn;
  if (request.probability) return SamplingMethod::kProbability;
  if (request.per_flow) return SamplingMethod::kPerFlow;
  if (request.rate) return SamplingMethod::kRate;
  return request.reservoir ? SamplingMethod::kReservoir : SamplingMethod::kAll;
}

std::string ProbabilityMessage(std::string_view value_text) {
  return "probability must be a number more than 0 and at most 1, not " + std::string(value_text);
}

void ValidateSampling(const SamplingRequest& request, std::vector<Violation>& violations) {
  for (const auto& field : kNumberFields) {
    const std::optional<std::uint64_t>& value = request.*field.value;
    if (!value || field.Allows(*value)) continue;
    violations.push_back({std::string(field.name), field.RangeMessage(std::to_string(*value))});
  }
  // The negation also catches what is not a number.
  if (request.probability && !(*request.probability > 0 && *request.probability <= 1)) {
    violations.push_back({"probability", ProbabilityMessage(PlainNumber(*request.probability))});
  }
  const std::vector<std::string_view> methods = MethodsOf(request);
  if (methods.size() > 1) {
    const std::string second(methods[1]);
    violations.push_back({second, second + " and " + std::string(methods[0]) +
                                      " are both given: choose one way to sample"});
  }
  if (request.rate_burst && !request.rate) {
    violations.push_back({"rate_burst", "rate_burst is for sampling by rate: give rate too"});
  }
}

SamplingRequest WithDefaults(SamplingRequest request) {
  if (request.rate && !request.rate_burst) {
    request.rate_burst = std::min(*request.rate, sampler::kRateBurstMax);
  }
  return request;
}

SamplingPolicy PolicyOf(const SamplingRequest& request) {
  const std::uint64_t seed = request.seed.value_or(0);
  switch (MethodOf(request)) {
    case SamplingMethod::kAll:
      break;
    case SamplingMethod::kOneIn:
      return SamplingPolicy::OneIn(static_cast<std::uint32_t>(*request.one_in), seed);
    case SamplingMethod::kProbability:
      return SamplingPolicy::Probability(*request.probability, seed);
    case SamplingMethod::kPerFlow:
      return SamplingPolicy::PerFlow(static_cast<std::uint32_t>(*request.per_flow), seed);
    case SamplingMethod::kRate:
      return SamplingPolicy::Rate(*request.rate, *WithDefaults(request).rate_burst);
    case SamplingMethod::kReservoir:
      return SamplingPolicy::Reservoir(seed);
  }
  return {};
}

}  // namespace edgecap::control
