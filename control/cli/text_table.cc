// SPDX-License-Identifier: Apache-2.0

#include "control/cli/text_table.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace edgecap::cli {

TextTable::TextTable(std::vector<TextColumn> columns) : columns_(std::move(columns)) {
  std::vector<std::string> titles;
  bool any_title = false;
  for (const TextColumn& column : columns_) {
    titles.push_back(column.title);
    any_title = any_title || !column.title.empty();
  }
  widths_.resize(columns_.size(), 0);
  if (any_title) AddRow(std::move(titles));
}

void TextTable::AddRow(std::vector<std::string> cells) {
  EDGECAP_CHECK(cells.size() == columns_.size());
  for (std::size_t i = 0; i < cells.size(); ++i) widths_[i] = std::max(widths_[i], cells[i].size());
  rows_.push_back(std::move(cells));
}

std::string TextTable::Line(const std::vector<std::string>& cells) const {
  std::string line;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const std::string padding(widths_[i] - cells[i].size(), ' ');
    if (i != 0) line += "  ";
    line += columns_[i].align == Align::kRight ? padding + cells[i] : cells[i] + padding;
  }
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::string TextTable::ToString(std::size_t indent) const {
  std::string text;
  for (const auto& row : rows_) text += std::string(indent, ' ') + Line(row) + '\n';
  return text;
}

}  // namespace edgecap::cli
