// SPDX-License-Identifier: Apache-2.0

#include "filter/payload_matcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/status_macros.h"
#include "tests/support/test_burst.h"

namespace edgecap::filter {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::TestBurst;

using Expressions = std::vector<std::string>;
using Matcher = std::shared_ptr<const PayloadMatcher>;

Matcher Compiled(const Expressions& expressions) {
  auto matcher = PayloadMatcher::Compile(expressions);
  EXPECT_TRUE(matcher.ok()) << MessageOf(matcher.status());
  return matcher.ok() ? *matcher : nullptr;
}

std::string Refusal(const Expressions& expressions) {
  const auto matcher = PayloadMatcher::Compile(expressions);
  EXPECT_FALSE(matcher.ok());
  EXPECT_EQ(matcher.status().code(), absl::StatusCode::kInvalidArgument);
  return MessageOf(matcher.status());
}

PayloadMatcher::Scratch ScratchFor(const PayloadMatcher& matcher) {
  PayloadMatcher::Scratch scratch;
  EXPECT_TRUE(scratch.Prepare(matcher).ok());
  return scratch;
}

// A burst of packets and where their payloads are.
class Payloads {
 public:
  // The payload alone, in one piece.
  void Add(std::string_view payload) { Add("", payload, "", {payload.size()}); }

  // With bytes around it, and in pieces of those sizes.
  void Add(std::string_view before, std::string_view payload, std::string_view behind,
           const std::vector<std::size_t>& pieces) {
    const std::uint32_t index = burst_.burst().count;
    begin_[index] = static_cast<std::uint32_t>(before.size());
    end_[index] = begin_[index] + static_cast<std::uint32_t>(payload.size());
    const std::string packet = std::string(before).append(payload).append(behind);
    burst_.AddPieces({packet.begin(), packet.end()}, pieces);
  }

  [[nodiscard]] PacketSet Match(const PayloadMatcher& matcher, PayloadMatcher::Scratch& scratch,
                                PacketSet which = ~PacketSet{0}) {
    return matcher.Match(burst_.burst(), which & burst_.burst().All(), begin_, end_, scratch);
  }

 private:
  TestBurst burst_;
  std::uint32_t begin_[kBurstPacketsMax] = {};
  std::uint32_t end_[kBurstPacketsMax] = {};
};

bool Matches(const std::string& expression, std::string_view payload) {
  const Matcher matcher = Compiled({expression});
  if (matcher == nullptr) return false;
  PayloadMatcher::Scratch scratch = ScratchFor(*matcher);
  Payloads payloads;
  payloads.Add(payload);
  return payloads.Match(*matcher, scratch) != 0;
}

// ---- Meaning ------------------------------------------------------------------------------------

TEST(PayloadMatcherTest, AnExpressionMatchesAnywhereInThePayload) {
  EXPECT_TRUE(Matches("needle", "hay needle hay"));
  EXPECT_FALSE(Matches("needle", "hay Needle hay"));
  EXPECT_TRUE(Matches("(?i)needle", "hay NeedLe hay"));
}

TEST(PayloadMatcherTest, BytesAreWrittenInHexAndAreNotUtf8) {
  using namespace std::string_literals;
  EXPECT_TRUE(Matches(R"(\x00\xff\x00)", "a\0\xff\0"s));
  EXPECT_FALSE(Matches(R"(\xe4)", "\xc3\xa4"));  // the letter in UTF-8
  EXPECT_TRUE(Matches("^..$", "\xc3\xa4"));
  EXPECT_FALSE(Matches(R"((?i)\xe4)", "\xc4"));  // its capital in Latin-1
}

TEST(PayloadMatcherTest, ADotIsNoNewlineUnlessAskedFor) {
  EXPECT_FALSE(Matches("a.b", "a\nb"));
  EXPECT_TRUE(Matches("(?s)a.b", "a\nb"));
  EXPECT_TRUE(Matches("a.b", "a\rb"));
}

TEST(PayloadMatcherTest, AnchorsAreThePayloadsEndsAndNotItsLines) {
  EXPECT_TRUE(Matches("^GET", "GET /"));
  EXPECT_FALSE(Matches("^GET", "x\nGET /"));
  EXPECT_TRUE(Matches("(?m)^GET", "x\nGET /"));
  EXPECT_TRUE(Matches("end$", "the end"));
  EXPECT_TRUE(Matches("end$", "the end\n"));
  EXPECT_FALSE(Matches("end$", "the end\n\n"));
  EXPECT_FALSE(Matches("end$", "the end\nmore"));
  EXPECT_TRUE(Matches("(?m)end$", "the end\nmore"));
  EXPECT_FALSE(Matches(R"(end\z)", "the end\n"));
}

TEST(PayloadMatcherTest, AnyExpressionIsEnoughAndOnlyAskedPacketsAreLookedAt) {
  const Matcher matcher = Compiled({"one", "two"});
  PayloadMatcher::Scratch scratch = ScratchFor(*matcher);
  Payloads payloads;
  for (const char* payload : {"one", "none?", "two", "three", "one two"}) payloads.Add(payload);
  EXPECT_EQ(payloads.Match(*matcher, scratch), 0b10111u);
  EXPECT_EQ(payloads.Match(*matcher, scratch, 0b01100), 0b00100u);
  EXPECT_EQ(payloads.Match(*matcher, scratch, 0), 0u);
}

TEST(PayloadMatcherTest, AnEmptyPayloadMatchesNothing) {
  const Matcher matcher = Compiled({"(?s)."});
  PayloadMatcher::Scratch scratch = ScratchFor(*matcher);
  Payloads payloads;
  payloads.Add("");
  payloads.Add("headers", "", "", {7});
  payloads.Add("headers", "", "", {3, 4});
  payloads.Add("headers", "", "padding", {3, 4, 7});
  payloads.Add("headers", "1", "padding", {3, 4, 8});
  EXPECT_EQ(payloads.Match(*matcher, scratch), 0b10000u);
}

TEST(PayloadMatcherTest, OnlyBytesOfThePayloadCount) {
  const Matcher matcher = Compiled({"needle"});
  PayloadMatcher::Scratch scratch = ScratchFor(*matcher);
  Payloads payloads;
  payloads.Add("needle", "hay", "needle", {15});
  payloads.Add("nee", "dle", "", {6});
  payloads.Add("", "need", "le", {6});
  payloads.Add("needle", "hay", "needle", {6, 3, 6});
  payloads.Add("nee", "dle", "", {3, 3});
  payloads.Add("", "need", "le", {4, 2});
  payloads.Add("x", "needle", "x", {8});
  EXPECT_EQ(payloads.Match(*matcher, scratch), 0b1000000u);
}

TEST(PayloadMatcherTest, AMatchIsFoundAcrossThePiecesOfAPacket) {
  const Matcher matcher = Compiled({"^needle$"});
  PayloadMatcher::Scratch scratch = ScratchFor(*matcher);
  Payloads payloads;
  const std::vector<std::vector<std::size_t>> kPieces = {
      {12},         {6, 6},  {3, 6, 3},          {3, 3, 3, 3}, {4, 1, 1, 0, 6}, {0, 12},
      {3, 0, 6, 3}, {10, 2}, {1, 1, 2, 4, 1, 3}, {9, 0, 0, 3}, {2, 7, 3},       {11, 1}};
  for (const auto& pieces : kPieces) payloads.Add("ee ", "needle", " ne", pieces);
  EXPECT_EQ(payloads.Match(*matcher, scratch), AllPackets(kPieces.size()));
}

TEST(PayloadMatcherTest, OfALongPacketInPiecesTheFirstBytesAreLookedAt) {
  constexpr std::size_t kSeen = PayloadMatcher::kGatherBytesMax;
  const Matcher matcher = Compiled({"needle"});
  PayloadMatcher::Scratch scratch = ScratchFor(*matcher);
  const auto with_needle_at = [](std::size_t at) {
    std::string payload(kSeen + 100, '.');
    return payload.replace(at, 6, "needle");
  };
  Payloads payloads;
  const std::vector<std::size_t> kTwo = {100000, kSeen + 100 - 100000};
  payloads.Add("", with_needle_at(kSeen - 6), "", kTwo);
  payloads.Add("", with_needle_at(kSeen - 5), "", kTwo);
  payloads.Add("", with_needle_at(kSeen), "", {kSeen + 100});
  EXPECT_EQ(payloads.Match(*matcher, scratch), 0b101u);
}

// ---- Small payloads, scanned together -----------------------------------------------------------

// How many of `payloads` need no scan of their own; which match must be `expected`.
std::uint64_t Spared(const Expressions& expressions, const std::vector<std::string>& payloads,
                     PacketSet expected) {
  const Matcher matcher = Compiled(expressions);
  if (matcher == nullptr) return 0;
  PayloadMatcher::Scratch scratch = ScratchFor(*matcher);
  Payloads burst;
  for (const std::string& payload : payloads) burst.Add(payload);
  EXPECT_EQ(burst.Match(*matcher, scratch), expected) << expressions[0];
  return scratch.spared();
}

TEST(PayloadMatcherTest, OfSmallPayloadsOnlyThoseThatMayMatchAreScannedByThemselves) {
  EXPECT_EQ(Spared({"needle"}, {"hay", "a needle", "", "hay", "needle", "nee"}, 0b10010), 3u);
  EXPECT_EQ(Spared({"needle"}, {"needle", "hay"}, 0b01), 1u);
  EXPECT_EQ(Spared({"needle"}, {"hay", "needle"}, 0b10), 1u);
  EXPECT_EQ(Spared({"x"}, {"x", "y", "x", "y", "x"}, 0b10101), 2u);
  EXPECT_EQ(Spared({"needle"}, {"hay", ""}, 0), 0u);  // only one
}

TEST(PayloadMatcherTest, AMatchAcrossSmallPayloadsDoesNotCount) {
  // What seems to match in the later payload is found not to.
  EXPECT_EQ(Spared({"(?s)one.*two"}, {"one", "two", "three"}, 0), 2u);
  EXPECT_EQ(Spared({R"(one\stwo)"}, {"one", "two", "three"}, 0), 2u);
  EXPECT_EQ(Spared({"one[^-]+"}, {"-one", "two", "-three"}, 0), 1u);
  EXPECT_EQ(Spared({"[^-]{9}"}, {"one-", "two", "three"}, 0), 2u);
  // With other bytes, it does not even seem to.
  EXPECT_EQ(Spared({"onetwo", "one.*two"}, {"one", "two", "three"}, 0), 3u);
  // A match of its own counts whatever is before it.
  EXPECT_EQ(Spared({"(?s)one.*two"}, {"one", "one two", "two"}, 0b010), 1u);
}

TEST(PayloadMatcherTest, LargePayloadsAreScannedByThemselves) {
  const auto with_needle = [](std::size_t size) { return std::string(size - 6, '.') + "needle"; };
  EXPECT_EQ(Spared({"needle"}, {"a", "b", std::string(640, '.')}, 0), 3u);
  EXPECT_EQ(Spared({"needle"}, {"a", "b", std::string(641, '.')}, 0), 2u);
  EXPECT_EQ(Spared({"needle"}, {"a", with_needle(640), with_needle(641), "needle", "b"}, 0b01110),
            2u);
  const std::vector<std::string> most(64, std::string(640, '.'));
  EXPECT_EQ(Spared({"needle"}, most, 0), 64u);
}

TEST(PayloadMatcherTest, AnExpressionThatLooksAroundHasEachPayloadScannedByItself) {
  const std::vector<std::string> kPayloads = {"xab", "ab", "ab\n", "abx"};
  EXPECT_EQ(Spared({"ab", "zz"}, kPayloads, 0b1111), 0u);
  EXPECT_EQ(Spared({"^ab"}, kPayloads, 0b1110), 0u);
  EXPECT_EQ(Spared({"(?m)^ab"}, kPayloads, 0b1110), 0u);
  EXPECT_EQ(Spared({"ab$"}, kPayloads, 0b0111), 0u);
  EXPECT_EQ(Spared({R"(ab\z)"}, kPayloads, 0b0011), 0u);
  EXPECT_EQ(Spared({R"(\bab)"}, kPayloads, 0b1110), 0u);
  EXPECT_EQ(Spared({R"(ab\B)"}, kPayloads, 0b1000), 0u);
  // Nothing matches: without assertions all four would be spared.
  for (const char* expression :
       {"^q", "q$", "(?m)q$", "(?m:^q)", R"(\Aq)", R"(q\Z)", R"(q\z)", R"(\bq)", R"(q\B)", "(a|^)q",
        "q(b|$)", R"(\\$)", R"([^a]q$)", R"(([[]q$))", R"([\]]q$)", R"((\[|^)q)",
        // Where a simple reader could be led astray.
        R"(\Q\E^q)", R"(\Qq\\E$)", R"((?#\)^q)", R"((?#[)^q)", "(?x)#\\\n^q", "(?x)#[\n^q",
        R"(q\c\$)",
        // In doubt.
        "q[$]", "[^^]q", "q[a^]", R"(\cAq)", R"(\Qq\E)", R"([\b]q)"}) {
    EXPECT_EQ(Spared({"zz", expression, "yy"}, kPayloads, 0), 0u) << expression;
  }
}

TEST(PayloadMatcherTest, WhatOnlyResemblesAnAssertionIsScannedTogether) {
  for (const char* expression : {"q", "[^a]q", "[^]]q", R"([^\]]q)", R"(\^q)", R"(q\$)",
                                 R"([\^\$]q)", R"(\x24q)", R"(\044q)", R"(\\q)", R"(\d\D\s\S\w\Wq)",
                                 R"(\r\n\t\fq)", "(?m)q", "(?im:q)", "(?:bB|zZ)q"}) {
    EXPECT_EQ(Spared({"zz", expression}, {"ab", "^", "$", "\n"}, 0), 4u) << expression;
  }
}

TEST(PayloadMatcherTest, WhereMuchMatchesItIsNotTriedForSomeTime) {
  const Matcher matcher = Compiled({"a"});
  Payloads hay;
  Payloads many;     // payloads that match
  Payloads copious;  // matches in one payload
  for (int i = 0; i < 32; ++i) {
    hay.Add("hey");
    many.Add(i % 2 == 0 ? "a" : "b");
    copious.Add(i == 7 ? std::string(600, 'a') : "b");
  }
  for (Payloads* payloads : {&many, &copious}) {
    PayloadMatcher::Scratch scratch = ScratchFor(*matcher);
    EXPECT_EQ(hay.Match(*matcher, scratch), 0u);
    EXPECT_EQ(scratch.spared(), 32u);
    EXPECT_EQ(payloads->Match(*matcher, scratch), payloads == &many ? 0x55555555u : 1u << 7);
    for (int call = 0; call < 31; ++call) {
      EXPECT_EQ(scratch.spared(), 32u);
      EXPECT_EQ(payloads->Match(*matcher, scratch), payloads == &many ? 0x55555555u : 1u << 7);
    }
    EXPECT_EQ(hay.Match(*matcher, scratch), 0u);
    EXPECT_EQ(scratch.spared(), 64u);
  }
}

// ---- The scratch --------------------------------------------------------------------------------

TEST(PayloadMatcherTest, AScratchServesSeveralMatchers) {
  const Matcher small = Compiled({"needle"});
  Expressions many;
  for (int i = 0; i < 200; ++i) many.push_back("a" + std::to_string(i) + "[b-d]{2,9}.{0,20}x");
  const Matcher large = Compiled(many);
  EXPECT_GT(large->database_bytes(), small->database_bytes());

  PayloadMatcher::Scratch scratch;
  EXPECT_EQ(scratch.bytes(), 0u);
  ASSERT_TRUE(scratch.Prepare(*small).ok());
  const std::size_t bytes_for_small = scratch.bytes();
  EXPECT_GT(bytes_for_small, PayloadMatcher::kGatherBytesMax);
  ASSERT_TRUE(scratch.Prepare(*large).ok());
  const std::size_t bytes_for_both = scratch.bytes();
  EXPECT_GT(bytes_for_both, bytes_for_small);
  ASSERT_TRUE(scratch.Prepare(*small).ok());
  EXPECT_EQ(scratch.bytes(), bytes_for_both);

  PayloadMatcher::Scratch moved = std::move(scratch);
  Payloads payloads;
  payloads.Add("a needle");
  payloads.Add("a150bcd and an x");
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(payloads.Match(*small, moved), 0b01u);
    EXPECT_EQ(payloads.Match(*large, moved), 0b10u);
  }
}

// ---- What is refused ----------------------------------------------------------------------------

TEST(PayloadMatcherTest, ItsLimitsAreNamedWithAWayOut) {
  EXPECT_THAT(Refusal({}), HasSubstr("no expression is given"));
  EXPECT_THAT(Refusal({"a", ""}), HasSubstr("payload \"\" is empty: give an expression"));
  EXPECT_THAT(Refusal(Expressions(257, "abc")),
              HasSubstr("payload has 257 expressions, a filter can have at most 256: join some"));
  EXPECT_THAT(Refusal({"a", std::string(1025, 'b')}),
              HasSubstr("payload \"" + std::string(64, 'b') +
                        "...\" has 1025 bytes, at most 1024 can be: shorten it"));
  EXPECT_THAT(Refusal({std::string("a\0b", 3)}),
              HasSubstr(R"(payload "a\000b" has a zero byte in it: write it as \x00)"));
  EXPECT_THAT(Refusal({"(*UTF8)a"}), HasSubstr("payload \"(*UTF8)a\" begins with (*"));
}

TEST(PayloadMatcherTest, AnExpressionForEveryPacketIsRefused) {
  for (const char* expression :
       {"a*", "(?:)", "a?b?", "x|", "^", "$", "(?i)", ".{0,5}", "^$", "(?m)^", "x|$"}) {
    EXPECT_THAT(Refusal({"good", expression}), HasSubstr("payload \"" + std::string(expression) +
                                                         "\"" + " matches the empty string"));
  }
}

TEST(PayloadMatcherTest, WhatHyperscanRefusesIsPassedOnWithTheExpression) {
  EXPECT_THAT(Refusal({"good", "(a"}),
              HasSubstr("payload \"(a\": Missing close parenthesis for group started at index 0. "
                        "The syntax is PCRE's, without look-around"));
  EXPECT_THAT(Refusal({"good", "also", "[z"}), HasSubstr("payload \"[z\": Unterminated character"));
  for (const char* expression : {"a)", "(a)\\1", "(?=a)b", "(?<!a)b", "a++b", "(?>a)b", "*a",
                                 "a{70000}", "[b-a]", "\\", "(?'n'a", "(?#"}) {
    const auto matcher = PayloadMatcher::Compile(Expressions{"good", expression});
    EXPECT_THAT(MessageOf(matcher.status()), HasSubstr("payload \""));
  }
}

// ---- The time to compile ------------------------------------------------------------------------

Expressions Many(int count, const std::string& before, const std::string& behind) {
  Expressions expressions;
  for (int i = 0; i < count; ++i) expressions.push_back(before + std::to_string(i) + behind);
  return expressions;
}

std::string Times(int count, std::string_view text) {
  std::string all;
  for (int i = 0; i < count; ++i) all += text;
  return all;
}

TEST(PayloadMatcherTest, WhatWouldTakeTooLongIsRefusedAtOnce) {
  const std::vector<Expressions> kExploding = {
      {"^(ab|c.){1,9999}x"},
      {"^(a|b){1,1000}x"},
      {"((a{1,100}){1,100}){1,100}"},
      {".{0,2000}x.{0,2000}"},
      {"x(a*b*){500}y"},
      {"(((((((((((a?){9}){9}){9}){9}){9}){9}){9}){9}){9}){9}){9}b"},
      {Times(200, "(") + "a" + Times(200, "|b)*") + "c"},
      {Times(140, "(?:") + "a" + Times(140, "){2}") + "c"},
      {"c([a-f][a-f]{27}yc|azz\\w|axx{645}[a-f])+z"},
      Many(256, ".{0,300}x", ""),
      Many(256, "^ab.{3,80}x", "."),
      Many(256, "", Times(250, "[ab]")),
      Many(256, "(?i)" + Times(25, "Literal-"), "[0-9]+"),
      // Where the repeat could hide from who reads the expression too simply.
      {"[](](ab|c.){1,9999}x"},
      {"[^](](ab|c.){1,9999}x"},
      {"[[:alpha:](](ab|c.){1,9999}x"},
      {"[\\](](ab|c.){1,9999}x"},
      {"[\\Q]\\E(](ab|c.){1,9999}x"},
      {"\\Q(\\E(ab|c.){1,9999}x"},
      {"\\((ab|c.){1,9999}x"},
      {"(?#()(ab|c.){1,9999}x"},
      {"(?'name'ab|c.){1,9999}x"},
      {"(?<name>ab|c.){1,9999}x"},
      {"(?P<name>ab|c.){1,9999}x"},
      {"(?i)(?s-m:ab|c.){1,9999}x"},
      {"(?x)(ab #)\n|c.){1,9999}x"},
      {"(ab|c.){1,9999}?x"},
      {"(ab|c.){99}{99}x"},
      {"(ab|c.){9999,}x"},
      {"(ab|c.){99999999999999}x"},
  };
  for (const Expressions& expressions : kExploding) {
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_THAT(Refusal(expressions),
                AllOf(HasSubstr("payload \""), HasSubstr("too long to compile"),
                      HasSubstr("use smaller counts in repeats")))
        << expressions[0];
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(2)) << expressions[0];
  }
}

TEST(PayloadMatcherTest, TheMostExpensiveExpressionIsNamed) {
  EXPECT_THAT(Refusal({"good", "(ab|c.){1,999}x", "good too"}),
              HasSubstr("payload \"(ab|c.){1,999}x\", with the others, takes too long to compile"));
}

TEST(PayloadMatcherTest, OrdinaryExpressionsAreTaken) {
  Expressions rules;
  for (int i = 0; i < 40; ++i) {
    const std::string n = std::to_string(i);
    rules.push_back("cmd" + n + ".exe");
    rules.push_back("(?i)user-agent: bot" + n + "/[0-9]\\.[0-9]{1,3}");
    rules.push_back("key" + n + "=[0-9a-f]{32}");
    rules.push_back("select" + n + ".{0,64}from.{0,32}where");
    rules.push_back("\\x90\\x90(?:\\xeb|\\xe9).{4}" + n + "\\x00");
  }
  const std::vector<Expressions> kOrdinary = {
      rules,
      {"[0-9a-f]{32}"},
      {".{0,64}x"},
      {"a.{0,400}b"},
      {"a.*b.*c"},
      {"(?:[0-9]{1,3}\\.){3}[0-9]{1,3}"},
      {"^(?:GET|POST|HEAD|PUT) [^ ]{1,200} HTTP/1\\.[01]\r\n"},
      {Times(200, "(") + "a" + Times(200, ")")},
      Many(200, "begin", ".{0,64}end"),
      Many(256, Times(100, R"(literal\.x)"), ""),
      Many(64, "(?i)" + Times(4, "Literal-"), "[0-9]+"),
  };
  for (const Expressions& expressions : kOrdinary) {
    EXPECT_NE(Compiled(expressions), nullptr) << expressions[0];
  }
}

// ---- Against PCRE2 ------------------------------------------------------------------------------

class Pcre {
 public:
  explicit Pcre(const std::string& expression) {
    int error = 0;
    PCRE2_SIZE at = 0;
    code_ = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.data()), expression.size(), 0,
                          &error, &at, nullptr);
    EDGECAP_CHECK(code_ != nullptr);
    match_ = pcre2_match_data_create(1, nullptr);
  }
  Pcre(const Pcre&) = delete;
  Pcre& operator=(const Pcre&) = delete;
  ~Pcre() {
    pcre2_match_data_free(match_);
    pcre2_code_free(code_);
  }

  // Nothing where PCRE2 gives up, as a backtracking matcher may.
  [[nodiscard]] std::optional<bool> Matches(std::string_view text) const {
    const int result = pcre2_match(code_, reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), 0,
                                   0, match_, nullptr);
    if (result == PCRE2_ERROR_MATCHLIMIT) return std::nullopt;
    EDGECAP_CHECK(result >= 0 || result == PCRE2_ERROR_NOMATCH);
    return result >= 0;
  }

 private:
  pcre2_code* code_;
  pcre2_match_data* match_;
};

// Random expressions over few bytes, so that many match; the same for one seed.
class Generator {
 public:
  explicit Generator(std::uint32_t seed) : random_(seed) {}

  int Below(int bound) { return static_cast<int>(random_() % static_cast<unsigned>(bound)); }
  bool OneIn(int count) { return Below(count) == 0; }

  // With ^, $, \b and the like, if `assertions`.
  std::string Expression(bool assertions) {
    assertions_ = assertions;
    std::string text;
    if (OneIn(3)) text += Pick({"(?i)", "(?s)", "(?m)", "(?is)", "(?im)"});
    return text + Alternatives(2);
  }

  std::string Bytes(int bytes_max) {
    std::string bytes;
    for (int i = Below(bytes_max + 1); i > 0; --i) bytes += kBytes[Below(std::size(kBytes))];
    return bytes;
  }

  // `size` bytes cut at random, sometimes into empty pieces; mostly in one piece if `chop` is not.
  std::vector<std::size_t> Pieces(std::size_t size, bool chop) {
    std::vector<std::size_t> pieces;
    std::size_t left = size;
    while (chop && pieces.size() < 8 && left > 0) {
      const auto piece = static_cast<std::size_t>(Below(static_cast<int>(left) + 1));
      pieces.push_back(piece);
      left -= piece;
    }
    pieces.push_back(left);
    return pieces;
  }

 private:
  static constexpr char kBytes[] = {'a', 'a', 'b', 'b', 'c', 'A',  'B',  '0',
                                    '1', ' ', '_', '-', '.', '\n', '\0', '\xff'};

  std::string Pick(std::initializer_list<const char*> choices) {
    return *(choices.begin() + Below(static_cast<int>(choices.size())));
  }

  std::string Alternatives(int depth) {
    std::string text = Sequence(depth);
    while (OneIn(3)) text += "|" + Sequence(depth);
    return text;
  }

  std::string Sequence(int depth) {
    std::string text = assertions_ && OneIn(6) ? Pick({"^", "^", "\\A", "\\b", "\\B"}) : "";
    for (int items = 1 + Below(4); items > 0; --items) {
      text += Item(depth);
      if (OneIn(3)) text += Repeat();
      if (assertions_ && OneIn(20)) text += Pick({"\\b", "\\B"});
    }
    if (assertions_ && OneIn(6)) text += Pick({"$", "$", "\\z", "\\Z", "\\b"});
    return text;
  }

  std::string Item(int depth) {
    switch (Below(depth > 0 ? 9 : 7)) {
      case 0:
        return ".";
      case 1:
        return Pick({"\\d", "\\w", "\\s", "\\D", "\\W", "\\S"});
      case 2:
        return Pick({"[ab]", "[^ab]", "[a-c0-9]", "[^\\n]", "[\\d_]", "[[:upper:]]", "[^\\w]",
                     "[]a]", "[-.]"});
      case 3:
        return Pick({"\\x00", "\\xff", "\\x61", "\\n", "\\.", "\\x{42}", "\\Qa.\\E"});
      case 4:
      case 5:
      case 6:
        return Pick({"a", "b", "c", "A", "0", "1", " ", "_", "-", "aa", "ab", "b0"});
      default:
        return Pick({"(", "(?:", "(?i:", "(?s:", "(?-i:"}) + Alternatives(depth - 1) + ")";
    }
  }

  std::string Repeat() {
    return Pick({"?", "*", "+", "{2}", "{1,3}", "{2,}", "{0,2}", "*?", "+?", "??", "{1,2}?"});
  }

  std::mt19937 random_;
  bool assertions_ = true;
};

TEST(PayloadMatcherTest, AgreesWithPcre2) {
  Generator generator(20231201);
  int sets = 0;
  int pairs = 0;
  int matches = 0;
  int chopped_matches = 0;
  int generated = 0;
  int refused = 0;
  int unknown = 0;
  int spared = 0;
  int together_matches = 0;
  while (sets < 1000) {
    const bool assertions = generator.OneIn(2);
    Expressions expressions;
    std::vector<std::unique_ptr<Pcre>> pcres;
    for (int wanted = 1 + generator.Below(3); wanted > 0;) {
      const std::string expression = generator.Expression(assertions);
      ++generated;
      const auto alone = PayloadMatcher::Compile(Expressions{expression});
      if (!alone.ok()) {
        // Nothing but what Hyperscan says it cannot do.
        EXPECT_THAT(
            MessageOf(alone.status()),
            ::testing::AnyOf(HasSubstr("matches the empty string"), HasSubstr("can never match"),
                             HasSubstr("Embedded start anchors not supported"),
                             HasSubstr("Embedded end anchors not supported")));
        ++refused;
        continue;
      }
      expressions.push_back(expression);
      pcres.push_back(std::make_unique<Pcre>(expression));
      --wanted;
    }
    const Matcher matcher = Compiled(expressions);
    ASSERT_NE(matcher, nullptr);
    PayloadMatcher::Scratch scratch = ScratchFor(*matcher);

    Payloads packets;
    std::vector<std::string> payloads;
    PacketSet expected = 0;
    PacketSet chopped = 0;
    PacketSet known = ~PacketSet{0};
    const auto count = static_cast<std::uint32_t>(1 + generator.Below(32));
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::string before = generator.Bytes(20);
      const std::string behind = generator.OneIn(2) ? generator.Bytes(8) : "";
      payloads.push_back(generator.Bytes(generator.OneIn(4) ? 40 : 6));
      const std::string& payload = payloads.back();
      const bool chop = generator.OneIn(2);
      const std::vector<std::size_t> pieces =
          generator.Pieces(before.size() + payload.size() + behind.size(), chop);
      packets.Add(before, payload, behind, pieces);
      bool match = false;
      for (const auto& pcre : pcres) {
        const std::optional<bool> one = pcre->Matches(payload);
        match |= !payload.empty() && one.value_or(false);
        if (!one) known &= ~(PacketSet{1} << i);
      }
      expected |= PacketSet{match} << i;
      chopped |= PacketSet{pieces.size() > 1} << i;
    }
    const PacketSet found = packets.Match(*matcher, scratch);
    ForEachPacket((found ^ expected) & known, [&](std::uint32_t i) {
      ADD_FAILURE() << ::testing::PrintToString(expressions) << " on "
                    << ::testing::PrintToString(payloads[i]) << ": PCRE2 " << ((expected >> i) & 1);
    });
    ++sets;
    pairs += static_cast<int>(count);
    spared += static_cast<int>(scratch.spared());
    if (scratch.spared() > 0) together_matches += std::popcount(expected);
    unknown += 64 - std::popcount(known);
    matches += std::popcount(expected);
    chopped_matches += std::popcount(expected & chopped);
  }
  // That it is a test: enough of both answers, in one piece and in several, of scans together and
  // not.
  EXPECT_GT(matches, pairs / 4);
  EXPECT_LT(matches, pairs * 3 / 4);
  EXPECT_GT(chopped_matches, matches / 4);
  EXPECT_GT(matches - chopped_matches, matches / 4);
  EXPECT_GT(spared, pairs / 10);
  EXPECT_GT(together_matches, matches / 10);
  EXPECT_LT(together_matches, matches / 2);
  EXPECT_LT(refused, generated / 2);
  EXPECT_LT(unknown, pairs / 1000);
}

}  // namespace
}  // namespace edgecap::filter
