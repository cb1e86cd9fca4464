// SPDX-License-Identifier: Apache-2.0
//
// Filters of every field and packets with tunnels in tunnels, made of choices that the input makes
// (tests/support/filter_traffic.h): the compiled filter says what the definition says
// (tests/support/filter_definition.h), for every job and packet, whether the packets lie in one
// piece or in several.

#include <fuzzer/FuzzedDataProvider.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/check.h"
#include "filter/compiled_filter.h"
#include "tests/support/filter_definition.h"
#include "tests/support/filter_traffic.h"
#include "tests/support/test_burst.h"

namespace edgecap::filter {
namespace {

using testing::SeenPacket;

// The input's bytes; zeros behind its end, with which every choice comes to an end.
class InputChooser final : public testing::Chooser {
 public:
  InputChooser(const std::uint8_t* data, std::size_t size) : input_(data, size) {}

  std::uint32_t Below(std::uint32_t end) override {
    return input_.ConsumeIntegralInRange<std::uint32_t>(0, end - 1);
  }
  bool AtEnd() const { return input_.remaining_bytes() == 0; }

 private:
  mutable FuzzedDataProvider input_;
};

class Comparison {
 public:
  explicit Comparison(InputChooser& choose) : choose_(choose) {}

  void Run() {
    if (choose_.OneIn(2)) {
      context_.local_prefixes = *ParseAddressSet("10.0.0.0/16;2001:db8::/48");
    }
    if (choose_.OneIn(2)) context_.port_names = {"left", "right"};
    MakePackets();
    MakeJobs();
    testing::FilterDefinition definition(context_);
    const auto filter = CompiledFilter::Compile(prepared_);
    EDGECAP_CHECK(filter.ok());
    auto scratch = (*filter)->NewScratch();
    EDGECAP_CHECK(scratch.ok());
    (*filter)->Match(burst_.burst(), **scratch);
    std::vector<PacketSet> wanted(jobs_.size());
    for (const JobMatch& match : (*scratch)->matches()) {
      EDGECAP_CHECK(match.job < jobs_.size() && match.packets != 0 && wanted[match.job] == 0);
      wanted[match.job] = match.packets;
    }
    for (std::size_t job = 0; job < jobs_.size(); ++job) {
      for (std::size_t i = 0; i < packets_.size(); ++i) {
        const bool holds = definition.Holds(jobs_[job], packets_[i], burst_.burst().port);
        EDGECAP_CHECK(((wanted[job] >> i) & 1) == holds);
      }
    }
  }

 private:
  static constexpr std::size_t kPacketsMax = 24;
  static constexpr std::size_t kRawBytesMax = 160;
  static constexpr std::size_t kFiltersMax = 24;  // few go the direct way, more do not

  void MakePackets() {
    testing::PacketMaker maker(choose_);
    do {
      testing::Bytes bytes;
      if (choose_.OneIn(4)) {
        bytes.resize(choose_.Below(kRawBytesMax));
        for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(choose_.Below(256));
      } else {
        bytes = maker.Make();
      }
      if (choose_.OneIn(2)) {
        burst_.Add(bytes);
      } else {
        const std::size_t head = choose_.Below(static_cast<std::uint32_t>(bytes.size()) + 1);
        const std::size_t rest = bytes.size() - head;
        const std::size_t middle = choose_.Below(static_cast<std::uint32_t>(rest) + 1);
        burst_.AddPieces(bytes, {head, middle, rest - middle});
      }
      SeenPacket& packet = packets_.emplace_back(std::move(bytes));
      if (choose_.OneIn(8)) packet.wire_bytes += choose_.Of({1U, 70'000U});
      burst_.burst().packets[packets_.size() - 1].wire_bytes = packet.wire_bytes;
    } while (!choose_.AtEnd() && packets_.size() < kPacketsMax && !choose_.OneIn(8));
    burst_.burst().port = choose_.Of<std::uint16_t>({0, 1, 9, kNoPort});
  }

  void MakeJobs() {
    testing::FilterMaker::Options options;
    options.local_known = !context_.local_prefixes.empty();
    options.port_names = context_.port_names;
    // A pattern takes milliseconds to compile; tests/unit looks at them.
    options.payload = false;
    testing::FilterMaker maker(choose_, options);
    std::size_t filters = 0;
    do {
      CaptureFilter job;
      do {
        const FilterSpec spec = maker.Make(choose_.Of(packets_));
        (choose_.OneIn(6) && spec != FilterSpec{} ? job.exclude : job.filters).push_back(spec);
      } while (!choose_.AtEnd() && ++filters < kFiltersMax && choose_.OneIn(2));
      EDGECAP_CHECK(job.Validate().ok());
      const auto prepared = PreparedFilter::Prepare(job, context_);
      if (!prepared.ok()) {
        EDGECAP_CHECK(prepared.status().code() == absl::StatusCode::kInvalidArgument);
        continue;
      }
      prepared_.push_back(*prepared);
      jobs_.push_back(std::move(job));
    } while (!choose_.AtEnd() && filters < kFiltersMax);
  }

  InputChooser& choose_;
  FilterContext context_;
  testing::TestBurst burst_;
  std::vector<SeenPacket> packets_;
  std::vector<CaptureFilter> jobs_;
  std::vector<std::shared_ptr<const PreparedFilter>> prepared_;
};

}  // namespace
}  // namespace edgecap::filter

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  edgecap::filter::InputChooser choose(data, size);
  edgecap::filter::Comparison(choose).Run();
  return 0;
}
