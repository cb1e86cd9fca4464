// SPDX-License-Identifier: Apache-2.0

#include "filter/bpf_plan.h"

#include <pcap/bpf.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "filter/bpf_program.h"

namespace edgecap::filter {
namespace {

// Without FCS. Shorter packets are rare, so a larger window would cost most packets their short
// way.
constexpr std::uint64_t kSmallestFrameBytes = 60;

absl::Status Refused(std::size_t index, const std::string& why) {
  return absl::InvalidArgumentError("bpf: instruction " + std::to_string(index) + " " + why);
}

bool IsReturn(const BpfInstruction& i) { return BPF_CLASS(i.code) == BPF_RET; }
bool IsJump(const BpfInstruction& i) { return BPF_CLASS(i.code) == BPF_JMP; }
bool IsAlways(const BpfInstruction& i) { return i.code == (BPF_JMP | BPF_JA); }

bool IsKnown(std::uint16_t code) {
  switch (code) {
    case BPF_LD | BPF_W | BPF_ABS:
    case BPF_LD | BPF_H | BPF_ABS:
    case BPF_LD | BPF_B | BPF_ABS:
    case BPF_LD | BPF_W | BPF_IND:
    case BPF_LD | BPF_H | BPF_IND:
    case BPF_LD | BPF_B | BPF_IND:
    case BPF_LD | BPF_W | BPF_LEN:
    case BPF_LD | BPF_IMM:
    case BPF_LD | BPF_MEM:
    case BPF_LDX | BPF_W | BPF_LEN:
    case BPF_LDX | BPF_B | BPF_MSH:
    case BPF_LDX | BPF_IMM:
    case BPF_LDX | BPF_MEM:
    case BPF_ST:
    case BPF_STX:
    case BPF_ALU | BPF_NEG:
    case BPF_JMP | BPF_JA:
    case BPF_RET | BPF_K:
    case BPF_RET | BPF_A:
    case BPF_MISC | BPF_TAX:
    case BPF_MISC | BPF_TXA:
      return true;
    default:
      break;
  }
  switch (code & ~BPF_X) {
    case BPF_ALU | BPF_ADD:
    case BPF_ALU | BPF_SUB:
    case BPF_ALU | BPF_MUL:
    case BPF_ALU | BPF_DIV:
    case BPF_ALU | BPF_MOD:
    case BPF_ALU | BPF_AND:
    case BPF_ALU | BPF_OR:
    case BPF_ALU | BPF_XOR:
    case BPF_ALU | BPF_LSH:
    case BPF_ALU | BPF_RSH:
    case BPF_JMP | BPF_JEQ:
    case BPF_JMP | BPF_JGT:
    case BPF_JMP | BPF_JGE:
    case BPF_JMP | BPF_JSET:
      return true;
    default:
      return false;
  }
}

absl::Status CheckOperand(std::size_t index, const BpfInstruction& i) {
  switch (i.code) {
    case BPF_LD | BPF_MEM:
    case BPF_LDX | BPF_MEM:
    case BPF_ST:
    case BPF_STX:
      if (i.k >= kBpfMemoryWords) return Refused(index, "names a memory word that is not there");
      break;
    case BPF_ALU | BPF_DIV | BPF_K:
    case BPF_ALU | BPF_MOD | BPF_K:
      if (i.k == 0) return Refused(index, "divides by zero");
      break;
    case BPF_ALU | BPF_LSH | BPF_K:
    case BPF_ALU | BPF_RSH | BPF_K:
      if (i.k > 31) return Refused(index, "shifts by more than 31 bits");
      break;
    default:
      break;
  }
  return absl::OkStatus();
}

// Makes the steps, with the targets of their jumps.
absl::Status FillSteps(std::span<const BpfInstruction> instructions, BpfPlan& plan) {
  const std::size_t count = instructions.size();
  plan.steps.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    const BpfInstruction& from = instructions[i];
    if (!IsKnown(from.code)) {
      return Refused(i, "has the unknown code " + std::to_string(from.code));
    }
    EDGECAP_RETURN_IF_ERROR(CheckOperand(i, from));
    BpfStep& step = plan.steps[i];
    step.instruction = from;
    if (IsReturn(from)) continue;
    if (!IsJump(from)) {
      if (i + 1 == count) return Refused(i, "is the last and does not return");
      continue;
    }
    // k of JA is a signed distance (libpcap's protochain jumps back).
    const auto at = static_cast<std::int64_t>(i) + 1;
    const std::int64_t to_true =
        at + (IsAlways(from) ? static_cast<std::int32_t>(from.k) : from.jump_true);
    const std::int64_t to_false = IsAlways(from) ? to_true : at + from.jump_false;
    if (std::min(to_true, to_false) < 0 ||
        std::max(to_true, to_false) >= static_cast<std::int64_t>(count)) {
      return Refused(i, "jumps out of the program");
    }
    step.target_true = static_cast<std::uint32_t>(to_true);
    step.target_false = static_cast<std::uint32_t>(to_false);
  }
  return absl::OkStatus();
}

// Calls visit(next) for every step that may run behind step `i`.
template <typename Visit>
void ForEachNext(const BpfPlan& plan, std::uint32_t i, Visit&& visit) {
  const BpfStep& step = plan.steps[i];
  if (IsReturn(step.instruction)) return;
  if (!IsJump(step.instruction)) {
    visit(i + 1);
    return;
  }
  visit(step.target_true);
  if (step.target_false != step.target_true) visit(step.target_false);
}

// Which steps can run, and which memory words they may read before they were written.
void FollowMemory(BpfPlan& plan) {
  constexpr std::uint32_t kAll = (1U << kBpfMemoryWords) - 1;
  std::vector<std::uint32_t> written(plan.steps.size(), kAll);  // surely, before the step
  written[0] = 0;
  plan.steps[0].reachable = true;
  // Without jumps back, one round is enough; with them, until nothing changes.
  for (bool changed = true; changed;) {
    changed = false;
    for (std::uint32_t i = 0; i < plan.steps.size(); ++i) {
      BpfStep& step = plan.steps[i];
      if (!step.reachable) continue;
      std::uint32_t behind = written[i];
      const std::uint16_t code = step.instruction.code;
      if (code == BPF_ST || code == BPF_STX) behind |= 1U << step.instruction.k;
      ForEachNext(plan, i, [&](std::uint32_t next) {
        const std::uint32_t before = written[next] & behind;
        const bool news = !plan.steps[next].reachable || before != written[next];
        written[next] = before;
        plan.steps[next].reachable = true;
        if (next <= i) {
          plan.loops = true;
          changed |= news;
        }
      });
    }
  }
  for (std::uint32_t i = 0; i < plan.steps.size(); ++i) {
    const BpfInstruction& step = plan.steps[i].instruction;
    if (!plan.steps[i].reachable) continue;
    if (step.code == (BPF_LD | BPF_MEM) || step.code == (BPF_LDX | BPF_MEM)) {
      plan.zeroed_words |= (1U << step.k) & ~written[i];
    }
  }
}

bool WritesA(const BpfInstruction& i) {
  return BPF_CLASS(i.code) == BPF_LD || BPF_CLASS(i.code) == BPF_ALU ||
         i.code == (BPF_MISC | BPF_TXA);
}

bool ReadsA(const BpfInstruction& i) {
  switch (BPF_CLASS(i.code)) {
    case BPF_ST:
    case BPF_ALU:
      return true;
    case BPF_JMP:
      return !IsAlways(i);
    case BPF_RET:
      return BPF_RVAL(i.code) == BPF_A;
    case BPF_MISC:
      return i.code == (BPF_MISC | BPF_TAX);
    default:
      return false;
  }
}

// A reads and stays as it is, or has bits taken away: bytes may stand in any order.
bool KeepsOrder(const BpfInstruction& i) { return i.code == (BPF_ALU | BPF_AND | BPF_K); }
bool ComparesInAnyOrder(const BpfInstruction& i) {
  return i.code == (BPF_JMP | BPF_JEQ | BPF_K) || i.code == (BPF_JMP | BPF_JSET | BPF_K);
}

// The values that A may have at one place, joined where they meet: all of them stand in network
// order, or none does.
class Values {
 public:
  explicit Values(std::size_t count) : parent_(count), bytes_(count, 0) {
    std::iota(parent_.begin(), parent_.end(), 0U);
  }

  std::uint32_t Find(std::uint32_t value) {
    while (parent_[value] != value) {
      parent_[value] = parent_[parent_[value]];
      value = parent_[value];
    }
    return value;
  }

  void Join(std::uint32_t one, std::uint32_t other) {
    one = Find(one);
    other = Find(other);
    if (one == other) return;
    parent_[other] = one;
    Restrict(one, bytes_[other]);
  }

  // The value is a load of 2 or 4 bytes; kHost: anything else, or it is used as a number.
  static constexpr std::uint8_t kHost = 0xff;
  void Restrict(std::uint32_t value, std::uint8_t bytes) {
    std::uint8_t& known = bytes_[Find(value)];
    if (bytes == 0 || known == bytes) return;
    known = known == 0 ? bytes : kHost;
  }

  std::uint8_t Bytes(std::uint32_t value) { return bytes_[Find(value)]; }

 private:
  std::vector<std::uint32_t> parent_;
  std::vector<std::uint8_t> bytes_;
};

// `k` as it stands in `bytes` bytes of the packet.
std::uint32_t Swapped(std::uint32_t k, std::uint32_t bytes) {
  return __builtin_bswap32(k) >> (32 - 8 * bytes);
}

void ChooseOrder(BpfPlan& plan) {
  const auto count = static_cast<std::uint32_t>(plan.steps.size());
  // Whether A is read behind the beginning of a step before it is written.
  std::vector<bool> wanted(count, false);
  for (std::uint32_t i = count; i-- > 0;) {
    const BpfInstruction& step = plan.steps[i].instruction;
    bool later = false;
    ForEachNext(plan, i, [&](std::uint32_t next) { later = later || wanted[next]; });
    wanted[i] = ReadsA(step) || (later && !WritesA(step));
  }
  // Value i is A before step i, value count + i is A behind it.
  Values values(std::size_t{2} * count);
  values.Restrict(0, Values::kHost);
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!plan.steps[i].reachable) continue;
    const BpfInstruction& step = plan.steps[i].instruction;
    if (WritesA(step) && !KeepsOrder(step)) {
      const std::uint32_t bytes = BPF_CLASS(step.code) == BPF_LD ? LoadBytes(step) : 0;
      values.Restrict(count + i,
                      bytes == 2 || bytes == 4 ? static_cast<std::uint8_t>(bytes) : Values::kHost);
    } else {
      values.Join(i, count + i);
    }
    if (ReadsA(step) && !KeepsOrder(step) && !ComparesInAnyOrder(step)) {
      values.Restrict(i, Values::kHost);
    }
    ForEachNext(plan, i, [&](std::uint32_t next) {
      if (wanted[next]) values.Join(count + i, next);
    });
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    BpfStep& step = plan.steps[i];
    if (!step.reachable) continue;
    BpfInstruction& instruction = step.instruction;
    if (BPF_CLASS(instruction.code) == BPF_LD) {
      const std::uint8_t bytes = values.Bytes(count + i);
      step.network_order = bytes == 2 || bytes == 4;
    } else if (KeepsOrder(instruction) || ComparesInAnyOrder(instruction)) {
      const std::uint8_t bytes = values.Bytes(i);
      if (bytes != 2 && bytes != 4) continue;
      step.network_order = true;
      // A constant that does not fit equals nothing, as it stands.
      const bool fits = bytes == 4 || instruction.k <= 0xffff;
      if (fits || instruction.code != (BPF_JMP | BPF_JEQ | BPF_K)) {
        instruction.k = Swapped(bytes == 4 ? instruction.k : instruction.k & 0xffff, bytes);
      }
    }
  }
}

void ChooseWindow(BpfPlan& plan) {
  for (const BpfStep& step : plan.steps) {
    const BpfInstruction& i = step.instruction;
    const std::uint32_t bytes = LoadBytes(i);
    if (!step.reachable || bytes == 0 || BPF_MODE(i.code) == BPF_IND) continue;
    const std::uint64_t end = std::uint64_t{i.k} + bytes;
    if (end > kSmallestFrameBytes) continue;
    plan.window_bytes = std::max(plan.window_bytes, static_cast<std::uint32_t>(end));
  }
}

}  // namespace

std::uint32_t BpfPlan::Landing(std::uint32_t target) const noexcept {
  while (IsAlways(steps[target].instruction) && steps[target].target_true > target) {
    target = steps[target].target_true;
  }
  return target;
}

std::uint32_t LoadBytes(const BpfInstruction& instruction) noexcept {
  if (instruction.code == (BPF_LDX | BPF_B | BPF_MSH)) return 1;
  if (BPF_CLASS(instruction.code) != BPF_LD) return 0;
  const int mode = BPF_MODE(instruction.code);
  if (mode != BPF_ABS && mode != BPF_IND) return 0;
  switch (BPF_SIZE(instruction.code)) {
    case BPF_B:
      return 1;
    case BPF_H:
      return 2;
    default:
      return 4;
  }
}

absl::StatusOr<BpfPlan> PlanBpf(std::span<const BpfInstruction> instructions) {
  if (instructions.empty() || instructions.size() > BpfProgram::kInstructionsMax) {
    return absl::InvalidArgumentError("bpf: a program of " + std::to_string(instructions.size()) +
                                      " instructions; it has 1 to " +
                                      std::to_string(BpfProgram::kInstructionsMax));
  }
  BpfPlan plan;
  EDGECAP_RETURN_IF_ERROR(FillSteps(instructions, plan));
  FollowMemory(plan);
  if (!plan.loops) ChooseOrder(plan);
  ChooseWindow(plan);
  return plan;
}

}  // namespace edgecap::filter
