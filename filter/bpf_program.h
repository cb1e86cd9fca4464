// SPDX-License-Identifier: Apache-2.0
//
// A filter expression in tcpdump's language (pcap-filter(7)), as machine code. libpcap reads and
// optimises the text, for Ethernet; our own compiler turns its classic BPF into instructions of
// this processor (filter/bpf_emitter.h). Nothing is interpreted.
//
// The answer is the one of libpcap's pcap_offline_filter(): `len` is the length on the wire, loads
// end where the stored bytes end, over all pieces of a packet, and a packet that is too short for a
// load does not match. Scratch memory is zero where it was not written. A program that loops
// (`protochain`) gives up after kBpfBackwardJumpsMax rounds; the packet then does not match.
//
// Names. libpcap looks up host, network, port and protocol names while it compiles, on this
// machine, once: through getaddrinfo() and getservbyname(), so in /etc/hosts, /etc/services,
// /etc/protocols and, where the machine is set up so, in DNS. That may block for as long as the
// resolver takes, so use addresses where it matters. What a name means is frozen in the program.
//
// Refused, because nothing in the packet's bytes could answer: `inbound`, `outbound`, `ifindex` and
// what else only a Linux kernel knows; use the field `direction`. libpcap itself refuses `gateway`,
// and `ip broadcast`, because no netmask is known.
//
// Time. libpcap's optimiser takes time that grows faster than the program, so a long expression
// (kOptimizedInstructionsMax) is left as it is: right, but slower to match. Above kTokensMax words
// and signs an expression is refused. So Compile() ends in a second, or three at worst (and names).
//
// Life cycle: made by control, immutable, shared by the filters that use it.
//
// Threading: Compile() on any thread, Match() on any number of them at once.
//
// Hot path: Match() does not allocate, block, log, throw or enter the kernel. Fuzzed by
// tests/fuzz/bpf_fuzz.cc.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "base/packet.h"
#include "filter/bpf_instruction.h"

namespace edgecap::filter {

class BpfProgram {
 public:
  static constexpr std::size_t kExpressionBytesMax = 16384;
  // Words, numbers and signs of an expression.
  static constexpr std::size_t kTokensMax = 500;
  // Instructions before optimising, up to which a program is optimised.
  static constexpr std::size_t kOptimizedInstructionsMax = 4096;
  static constexpr std::size_t kInstructionsMax = 131072;

  // Errors: kInvalidArgument, "bpf: " and what libpcap says with the place, counted from 1:
  // `bpf: syntax error at character 12, near "foo"; ...`. kInternal: there is no memory for the
  // machine code.
  [[nodiscard]] static absl::StatusOr<std::shared_ptr<const BpfProgram>> Compile(
      std::string_view expression);

  // Compiles a program as it is. Jumps may go back with JA only, as in libpcap.
  //
  // Errors: kInvalidArgument when an instruction is not known, jumps out of the program, or names
  // a memory word, divisor or shift that cannot be.
  [[nodiscard]] static absl::StatusOr<std::shared_ptr<const BpfProgram>> FromInstructions(
      std::vector<BpfInstruction> instructions);

  BpfProgram(const BpfProgram&) = delete;
  BpfProgram& operator=(const BpfProgram&) = delete;
  ~BpfProgram();

  // Those of `which` that match. REQUIRES: `which` names packets of the burst.
  [[nodiscard]] PacketSet Match(const Burst& burst, PacketSet which) const noexcept {
    return match_(&burst, which, &LoadFromPieces);
  }

  // The BPF program, one instruction a line, as tcpdump -d prints it. For humans.
  [[nodiscard]] std::string Describe() const;

  // Bytes of machine code.
  [[nodiscard]] std::size_t code_bytes() const noexcept { return code_bytes_; }

  [[nodiscard]] std::span<const BpfInstruction> instructions() const noexcept {
    return instructions_;
  }

 private:
  // See filter/bpf_emitter.h.
  using LoadFunction = std::uint64_t(const Burst*, std::uint32_t, std::uint64_t,
                                     std::uint32_t) noexcept;
  using MatchFunction = PacketSet(const Burst*, PacketSet, LoadFunction*) noexcept;

  BpfProgram() = default;
  static LoadFunction LoadFromPieces;

  std::vector<BpfInstruction> instructions_;
  void* code_ = nullptr;
  std::size_t code_bytes_ = 0;
  std::size_t mapped_bytes_ = 0;
  MatchFunction* match_ = nullptr;
};

}  // namespace edgecap::filter
