// SPDX-License-Identifier: Apache-2.0
//
// How much memory the machine has left, to refuse a configuration that would end in the kernel
// killing the process.
//
// Threading: any.

#pragma once

#include <cstdint>

namespace edgecap {

// MemAvailable of /proc/meminfo; the largest number where the kernel does not say.
[[nodiscard]] std::uint64_t AvailableMemoryBytes();

}  // namespace edgecap
