// SPDX-License-Identifier: Apache-2.0
//
// What both emitters share: the labels of one copy of a program, the far loads that wait to be
// written behind it, and asmjit's errors as values. Private to the emitters.
//
// Threading: belongs to one emitter.

#pragma once

#include <asmjit/core.h>
#include <pcap/bpf.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "filter/bpf_emitter.h"
#include "filter/bpf_plan.h"

namespace edgecap::filter {

// Keeps the first error of an assembler, whose functions may then be called without looking.
class FirstError final : public asmjit::ErrorHandler {
 public:
  void handleError(asmjit::Error error, const char* message, asmjit::BaseEmitter*) override {
    if (status_.ok() && error != asmjit::kErrorOk) {
      status_ = absl::InternalError(std::string("bpf: the assembler says: ") + message);
    }
  }
  [[nodiscard]] const absl::Status& status() const { return status_; }

 private:
  absl::Status status_;
};

// A load that may end behind the head: its code stands behind the program.
struct FarLoad {
  asmjit::Label from;
  asmjit::Label back;
  std::uint32_t step = 0;
};

// One copy of the program, see filter/bpf_emitter.h.
struct ProgramCopy {
  bool careful = false;  // absolute loads in the window are checked too
  std::vector<asmjit::Label> labels;
  std::vector<FarLoad> far_loads;
};

// A load of which the window has not made sure.
[[nodiscard]] inline bool NeedsCheck(const BpfPlan& plan, const BpfInstruction& load,
                                     bool careful) noexcept {
  return careful || BPF_MODE(load.code) == BPF_IND ||
         std::uint64_t{load.k} + LoadBytes(load) > plan.window_bytes;
}

// The finished bytes of `code`, where all labels are bound and nothing depends on its place.
[[nodiscard]] inline absl::StatusOr<MachineCode> TakeCode(asmjit::CodeHolder& code,
                                                          const FirstError& error) {
  if (!error.status().ok()) return error.status();
  if (code.hasUnresolvedLinks() || code.hasRelocEntries() || code.sectionCount() != 1) {
    return absl::InternalError("bpf: the machine code has loose ends");
  }
  const asmjit::CodeBuffer& bytes = code.textSection()->buffer();
  return MachineCode(bytes.begin(), bytes.end());
}

}  // namespace edgecap::filter
