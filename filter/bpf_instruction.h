// SPDX-License-Identifier: Apache-2.0
//
// One instruction of classic BPF, as libpcap's struct bpf_insn has it, so that the headers of this
// room do not need libpcap's. The meaning of the codes: McCanne and Jacobson, "The BSD Packet
// Filter", 1993, and bpf(4).
//
// Threading: plain values.

#pragma once

#include <cstdint>

namespace edgecap::filter {

struct BpfInstruction {
  std::uint16_t code = 0;
  std::uint8_t jump_true = 0;   // instructions to skip where the comparison holds
  std::uint8_t jump_false = 0;  // and where it does not
  std::uint32_t k = 0;

  friend bool operator==(const BpfInstruction&, const BpfInstruction&) = default;
};

// Words of scratch memory that a program has.
inline constexpr std::uint32_t kBpfMemoryWords = 16;

// How often a program may jump back in one packet before the packet counts as not matching. Only
// `protochain` makes loops, one round for each IPv6 extension header; libpcap 1.11 has the same
// end.
inline constexpr std::uint32_t kBpfBackwardJumpsMax = 64;

}  // namespace edgecap::filter
