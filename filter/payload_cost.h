// SPDX-License-Identifier: Apache-2.0
//
// How long an expression takes to compile at worst, estimated from its text before Hyperscan sees
// it: its compiler has no bound of its own, and 15 characters such as ^(ab|c.){1,9999} can keep it
// busy for minutes. Private to this room.
//
// How: the compiler unfolds counted repeats and builds the position automaton (Glushkov's). How
// many positions and edges that has follows from the text alone, bottom up, with nothing unfolded.
// Up to 512 positions the compiler has an engine that takes any automaton; for a larger one it
// tries to make it deterministic, which is where the minutes go.
//
// Threading: pure functions.

#pragma once

#include <string_view>

namespace edgecap::filter {

// Seconds on one core of a server of 2023; possibly infinite. Times of several expressions add up.
// Where the expression is not well formed it is the time of what was understood of it, as Hyperscan
// refuses it before any work.
[[nodiscard]] double EstimateCompileSeconds(std::string_view expression);

}  // namespace edgecap::filter
