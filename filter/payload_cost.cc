// SPDX-License-Identifier: Apache-2.0

#include "filter/payload_cost.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace edgecap::filter {
namespace {

// The calibration, with Hyperscan 5.4.0 on one core of a Xeon of 2023, in processor time. Random
// sets of 1 to 256 expressions with estimates of 0.7 to 2 s: of 1,682 the slowest took 2.3 s, the
// next 1.6 s, all but 17 less than a quarter of the estimate. 92 shapes known to be bad, repeated
// up to 2 s or 256 expressions: the slowest 2.1 s. Memory was below 100 MB wherever it was
// measured. These are measurements and no proof: a worse shape may exist. What makes the worst
// cases: loops within loops (cube, edges), and many similar expressions such as ^a.{3,80}b that the
// compiler tries to merge (linear part, open ends).
constexpr double kSecondsEach = 80e-6;
constexpr double kSecondsCubed = 10e-9;
constexpr double kSecondsEdge = 9e-6;
// A plain byte of an expression such as string[0-9], which the compiler tries to merge with all
// others of the kind: 256 of 15 bytes took 6 ms each, of 60 bytes over 30 ms. string[0-9]z is
// harmless.
constexpr double kSecondsOpen = 550e-6;
// 512 less the few that are added at either end. What is beyond took up to 15 s with 700.
constexpr double kWeightMax = 480;
constexpr double kSecondsBeyond = 60;

// Plain bytes outside of loops are mostly matched as strings, and fewer become positions; none do
// where the expression is one string.
constexpr double kPlainWeight = 0.5;
constexpr double kStringWeight = 0.05;

// A part of an expression, as the compiler unfolds it.
struct Part {
  double positions = 0;
  double plain = 0;  // of the positions: plain bytes outside of loops
  double edges = 0;
  double first = 0;   // positions that a match of the part can begin with
  double last = 0;    // and end with
  bool empty = true;  // the part can match nothing
  bool open = false;  // it can end in something else than one plain byte
};

constexpr Part kPlainByte{1, 1, 0, 1, 1, false, false};
constexpr Part kAnyOfSome{1, 0, 0, 1, 1, false, true};

Part Sequence(const Part& a, const Part& b) {
  return {a.positions + b.positions,
          a.plain + b.plain,
          a.edges + b.edges + a.last * b.first,
          a.first + (a.empty ? b.first : 0),
          b.last + (b.empty ? a.last : 0),
          a.empty && b.empty,
          b.open || (b.empty && a.open)};
}

Part Either(const Part& a, const Part& b) {
  return {a.positions + b.positions, a.plain + b.plain,  a.edges + b.edges, a.first + b.first,
          a.last + b.last,           a.empty || b.empty, a.open || b.open};
}

struct Repeat {
  std::uint32_t min = 0;
  std::optional<std::uint32_t> max;  // none: no end
};

Part Repeated(const Part& part, const Repeat& repeat) {
  const double copies = std::max<double>(repeat.max.value_or(repeat.min), 1);
  // Which copies follow each other: neighbours, or any two where a copy can match nothing.
  const double pairs = part.empty ? copies * (copies - 1) / 2 : copies - 1;
  const double ends = part.empty ? copies : copies - std::max<double>(repeat.min, 1) + 1;
  Part result;
  result.positions = copies * part.positions;
  result.edges = copies * part.edges + pairs * part.last * part.first;
  if (!repeat.max) result.edges += part.last * part.first;
  if (copies == 1 && repeat.max) result.plain = part.plain;
  result.first = part.empty ? copies * part.first : part.first;
  result.last = repeat.max ? ends * part.last : part.last * (part.empty ? copies : 1);
  result.empty = part.empty || repeat.min == 0;
  result.open = part.open || !repeat.max;
  return result;
}

// Reads an expression from left to right. The grammar is PCRE's, as far as it decides where an item
// ends and what is a repeat.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Part Read() {
    groups_.emplace_back();
    while (at_ < text_.size()) ReadItem();
    while (groups_.size() > 1) CloseGroup();
    return groups_.back().Whole();
  }

 private:
  struct Group {
    std::optional<Part> alternatives;  // those before the current one
    Part sequence;                     // the current one without its last item
    Part item;                         // to which a repeat still may apply
    bool spaced = false;               // (?x): spaces and comments mean nothing

    void Push(const Part& next) {
      sequence = Sequence(sequence, item);
      item = next;
    }
    void NextAlternative() {
      alternatives = Whole();
      sequence = item = Part{};
    }
    [[nodiscard]] Part Whole() const {
      const Part last = Sequence(sequence, item);
      return alternatives ? Either(*alternatives, last) : last;
    }
  };

  [[nodiscard]] bool More() const { return at_ < text_.size(); }
  [[nodiscard]] bool Starts(std::string_view word) const {
    return text_.substr(std::min(at_, text_.size())).starts_with(word);
  }
  bool Take(std::string_view word) {
    if (!Starts(word)) return false;
    at_ += word.size();
    return true;
  }
  // Moves behind the next `end`, or to the end of the text.
  void SkipBehind(std::string_view end) {
    const std::size_t found = text_.find(end, at_);
    at_ = found == std::string_view::npos ? text_.size() : found + end.size();
  }
  void Push(const Part& part) { groups_.back().Push(part); }

  void ReadItem() {
    Group& group = groups_.back();
    if (const std::optional<Repeat> repeat = ReadRepeat()) {
      group.item = Repeated(group.item, *repeat);
      return;
    }
    const char c = text_[at_++];
    switch (c) {
      case '(':
        return OpenGroup();
      case ')':
        if (groups_.size() > 1) CloseGroup();
        return;
      case '|':
        return group.NextAlternative();
      case '[':
        SkipClass();
        return Push(kAnyOfSome);
      case '\\':
        return ReadEscape();
      case '^':
      case '$':
        return Push(Part{});
      case '#':
        if (group.spaced) return SkipBehind("\n");
        return Push(kPlainByte);
      default:
        Push(c == '.' ? kAnyOfSome : kPlainByte);
    }
  }

  void OpenGroup() {
    if (Take("?#")) return SkipBehind(")");
    bool spaced = groups_.back().spaced;
    if (Take("?P<") || Take("?<")) {
      SkipBehind(">");
    } else if (Take("?'")) {
      SkipBehind("'");
    } else if (Take("?")) {
      bool on = true;
      for (; More() && text_[at_] != ':' && text_[at_] != ')'; ++at_) {
        const char flag = text_[at_];
        if (flag == '-') on = false;
        if (flag == 'x') spaced = on;
        // Nothing that Hyperscan takes; its groups still have to be seen.
        if (flag != '-' && (flag < 'a' || flag > 'z')) break;
      }
      if (Take(")")) {
        groups_.back().spaced = spaced;
        return;
      }
      Take(":");
    }
    groups_.emplace_back();
    groups_.back().spaced = spaced;
  }

  void CloseGroup() {
    const Part whole = groups_.back().Whole();
    groups_.pop_back();
    Push(whole);
  }

  // Behind the '['.
  void SkipClass() {
    Take("^");
    Take("]");
    while (More() && !Take("]")) {
      if (Take("\\Q")) {
        SkipBehind("\\E");
      } else if (Take("\\c")) {
        ++at_;
      } else if (Take("\\")) {
        ++at_;
      } else if (const std::size_t name = NamedClassBytes(); name > 0) {
        at_ += name;
      } else {
        ++at_;
      }
    }
    at_ = std::min(at_, text_.size());
  }

  // Of a [:alpha:] at the current place, else 0.
  [[nodiscard]] std::size_t NamedClassBytes() const {
    if (!Starts("[:")) return 0;
    std::size_t end = at_ + 2;
    while (end < text_.size() && (text_[end] == '^' || (text_[end] >= 'a' && text_[end] <= 'z'))) {
      ++end;
    }
    return text_.substr(end).starts_with(":]") ? end + 2 - at_ : 0;
  }

  // Behind the backslash.
  void ReadEscape() {
    if (!More()) return;
    const char c = text_[at_++];
    if (c == 'Q') {
      while (More() && !Take("\\E")) {
        ++at_;
        Push(kPlainByte);
      }
      return;
    }
    if (c == 'c' && More()) ++at_;
    if ((c == 'x' || c == 'p' || c == 'P') && Starts("{")) SkipBehind("}");
    if (std::string_view("AbBGzZE").find(c) != std::string_view::npos) return Push(Part{});
    const bool set = std::string_view("dDhHNpPRsSvVwW").find(c) != std::string_view::npos;
    Push(set ? kAnyOfSome : kPlainByte);
  }

  // A repeat at the current place, with the sign behind it that makes it lazy.
  std::optional<Repeat> ReadRepeat() {
    std::optional<Repeat> repeat;
    if (Take("*")) {
      repeat = Repeat{0, std::nullopt};
    } else if (Take("+")) {
      repeat = Repeat{1, std::nullopt};
    } else if (Take("?")) {
      repeat = Repeat{0, 1};
    } else if (Starts("{")) {
      repeat = ReadCounts();
    }
    if (repeat && !Take("?")) Take("+");
    return repeat;
  }

  // {3}, {3,} or {3,5}; anything else is text.
  std::optional<Repeat> ReadCounts() {
    std::size_t at = at_ + 1;
    const auto number = [&]() -> std::optional<std::uint32_t> {
      constexpr std::uint32_t kMax = 1'000'000;  // far more than Hyperscan takes
      std::uint32_t value = 0;
      const std::size_t begin = at;
      for (; at < text_.size() && text_[at] >= '0' && text_[at] <= '9'; ++at) {
        value = std::min(value * 10 + static_cast<std::uint32_t>(text_[at] - '0'), kMax);
      }
      if (at == begin) return std::nullopt;
      return value;
    };
    const auto take = [&](char c) {
      const bool there = at < text_.size() && text_[at] == c;
      if (there) ++at;
      return there;
    };
    const std::optional<std::uint32_t> min = number();
    if (!min) return std::nullopt;
    Repeat repeat{*min, *min};
    if (take(',')) repeat.max = number();
    if (!take('}')) return std::nullopt;
    at_ = at;
    return repeat;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<Group> groups_;
};

}  // namespace

double EstimateCompileSeconds(std::string_view expression) {
  const Part whole = Reader(expression).Read();
  const bool string =
      whole.plain == whole.positions && whole.first == 1 && whole.edges < whole.positions;
  const double weight =
      whole.positions - whole.plain + whole.plain * (string ? kStringWeight : kPlainWeight);
  const double edges = std::max(whole.edges - whole.positions, 0.0);  // more than a string has
  return kSecondsEach * weight + kSecondsCubed * weight * weight * weight + kSecondsEdge * edges +
         (whole.open ? kSecondsOpen * whole.plain : 0) + (weight > kWeightMax ? kSecondsBeyond : 0);
}

}  // namespace edgecap::filter
