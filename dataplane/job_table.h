// SPDX-License-Identifier: Apache-2.0
//
// A job table is what workers work from: the running jobs, their filters compiled into one program,
// and each worker's half of each job. Control makes a new one for every change.
//
// Life cycle: built by the engine, published (dataplane/job_publisher.h), freed when every worker
// has acknowledged a later one.
//
// Threading: immutable, except that worker w writes what parts[w] and scratch[w] point to.

#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/job.h"
#include "dataplane/job_part.h"
#include "filter/compiled_filter.h"

namespace edgecap::dataplane {

struct JobTable {
  std::uint64_t version = 0;
  std::shared_ptr<const filter::CompiledFilter> filter;
  std::vector<std::unique_ptr<filter::MatchScratch>> scratch;  // by worker; the filter's
  std::vector<Job*> jobs;                                      // filter's job i is jobs[i]

  // By worker: its part of jobs[i]; and of the jobs that this table no longer has, which the worker
  // finishes when it meets this table.
  std::vector<std::vector<JobPart*>> parts;
  std::vector<std::vector<JobPart*>> retired;

  std::uint64_t earliest_deadline_ns = ~std::uint64_t{0};
};

}  // namespace edgecap::dataplane
