// SPDX-License-Identifier: Apache-2.0
//
// From the text of a tcpdump expression to classic BPF: libpcap's compiler, with limits in front of
// it, and with the place of an error, which libpcap does not tell. Private to this room.
//
// Threading: any thread; may block where names are looked up (filter/bpf_program.h).

#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "filter/bpf_instruction.h"

namespace edgecap::filter {

// Errors: kInvalidArgument, for the operator.
[[nodiscard]] absl::StatusOr<std::vector<BpfInstruction>> CompileBpfExpression(
    std::string_view expression);

}  // namespace edgecap::filter
