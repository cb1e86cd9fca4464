// SPDX-License-Identifier: Apache-2.0
//
// arm64 (AArch64, little endian), AAPCS64. Everything that must outlive a far load stands in
// registers that a called function keeps.
//
//   packets left x19   matches x20   burst x21   load x22   PacketView x23   index x24
//   A w25   X x26, upper half zero   data x27    head_bytes x28, upper half zero
//   x9 to x11: for the moment; x10 holds the offset of a far load

#include <asmjit/arm/a64assembler.h>
#include <pcap/bpf.h>

#include <cstddef>
#include <cstdint>

#include "filter/bpf_assembly.h"
#include "filter/bpf_emitter.h"

namespace edgecap::filter {
namespace {

using asmjit::Label;
using asmjit::a64::GpW;
using asmjit::a64::GpX;
using asmjit::arm::CondCode;
namespace a64 = asmjit::a64;

constexpr GpX kLeft = a64::x19;
constexpr GpX kMatches = a64::x20;
constexpr GpX kBurst = a64::x21;
constexpr GpX kLoad = a64::x22;
constexpr GpX kPacket = a64::x23;
constexpr GpX kIndex = a64::x24;
constexpr GpW kA = a64::w25;
constexpr GpW kX = a64::w26;
constexpr GpX kWideX = a64::x26;
constexpr GpX kData = a64::x27;
constexpr GpX kHeadBytes = a64::x28;
constexpr GpW kNumber = a64::w9;
constexpr GpX kWideNumber = a64::x9;
constexpr GpX kOffset = a64::x10;
constexpr GpX kEnd = a64::x11;

// The stack frame: the registers that a function keeps, in pairs, then memory words and the rest.
constexpr std::int32_t kPairs = 6;
constexpr std::int32_t kMemorySlot = kPairs * 16;
constexpr std::int32_t kRoundsSlot = kMemorySlot + kBpfMemoryWords * 4;
constexpr std::int32_t kReturnSlot = kRoundsSlot + 8;
constexpr std::int32_t kFrameBytes = kReturnSlot + 8;
static_assert(kFrameBytes % 16 == 0);

// From here on a conditional jump (1 MiB far) may not reach its target.
constexpr std::size_t kNearSteps = 2048;

class Arm64Emitter {
 public:
  explicit Arm64Emitter(const BpfPlan& plan)
      : plan_(plan), far_jumps_(plan.steps.size() > kNearSteps) {
    code_.init(asmjit::Environment(asmjit::Arch::kAArch64));
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

    a_.sub(a64::sp, a64::sp, kFrameBytes);
    for (std::int32_t pair = 0; pair < kPairs; ++pair) {
      a_.stp(Kept(2 * pair), Kept(2 * pair + 1), a64::ptr(a64::sp, pair * 16));
    }
    a_.mov(kBurst, a64::x0);
    a_.mov(kLeft, a64::x1);
    a_.mov(kLoad, a64::x2);
    a_.mov(kMatches, a64::xzr);
    Branch(CondCode::kEQ, kLeft, done);

    a_.bind(loop);
    a_.rbit(kIndex, kLeft);
    a_.clz(kIndex, kIndex);
    a_.sub(kWideNumber, kLeft, 1);
    a_.and_(kLeft, kLeft, kWideNumber);
    static_assert(sizeof(PacketView) == 16);
    Number(kNumber, offsetof(Burst, packets));
    a_.add(kPacket, kBurst, kWideNumber);
    a_.add(kPacket, kPacket, kIndex, a64::lsl(4));
    a_.ldr(kData, a64::ptr(kPacket, offsetof(PacketView, data)));
    a_.ldr(kHeadBytes.w(), a64::ptr(kPacket, offsetof(PacketView, head_bytes)));
    a_.mov(kA, a64::wzr);
    a_.mov(kX, a64::wzr);
    for (std::uint32_t word = 0; word < kBpfMemoryWords; ++word) {
      if (((plan_.zeroed_words >> word) & 1) != 0) a_.str(a64::wzr, Memory(word));
    }
    if (plan_.loops) {
      Number(kNumber, kBpfBackwardJumpsMax);
      a_.str(kNumber, a64::ptr(a64::sp, kRoundsSlot));
    }

    ProgramCopy quick = NewCopy(false);
    ProgramCopy slow = NewCopy(true);
    if (plan_.window_bytes > 0) {
      a_.cmp(kHeadBytes, plan_.window_bytes);
      Branch(CondCode::kLO, careful);
    }
    EmitProgram(quick);
    a_.bind(match_);
    a_.mov(kWideNumber, 1);
    a_.lsl(kWideNumber, kWideNumber, kIndex);
    a_.orr(kMatches, kMatches, kWideNumber);
    a_.bind(next_);
    Branch(CondCode::kNE, kLeft, loop);
    a_.bind(done);
    a_.mov(a64::x0, kMatches);
    for (std::int32_t pair = 0; pair < kPairs; ++pair) {
      a_.ldp(Kept(2 * pair), Kept(2 * pair + 1), a64::ptr(a64::sp, pair * 16));
    }
    a_.add(a64::sp, a64::sp, kFrameBytes);
    a_.ret(a64::x30);

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
  static GpX Kept(std::int32_t index) { return GpX(19 + static_cast<std::uint32_t>(index)); }
  static a64::Mem Memory(std::uint32_t word) {
    return a64::ptr(a64::sp, kMemorySlot + static_cast<std::int32_t>(word * 4));
  }

  void Number(const GpW& to, std::uint32_t number) { a_.mov(to, number); }

  ProgramCopy NewCopy(bool careful) {
    ProgramCopy copy;
    copy.careful = careful;
    copy.labels.resize(plan_.steps.size());
    return copy;
  }

  static CondCode Opposite(CondCode condition) { return a64::negateCond(condition); }

  void Branch(CondCode condition, const Label& target) {
    if (!far_jumps_) {
      a_.b(condition, target);
      return;
    }
    const Label over = a_.newLabel();
    a_.b(Opposite(condition), over);
    a_.b(target);
    a_.bind(over);
  }

  // Where `number` is 0 (kEQ) or is not (kNE).
  void Branch(CondCode condition, const asmjit::arm::Gp& number, const Label& target) {
    a_.cmp(number, 0);
    Branch(condition, target);
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
        a_.str(kA, Memory(step.k));
        break;
      case BPF_STX:
        a_.str(kX, Memory(step.k));
        break;
      case BPF_ALU:
        EmitArithmetic(step);
        break;
      case BPF_JMP:
        EmitJump(copy, i);
        break;
      case BPF_RET:
        if (BPF_RVAL(step.code) == BPF_A) {
          Branch(CondCode::kNE, kA, match_);
          a_.b(next_);
        } else {
          a_.b(step.k != 0 ? match_ : next_);
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
    const GpW& to = BPF_CLASS(step.code) == BPF_LD ? kA : kX;
    switch (BPF_MODE(step.code)) {
      case BPF_IMM:
        Number(to, step.k);
        return;
      case BPF_MEM:
        a_.ldr(to, Memory(step.k));
        return;
      case BPF_LEN:
        a_.ldr(to, a64::ptr(kPacket, offsetof(PacketView, wire_bytes)));
        return;
      default:
        EmitPacketLoad(copy, i);
    }
  }

  void EmitPacketLoad(ProgramCopy& copy, std::uint32_t i) {
    const BpfInstruction& step = plan_.steps[i].instruction;
    const std::uint32_t bytes = LoadBytes(step);
    const bool relative = BPF_MODE(step.code) == BPF_IND;
    const bool check = NeedsCheck(plan_, step, copy.careful);
    FarLoad far{a_.newLabel(), a_.newLabel(), i};
    // Offsets in 64 bits, where they cannot wrap round.
    Number(kOffset.w(), step.k);
    if (relative) a_.add(kOffset, kOffset, kWideX);
    if (check) {
      a_.add(kEnd, kOffset, bytes);
      a_.cmp(kEnd, kHeadBytes);
      Branch(CondCode::kHI, far.from);
      copy.far_loads.push_back(far);
    }
    const a64::Mem from = a64::ptr(kData, kOffset);
    const bool number = !plan_.steps[i].network_order;
    switch (bytes) {
      case 1:
        a_.ldrb(BPF_CLASS(step.code) == BPF_LDX ? kX : kA, from);
        break;
      case 2:
        a_.ldrh(kA, from);
        if (number) a_.rev16(kA, kA);
        break;
      default:
        a_.ldr(kA, from);
        if (number) a_.rev(kA, kA);
        break;
    }
    a_.bind(far.back);
    if (BPF_CLASS(step.code) == BPF_LDX) {  // 4 * (byte & 15)
      a_.and_(kX, kX, 15);
      a_.lsl(kX, kX, 2);
    }
  }

  // Behind the program: the loads whose bytes are not all in the head.
  void EmitFarLoads(const ProgramCopy& copy) {
    for (const FarLoad& load : copy.far_loads) {
      const BpfStep& step = plan_.steps[load.step];
      const std::uint32_t bytes = LoadBytes(step.instruction);
      a_.bind(load.from);
      a_.bl(far_[bytes / 2]);
      a_.cmn(a64::x0, 1);  // kBpfNoBytes
      Branch(CondCode::kEQ, next_);
      const GpW& to = BPF_CLASS(step.instruction.code) == BPF_LDX ? kX : kA;
      if (!step.network_order) {
        a_.mov(to, a64::w0);
      } else if (bytes == 2) {
        a_.rev16(to, a64::w0);
      } else {
        a_.rev(to, a64::w0);
      }
      a_.b(load.back);
    }
  }

  // A subroutine: x0 = the number of `bytes` bytes at kOffset, or kBpfNoBytes.
  void EmitFar(std::uint32_t bytes) {
    const Label none = a_.newLabel();
    a_.bind(far_[bytes / 2]);
    Number(kNumber, offsetof(Burst, chained));
    a_.ldr(kWideNumber, a64::ptr(kBurst, kWideNumber));
    a_.lsr(kWideNumber, kWideNumber, kIndex);
    a_.tst(kWideNumber, 1);
    a_.b(CondCode::kEQ, none);
    a_.str(a64::x30, a64::ptr(a64::sp, kReturnSlot));
    a_.mov(a64::x0, kBurst);
    a_.mov(a64::w1, kIndex.w());
    a_.mov(a64::x2, kOffset);
    Number(a64::w3, bytes);
    a_.blr(kLoad);
    a_.ldr(a64::x30, a64::ptr(a64::sp, kReturnSlot));
    a_.ret(a64::x30);
    a_.bind(none);
    a_.mov(a64::x0, -1);
    a_.ret(a64::x30);
  }

  void EmitArithmetic(const BpfInstruction& step) {
    if (step.code == (BPF_ALU | BPF_NEG)) {
      a_.neg(kA, kA);
      return;
    }
    const bool by_x = BPF_SRC(step.code) == BPF_X;
    const GpW by = by_x ? kX : kNumber;
    if (!by_x) Number(kNumber, step.k);
    switch (BPF_OP(step.code)) {
      case BPF_ADD:
        a_.add(kA, kA, by);
        break;
      case BPF_SUB:
        a_.sub(kA, kA, by);
        break;
      case BPF_AND:
        a_.and_(kA, kA, by);
        break;
      case BPF_OR:
        a_.orr(kA, kA, by);
        break;
      case BPF_XOR:
        a_.eor(kA, kA, by);
        break;
      case BPF_MUL:
        a_.mul(kA, kA, by);
        break;
      case BPF_DIV:
      case BPF_MOD:
        if (by_x) Branch(CondCode::kEQ, kX, next_);
        a_.udiv(kOffset.w(), kA, by);
        if (BPF_OP(step.code) == BPF_MOD) {
          a_.msub(kA, kOffset.w(), by, kA);
        } else {
          a_.mov(kA, kOffset.w());
        }
        break;
      default:
        if (BPF_OP(step.code) == BPF_LSH) {
          a_.lsl(kA, kA, by);
        } else {
          a_.lsr(kA, kA, by);
        }
        // The processor shifts by the lower five bits; by 32 and more, nothing is left.
        if (by_x) {
          a_.cmp(kX, 32);
          a_.csel(kA, kA, a64::wzr, CondCode::kLO);
        }
        break;
    }
  }

  void EmitJump(ProgramCopy& copy, std::uint32_t i) {
    const BpfStep& step = plan_.steps[i];
    if (step.instruction.code == (BPF_JMP | BPF_JA)) {
      if (step.target_true <= i) {
        a_.ldr(kNumber, a64::ptr(a64::sp, kRoundsSlot));
        a_.subs(kNumber, kNumber, 1);
        a_.str(kNumber, a64::ptr(a64::sp, kRoundsSlot));
        Branch(CondCode::kMI, next_);
      }
      a_.b(To(copy, step.target_true));
      return;
    }
    const bool by_x = BPF_SRC(step.instruction.code) == BPF_X;
    const GpW by = by_x ? kX : kNumber;
    if (!by_x) Number(kNumber, step.instruction.k);
    if (BPF_OP(step.instruction.code) == BPF_JSET) {
      a_.tst(kA, by);
    } else {
      a_.cmp(kA, by);
    }
    CondCode holds = CondCode::kNE;
    switch (BPF_OP(step.instruction.code)) {
      case BPF_JEQ:
        holds = CondCode::kEQ;
        break;
      case BPF_JGT:
        holds = CondCode::kHI;
        break;
      case BPF_JGE:
        holds = CondCode::kHS;
        break;
      default:
        break;
    }
    if (step.target_true == i + 1) {
      Branch(Opposite(holds), To(copy, step.target_false));
      return;
    }
    Branch(holds, To(copy, step.target_true));
    if (step.target_false != i + 1) a_.b(To(copy, step.target_false));
  }

  const BpfPlan& plan_;
  const bool far_jumps_;
  FirstError error_;
  asmjit::CodeHolder code_;
  a64::Assembler a_;
  Label next_;  // the packet does not match, or has been dealt with
  Label match_;
  Label far_[3];  // for 1, 2 and 4 bytes
};

}  // namespace

absl::StatusOr<MachineCode> EmitBpfArm64(const BpfPlan& plan) { return Arm64Emitter(plan).Emit(); }

}  // namespace edgecap::filter
