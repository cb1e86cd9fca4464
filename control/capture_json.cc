// SPDX-License-Identifier: Apache-2.0

#include "control/capture_json.h"

#include <ctime>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "control/filter_json.h"
#include "control/json_text.h"
#include "control/ledger_json.h"

namespace edgecap::control {
namespace {

constexpr std::string_view kExample = R"({"type": "full", "time_limit": 60})";
constexpr std::size_t kViolationsMax = 100;
constexpr std::size_t kListedFiltersMax = 16;  // of one capture in a list of captures

class RequestReader {
 public:
  RequestReader(const config::LimitsConfig& limits, ParsedRequest& parsed)
      : fields_(NumberFields(limits)), parsed_(parsed) {}

  void Read(const Json& root) {
    if (!root.contains("type")) {
      Report("type", R"(type is missing: give "type": "simple" or "type": "full")");
    }
    for (const auto& [name, value] : root.items()) ReadField(name, value);
    const std::size_t violations = parsed_.violations.size();
    filter::CaptureFilter filter = ReadCaptureFilter(root, parsed_.violations);
    // What could not be read is not judged any further.
    if (parsed_.violations.size() == violations) parsed_.request.filter = std::move(filter);
  }

 private:
  void Report(std::string field, std::string message) {
    parsed_.violations.push_back({std::move(field), std::move(message)});
  }

  std::vector<std::string_view> Names() const {
    std::vector<std::string_view> names = {"type"};
    for (const std::string_view name : FilterFields()) names.push_back(name);
    for (const auto& field : fields_) names.push_back(field.name);
    for (const std::string_view name : SamplingFields()) names.push_back(name);
    names.push_back("dry_run");
    return names;
  }

  void ReadField(const std::string& name, const Json& value) {
    SamplingRequest& sampling = parsed_.request.sampling;
    if (name == "type") return ReadType(value);
    if (name == "dry_run") return ReadFlag(name, value, parsed_.dry_run);
    if (name == "reservoir") return ReadFlag(name, value, sampling.reservoir);
    if (name == "probability") return ReadProbability(value);
    if (ReadNumber(fields_, parsed_.request, name, value)) return;
    if (ReadNumber(SamplingNumberFields(), sampling, name, value)) return;
    if (std::ranges::count(FilterFields(), name) != 0) return;  // read together
    // A body of a million unknown fields gets a short answer.
    if (parsed_.violations.size() >= kViolationsMax) return;
    const std::string shown = ShownText(name);
    Report(shown.substr(1, shown.size() - 2),
           "there is no field " + shown + ": a request may have " + JoinNames(Names()));
  }

  void ReadType(const Json& value) {
    for (CaptureType type : {CaptureType::kSimple, CaptureType::kFull}) {
      if (value == ToString(type)) {
        parsed_.request.type = type;
        return;
      }
    }
    Report("type", R"(type must be "simple" or "full", not )" + Shown(value));
  }

  void ReadFlag(const std::string& name, const Json& value, bool& flag) {
    if (value.is_boolean()) {
      flag = value.get<bool>();
    } else {
      Report(name, name + " must be true or false, not " + Shown(value));
    }
  }

  void ReadProbability(const Json& value) {
    if (value.is_number()) {
      parsed_.request.sampling.probability = value.get<double>();
    } else {
      Report("probability", ProbabilityMessage(Shown(value)));
    }
  }

  template <typename Fields, typename Owner>
  bool ReadNumber(const Fields& fields, Owner& owner, std::string_view name, const Json& value) {
    const auto field = std::ranges::find(fields, name, &NumberField<Owner>::name);
    if (field == std::ranges::end(fields)) return false;
    if (value.is_number_unsigned()) {
      owner.*(field->value) = value.get<std::uint64_t>();
    } else {
      Report(std::string(name), field->RangeMessage(Shown(value)));
    }
    return true;
  }

  const std::vector<NumberField<CaptureRequest>> fields_;
  ParsedRequest& parsed_;
};

// The request's fields, without its type.
void PutRequest(const CaptureRequest& request, Json& object) {
  const auto put = [&object](const char* name, const auto& value) {
    if (value) object[name] = *value;
  };
  put("time_limit", request.time_limit_s);
  put("packet_limit", request.packet_limit);
  put("byte_limit", request.byte_limit);
  put("snaplen", request.snaplen);
  put("one_in", request.sampling.one_in);
  put("probability", request.sampling.probability);
  put("per_flow", request.sampling.per_flow);
  put("rate", request.sampling.rate);
  put("rate_burst", request.sampling.rate_burst);
  if (request.sampling.reservoir) object["reservoir"] = true;
  put("seed", request.sampling.seed);
}

Json SamplingObject(const Capture& capture) {
  Json object = {{"method", sampler::NameOf(MethodOf(capture.request.sampling))},
                 {"effective_rate", nullptr}};
  if (capture.effective_rate) object["effective_rate"] = *capture.effective_rate;
  return object;
}

// A capture with more filters than `filters_max` shows only how many there are.
Json CaptureObject(const Capture& capture, const Identity& identity, std::size_t filters_max) {
  Json object = {{"id", capture.id},
                 {"type", ToString(capture.request.type)},
                 {"status", ToString(capture.status)},
                 {"machine", identity.machine}};
  if (!identity.colo.empty()) object["colo"] = identity.colo;
  object["created"] = Rfc3339(capture.created_ns);
  if (capture.started_ns != 0) object["started"] = Rfc3339(capture.started_ns);
  if (capture.ended_ns != 0) object["ended"] = Rfc3339(capture.ended_ns);
  PutRequest(capture.request, object);
  const std::size_t filters =
      capture.request.filter.filters.size() + capture.request.filter.exclude.size();
  if (capture.filters_omitted != 0 || filters > filters_max) {
    object["filters_omitted"] = filters + capture.filters_omitted;
  } else {
    PutCaptureFilter(capture.request.filter, object);
  }
  object["sampling"] = SamplingObject(capture);
  object["stop_requested"] = capture.stop_requested;
  if (capture.Ended()) object["end_reason"] = capture.end_reason;
  if (!capture.error_message.empty()) object["error_message"] = capture.error_message;
  object["packets_captured"] = capture.ledger.captured.packets;
  object["bytes_captured"] = capture.stored_bytes;
  object["ledger"] = LedgerObject(capture.ledger);
  if (capture.Ended()) object["ledger"]["balanced"] = capture.ledger.Balances();
  object["files"] = FileObjects(capture.files);
  return object;
}

}  // namespace

ParsedRequest ParseCaptureRequest(std::string_view body, const config::LimitsConfig& limits) {
  ParsedRequest parsed;
  const std::optional<Json> root = ParseObject(body, kExample, parsed.violations);
  if (!root.has_value()) return parsed;
  RequestReader(limits, parsed).Read(*root);
  const bool type_known =
      std::ranges::none_of(parsed.violations, [](const Violation& v) { return v.field == "type"; });
  for (Violation& violation : Validate(parsed.request, limits)) {
    // Without a type nobody knows what the request may not have.
    const bool depends_on_type = std::ranges::count(SamplingFields(), violation.field) != 0;
    if (type_known || !depends_on_type) parsed.violations.push_back(std::move(violation));
  }
  return parsed;
}

std::string CaptureJson(const Capture& capture, const Identity& identity) {
  return Dump(CaptureObject(capture, identity, std::numeric_limits<std::size_t>::max())) + "\n";
}

std::string DryRunJson(const CaptureRequest& request, std::string_view program) {
  Json object = {{"type", ToString(request.type)}};
  PutRequest(request, object);
  PutCaptureFilter(request.filter, object);
  return Dump({{"dry_run", true}, {"request", std::move(object)}, {"program", program}}) + "\n";
}

std::string CapturesJson(const std::vector<Capture>& captures, const Identity& identity) {
  Json list = Json::array();
  for (const Capture& capture : captures)
    list.push_back(CaptureObject(capture, identity, kListedFiltersMax));
  return Dump({{"captures", std::move(list)}}) + "\n";
}

std::string ErrorJson(std::string_view code, std::string_view message,
                      const std::vector<Violation>& details) {
  Json error = {{"code", code}, {"message", message}};
  for (const Violation& violation : details) {
    error["details"].push_back({{"field", violation.field}, {"message", violation.message}});
  }
  return Dump({{"error", std::move(error)}}) + "\n";
}

std::string Rfc3339(std::uint64_t time_ns) {
  const auto seconds = static_cast<std::time_t>(time_ns / kNsPerSecond);
  const auto milliseconds = static_cast<unsigned>(time_ns % kNsPerSecond / 1'000'000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char date[32];
  std::strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
  char text[48];
  std::snprintf(text, sizeof(text), "%s.%03uZ", date, milliseconds);
  return text;
}

}  // namespace edgecap::control
