// SPDX-License-Identifier: Apache-2.0
//
// x86-64, System V calling convention, no instruction beyond the base set (TZCNT is BSF where it is
// not known, and means the same for a set that is not empty).
//
//   A eax   X rcx, upper half zero    data rdi   head_bytes r8, upper half zero
//   packets left rbx   matches r12    burst r13  index r14   its PacketView r15
//   rdx, rsi: for the moment

#include <asmjit/x86.h>
#include <pcap/bpf.h>

#include <cstddef>
#include <cstdint>
#include <limits>

#include "filter/bpf_assembly.h"
#include "filter/bpf_emitter.h"

namespace edgecap::filter {
namespace {

using asmjit::Label;
using asmjit::x86::CondCode;
using asmjit::x86::Mem;
namespace x86 = asmjit::x86;

constexpr x86::Gp kA = x86::eax;
constexpr x86::Gp kX = x86::ecx;
constexpr x86::Gp kWideX = x86::rcx;
constexpr x86::Gp kData = x86::rdi;
constexpr x86::Gp kHeadBytes = x86::r8;
constexpr x86::Gp kLeft = x86::rbx;
constexpr x86::Gp kMatches = x86::r12;
constexpr x86::Gp kBurst = x86::r13;
constexpr x86::Gp kIndex = x86::r14;
constexpr x86::Gp kPacket = x86::r15;
constexpr x86::Gp kKept[] = {x86::rbx, x86::rbp, x86::r12, x86::r13, x86::r14, x86::r15};

// The stack frame; with the six registers above and the return address a multiple of 16.
constexpr std::int32_t kLoadSlot = kBpfMemoryWords * 4;
constexpr std::int32_t kRoundsSlot = kLoadSlot + 8;
constexpr std::int32_t kFrameBytes = kRoundsSlot + 16;
static_assert((kFrameBytes + 6 * 8 + 8) % 16 == 0);

bool IsShort(std::uint64_t value) {
  return value <= static_cast<std::uint64_t>(std::numeric_limits<std::int32_t>::max());
}

class X86Emitter {
 public:
  explicit X86Emitter(const BpfPlan& plan) : plan_(plan) {
    code_.init(asmjit::Environment(asmjit::Arch::kX64));
    code_.setErrorHandler(&error_);
    code_.attach(&a_);
  }

  absl::StatusOr<MachineCode> Emit() {
    next_ = a_.newLabel();
    match_ = a_.newLabel();
    for (Label& label : far_) label = a_.newLabel();
    const Label loop = a_.newLabel();
    const Label done = a_.newLabel();
    const Label careful = a_.newLabel();

    for (const x86::Gp& reg : kKept) a_.push(reg);
    a_.sub(x86::rsp, kFrameBytes);
    a_.mov(kBurst, x86::rdi);
    a_.mov(kLeft, x86::rsi);
    a_.mov(x86::qword_ptr(x86::rsp, kLoadSlot), x86::rdx);
    a_.xor_(kMatches.r32(), kMatches.r32());
    a_.test(kLeft, kLeft);
    a_.jz(done);

    a_.align(asmjit::AlignMode::kCode, 32);
    a_.bind(loop);
    a_.tzcnt(kIndex, kLeft);
    a_.lea(x86::rax, x86::ptr(kLeft, -1));
    a_.and_(kLeft, x86::rax);
    a_.mov(kPacket, kIndex);
    static_assert(sizeof(PacketView) == 16);
    a_.shl(kPacket, 4);
    a_.lea(kPacket, x86::ptr(kBurst, kPacket, 0, offsetof(Burst, packets)));
    LoadView();
    a_.xor_(kA, kA);
    a_.xor_(kX, kX);
    for (std::uint32_t word = 0; word < kBpfMemoryWords; ++word) {
      if (((plan_.zeroed_words >> word) & 1) != 0) a_.mov(Memory(word), 0);
    }
    if (plan_.loops) a_.mov(Rounds(), kBpfBackwardJumpsMax);

    ProgramCopy quick = NewCopy(false);
    ProgramCopy slow = NewCopy(true);
    if (plan_.window_bytes > 0) {
      a_.cmp(kHeadBytes.r32(), plan_.window_bytes);
      a_.jb(careful);
    }
    EmitProgram(quick);
    a_.bind(match_);
    a_.bts(kMatches, kIndex);
    a_.bind(next_);
    a_.test(kLeft, kLeft);
    a_.jnz(loop);
    a_.bind(done);
    a_.mov(x86::rax, kMatches);
    a_.add(x86::rsp, kFrameBytes);
    for (std::size_t i = std::size(kKept); i-- > 0;) a_.pop(kKept[i]);
    a_.ret();

    if (plan_.window_bytes > 0) {
      a_.bind(careful);
      EmitProgram(slow);
    }
    EmitFarLoads(quick);
    EmitFarLoads(slow);
    for (const std::uint32_t bytes : {1U, 2U, 4U}) EmitFar(bytes);
    return TakeCode(code_, error_);
  }

 private:
  static Mem Memory(std::uint32_t word) {
    return x86::dword_ptr(x86::rsp, static_cast<std::int32_t>(word * 4));
  }
  static Mem Rounds() { return x86::dword_ptr(x86::rsp, kRoundsSlot); }

  ProgramCopy NewCopy(bool careful) {
    ProgramCopy copy;
    copy.careful = careful;
    copy.labels.resize(plan_.steps.size());
    return copy;
  }

  void LoadView() {
    a_.mov(kData, x86::qword_ptr(kPacket, offsetof(PacketView, data)));
    a_.mov(kHeadBytes.r32(), x86::dword_ptr(kPacket, offsetof(PacketView, head_bytes)));
  }

  // Where a jump to step `target` goes.
  Label To(ProgramCopy& copy, std::uint32_t target) {
    target = plan_.Landing(target);
    const BpfInstruction& step = plan_.steps[target].instruction;
    if (step.code == (BPF_RET | BPF_K)) return step.k != 0 ? match_ : next_;
    Label& label = copy.labels[target];
    if (!label.isValid()) label = a_.newLabel();
    return label;
  }

  void EmitProgram(ProgramCopy& copy) {
    for (std::uint32_t i = 0; i < plan_.steps.size(); ++i) {
      if (!plan_.steps[i].reachable) continue;
      if (!copy.labels[i].isValid()) copy.labels[i] = a_.newLabel();
      a_.bind(copy.labels[i]);
      EmitStep(copy, i);
    }
  }

  void EmitStep(ProgramCopy& copy, std::uint32_t i) {
    const BpfInstruction& step = plan_.steps[i].instruction;
    switch (BPF_CLASS(step.code)) {
      case BPF_LD:
      case BPF_LDX:
        EmitLoad(copy, i);
        break;
      case BPF_ST:
        a_.mov(Memory(step.k), kA);
        break;
      case BPF_STX:
        a_.mov(Memory(step.k), kX);
        break;
      case BPF_ALU:
        EmitArithmetic(step);
        break;
      case BPF_JMP:
        EmitJump(copy, i);
        break;
      case BPF_RET:
        if (BPF_RVAL(step.code) == BPF_A) {
          a_.test(kA, kA);
          a_.jnz(match_);
          a_.jmp(next_);
        } else {
          a_.jmp(step.k != 0 ? match_ : next_);
        }
        break;
      default:
        if (step.code == (BPF_MISC | BPF_TAX)) {
          a_.mov(kX, kA);
        } else {
          a_.mov(kA, kX);
        }
        break;
    }
  }

  void EmitLoad(ProgramCopy& copy, std::uint32_t i) {
    const BpfInstruction& step = plan_.steps[i].instruction;
    const x86::Gp& to = BPF_CLASS(step.code) == BPF_LD ? kA : kX;
    switch (BPF_MODE(step.code)) {
      case BPF_IMM:
        a_.mov(to, step.k);
        return;
      case BPF_MEM:
        a_.mov(to, Memory(step.k));
        return;
      case BPF_LEN:
        a_.mov(to, x86::dword_ptr(kPacket, offsetof(PacketView, wire_bytes)));
        return;
      default:
        EmitPacketLoad(copy, i);
    }
  }

  void EmitPacketLoad(ProgramCopy& copy, std::uint32_t i) {
    const BpfInstruction& step = plan_.steps[i].instruction;
    const bool relative = BPF_MODE(step.code) == BPF_IND;
    const std::uint32_t bytes = LoadBytes(step);
    const std::uint64_t end = std::uint64_t{step.k} + bytes;
    FarLoad far{a_.newLabel(), a_.newLabel(), i};
    Mem from = x86::ptr(kData, static_cast<std::int32_t>(step.k));
    if (relative || !IsShort(end)) {
      // The offset in 64 bits, where it cannot wrap round.
      if (relative && IsShort(end)) {
        a_.lea(x86::rdx, x86::ptr(kWideX, static_cast<std::int32_t>(step.k)));
      } else {
        a_.mov(x86::edx, step.k);
        if (relative) a_.add(x86::rdx, kWideX);
      }
      from = x86::ptr(kData, x86::rdx);
    }
    if (NeedsCheck(plan_, step, copy.careful)) {
      if (relative || !IsShort(end)) {
        a_.lea(x86::rsi, x86::ptr(x86::rdx, static_cast<std::int32_t>(bytes)));
        a_.cmp(x86::rsi, kHeadBytes);
        a_.ja(far.from);
      } else {
        a_.cmp(kHeadBytes, static_cast<std::int32_t>(end));
        a_.jb(far.from);
      }
      copy.far_loads.push_back(far);
    }
    const bool number = !plan_.steps[i].network_order;
    switch (bytes) {
      case 1:
        from.setSize(1);
        a_.movzx(BPF_CLASS(step.code) == BPF_LDX ? kX : kA, from);
        break;
      case 2:
        from.setSize(2);
        a_.movzx(kA, from);
        if (number) a_.rol(x86::ax, 8);
        break;
      default:
        from.setSize(4);
        a_.mov(kA, from);
        if (number) a_.bswap(kA);
        break;
    }
    a_.bind(far.back);
    if (BPF_CLASS(step.code) == BPF_LDX) {  // 4 * (byte & 15)
      a_.and_(kX, 15);
      a_.shl(kX, 2);
    }
  }

  // Behind the program: the loads whose bytes are not all in the head.
  void EmitFarLoads(const ProgramCopy& copy) {
    for (const FarLoad& load : copy.far_loads) {
      const BpfStep& step = plan_.steps[load.step];
      const std::uint32_t bytes = LoadBytes(step.instruction);
      a_.bind(load.from);
      if (BPF_MODE(step.instruction.code) != BPF_IND) a_.mov(x86::edx, step.instruction.k);
      a_.call(far_[bytes / 2]);
      a_.test(x86::rdx, x86::rdx);
      a_.js(next_);
      a_.mov(BPF_CLASS(step.instruction.code) == BPF_LDX ? kX : kA, x86::edx);
      if (step.network_order) {
        if (bytes == 2) {
          a_.rol(x86::ax, 8);
        } else {
          a_.bswap(kA);
        }
      }
      a_.jmp(load.back);
    }
  }

  // A subroutine: rdx = the number of `bytes` bytes at offset rdx, or kBpfNoBytes. Keeps the rest.
  void EmitFar(std::uint32_t bytes) {
    constexpr std::int32_t kSaved = 24;  // and the return address: still a multiple of 16
    const Label none = a_.newLabel();
    a_.bind(far_[bytes / 2]);
    a_.mov(x86::rsi, x86::qword_ptr(kBurst, offsetof(Burst, chained)));
    a_.bt(x86::rsi, kIndex);
    a_.jnc(none);
    a_.sub(x86::rsp, kSaved);
    a_.mov(x86::dword_ptr(x86::rsp), kA);
    a_.mov(x86::dword_ptr(x86::rsp, 4), kX);
    a_.mov(x86::rdi, kBurst);
    a_.mov(x86::esi, kIndex.r32());
    a_.mov(x86::ecx, bytes);
    a_.call(x86::qword_ptr(x86::rsp, kSaved + 8 + kLoadSlot));
    a_.mov(x86::rdx, x86::rax);
    a_.mov(kA, x86::dword_ptr(x86::rsp));
    a_.mov(kX, x86::dword_ptr(x86::rsp, 4));
    a_.add(x86::rsp, kSaved);
    LoadView();
    a_.ret();
    a_.bind(none);
    a_.mov(x86::rdx, -1);
    a_.ret();
  }

  void EmitArithmetic(const BpfInstruction& step) {
    const bool by_x = BPF_SRC(step.code) == BPF_X;
    const auto k = static_cast<std::int32_t>(step.k);
    switch (BPF_OP(step.code)) {
      case BPF_ADD:
        by_x ? a_.add(kA, kX) : a_.add(kA, k);
        break;
      case BPF_SUB:
        by_x ? a_.sub(kA, kX) : a_.sub(kA, k);
        break;
      case BPF_AND:
        by_x ? a_.and_(kA, kX) : a_.and_(kA, k);
        break;
      case BPF_OR:
        by_x ? a_.or_(kA, kX) : a_.or_(kA, k);
        break;
      case BPF_XOR:
        by_x ? a_.xor_(kA, kX) : a_.xor_(kA, k);
        break;
      case BPF_MUL:
        by_x ? a_.imul(kA, kX) : a_.imul(kA, kA, k);
        break;
      case BPF_DIV:
      case BPF_MOD:
        if (by_x) {
          a_.test(kX, kX);
          a_.jz(next_);
          a_.mov(x86::esi, kX);
        } else {
          a_.mov(x86::esi, step.k);
        }
        a_.xor_(x86::edx, x86::edx);
        a_.div(x86::edx, kA, x86::esi);
        if (BPF_OP(step.code) == BPF_MOD) a_.mov(kA, x86::edx);
        break;
      case BPF_LSH:
      case BPF_RSH: {
        const bool left = BPF_OP(step.code) == BPF_LSH;
        if (!by_x) {
          left ? a_.shl(kA, k) : a_.shr(kA, k);
          break;
        }
        left ? a_.shl(kA, x86::cl) : a_.shr(kA, x86::cl);
        // The processor shifts by the lower five bits; by 32 and more, nothing is left.
        a_.cmp(kX, 32);
        a_.sbb(x86::edx, x86::edx);
        a_.and_(kA, x86::edx);
        break;
      }
      default:
        a_.neg(kA);
        break;
    }
  }

  void EmitJump(ProgramCopy& copy, std::uint32_t i) {
    const BpfStep& step = plan_.steps[i];
    if (step.instruction.code == (BPF_JMP | BPF_JA)) {
      if (step.target_true <= i) {
        a_.sub(Rounds(), 1);
        a_.js(next_);
      }
      a_.jmp(To(copy, step.target_true));
      return;
    }
    const bool by_x = BPF_SRC(step.instruction.code) == BPF_X;
    const auto k = static_cast<std::int32_t>(step.instruction.k);
    const bool bits = BPF_OP(step.instruction.code) == BPF_JSET;
    if (bits) {
      by_x ? a_.test(kA, kX) : a_.test(kA, k);
    } else {
      by_x ? a_.cmp(kA, kX) : a_.cmp(kA, k);
    }
    CondCode holds = CondCode::kNZ;
    switch (BPF_OP(step.instruction.code)) {
      case BPF_JEQ:
        holds = CondCode::kE;
        break;
      case BPF_JGT:
        holds = CondCode::kA;
        break;
      case BPF_JGE:
        holds = CondCode::kAE;
        break;
      default:
        break;
    }
    if (step.target_true == i + 1) {
      a_.j(x86::negateCond(holds), To(copy, step.target_false));
      return;
    }
    a_.j(holds, To(copy, step.target_true));
    if (step.target_false != i + 1) a_.jmp(To(copy, step.target_false));
  }

  const BpfPlan& plan_;
  FirstError error_;
  asmjit::CodeHolder code_;
  x86::Assembler a_;
  Label next_;  // the packet does not match, or has been dealt with
  Label match_;
  Label far_[3];  // for 1, 2 and 4 bytes
};

}  // namespace

absl::StatusOr<MachineCode> EmitBpfX86(const BpfPlan& plan) { return X86Emitter(plan).Emit(); }

}  // namespace edgecap::filter
