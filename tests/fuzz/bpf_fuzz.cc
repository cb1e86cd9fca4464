// SPDX-License-Identifier: Apache-2.0
//
// Any text as a filter expression, any bytes as a packet: the text compiles or is refused with
// words, and the machine code says what libpcap's interpreter says, of the packet in one piece and
// in three. The code for arm64 is made too, and must be makeable.
//
// Names are not looked up outside this machine: the functions below stand in front of the C
// library's.

#include <dlfcn.h>
#include <netdb.h>
#include <netinet/ether.h>
#include <pcap/pcap.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/status_macros.h"
#include "filter/bpf_emitter.h"
#include "filter/bpf_plan.h"
#include "filter/bpf_program.h"
#include "tests/support/guarded_burst.h"

extern "C" {

// Hosts in digits only; services as in /etc/services.
int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result) {
  static const auto real =
      reinterpret_cast<decltype(&getaddrinfo)>(dlsym(RTLD_NEXT, "getaddrinfo"));
  addrinfo numeric = hints != nullptr ? *hints : addrinfo{};
  numeric.ai_flags |= AI_NUMERICHOST;
  return real(node, service, &numeric, result);
}

hostent* gethostbyname(const char*) {
  h_errno = HOST_NOT_FOUND;
  return nullptr;
}

int getnetbyname_r(const char*, netent*, char*, std::size_t, netent** result, int* error) {
  *result = nullptr;
  *error = HOST_NOT_FOUND;
  return ENOENT;
}

int ether_hostton(const char*, ether_addr*) { return -1; }

}  // extern "C"

namespace edgecap::filter {
namespace {

// Behind that many bytes a chain of headers may be longer than our machine code follows it
// (kBpfBackwardJumpsMax) and the interpreter does.
constexpr std::size_t kPacketBytesMax = 8 * kBpfBackwardJumpsMax;

void Try(std::string_view text, std::span<const std::uint8_t> packet, std::size_t head,
         std::size_t middle, std::uint32_t wire_bytes) {
  const auto program = BpfProgram::Compile(text);
  if (!program.ok()) {
    EDGECAP_CHECK(program.status().code() == absl::StatusCode::kInvalidArgument);
    EDGECAP_CHECK(MessageOf(program.status()).starts_with("bpf: "));
    return;
  }
  // Scratch words that were not written are zero for us; for the interpreter they are what lay on
  // the stack, and libpcap 1.10 reads such ones for some expressions with `geneve`.
  std::vector<bpf_insn> reference = {BPF_STMT(BPF_LD | BPF_IMM, 0)};
  for (unsigned word = 0; word < BPF_MEMWORDS; ++word) {
    reference.push_back(BPF_STMT(BPF_ST, word));
  }
  for (const BpfInstruction& i : (*program)->instructions()) {
    reference.push_back({i.code, i.jump_true, i.jump_false, i.k});
  }
  const bool expected = bpf_filter(reference.data(), packet.data(), wire_bytes,
                                   static_cast<unsigned>(packet.size())) != 0;
  testing::GuardedBurst burst;
  burst.Add(packet, wire_bytes);
  burst.Add(packet, std::vector{head, middle, packet.size() - head - middle}, wire_bytes);
  EDGECAP_CHECK((*program)->Match(burst.burst(), 3) == (expected ? 3 : 0));
  EDGECAP_CHECK((*program)->Match(burst.burst(), 2) == (expected ? 2 : 0));

  const auto plan = PlanBpf((*program)->instructions());
  EDGECAP_CHECK(plan.ok() && EmitBpfArm64(*plan).ok());
}

}  // namespace
}  // namespace edgecap::filter

// Two bytes say where the packet is cut, one how much longer it was on the wire; then the text, up
// to a newline, and the packet.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace edgecap;
  if (size < 3) return 0;
  const std::string_view all(reinterpret_cast<const char*>(data) + 3, size - 3);
  const std::string_view text = all.substr(0, all.find('\n'));
  const std::vector<std::uint8_t> packet(
      all.begin() + static_cast<std::ptrdiff_t>(std::min(text.size() + 1, all.size())), all.end());
  const std::span<const std::uint8_t> stored =
      std::span(packet).first(std::min(packet.size(), filter::kPacketBytesMax));
  const std::size_t head = std::min<std::size_t>(data[0], stored.size());
  const std::size_t middle = std::min<std::size_t>(data[1], stored.size() - head);
  filter::Try(text, stored, head, middle, static_cast<std::uint32_t>(stored.size()) + data[2]);
  return 0;
}
