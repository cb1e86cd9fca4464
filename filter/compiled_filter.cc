// SPDX-License-Identifier: Apache-2.0

#include "filter/compiled_filter.h"

#include <algorithm>
#include <utility>

#include "base/status_macros.h"

namespace edgecap::filter {

CompiledFilter::CompiledFilter() = default;
CompiledFilter::~CompiledFilter() = default;

// ---- Building ---------------------------------------------------------------------------------

absl::StatusOr<std::unique_ptr<const CompiledFilter>> CompiledFilter::Compile(
    std::span<const std::shared_ptr<const PreparedFilter>> filters, std::size_t bytes_max) {
  std::unique_ptr<CompiledFilter> filter(new CompiledFilter);
  EDGECAP_RETURN_IF_ERROR(filter->Build(filters, bytes_max));
  return std::unique_ptr<const CompiledFilter>(std::move(filter));
}

absl::Status CompiledFilter::Build(std::span<const std::shared_ptr<const PreparedFilter>> filters,
                                   std::size_t bytes_max) {
  filters_.assign(filters.begin(), filters.end());
  job_count_ = static_cast<std::uint32_t>(filters.size());

  // Sets are numbered as questions are met; in that order they will be asked.
  std::vector<Classifier::Entry> outer;
  std::vector<Classifier::Entry> inner;
  const auto add_part = [&](std::uint32_t job, const PreparedFilter::Part& part) {
    std::uint32_t target = part.exclude ? ExcludedSet(job) : WantedSet(job);
    if (part.bpf != nullptr || part.payload != nullptr) {
      target = QuestionSet(static_cast<std::uint32_t>(questions_.size()));
      questions_.push_back({job, part.exclude, part.bpf, part.payload});
    }
    for (const MatchRule& rule : part.rules) {
      if (part.layer != Layer::kInner) {
        if (rule.Signature() == 0) {
          always_.push_back(target);
        } else {
          outer.push_back({&rule, target});
        }
      }
      if (part.layer != Layer::kOuter) inner.push_back({&rule, target});
    }
  };
  for (const bool exclude : {true, false}) {
    for (std::uint32_t job = 0; job < job_count_; ++job) {
      const CaptureFilter& filter = filters_[job]->filter();
      const bool wants_all =
          filter.filters.empty() ||
          std::ranges::find(filter.filters, FilterSpec{}) != filter.filters.end();
      if (!exclude && wants_all) {
        if (filter.exclude.empty()) {
          take_all_.push_back(job);
        } else {
          always_.push_back(WantedSet(job));
        }
        continue;
      }
      for (const PreparedFilter::Part& part : filters_[job]->parts()) {
        if (part.exclude == exclude) add_part(job, part);
      }
    }
  }
  looks_ = !always_.empty() || !outer.empty() || !inner.empty();
  stats_.jobs = job_count_;
  stats_.rules = static_cast<std::uint32_t>(outer.size() + inner.size());

  const bool plain = inner.empty() && outer.size() <= DirectMatcher::kRulesMax &&
                     std::ranges::all_of(outer, [this](const Classifier::Entry& entry) {
                       return direct_.Add(*entry.rule, entry.target);
                     });
  if (!plain) {
    direct_ = {};
    if (!outer.empty()) {
      EDGECAP_ASSIGN_OR_RETURN(outer_, Classifier::Build(std::move(outer), bytes_max));
    }
    if (!inner.empty()) {
      EDGECAP_ASSIGN_OR_RETURN(inner_, Classifier::Build(std::move(inner), bytes_max));
    }
  }
  stats_.classified = !plain;
  stats_.bytes = sizeof(*this) + (outer_ != nullptr ? outer_->bytes() : 0) +
                 (inner_ != nullptr ? inner_->bytes() : 0);
  for (const auto& filter : filters_) stats_.bytes += filter->bytes();
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<MatchScratch>> CompiledFilter::NewScratch() const {
  const auto sets = QuestionSet(static_cast<std::uint32_t>(questions_.size()));
  std::unique_ptr<MatchScratch> scratch(new MatchScratch(job_count_, sets));
  for (const Question& question : questions_) {
    if (question.payload != nullptr) {
      EDGECAP_RETURN_IF_ERROR(scratch->payload_.Prepare(*question.payload));
    }
  }
  return scratch;
}

// ---- Matching ---------------------------------------------------------------------------------

void CompiledFilter::Match(const Burst& burst, MatchScratch& scratch) const noexcept {
  scratch.match_count_ = 0;
  for (const std::uint32_t job : take_all_) scratch.Add(job, burst.All());
  if (!looks_) return;
  for (const std::uint32_t set : always_) scratch.sets_.Add(set, burst.All());
  MatchRules(burst, scratch);
  Collect(scratch);
}

void CompiledFilter::MatchRules(const Burst& burst, MatchScratch& scratch) const noexcept {
  FlowKeys& outer = scratch.layers_[0];
  if (outer_ == nullptr && inner_ == nullptr) {
    if (direct_.size() != 0) {
      const PacketSet candidates = direct_.Candidates(burst);
      if (candidates != 0) {
        ParsePackets(burst, candidates, ParseDetail::kTuple, outer);
        direct_.Match(outer, scratch.sets_);
      }
    }
    AskQuestions(burst, nullptr, scratch);
    return;
  }
  if (inner_ == nullptr) {
    const bool details = outer_->needs_details();
    ParsePackets(burst, burst.All(), details ? ParseDetail::kAll : ParseDetail::kTuple, outer);
    outer_->Match(burst, burst.All(), outer, scratch.classifier_, scratch.sets_);
    AskQuestions(burst, details ? &outer : nullptr, scratch);
    return;
  }
  const std::uint32_t layers = ParseLayers(burst, burst.All(), scratch.layers_);
  if (outer_ != nullptr) {
    outer_->Match(burst, burst.All(), outer, scratch.classifier_, scratch.sets_);
  }
  AskQuestions(burst, &outer, scratch);
  for (std::uint32_t layer = 1; layer < layers; ++layer) {
    const FlowKeys& keys = scratch.layers_[layer];
    inner_->Match(burst, keys.present, keys, scratch.classifier_, scratch.sets_);
    AskQuestions(burst, &keys, scratch);
  }
}

// `keys` are those of the layer that the sets are about, with details; null: the outer one, of
// which no details are known yet.
void CompiledFilter::AskQuestions(const Burst& burst, const FlowKeys* keys,
                                  MatchScratch& scratch) const noexcept {
  MatchSets& sets = scratch.sets_;
  sets.ForEach(QuestionSet(0), [&](std::uint32_t set, PacketSet packets) {
    const Question& question = questions_[set - QuestionSet(0)];
    const std::uint32_t target =
        question.exclude ? ExcludedSet(question.job) : WantedSet(question.job);
    sets.Empty(set);
    packets &= ~(sets.Get(target) | sets.Get(ExcludedSet(question.job)));
    if (packets != 0 && question.bpf != nullptr) packets = question.bpf->Match(burst, packets);
    if (packets != 0 && question.payload != nullptr) {
      const FlowKeys* bounds = keys;
      if (bounds == nullptr) {
        ParsePackets(burst, packets, ParseDetail::kAll, scratch.payload_keys_);
        bounds = &scratch.payload_keys_;
      }
      packets = question.payload->Match(burst, packets, bounds->payload_begin, bounds->payload_end,
                                        scratch.payload_);
    }
    if (packets != 0) sets.Add(target, packets);
  });
}

void CompiledFilter::Collect(MatchScratch& scratch) const noexcept {
  scratch.sets_.ForEach(0, [&](std::uint32_t set, PacketSet packets) {
    if (set >= job_count_) return;
    packets &= ~scratch.sets_.Get(ExcludedSet(set));
    if (packets != 0) scratch.Add(set, packets);
  });
  scratch.sets_.Clear();
}

}  // namespace edgecap::filter
