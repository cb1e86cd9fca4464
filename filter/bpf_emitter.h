// SPDX-License-Identifier: Apache-2.0
//
// From a BPF plan to machine code. Both emitters are built everywhere, so that each can be tested
// on a machine of the other kind; which one runs is NativeBpfCode(). Private to this room.
//
// The code is a function in the C calling convention of its processor, independent of its place:
//
//   PacketSet match(const Burst* burst, PacketSet which, BpfLoadFunction* load)
//
// It loops over the packets of the set itself, one call a burst. For each packet:
//
//   window      if the piece at the head covers plan.window_bytes, the packet takes the quick copy
//               of the program, in which absolute loads in the window are not checked; else the
//               careful copy, in which every load is
//   checks      a load that is not surely in the head compares its end with head_bytes
//   far loads   a load that ends behind the head calls `load` if the packet has more pieces,
//               otherwise the packet does not match
//
// Threading: pure functions.

#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "base/packet.h"
#include "filter/bpf_plan.h"

namespace edgecap::filter {

// The `bytes` (1, 2 or 4) bytes at `offset` of packet `index`, read as a number in network order,
// from wherever they lie; kBpfNoBytes when the packet is too short.
using BpfLoadFunction = std::uint64_t(const Burst* burst, std::uint32_t index, std::uint64_t offset,
                                      std::uint32_t bytes) noexcept;
inline constexpr std::uint64_t kBpfNoBytes = ~std::uint64_t{0};

using MachineCode = std::vector<std::uint8_t>;

// Errors: kInternal when the assembler refuses, which is a defect.
[[nodiscard]] absl::StatusOr<MachineCode> EmitBpfX86(const BpfPlan& plan);
[[nodiscard]] absl::StatusOr<MachineCode> EmitBpfArm64(const BpfPlan& plan);

[[nodiscard]] inline absl::StatusOr<MachineCode> NativeBpfCode(const BpfPlan& plan) {
#if defined(__x86_64__)
  return EmitBpfX86(plan);
#elif defined(__aarch64__)
  return EmitBpfArm64(plan);
#else
#error "edgecap runs on x86-64 and arm64"
#endif
}

}  // namespace edgecap::filter
