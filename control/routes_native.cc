// SPDX-License-Identifier: Apache-2.0

#include "control/routes_native.h"

#include <memory>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "control/capture_json.h"
#include "pcapwriter/shard_merger.h"

namespace edgecap::control {
namespace {

constexpr std::string_view kCapturesPath = "/v1/captures";

HttpResponse JsonResponse(int status, std::string body) {
  HttpResponse response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

HttpResponse NoSuchPath(std::string_view path) {
  return ErrorResponse(absl::NotFoundError("there is no path " + std::string(path) +
                                           ": the API's begin with /v1/captures, /v1/stats and "
                                           "/healthz"));
}

HttpResponse NoSuchMethod(const HttpRequest& request, std::string allowed) {
  HttpResponse response =
      JsonResponse(405, ErrorJson("method_not_allowed", request.method + " is not for " +
                                                            request.path + ": use " + allowed));
  response.headers.emplace_back("Allow", std::move(allowed));
  return response;
}

}  // namespace

HttpResponse ErrorResponse(const absl::Status& error) {
  struct Row {
    absl::StatusCode code;
    int status;
    std::string_view name;
  };
  constexpr Row kRows[] = {
      {absl::StatusCode::kInvalidArgument, 400, "invalid_request"},
      {absl::StatusCode::kNotFound, 404, "not_found"},
      {absl::StatusCode::kFailedPrecondition, 409, "conflict"},
      {absl::StatusCode::kResourceExhausted, 429, "too_many_captures"},
      {absl::StatusCode::kUnavailable, 503, "unavailable"},
  };
  for (const Row& row : kRows) {
    if (row.code == error.code()) {
      return JsonResponse(row.status, ErrorJson(row.name, MessageOf(error)));
    }
  }
  return JsonResponse(500, ErrorJson("internal", MessageOf(error)));
}

NativeRoutes::NativeRoutes(JobManager& jobs, const config::LimitsConfig& limits, Identity identity,
                           std::function<ServiceStats()> stats)
    : jobs_(jobs), limits_(limits), identity_(std::move(identity)), stats_(std::move(stats)) {}

HttpResponse NativeRoutes::Handle(const HttpRequest& request) {
  const std::string_view path = request.path;
  const bool get = request.method == "GET";
  if (path == "/healthz") {
    return get ? JsonResponse(200, "{\"status\":\"ok\"}\n") : NoSuchMethod(request, "GET, HEAD");
  }
  if (path == "/v1/stats") {
    return get ? JsonResponse(200, ServiceStatsJson(stats_())) : NoSuchMethod(request, "GET, HEAD");
  }
  if (path == kCapturesPath) {
    if (get) return JsonResponse(200, CapturesJson(jobs_.List(), identity_));
    return request.method == "POST" ? Create(request) : NoSuchMethod(request, "GET, HEAD, POST");
  }
  if (!path.starts_with(std::string(kCapturesPath) + "/")) return NoSuchPath(path);
  const std::string_view rest = path.substr(kCapturesPath.size() + 1);
  const std::size_t slash = rest.find('/');
  return slash == std::string_view::npos
             ? HandleCapture(request, rest, "")
             : HandleCapture(request, rest.substr(0, slash), rest.substr(slash));
}

HttpResponse NativeRoutes::HandleCapture(const HttpRequest& request, std::string_view id,
                                         std::string_view action) {
  const bool get = request.method == "GET";
  if (action.empty()) {
    if (get) return Answer(200, jobs_.Get(id));
    return request.method == "DELETE" ? Delete(id) : NoSuchMethod(request, "GET, HEAD, DELETE");
  }
  if (action == "/stop") {
    return request.method == "POST" ? Answer(200, jobs_.Stop(id)) : NoSuchMethod(request, "POST");
  }
  if (action == "/download") {
    return get ? Download(id) : NoSuchMethod(request, "GET, HEAD");
  }
  return NoSuchPath(request.path);
}

HttpResponse NativeRoutes::Create(const HttpRequest& request) {
  const ParsedRequest parsed = ParseCaptureRequest(request.body, limits_);
  if (!parsed.violations.empty()) {
    return JsonResponse(
        400, ErrorJson("invalid_request", JoinMessages(parsed.violations), parsed.violations));
  }
  if (parsed.dry_run) {
    const absl::StatusOr<DryRun> dry_run = jobs_.Check(parsed.request);
    if (!dry_run.ok()) return ErrorResponse(dry_run.status());
    return JsonResponse(200, DryRunJson(dry_run->request, dry_run->program));
  }
  const absl::StatusOr<Capture> capture = jobs_.Create(parsed.request);
  HttpResponse response = Answer(201, capture);
  if (capture.ok()) {
    response.headers.emplace_back("Location", std::string(kCapturesPath) + "/" + capture->id);
  }
  return response;
}

HttpResponse NativeRoutes::Answer(int status, const absl::StatusOr<Capture>& capture) const {
  if (!capture.ok()) return ErrorResponse(capture.status());
  return JsonResponse(status, CaptureJson(*capture, identity_));
}

HttpResponse NativeRoutes::Delete(std::string_view id) {
  if (absl::Status deleted = jobs_.Delete(id); !deleted.ok()) return ErrorResponse(deleted);
  return JsonResponse(204, "");
}

HttpResponse NativeRoutes::Download(std::string_view id) {
  const absl::StatusOr<Capture> capture = jobs_.Get(id);
  if (!capture.ok()) return ErrorResponse(capture.status());
  if (!capture->Ended()) {
    return ErrorResponse(absl::FailedPreconditionError(
        "capture " + capture->id + " is still running: stop it, or wait until it has ended"));
  }
  std::vector<std::string> paths;
  for (const pcapwriter::ShardInfo& file : capture->files) {
    if (file.whole) paths.push_back(file.path);
  }
  absl::StatusOr<std::unique_ptr<pcapwriter::ShardMerger>> opened =
      pcapwriter::ShardMerger::Open(paths, static_cast<std::uint32_t>(*capture->request.snaplen));
  if (!opened.ok()) return ErrorResponse(opened.status());

  // std::function wants to be copied, a merger does not.
  const std::shared_ptr<pcapwriter::ShardMerger> merger = *std::move(opened);
  HttpResponse response;
  response.content_type = "application/vnd.tcpdump.pcap";
  response.headers.emplace_back("Content-Disposition",
                                "attachment; filename=\"pcap_" + capture->id + ".pcap\"");
  response.stream = BodyStream{merger->TotalBytes(),
                               [merger](std::span<std::byte> out) { return merger->Read(out); }};
  return response;
}

}  // namespace edgecap::control
