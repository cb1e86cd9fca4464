// SPDX-License-Identifier: Apache-2.0
//
// One capture's filter, ready to be compiled together with others: its filters broken down to
// rules, its BPF expressions as machine code, its payload expressions as databases. What is slow is
// done here, once for each capture; compiling all running captures into one program stays quick.
//
// Local, remote and direction: a packet goes out when its source is local; then the source side is
// the local one. It comes in when its destination is local; then the destination side is. Between
// two local addresses it does both. Local is what lies in FilterContext::local_prefixes, and in
// `local_address` where that is asked; without prefixes `local_address` alone says it, and is
// needed for any of the other fields but `direction`, which needs the prefixes.
//
// Life cycle: made by Prepare() when a capture is created, shared by all programs that contain it.
//
// Threading: immutable.

#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "filter/bpf_program.h"
#include "filter/filter_context.h"
#include "filter/filter_spec.h"
#include "filter/match_rule.h"
#include "filter/payload_matcher.h"

namespace edgecap::filter {

class PreparedFilter {
 public:
  // One FilterSpec: it holds where any of its rules does, and then its BPF program and its payload
  // expressions.
  struct Part {
    bool exclude = false;
    Layer layer = Layer::kOuter;
    std::vector<MatchRule> rules;           // never empty; one without tests holds for every packet
    std::shared_ptr<const BpfProgram> bpf;  // null: none
    std::shared_ptr<const PayloadMatcher> payload;  // null: none
  };

  // Slow: compiles expressions. Control thread.
  //
  // Errors: kInvalidArgument, the message begins with the field: "filters[0].bpf ...".
  [[nodiscard]] static absl::StatusOr<std::shared_ptr<const PreparedFilter>> Prepare(
      const CaptureFilter& filter, const FilterContext& context);

  [[nodiscard]] const CaptureFilter& filter() const { return filter_; }
  [[nodiscard]] std::span<const Part> parts() const { return parts_; }

  // Of rules, machine code and databases.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

  // The steps in words, one a line, for operators. Do not parse it.
  [[nodiscard]] std::string Describe() const;

 private:
  PreparedFilter() = default;

  CaptureFilter filter_;
  std::vector<Part> parts_;  // of filters, then of exclude, in their order
  std::size_t bytes_ = 0;
};

}  // namespace edgecap::filter
