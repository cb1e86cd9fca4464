// SPDX-License-Identifier: Apache-2.0

#include "filter/payload_matcher.h"

#include <hs.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "filter/payload_cost.h"
#include "filter/quoted.h"

namespace edgecap::filter {
namespace {

// None: what is asked for stands in the expression. HS_FLAG_SINGLEMATCH would be true to the
// meaning, but the first match ends the scan anyway; it makes scanning no faster, and compiling
// sets of expressions such as string[0-9]+ ten times slower.
constexpr unsigned kFlags = 0;

constexpr double kCompileSecondsMax = 2;

// Payloads up to this size are scanned together: a scan takes 35 ns before it has looked at any
// byte. For larger ones copying takes about what that saves.
constexpr std::uint32_t kTogetherBytesMax = 640;

// A batch is given up when too many of its payloads are suspect for it to pay, or when they match
// at very many places: a suspect counts 8, each further report on it 1. The next calls then do
// without, so that little is lost on traffic that matches much.
constexpr int kPatience = 128;
constexpr int kSuspectCounts = 8;
constexpr int kReportCounts = 1;
constexpr std::uint32_t kCallsWithout = 31;

// Between two payloads of a batch: most gaps in expressions, such as .*, end at a newline, so fewer
// payloads are suspect for what began in the one before.
constexpr std::uint8_t kSeparator = '\n';

absl::string_view Abseil(std::string_view text) { return {text.data(), text.size()}; }

// `payload "(a"`, as it may stand in a message.
std::string Named(std::string_view expression) {
  return absl::StrCat("payload ", Quoted(expression));
}

absl::Status CheckOne(std::string_view expression) {
  if (expression.empty()) {
    return absl::InvalidArgumentError(
        "payload \"\" is empty: give an expression, or leave payload out");
  }
  if (expression.size() > kPayloadBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(Named(expression), " has ", expression.size(), " bytes, at most ",
                     kPayloadBytesMax, " can be: shorten it, or make several expressions of it"));
  }
  if (expression.find('\0') != std::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(Named(expression), " has a zero byte in it: write it as \\x00"));
  }
  if (expression.starts_with("(*")) {
    return absl::InvalidArgumentError(
        absl::StrCat(Named(expression),
                     " begins with (*, which sets an option: only flags such as (?i) can be set, "
                     "and UTF-8 cannot; for a literal ( write \\("));
  }
  return absl::OkStatus();
}

absl::Status CheckCost(std::span<const std::string> expressions) {
  double sum = 0;
  double most = 0;
  const std::string* costliest = nullptr;
  for (const std::string& expression : expressions) {
    const double seconds = EstimateCompileSeconds(expression);
    sum += seconds;
    if (costliest == nullptr || seconds > most) {
      most = seconds;
      costliest = &expression;
    }
  }
  if (sum <= kCompileSecondsMax) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      Named(*costliest), expressions.size() == 1 ? " takes" : ", with the others, takes",
      absl::StrFormat(" too long to compile (up to %.3g s, at most %.3g can be)", sum,
                      kCompileSecondsMax),
      ": use smaller counts in repeats such as {0,500}, or .* for a long gap; no repeats within "
      "repeats; leave off ends such as [0-9]+ of many expressions"));
}

absl::Status MatchesEmpty(std::string_view expression) {
  return absl::InvalidArgumentError(
      absl::StrCat(Named(expression),
                   " matches the empty string, which is in every payload: make at least one byte "
                   "compulsory (+ in place of *), or leave payload out"));
}

// What Hyperscan says against `expressions`.
absl::Status Refusal(std::span<const std::string> expressions, const hs_compile_error_t& error) {
  const std::string_view message = error.message;
  const auto index = static_cast<std::size_t>(error.expression);
  if (error.expression < 0 || index >= expressions.size()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("payload: the expressions cannot be compiled: ", Abseil(message)));
  }
  const std::string named = Named(expressions[index]);
  if (message.find("matches empty buffer") != std::string_view::npos) {
    return MatchesEmpty(expressions[index]);
  }
  return absl::InvalidArgumentError(
      absl::StrCat(named, ": ", Abseil(message),
                   " The syntax is PCRE's, without look-around, back references, atomic groups and "
                   "possessive repeats; \\ before a character takes it literally"));
}

// The first match ends the scan; `first` gets its expression, if it is not null.
int OnMatch(unsigned expression, unsigned long long, unsigned long long, unsigned, void* first) {
  if (first != nullptr) *static_cast<unsigned*>(first) = expression;
  return 1;
}

// Whether `expression` may have ^, $, \b or the like in it, so that what it matches depends on what
// is around. In doubt it has; look-around in groups is refused by Hyperscan.
bool LooksAround(std::string_view expression) {
  // The letters and digits whose escapes are a byte or a class of bytes, as every other character's
  // is. The rest are assertions, or \Q and \c, behind which a \ escapes nothing.
  constexpr std::string_view kBytes = "dDsSwWhHvVnrtfae0x";
  for (std::size_t i = 0; i < expression.size(); ++i) {
    const char c = expression[i];
    if (c == '$' || c == '^') return true;
    if (c == '[' && expression.substr(i).starts_with("[^")) ++i;
    if (c == '\\' && ++i < expression.size() &&
        absl::ascii_isalnum(static_cast<unsigned char>(expression[i])) &&
        kBytes.find(expression[i]) == std::string_view::npos) {
      return true;
    }
  }
  return false;
}

// Payloads one behind the other.
struct Batch {
  std::uint32_t count = 0;
  std::uint32_t begin[kBurstPacketsMax];
  std::uint32_t end[kBurstPacketsMax];
  std::uint8_t packet[kBurstPacketsMax];
  PacketSet suspects = 0;  // the packets in whose bytes a match ends
  int patience = kPatience;
};

// Gets each match in a batch, in no certain order.
int OnBatchMatch(unsigned, unsigned long long, unsigned long long end, unsigned, void* context) {
  Batch& batch = *static_cast<Batch*>(context);
  const std::uint32_t* const found =
      std::lower_bound(batch.end, batch.end + batch.count - 1, static_cast<std::uint32_t>(end));
  const PacketSet packet = PacketSet{1} << batch.packet[found - batch.end];
  batch.patience -= (batch.suspects & packet) != 0 ? kReportCounts : kSuspectCounts;
  batch.suspects |= packet;
  return batch.patience > 0 ? 0 : 1;
}

// The bytes [begin, end) of packet `index`: where they are if they lie in one piece, else copied to
// `room`, the first kGatherBytesMax of them.
std::span<const std::uint8_t> PayloadBytes(const Burst& burst, std::uint32_t index,
                                           std::uint32_t begin, std::uint32_t end,
                                           std::uint8_t* room) noexcept {
  const PacketView& packet = burst.packets[index];
  if (end <= packet.head_bytes) return {packet.data + begin, end - begin};
  PacketSegment piece{packet.data, packet.head_bytes,
                      burst.IsChained(index) ? burst.rest[index] : nullptr};
  // The piece that the payload begins in; offsets are then in it.
  while (begin >= piece.bytes && piece.next != nullptr) {
    begin -= piece.bytes;
    end -= piece.bytes;
    piece = *piece.next;
  }
  if (end <= piece.bytes) return {piece.data + begin, end - begin};
  std::uint32_t wanted = std::min(end - begin, PayloadMatcher::kGatherBytesMax);
  std::uint32_t have = 0;
  for (;;) {
    const std::uint32_t bytes = std::min(piece.bytes - std::min(begin, piece.bytes), wanted - have);
    std::memcpy(room + have, piece.data + begin, bytes);
    have += bytes;
    begin = 0;
    if (have == wanted || piece.next == nullptr) return {room, have};
    piece = *piece.next;
  }
}

}  // namespace

PayloadMatcher::Scratch::Scratch() = default;
PayloadMatcher::Scratch::Scratch(Scratch&&) noexcept = default;
PayloadMatcher::Scratch& PayloadMatcher::Scratch::operator=(Scratch&&) noexcept = default;
PayloadMatcher::Scratch::~Scratch() = default;

void PayloadMatcher::Scratch::Free::operator()(hs_scratch* scratch) const noexcept {
  hs_free_scratch(scratch);
}

void PayloadMatcher::Free::operator()(hs_database* database) const noexcept {
  hs_free_database(database);
}

absl::Status PayloadMatcher::Scratch::Prepare(const PayloadMatcher& matcher) {
  if (room_ == nullptr) room_.reset(new (std::nothrow) std::uint8_t[kGatherBytesMax]);
  // Hyperscan replaces the scratch it is given, or frees it.
  hs_scratch* scratch = hyperscan_.release();
  const hs_error_t error = hs_alloc_scratch(matcher.database_.get(), &scratch);
  hyperscan_.reset(scratch);
  EDGECAP_CHECK(error == HS_SUCCESS || error == HS_NOMEM);
  if (error == HS_NOMEM || room_ == nullptr) {
    return absl::ResourceExhaustedError(
        "payload: no memory to match in; use fewer or simpler expressions");
  }
  return absl::OkStatus();
}

std::size_t PayloadMatcher::Scratch::bytes() const noexcept {
  std::size_t bytes = 0;
  if (hyperscan_ != nullptr) hs_scratch_size(hyperscan_.get(), &bytes);
  return bytes + (room_ != nullptr ? kGatherBytesMax : 0);
}

absl::StatusOr<std::shared_ptr<const PayloadMatcher>> PayloadMatcher::Compile(
    std::span<const std::string> expressions) {
  if (expressions.empty()) {
    return absl::InvalidArgumentError("payload: no expression is given");
  }
  if (expressions.size() > kPayloadExpressionsMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("payload has ", expressions.size(), " expressions, a filter can have at most ",
                     kPayloadExpressionsMax, ": join some with |, or use several filters"));
  }
  for (const std::string& expression : expressions) {
    EDGECAP_RETURN_IF_ERROR(CheckOne(expression));
  }
  EDGECAP_RETURN_IF_ERROR(CheckCost(expressions));

  std::vector<const char*> texts;
  for (const std::string& expression : expressions) texts.push_back(expression.c_str());
  const std::vector<unsigned> flags(expressions.size(), kFlags);
  std::vector<unsigned> ids(expressions.size());
  std::iota(ids.begin(), ids.end(), 0u);
  hs_platform_info_t platform;
  EDGECAP_CHECK(hs_populate_platform(&platform) == HS_SUCCESS);
  hs_database_t* database = nullptr;
  hs_compile_error_t* error = nullptr;
  if (hs_compile_multi(texts.data(), flags.data(), ids.data(), static_cast<unsigned>(texts.size()),
                       HS_MODE_BLOCK, &platform, &database, &error) != HS_SUCCESS) {
    absl::Status refusal = Refusal(expressions, *error);
    hs_free_compile_error(error);
    return refusal;
  }
  std::shared_ptr<const PayloadMatcher> matcher(
      new PayloadMatcher(Database(database), std::ranges::none_of(expressions, LooksAround)));

  // Hyperscan takes ^ and $, which are in every payload too.
  Scratch scratch;
  EDGECAP_RETURN_IF_ERROR(scratch.Prepare(*matcher));
  unsigned first = 0;
  if (hs_scan(database, "", 0, 0, scratch.hyperscan_.get(), &OnMatch, &first) ==
      HS_SCAN_TERMINATED) {
    return MatchesEmpty(expressions[first]);
  }
  return matcher;
}

bool PayloadMatcher::IsMatch(std::span<const std::uint8_t> payload,
                             Scratch& scratch) const noexcept {
  const hs_error_t result = hs_scan(database_.get(), reinterpret_cast<const char*>(payload.data()),
                                    static_cast<unsigned>(payload.size()), 0,
                                    scratch.hyperscan_.get(), &OnMatch, nullptr);
  EDGECAP_CHECK(result == HS_SUCCESS || result == HS_SCAN_TERMINATED);
  return result == HS_SCAN_TERMINATED;
}

PacketSet PayloadMatcher::MatchTogether(const Burst& burst, PacketSet small,
                                        const std::uint32_t (&begin)[kBurstPacketsMax],
                                        const std::uint32_t (&end)[kBurstPacketsMax],
                                        Scratch& scratch) const noexcept {
  static_assert(kBurstPacketsMax * (kTogetherBytesMax + 1) <= kGatherBytesMax);
  std::uint8_t* const room = scratch.room_.get();
  Batch batch;
  std::uint32_t at = 0;
  ForEachPacket(small, [&](std::uint32_t i) {
    const std::span<const std::uint8_t> payload =
        PayloadBytes(burst, i, begin[i], end[i], room + at);
    if (payload.data() != room + at) std::memcpy(room + at, payload.data(), payload.size());
    batch.begin[batch.count] = at;
    at += static_cast<std::uint32_t>(payload.size());
    batch.end[batch.count] = at;
    batch.packet[batch.count++] = static_cast<std::uint8_t>(i);
    room[at++] = kSeparator;
  });
  const hs_error_t result = hs_scan(database_.get(), reinterpret_cast<const char*>(room), at, 0,
                                    scratch.hyperscan_.get(), &OnBatchMatch, &batch);
  EDGECAP_CHECK(result == HS_SUCCESS || result == HS_SCAN_TERMINATED);
  if (result == HS_SCAN_TERMINATED) {
    batch.suspects = small;
    scratch.calls_without_ = kCallsWithout;
  }
  scratch.spared_ += batch.count - static_cast<std::uint32_t>(std::popcount(batch.suspects));
  PacketSet matching = 0;
  for (std::uint32_t k = 0; k < batch.count; ++k) {
    const PacketSet packet = PacketSet{1} << batch.packet[k];
    if ((batch.suspects & packet) == 0) continue;
    // Its match may have begun in a payload before it.
    if (IsMatch({room + batch.begin[k], room + batch.end[k]}, scratch)) matching |= packet;
  }
  return matching;
}

PacketSet PayloadMatcher::Match(const Burst& burst, PacketSet which,
                                const std::uint32_t (&begin)[kBurstPacketsMax],
                                const std::uint32_t (&end)[kBurstPacketsMax],
                                Scratch& scratch) const noexcept {
  const bool together = together_ && scratch.calls_without_ == 0;
  if (scratch.calls_without_ > 0) --scratch.calls_without_;
  PacketSet small = 0;
  PacketSet alone = 0;
  ForEachPacket(which, [&](std::uint32_t i) {
    const std::uint32_t bytes = end[i] - begin[i];
    if (bytes == 0) return;
    (together && bytes <= kTogetherBytesMax ? small : alone) |= PacketSet{1} << i;
  });
  PacketSet matching = 0;
  if (std::popcount(small) > 1) {
    matching = MatchTogether(burst, small, begin, end, scratch);
  } else {
    alone |= small;
  }
  ForEachPacket(alone, [&](std::uint32_t i) {
    const std::span<const std::uint8_t> payload =
        PayloadBytes(burst, i, begin[i], end[i], scratch.room_.get());
    if (IsMatch(payload, scratch)) matching |= PacketSet{1} << i;
  });
  return matching;
}

std::size_t PayloadMatcher::database_bytes() const noexcept {
  std::size_t bytes = 0;
  hs_database_size(database_.get(), &bytes);
  return bytes;
}

}  // namespace edgecap::filter
