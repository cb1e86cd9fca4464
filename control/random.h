// SPDX-License-Identifier: Apache-2.0
//
// Random numbers from the kernel: names that cannot be guessed and seeds that do not repeat.
//
// Threading: any.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace edgecap::control {

// 32 lower-case hex digits, the form of every capture's id.
[[nodiscard]] std::string RandomId();

[[nodiscard]] bool IsId(std::string_view text);

[[nodiscard]] std::uint64_t RandomSeed();

}  // namespace edgecap::control
