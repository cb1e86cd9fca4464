// SPDX-License-Identifier: Apache-2.0
//
// A classic BPF program, checked, and with what the emitters want to know about it. Private to this
// room.
//
//   reachable       other instructions are not emitted
//   network order   A is loaded and then only compared with constants (JEQ, JSET), perhaps behind
//                   AND: then the bytes are left in their order, and the constants are swapped
//                   instead, once, here
//   window          the stored bytes that cover the absolute loads near the beginning; a packet
//                   that has them in one piece needs no check for those loads
//   zeroed words    memory words that may be read before they were written
//
// Threading: plain values.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "filter/bpf_instruction.h"

namespace edgecap::filter {

struct BpfStep {
  BpfInstruction instruction;     // in network order: k already swapped for AND, JEQ, JSET
  std::uint32_t target_true = 0;  // of jumps (JA: both), indices of steps
  std::uint32_t target_false = 0;
  bool reachable = false;
  bool network_order = false;  // see above
};

struct BpfPlan {
  std::vector<BpfStep> steps;
  std::uint32_t window_bytes = 0;  // at most the smallest Ethernet frame
  std::uint32_t zeroed_words = 0;  // bit set
  bool loops = false;              // has jumps back

  // The step where a jump to `target` ends up, behind unconditional jumps forward.
  [[nodiscard]] std::uint32_t Landing(std::uint32_t target) const noexcept;
};

// Bytes that a load reads; 0: not a load from the packet.
[[nodiscard]] std::uint32_t LoadBytes(const BpfInstruction& instruction) noexcept;

// Errors: kInvalidArgument, with the index of the instruction.
[[nodiscard]] absl::StatusOr<BpfPlan> PlanBpf(std::span<const BpfInstruction> instructions);

}  // namespace edgecap::filter
