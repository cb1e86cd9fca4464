// SPDX-License-Identifier: Apache-2.0
//
// The native API: paths and methods of /v1, and /healthz, onto the job manager. Every answer but a
// download is JSON; every error has the form of ErrorJson().
//
//   POST   /v1/captures                  start one; 201 and its Location
//   GET    /v1/captures                  all, newest first
//   GET    /v1/captures/{id}             one
//   DELETE /v1/captures/{id}             forget an ended one and remove its files; 204
//   POST   /v1/captures/{id}/stop        end one
//   GET    /v1/captures/{id}/download    its whole files as one pcap, by time
//   GET    /v1/stats                     the service's figures
//   GET    /healthz                      {"status":"ok"}
//
// Threading: control only.

#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "config/config.h"
#include "control/http.h"
#include "control/job_manager.h"
#include "control/service_stats.h"

namespace edgecap::control {

class NativeRoutes {
 public:
  // `jobs` outlives the routes. `stats` is asked for at each GET /v1/stats.
  NativeRoutes(JobManager& jobs, const config::LimitsConfig& limits, Identity identity,
               std::function<ServiceStats()> stats);

  [[nodiscard]] HttpResponse Handle(const HttpRequest& request);

 private:
  HttpResponse HandleCapture(const HttpRequest& request, std::string_view id,
                             std::string_view action);
  HttpResponse Create(const HttpRequest& request);
  HttpResponse Answer(int status, const absl::StatusOr<Capture>& capture) const;
  HttpResponse Delete(std::string_view id);
  HttpResponse Download(std::string_view id);

  JobManager& jobs_;
  const config::LimitsConfig limits_;
  const Identity identity_;
  const std::function<ServiceStats()> stats_;
};

// An error as an answer: status and code follow from the status's code.
[[nodiscard]] HttpResponse ErrorResponse(const absl::Status& error);

}  // namespace edgecap::control
