// SPDX-License-Identifier: Apache-2.0
//
// A PayloadMatcher says which packets have a payload that matches any expression of one filter. It
// is one Hyperscan database: a payload is scanned once for all expressions.
//
// What an expression means: it is PCRE's syntax, and matches anywhere in the payload of one packet;
// nothing is put together across packets. It is about bytes: there is no UTF-8, \x00 to \xff are
// the bytes, and letters are ASCII. Nothing is set that PCRE does not set by itself:
//   .         any byte but a newline; any byte at all behind (?s)
//   ^         the payload's first byte; also behind every newline behind (?m)
//   $         the payload's end, or the newline that ends it; before every newline behind (?m)
//   (?i)      upper and lower case alike
// Look-around, back references, atomic groups and possessive repeats are refused: none of them can
// be done in one pass over the bytes. So is an expression that matches the empty string, which
// is in every payload.
//
// Life cycle: compiled on the control thread, destroyed by it when no worker can still see it. A
// Scratch is prepared by control for all matchers a worker will use it with.
//
// Threading: immutable after Compile(). Any number of workers may call Match() at once, each with
// its own scratch.
//
// Small payloads are scanned together: payloads of up to 640 bytes of a burst are copied one behind
// the other and scanned at once, and only those in which a match ends there are scanned by
// themselves, which decides. That is exact as long as what an expression matches does not depend on
// what is around, so one expression with ^, $, \b or the like (or where that is in doubt, as with $
// in a class, \Q or \c) has each payload scanned by itself for all expressions of the matcher. So
// does a burst in which 16 or more payloads seem to match, for the next 31 calls with the scratch.
//
// Hot path: Match() does not allocate, block, log or throw. Measured with 200 expressions like
// those of intrusion detection and text like HTTP's, together and each by itself: payloads of 18
// bytes 14 and 48 ns, of 528 bytes 28 and 25 Gbit/s, a mix of 18 (7), 528 (4) and 1460 (1) 25 and
// 20 Gbit/s; of 1460 bytes always 25 Gbit/s. Where an eighth of the packets of the mix match it is
// 22 and 20 Gbit/s; where most match, together is tried in vain and costs up to 5 %. Fetching
// payloads ahead gained nothing, nor did any other choice of Hyperscan's tuning.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/packet.h"
#include "filter/filter_spec.h"

struct hs_database;
struct hs_scratch;

namespace edgecap::filter {

class PayloadMatcher {
 public:
  // What is looked at of a payload that lies in several pieces; one in one piece has no such end.
  static constexpr std::uint32_t kGatherBytesMax = 262144;

  // A worker's working memory. Move only. REQUIRES: one Match() at a time.
  class Scratch {
   public:
    Scratch();
    Scratch(Scratch&&) noexcept;
    Scratch& operator=(Scratch&&) noexcept;
    ~Scratch();

    // Makes it fit for `matcher`, and keeps it fit for those before. Control thread only.
    // Errors: kResourceExhausted; the scratch is then fit for no matcher.
    [[nodiscard]] absl::Status Prepare(const PayloadMatcher& matcher);

    [[nodiscard]] std::size_t bytes() const noexcept;

    // How many payloads so far needed no scan of their own.
    [[nodiscard]] std::uint64_t spared() const noexcept { return spared_; }

   private:
    friend class PayloadMatcher;
    struct Free {
      void operator()(hs_scratch* scratch) const noexcept;
    };
    std::unique_ptr<hs_scratch, Free> hyperscan_;
    std::unique_ptr<std::uint8_t[]> room_;  // kGatherBytesMax; for payloads that are copied
    std::uint32_t calls_without_ = 0;       // how many more scan each payload by itself
    std::uint64_t spared_ = 0;
  };

  // Compiles for the processor this runs on. Takes about two seconds at most: control thread only.
  //
  // Errors, with messages for the operator:
  //   kInvalidArgument      none or too many expressions; one that is empty, too long, would take
  //                         too long to compile, or that Hyperscan does not take
  //   kResourceExhausted    no memory
  [[nodiscard]] static absl::StatusOr<std::shared_ptr<const PayloadMatcher>> Compile(
      std::span<const std::string> expressions);

  PayloadMatcher(const PayloadMatcher&) = delete;
  PayloadMatcher& operator=(const PayloadMatcher&) = delete;
  ~PayloadMatcher() = default;

  // Those of `which` whose bytes [begin[i], end[i]) match any expression; offsets in the stored
  // packet, over all its pieces. An empty payload matches nothing.
  // REQUIRES: begin[i] <= end[i] <= stored bytes for those of `which`; scratch.Prepare(*this).
  [[nodiscard]] PacketSet Match(const Burst& burst, PacketSet which,
                                const std::uint32_t (&begin)[kBurstPacketsMax],
                                const std::uint32_t (&end)[kBurstPacketsMax],
                                Scratch& scratch) const noexcept;

  [[nodiscard]] std::size_t database_bytes() const noexcept;

 private:
  struct Free {
    void operator()(hs_database* database) const noexcept;
  };
  using Database = std::unique_ptr<hs_database, Free>;

  PayloadMatcher(Database database, bool together)
      : database_(std::move(database)), together_(together) {}

  [[nodiscard]] bool IsMatch(std::span<const std::uint8_t> payload,
                             Scratch& scratch) const noexcept;
  // Those of `small` that match, in one scan for all of them, and one for each that may.
  [[nodiscard]] PacketSet MatchTogether(const Burst& burst, PacketSet small,
                                        const std::uint32_t (&begin)[kBurstPacketsMax],
                                        const std::uint32_t (&end)[kBurstPacketsMax],
                                        Scratch& scratch) const noexcept;

  Database database_;
  bool together_;  // small payloads may be scanned together
};

}  // namespace edgecap::filter
