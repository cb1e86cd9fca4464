// SPDX-License-Identifier: Apache-2.0
//
// Columns of text for a terminal: words to the left, numbers to the right, two blanks between.
//
// Life cycle: columns first, then rows, then ToString().
//
// Threading: one at a time.

#pragma once

#include <string>
#include <vector>

namespace edgecap::cli {

enum class Align { kLeft, kRight };

struct TextColumn {
  std::string title;
  Align align = Align::kLeft;
};

class TextTable {
 public:
  explicit TextTable(std::vector<TextColumn> columns);

  // REQUIRES: one cell for each column.
  void AddRow(std::vector<std::string> cells);

  // The titles, if any column has one, and the rows; each line begins with `indent` blanks, has
  // none at its end, and is closed by a newline.
  [[nodiscard]] std::string ToString(std::size_t indent = 0) const;

 private:
  [[nodiscard]] std::string Line(const std::vector<std::string>& cells) const;

  std::vector<TextColumn> columns_;
  std::vector<std::size_t> widths_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace edgecap::cli
