// SPDX-License-Identifier: Apache-2.0

#include "filter/bpf_program.h"

#include <asmjit/core.h>
#include <pcap/pcap.h>

#include <cstring>
#include <mutex>
#include <utility>

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "filter/bpf_emitter.h"
#include "filter/bpf_expression.h"
#include "filter/bpf_plan.h"

namespace edgecap::filter {

absl::StatusOr<std::shared_ptr<const BpfProgram>> BpfProgram::Compile(std::string_view expression) {
  EDGECAP_ASSIGN_OR_RETURN(std::vector<BpfInstruction> instructions,
                           CompileBpfExpression(expression));
  return FromInstructions(std::move(instructions));
}

absl::StatusOr<std::shared_ptr<const BpfProgram>> BpfProgram::FromInstructions(
    std::vector<BpfInstruction> instructions) {
  EDGECAP_ASSIGN_OR_RETURN(const BpfPlan plan, PlanBpf(instructions));
  EDGECAP_ASSIGN_OR_RETURN(const MachineCode code, NativeBpfCode(plan));
  const std::shared_ptr<BpfProgram> program(new BpfProgram);
  program->instructions_ = std::move(instructions);

  // Pages of its own, first to be written, then to be run, never both.
  namespace mem = asmjit::VirtMem;
  const std::size_t page = mem::info().pageSize;
  const std::size_t bytes = (code.size() + page - 1) / page * page;
  const auto failed = [&](const char* what, asmjit::Error error) {
    return absl::InternalError("bpf: " + std::to_string(bytes) +
                               " bytes for machine code cannot be " + what + " (" +
                               asmjit::DebugUtils::errorAsString(error) +
                               "); if the service is forbidden to make executable memory "
                               "(MemoryDenyWriteExecute=), allow it");
  };
  if (const auto error = mem::alloc(&program->code_, bytes, mem::MemoryFlags::kAccessRW);
      error != asmjit::kErrorOk) {
    program->code_ = nullptr;
    return failed("mapped", error);
  }
  program->mapped_bytes_ = bytes;
  program->code_bytes_ = code.size();
  std::memcpy(program->code_, code.data(), code.size());
  if (const auto error = mem::protect(program->code_, bytes, mem::MemoryFlags::kAccessRX);
      error != asmjit::kErrorOk) {
    return failed("made executable", error);
  }
  mem::flushInstructionCache(program->code_, code.size());
  program->match_ = reinterpret_cast<MatchFunction*>(program->code_);
  return std::shared_ptr<const BpfProgram>(program);
}

BpfProgram::~BpfProgram() {
  if (code_ != nullptr) asmjit::VirtMem::release(code_, mapped_bytes_);
}

// Only for packets in several pieces, and only where a load is not in the first of them.
std::uint64_t BpfProgram::LoadFromPieces(const Burst* burst, std::uint32_t index,
                                         std::uint64_t offset, std::uint32_t bytes) noexcept {
  PacketSegment piece{burst->packets[index].data, burst->packets[index].head_bytes,
                      burst->IsChained(index) ? burst->rest[index] : nullptr};
  std::uint64_t number = 0;
  while (true) {
    while (offset < piece.bytes) {
      number = number << 8 | piece.data[offset++];
      if (--bytes == 0) return number;
    }
    if (piece.next == nullptr) return kBpfNoBytes;
    offset -= piece.bytes;
    piece = *piece.next;
  }
}

std::string BpfProgram::Describe() const {
  static std::mutex mutex;  // bpf_image() answers in a buffer of its own
  const std::lock_guard lock(mutex);
  std::string text;
  for (std::size_t i = 0; i < instructions_.size(); ++i) {
    const BpfInstruction& from = instructions_[i];
    const bpf_insn instruction{from.code, from.jump_true, from.jump_false, from.k};
    text += bpf_image(&instruction, static_cast<int>(i));
    text += '\n';
  }
  return text;
}

}  // namespace edgecap::filter
