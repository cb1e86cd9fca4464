// SPDX-License-Identifier: Apache-2.0
//
// A CompiledFilter answers one question for a burst of packets: which capture jobs want which of
// them? It is every running job's PreparedFilter merged into one program, so that a burst is looked
// at once, however many jobs are running.
//
// How: jobs that want everything get the whole burst without a look. The rules of the others are
// matched together: a few plain ones by DirectMatcher, else all by one Classifier for the outer
// packet and one for what tunnels carry. What a rule finds is added to a set of packets: that of
// its job; or, where the filter goes on with BPF or payload expressions, one that is narrowed by
// these before it is added to the job's. Packets that a job has already, or excludes, are not
// looked at for it again. The answer is by job: for each that wants something, the set of packets.
//
// Life cycle: built on the control thread by Compile(), published to workers inside a job table,
// destroyed by control when no worker can still see it.
//
// Threading: immutable after Compile(). Any number of workers may call Match() at once, each with
// its own scratch.
//
// Hot path: Match() does not allocate, block, log, throw or enter the kernel.

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/packet.h"
#include "filter/classifier.h"
#include "filter/direct_matcher.h"
#include "filter/flow_keys.h"
#include "filter/match_sets.h"
#include "filter/packet_parser.h"
#include "filter/prepared_filter.h"

namespace edgecap::filter {

// What one job wants of a burst; never empty.
struct JobMatch {
  std::uint32_t job = 0;  // index of the filter given to Compile()
  PacketSet packets = 0;
};

// Working memory of Match() and its answer, one for each worker; made by
// CompiledFilter::NewScratch() and good for that filter only.
class MatchScratch {
 public:
  // What the last Match() found.
  [[nodiscard]] std::span<const JobMatch> matches() const noexcept {
    return {matches_.data(), match_count_};
  }

 private:
  friend class CompiledFilter;
  MatchScratch(std::uint32_t jobs, std::uint32_t sets) : matches_(jobs), sets_(sets) {}

  void Add(std::uint32_t job, PacketSet packets) noexcept {
    matches_[match_count_++] = {job, packets};
  }

  std::array<FlowKeys, kLayersMax> layers_;
  FlowKeys payload_keys_;
  Classifier::Scratch classifier_;
  PayloadMatcher::Scratch payload_;
  std::vector<JobMatch> matches_;
  std::uint32_t match_count_ = 0;
  MatchSets sets_;
};

// Figures of a program, for operators.
struct FilterStats {
  std::uint32_t jobs = 0;
  std::uint32_t rules = 0;  // after either-side and local/remote fields have become several
  bool classified = false;  // by Classifier; else by DirectMatcher, or nothing is to be matched
  std::uint64_t bytes = 0;  // of all it consists of
};

class CompiledFilter {
 public:
  static constexpr std::size_t kBytesMax = std::size_t{512} << 20;

  // Compiles filters so that filters[i] decides for job i. Control thread only; 10,000 rules take
  // some tens of milliseconds.
  //
  // Errors: kResourceExhausted when the filters together are too many, or overlap so much that
  // their rules would take more than `bytes_max`; the message is for the operator.
  [[nodiscard]] static absl::StatusOr<std::unique_ptr<const CompiledFilter>> Compile(
      std::span<const std::shared_ptr<const PreparedFilter>> filters,
      std::size_t bytes_max = kBytesMax);

  CompiledFilter(const CompiledFilter&) = delete;
  CompiledFilter& operator=(const CompiledFilter&) = delete;
  ~CompiledFilter();

  [[nodiscard]] std::uint32_t job_count() const noexcept { return job_count_; }
  [[nodiscard]] const FilterStats& stats() const noexcept { return stats_; }

  // Control thread. Errors: kResourceExhausted when payload expressions need more memory than there
  // is.
  [[nodiscard]] absl::StatusOr<std::unique_ptr<MatchScratch>> NewScratch() const;

  // Leaves in scratch.matches() each job that wants any of the packets, once.
  void Match(const Burst& burst, MatchScratch& scratch) const noexcept;

 private:
  // A filter's rules have found packets; what remains to be asked of them.
  struct Question {
    std::uint32_t job = 0;
    bool exclude = false;
    std::shared_ptr<const BpfProgram> bpf;
    std::shared_ptr<const PayloadMatcher> payload;
  };

  CompiledFilter();

  // Numbers of packet sets: what jobs want, what they exclude, what questions are about.
  [[nodiscard]] std::uint32_t WantedSet(std::uint32_t job) const noexcept { return job; }
  [[nodiscard]] std::uint32_t ExcludedSet(std::uint32_t job) const noexcept {
    return job_count_ + job;
  }
  [[nodiscard]] std::uint32_t QuestionSet(std::uint32_t question) const noexcept {
    return 2 * job_count_ + question;
  }

  absl::Status Build(std::span<const std::shared_ptr<const PreparedFilter>> filters,
                     std::size_t bytes_max);
  void MatchRules(const Burst& burst, MatchScratch& scratch) const noexcept;
  void AskQuestions(const Burst& burst, const FlowKeys* keys, MatchScratch& scratch) const noexcept;
  void Collect(MatchScratch& scratch) const noexcept;

  std::uint32_t job_count_ = 0;
  std::vector<std::uint32_t> take_all_;  // jobs that want every packet and exclude none
  std::vector<std::uint32_t> always_;    // sets that every packet is added to
  DirectMatcher direct_;
  std::unique_ptr<const Classifier> outer_;  // instead of direct_
  std::unique_ptr<const Classifier> inner_;
  std::vector<Question> questions_;                             // those that exclude come first
  bool looks_ = false;                                          // anything but take_all_
  std::vector<std::shared_ptr<const PreparedFilter>> filters_;  // keeps rules and programs
  FilterStats stats_;
};

}  // namespace edgecap::filter
