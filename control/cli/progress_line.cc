// SPDX-License-Identifier: Apache-2.0

#include "control/cli/progress_line.h"

#include <unistd.h>

#include <cstdio>

namespace edgecap::cli {
namespace {

constexpr char kWipe[] = "\r\033[K";  // to the line's begin, erase to its end

}  // namespace

ProgressLine::ProgressLine(bool wanted)
    : enabled_(wanted && isatty(STDERR_FILENO) != 0),
      next_(Clock::now() + std::chrono::seconds(1)) {}

ProgressLine::~ProgressLine() {
  if (visible_) std::fputs(kWipe, stderr);
}

void ProgressLine::Show(const std::function<std::string()>& text) {
  if (!enabled_ || Clock::now() < next_) return;
  next_ = Clock::now() + std::chrono::seconds(1);
  visible_ = true;
  std::fprintf(stderr, "%s%s", kWipe, text().c_str());
}

}  // namespace edgecap::cli
