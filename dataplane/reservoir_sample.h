// SPDX-License-Identifier: Apache-2.0
//
// What control does for jobs that sample with a reservoir: memory before the job begins, and at its
// end one sample out of all workers' reservoirs, as the tails of the job's streams.
//
// Threading: control. FinishReservoirs() only when every worker has acknowledged a table without
// the job.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/job.h"
#include "dataplane/job_part.h"
#include "pcapwriter/stream.h"
#include "sampler/reservoir.h"

namespace edgecap::dataplane {

// Of one job on one worker. It is touched before the job begins.
inline constexpr std::uint64_t kReservoirBytesMax = std::uint64_t{64} << 20;
// Where all packets come from files: address space, of which only what packets fill becomes memory.
inline constexpr std::uint64_t kPatientReservoirBytesMax = std::uint64_t{4} << 30;

struct ReservoirPlan {
  std::uint32_t workers = 0;
  std::uint32_t packet_bytes_max = kSnaplenMax;  // of any packet
  bool patient = false;                          // all sources are
  std::uint64_t bytes_left = 0;                  // for all workers together; not for patient ones
};

// A reservoir for each worker.
//
// Errors: kInvalidArgument without a packet_limit, with a byte_limit, and when a reservoir is over
// its bound; kResourceExhausted when those of other jobs leave too little.
[[nodiscard]] absl::StatusOr<std::vector<std::unique_ptr<sampler::Reservoir>>> MakeReservoirs(
    const JobSpec& spec, const ReservoirPlan& plan);

// Draws the job's sample, hangs it on the streams and counts it as captured. Frees the reservoirs.
// Parts and streams are by worker.
void FinishReservoirs(const JobSpec& spec, std::span<const std::unique_ptr<JobPart>> parts,
                      std::span<const std::unique_ptr<pcapwriter::Stream>> streams);

}  // namespace edgecap::dataplane
