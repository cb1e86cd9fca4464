// SPDX-License-Identifier: Apache-2.0
//
// The one line on standard error that says how it is going, rewritten in place once a second. Not
// there when standard error is no terminal.
//
// Life cycle: Show() as often as one likes; the destructor wipes the line away.
//
// Threading: one at a time.

#pragma once

#include <chrono>
#include <functional>
#include <string>

namespace edgecap::cli {

class ProgressLine {
 public:
  explicit ProgressLine(bool wanted = true);
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine();

  // Asks for the text only when it is time to show it.
  void Show(const std::function<std::string()>& text);

 private:
  using Clock = std::chrono::steady_clock;

  const bool enabled_;
  bool visible_ = false;
  Clock::time_point next_;
};

}  // namespace edgecap::cli
