// SPDX-License-Identifier: Apache-2.0
//
// A CompiledFilter answers one question for a burst of packets: which capture jobs want which of
// them? It is every running job's FilterSpec merged into one program, so that a burst is looked at
// once, however many jobs are running.
//
// How: jobs that want everything get the whole burst without a look. The rules of the others are
// compared the wide way round: the job is the loop, the burst is the vector. A rule's fields are
// compared with all packets' fields at once, and a rule is left as soon as no packet is left. Where
// the rules are few, a header window (filter/header_window.h) rejects most packets before they are
// parsed. The answer has the same orientation: for each job that wants something, the set of
// packets. Jobs that want nothing of a burst cost nothing after the comparison.
//
// Room for what comes: further kinds of rules (BPF, payload, tunnels) are further ways to narrow
// the packet set of a job; what they write while matching lives in MatchScratch.
//
// Life cycle: built on the control thread by Compile(), published to workers inside a job table,
// destroyed by control when no worker can still see it.
//
// Threading: immutable after Compile(). Any number of workers may call Match() at once, each with
// its own scratch.
//
// Hot path: Match() does not allocate, block, log, throw or enter the kernel.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/packet.h"
#include "filter/filter_rule.h"
#include "filter/filter_spec.h"
#include "filter/flow_keys.h"

namespace edgecap::filter {

// What one job wants of a burst; never empty.
struct JobMatch {
  std::uint32_t job = 0;  // index of the spec given to Compile()
  PacketSet packets = 0;
};

// Working memory of Match() and its answer, one for each worker.
class MatchScratch {
 public:
  // REQUIRES: jobs >= CompiledFilter::job_count() of every filter it is used with.
  explicit MatchScratch(std::uint32_t jobs) : matches_(jobs) {}

  // What the last Match() found.
  [[nodiscard]] std::span<const JobMatch> matches() const noexcept {
    return {matches_.data(), match_count_};
  }

 private:
  friend class CompiledFilter;
  void Add(std::uint32_t job, PacketSet packets) noexcept {
    matches_[match_count_++] = {job, packets};
  }

  FlowKeys keys_;
  std::vector<JobMatch> matches_;
  std::uint32_t match_count_ = 0;
};

class CompiledFilter {
 public:
  // Compiles specs so that specs[i] decides for job i. Slow and allocating: control thread only.
  //
  // Errors: kInvalidArgument when a spec contradicts itself; the message is for the operator.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<const CompiledFilter>> Compile(
      std::span<const FilterSpec> specs);

  CompiledFilter(const CompiledFilter&) = delete;
  CompiledFilter& operator=(const CompiledFilter&) = delete;
  ~CompiledFilter();

  [[nodiscard]] std::uint32_t job_count() const noexcept { return job_count_; }

  // Leaves in scratch.matches() each job that wants any of the packets, once.
  void Match(const Burst& burst, MatchScratch& scratch) const noexcept;

  // The program as text, one job a line, for operators and test failures. Do not parse it.
  [[nodiscard]] std::string DebugString() const;

 private:
  CompiledFilter();

  [[nodiscard]] PacketSet Candidates(const Burst& burst) const noexcept;

  std::uint32_t job_count_ = 0;
  std::vector<std::uint32_t> take_all_;  // jobs that want every packet
  std::vector<FilterRule> rules_;        // of the other jobs
  std::string text_;
};

}  // namespace edgecap::filter
