// SPDX-License-Identifier: Apache-2.0

#include "filter/classifier.h"

#include <algorithm>
#include <bit>
#include <compare>
#include <cstring>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "filter/interval_map.h"

#if defined(__AVX512BW__) && defined(__AVX512F__)
#include <immintrin.h>
#define EDGECAP_CLASSIFY_WIDE 1
#endif

namespace edgecap::filter {
namespace {

constexpr std::uint32_t kGroupsMax = 64;
constexpr std::size_t kSource = 0;  // destination is 1
constexpr std::size_t kFirstNumber = 2;

// An IPv6 address as a number.
struct Wide {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend auto operator<=>(const Wide&, const Wide&) = default;
};

std::uint32_t Load32(const std::uint8_t* bytes) {
  std::uint32_t word;
  std::memcpy(&word, bytes, sizeof(word));
  return __builtin_bswap32(word);
}

Wide LoadWide(const std::array<std::uint8_t, 16>& bytes) {
  const auto word = [&](int i) { return std::uint64_t{Load32(bytes.data() + 4 * i)}; };
  return {word(0) << 32 | word(1), word(2) << 32 | word(3)};
}

// The one behind; nothing behind the last.
std::optional<std::uint32_t> Next(std::uint32_t value, std::uint32_t last) {
  if (value == last) return std::nullopt;
  return value + 1;
}
std::optional<Wide> Next(const Wide& value) {
  if (value.low != ~std::uint64_t{0}) return Wide{value.high, value.low + 1};
  if (value.high != ~std::uint64_t{0}) return Wide{value.high + 1, 0};
  return std::nullopt;
}

// Where a rule begins or ends to hold.
template <typename Key>
struct Event {
  Key at;
  std::uint32_t rule;
};

template <typename Key>
void AddEvents(std::vector<Event<Key>>& events, std::uint32_t rule, const Key& first,
               const std::optional<Key>& behind) {
  events.push_back({first, rule});
  if (behind) events.push_back({*behind, rule});
}

// A dimension's values in a packet: where they are, and which packets have one.
struct Column {
  const std::uint8_t* bytes = nullptr;
  const std::uint16_t* words = nullptr;
  PacketSet known = 0;
};

Column ColumnOf(NumberDimension dimension, const FlowKeys& keys) noexcept {
  const PacketSet ip = keys.ipv4 | keys.ipv6;
  switch (dimension) {
    case NumberDimension::kSourcePort:
      return {nullptr, keys.source_port, keys.ports};
    case NumberDimension::kDestinationPort:
      return {nullptr, keys.destination_port, keys.ports};
    case NumberDimension::kProtocol:
      return {keys.protocol, nullptr, ip};
    case NumberDimension::kVlan:
      return {nullptr, keys.vlan, keys.tagged};
    case NumberDimension::kEtherType:
      return {nullptr, keys.ether_type, keys.ethernet};
    case NumberDimension::kTcpFlags:
      return {keys.tcp_flags, nullptr, keys.tcp};
    case NumberDimension::kIcmpType:
      return {keys.icmp_type, nullptr, keys.icmp};
    case NumberDimension::kIcmpCode:
      return {keys.icmp_code, nullptr, keys.icmp};
    case NumberDimension::kDscp:
      return {keys.dscp, nullptr, ip};
    case NumberDimension::kFragment:
      return {keys.fragment, nullptr, ip};
    case NumberDimension::kIpVersion:
    case NumberDimension::kLength:
    case NumberDimension::kReceivePort:
      break;  // not in the keys
  }
  return {};
}

}  // namespace

// What the classes of one dimension are, and which rules they hold.
struct Classifier::Dimension {
  explicit Dimension(std::size_t index_in) : index(index_in) {}

  // The word `word` of `group` of class `c`.
  [[nodiscard]] std::uint64_t Word(std::uint32_t c, std::uint32_t group, std::uint32_t word,
                                   std::uint32_t group_words) const noexcept {
    const std::uint64_t groups = present[c];
    if (((groups >> group) & 1) == 0) return any[group * group_words + word];
    const auto before =
        static_cast<std::uint32_t>(std::popcount(groups & ((std::uint64_t{1} << group) - 1)));
    return rows[offset[c] + before * group_words + word];
  }

  // Every place of `classes` gets a class, also behind the burst's last packet.
  void Classify(const Burst& burst, PacketSet which, const FlowKeys& keys,
                std::uint32_t (&classes)[kBurstPacketsMax]) const noexcept;
  void ClassifyAddresses(PacketSet which, const FlowKeys& keys,
                         std::uint32_t (&classes)[kBurstPacketsMax]) const noexcept;
  void ClassifyNumbers(const Column& column,
                       std::uint32_t (&classes)[kBurstPacketsMax]) const noexcept;
  [[nodiscard]] std::uint32_t ClassOfIpv6(const Wide& address) const noexcept;

  [[nodiscard]] std::size_t Bytes() const {
    return (summary.size() + present.size() + any.size() + rows.size()) * sizeof(std::uint64_t) +
           offset.size() * sizeof(std::uint32_t) + table.size() * sizeof(std::uint16_t) +
           (ipv4 != nullptr ? ipv4->bytes() : 0) + ipv6_starts.size() * sizeof(Wide) +
           ipv6_classes.size() * sizeof(std::uint32_t);
  }

  const std::size_t index;

  // By class; class 0 is that of packets without the field.
  std::vector<std::uint64_t> summary;  // groups that hold any of the class's rules
  std::vector<std::uint64_t> present;  // groups that have words in `rows`
  std::vector<std::uint32_t> offset;   // where they begin

  std::vector<std::uint64_t> any;   // words: rules that do not test this dimension
  std::vector<std::uint64_t> rows;  // words of the present groups, with `any` in them

  std::vector<std::uint16_t> table;  // class by number, and one behind the last, for wide loads
  std::unique_ptr<const IntervalMap> ipv4;
  std::vector<Wide> ipv6_starts;
  std::vector<std::uint32_t> ipv6_classes;
};

// ---- Building ---------------------------------------------------------------------------------

class Classifier::Builder {
 public:
  Builder(std::vector<Entry> entries, std::size_t bytes_max)
      : entries_(std::move(entries)), bytes_max_(bytes_max) {}

  absl::StatusOr<std::unique_ptr<const Classifier>> Build() {
    SortEntries();
    PlaceRules();

    std::uint32_t tested = 0;
    for (const Entry& entry : entries_) tested |= entry.rule->Signature();
    for (std::size_t index = 0; index < kFirstNumber + kNumberDimensions; ++index) {
      if (((tested >> index) & 1) == 0) continue;
      if (absl::Status built = BuildDimension(index); !built.ok()) return built;
    }
    constexpr auto kLastTuple = static_cast<std::uint32_t>(kLastTupleDimension);
    classifier_->needs_details_ = tested >> (kFirstNumber + kLastTuple + 1) != 0;
    classifier_->bytes_ += sizeof(Classifier) + words_ * sizeof(std::uint64_t) +
                           classifier_->targets_.size() * sizeof(std::uint32_t);
    return std::unique_ptr<const Classifier>(std::move(classifier_));
  }

 private:
  // What rejects most packets for a rule: the first of these that it tests. Rules that differ in it
  // share no group, else no dimension could rule the group out.
  static std::uint32_t FirstTested(const MatchRule& rule) {
    using enum NumberDimension;
    if (!rule.source.empty()) return 0;
    if (!rule.destination.empty()) return 1;
    if (!rule[kDestinationPort].empty()) return 2;
    return rule[kSourcePort].empty() ? 4 : 3;
  }

  // Rules that test the same dimensions side by side, and of those, neighbours in address and port.
  void SortEntries() {
    const auto first_address = [](const AddressSet& set) {
      return set.empty() ? std::array<std::uint8_t, 16>{} : set.front().first;
    };
    const auto first_number = [](const NumberSet& set) {
      return set.empty() ? 0U : set.front().first;
    };
    using Key = std::tuple<std::uint32_t, std::uint32_t, std::array<std::uint8_t, 16>,
                           std::array<std::uint8_t, 16>, std::uint32_t, std::uint32_t>;
    std::vector<std::pair<Key, Entry>> keyed;
    keyed.reserve(entries_.size());
    for (const Entry& entry : entries_) {
      const MatchRule& rule = *entry.rule;
      keyed.push_back(
          {{FirstTested(rule), rule.Signature(), first_address(rule.source),
            first_address(rule.destination), first_number(rule[NumberDimension::kDestinationPort]),
            first_number(rule[NumberDimension::kSourcePort])},
           entry});
    }
    std::ranges::stable_sort(keyed, {}, &std::pair<Key, Entry>::first);
    std::ranges::transform(keyed, entries_.begin(), &std::pair<Key, Entry>::second);
  }

  // Gives every rule its bit: as few words to a group as there can be.
  void PlaceRules() {
    places_.resize(entries_.size());
    std::uint32_t groups = kGroupsMax + 1;
    for (std::uint32_t group_words = 1; groups > kGroupsMax; ++group_words) {
      const std::uint32_t group_rules = group_words * 64;
      std::uint32_t next = 0;
      for (std::size_t i = 0; i < entries_.size(); ++i) {
        if (i != 0 && FirstTested(*entries_[i].rule) != FirstTested(*entries_[i - 1].rule)) {
          next = (next + group_rules - 1) / group_rules * group_rules;
        }
        places_[i] = next++;
      }
      groups = (next + group_rules - 1) / group_rules;
      words_ = std::size_t{groups} * group_words;
      classifier_->group_words_ = group_words;
    }
    classifier_->used_.resize(words_);
    classifier_->targets_.resize(words_ * 64);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      classifier_->targets_[places_[i]] = entries_[i].target;
      Set(classifier_->used_, places_[i]);
    }
    classifier_->used_groups_ = GroupsOf(classifier_->used_);
  }

  static void Set(std::vector<std::uint64_t>& words, std::uint32_t rule) {
    words[rule / 64] |= std::uint64_t{1} << (rule % 64);
  }

  [[nodiscard]] std::uint64_t GroupsOf(const std::vector<std::uint64_t>& words) const {
    std::uint64_t groups = 0;
    for (std::size_t word = 0; word < words.size(); ++word) {
      if (words[word] != 0) groups |= std::uint64_t{1} << (word / classifier_->group_words_);
    }
    return groups;
  }

  absl::Status BuildDimension(std::size_t index) {
    auto made = std::make_unique<Dimension>(index);
    dimension_ = made.get();
    known_.clear();
    dimension_->any.assign(words_, 0);
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      if (((entries_[i].rule->Signature() >> index) & 1) == 0) Set(dimension_->any, places_[i]);
    }
    any_groups_ = GroupsOf(dimension_->any);
    current_.assign(words_, 0);
    ClassOfCurrent();  // class 0
    if (index < kFirstNumber) {
      BuildAddresses(index);
    } else {
      BuildNumbers(index - kFirstNumber);
    }
    classifier_->bytes_ += made->Bytes();
    const bool classes_fit = index < kFirstNumber || made->summary.size() <= kNumberMax + 1;
    if (too_large_ || classifier_->bytes_ > bytes_max_ || !classes_fit) {
      return absl::ResourceExhaustedError(
          "the filters of all captures together overlap in too many ways: their program would take "
          "more than " +
          std::to_string(bytes_max_ >> 20) +
          " MiB; use fewer filters, or fewer overlapping ranges");
    }
    classifier_->dimensions_.push_back(std::move(made));
    return absl::OkStatus();
  }

  void BuildAddresses(std::size_t index) {
    std::vector<Event<std::uint32_t>> ipv4;
    std::vector<Event<Wide>> ipv6;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const MatchRule& match = *entries_[i].rule;
      for (const AddressRange& range : index == kSource ? match.source : match.destination) {
        if (range.v6) {
          AddEvents(ipv6, places_[i], LoadWide(range.first), Next(LoadWide(range.last)));
        } else {
          AddEvents(ipv4, places_[i], Load32(range.first.data()),
                    Next(Load32(range.last.data()), ~std::uint32_t{0}));
        }
      }
    }
    std::vector<std::uint32_t> starts;
    std::vector<std::uint32_t> classes;
    Sweep(ipv4, starts, classes);
    dimension_->ipv4 = std::make_unique<IntervalMap>(std::move(starts), std::move(classes));
    Sweep(ipv6, dimension_->ipv6_starts, dimension_->ipv6_classes);
  }

  void BuildNumbers(std::size_t number) {
    std::vector<Event<std::uint32_t>> events;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      for (const NumberRange& range : entries_[i].rule->numbers[number]) {
        AddEvents(events, places_[i], range.first, Next(range.last, kNumberMax));
      }
    }
    std::vector<std::uint32_t> starts;
    std::vector<std::uint32_t> classes;
    Sweep(events, starts, classes);
    dimension_->table.resize(kNumberMax + 2);
    for (std::size_t i = 0; i < starts.size(); ++i) {
      const std::uint32_t end = i + 1 < starts.size() ? starts[i + 1] : kNumberMax + 1;
      std::fill(dimension_->table.begin() + starts[i], dimension_->table.begin() + end,
                static_cast<std::uint16_t>(classes[i]));
    }
  }

  // From where to where which class is. Begins at zero.
  template <typename Key>
  void Sweep(std::vector<Event<Key>>& events, std::vector<Key>& starts,
             std::vector<std::uint32_t>& classes) {
    std::ranges::sort(events, {}, &Event<Key>::at);
    current_.assign(words_, 0);
    starts = {Key{}};
    classes = {0};
    for (std::size_t i = 0; i < events.size() && !too_large_;) {
      const Key at = events[i].at;
      // A rule's ranges are disjoint: it begins and ends in turn.
      for (; i < events.size() && events[i].at == at; ++i) {
        current_[events[i].rule / 64] ^= std::uint64_t{1} << (events[i].rule % 64);
      }
      const std::uint32_t next = ClassOfCurrent();
      if (at == Key{}) {
        classes.back() = next;
      } else if (next != classes.back()) {
        starts.push_back(at);
        classes.push_back(next);
      }
    }
  }

  // The class of values in exactly the rules of current_, made where it is new.
  std::uint32_t ClassOfCurrent() {
    const std::uint32_t group_words = classifier_->group_words_;
    std::uint64_t present = 0;
    std::vector<std::uint64_t> row;
    for (std::uint32_t group = 0; group < words_ / group_words; ++group) {
      const auto begin = current_.begin() + group * group_words;
      if (std::all_of(begin, begin + group_words, [](std::uint64_t word) { return word == 0; })) {
        continue;
      }
      present |= std::uint64_t{1} << group;
      for (std::uint32_t word = 0; word < group_words; ++word) {
        row.push_back(begin[word] | dimension_->any[group * group_words + word]);
      }
    }
    const auto next = static_cast<std::uint32_t>(dimension_->summary.size());
    const auto [place, is_new] = known_.try_emplace({present, row}, next);
    if (!is_new) return place->second;
    dimension_->summary.push_back(present | any_groups_);
    dimension_->present.push_back(present);
    dimension_->offset.push_back(static_cast<std::uint32_t>(dimension_->rows.size()));
    dimension_->rows.insert(dimension_->rows.end(), row.begin(), row.end());
    too_large_ |= dimension_->rows.size() * sizeof(std::uint64_t) > bytes_max_;
    return next;
  }

  std::vector<Entry> entries_;
  const std::size_t bytes_max_;
  std::vector<std::uint32_t> places_;  // bit of each entry's rule
  std::size_t words_ = 0;
  std::unique_ptr<Classifier> classifier_{new Classifier};
  bool too_large_ = false;

  // Of the dimension that is being built.
  Dimension* dimension_ = nullptr;
  std::uint64_t any_groups_ = 0;  // of dimension_->any
  std::vector<std::uint64_t> current_;
  std::map<std::pair<std::uint64_t, std::vector<std::uint64_t>>, std::uint32_t> known_;
};

Classifier::Classifier() = default;
Classifier::~Classifier() = default;

absl::StatusOr<std::unique_ptr<const Classifier>> Classifier::Build(std::vector<Entry> entries,
                                                                    std::size_t bytes_max) {
  if (entries.size() > kRulesMax) {
    return absl::ResourceExhaustedError(
        "the filters of all captures together make " + std::to_string(entries.size()) +
        " rules, more than " + std::to_string(kRulesMax) +
        "; use fewer filters (one with address or port makes two rules, with both four)");
  }
  return Builder(std::move(entries), bytes_max).Build();
}

// ---- Matching ---------------------------------------------------------------------------------

std::uint32_t Classifier::Dimension::ClassOfIpv6(const Wide& address) const noexcept {
  // The last start that is not behind the address; the first is zero.
  std::size_t low = 0;
  for (std::size_t size = ipv6_starts.size(); size > 1;) {
    const std::size_t half = size / 2;
    low = ipv6_starts[low + half] <= address ? low + half : low;
    size -= half;
  }
  return ipv6_classes[low];
}

void Classifier::Dimension::ClassifyAddresses(
    PacketSet which, const FlowKeys& keys,
    std::uint32_t (&classes)[kBurstPacketsMax]) const noexcept {
  const auto& words = index == kSource ? keys.source : keys.destination;
#if defined(EDGECAP_CLASSIFY_WIDE)
  const __m512i swap =
      _mm512_broadcast_i32x4(_mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3));
  for (std::uint32_t i = 0; i < kBurstPacketsMax; i += 16) {
    const auto lanes = static_cast<__mmask16>((keys.ipv4 & which) >> i);
    const __m512i addresses = _mm512_shuffle_epi8(_mm512_load_si512(&words[0][i]), swap);
    _mm512_store_si512(&classes[i],
                       lanes == 0 ? _mm512_setzero_si512() : ipv4->Find16(addresses, lanes));
  }
#else
  std::fill(std::begin(classes), std::end(classes), 0);
  ForEachPacket(keys.ipv4 & which,
                [&](std::uint32_t i) { classes[i] = ipv4->Find(__builtin_bswap32(words[0][i])); });
#endif
  // No rule about IPv6: class 0. One about all of it makes one class too.
  if (ipv6_classes.size() == 1 && ipv6_classes[0] == 0) return;
  ForEachPacket(keys.ipv6 & which, [&](std::uint32_t i) {
    const auto word = [&](int k) { return std::uint64_t{__builtin_bswap32(words[k][i])}; };
    classes[i] = ClassOfIpv6({word(0) << 32 | word(1), word(2) << 32 | word(3)});
  });
}

void Classifier::Dimension::ClassifyNumbers(
    const Column& column, std::uint32_t (&classes)[kBurstPacketsMax]) const noexcept {
#if defined(EDGECAP_CLASSIFY_WIDE)
  const __m512i low_half = _mm512_set1_epi32(0xffff);
  for (std::uint32_t i = 0; i < kBurstPacketsMax; i += 16) {
    const auto lanes = static_cast<__mmask16>(column.known >> i);
    const __m512i numbers =
        column.bytes != nullptr
            ? _mm512_cvtepu8_epi32(
                  _mm_load_si128(reinterpret_cast<const __m128i*>(column.bytes + i)))
            : _mm512_cvtepu16_epi32(
                  _mm256_load_si256(reinterpret_cast<const __m256i*>(column.words + i)));
    const __m512i found = _mm512_mask_i32gather_epi32(_mm512_setzero_si512(), lanes, numbers,
                                                      table.data(), sizeof(std::uint16_t));
    _mm512_store_si512(&classes[i], _mm512_and_si512(found, low_half));
  }
#else
  for (std::uint32_t i = 0; i < kBurstPacketsMax; ++i) {
    const std::uint32_t number = column.bytes != nullptr ? column.bytes[i] : column.words[i];
    classes[i] = ((column.known >> i) & 1) != 0 ? table[number] : 0;
  }
#endif
}

void Classifier::Dimension::Classify(const Burst& burst, PacketSet which, const FlowKeys& keys,
                                     std::uint32_t (&classes)[kBurstPacketsMax]) const noexcept {
  if (index < kFirstNumber) {
    ClassifyAddresses(which, keys, classes);
    return;
  }
  const auto dimension = static_cast<NumberDimension>(index - kFirstNumber);
  switch (dimension) {
    case NumberDimension::kIpVersion:
      for (std::uint32_t i = 0; i < kBurstPacketsMax; ++i) {
        classes[i] = ((keys.ipv4 >> i) & 1) != 0   ? table[4]
                     : ((keys.ipv6 >> i) & 1) != 0 ? table[6]
                                                   : 0;
      }
      return;
    case NumberDimension::kLength:
      for (std::uint32_t i = 0; i < kBurstPacketsMax; ++i) {
        classes[i] = i < burst.count ? table[std::min(burst.packets[i].wire_bytes, kNumberMax)] : 0;
      }
      return;
    case NumberDimension::kReceivePort:
      std::fill_n(classes, kBurstPacketsMax, burst.port == kNoPort ? 0U : table[burst.port]);
      return;
    default:
      ClassifyNumbers(ColumnOf(dimension, keys), classes);
  }
}

void Classifier::Match(const Burst& burst, PacketSet which, const FlowKeys& keys, Scratch& scratch,
                       MatchSets& sets) const noexcept {
  std::fill_n(scratch.groups, kBurstPacketsMax, used_groups_);
  for (std::size_t i = 0; i < dimensions_.size(); ++i) {
    const Dimension& dimension = *dimensions_[i];
    auto& classes = scratch.classes[i];
    dimension.Classify(burst, which, keys, classes);
#if defined(EDGECAP_CLASSIFY_WIDE)
    for (std::uint32_t at = 0; at < burst.count; at += 8) {
      const __m512i summaries =
          _mm512_i32gather_epi64(_mm256_load_si256(reinterpret_cast<const __m256i*>(&classes[at])),
                                 dimension.summary.data(), sizeof(std::uint64_t));
      _mm512_store_si512(&scratch.groups[at],
                         _mm512_and_si512(_mm512_load_si512(&scratch.groups[at]), summaries));
    }
#else
    for (std::uint32_t at = 0; at < burst.count; ++at) {
      scratch.groups[at] &= dimension.summary[classes[at]];
    }
#endif
  }
  PacketSet candidates = 0;
  for (std::uint32_t i = 0; i < burst.count; ++i) {
    candidates |= PacketSet{scratch.groups[i] != 0} << i;
  }
  ForEachPacket(candidates & which,
                [&](std::uint32_t packet) { MatchPacket(packet, scratch, sets); });
}

void Classifier::MatchPacket(std::uint32_t packet, const Scratch& scratch,
                             MatchSets& sets) const noexcept {
  for (std::uint64_t groups = scratch.groups[packet]; groups != 0; groups &= groups - 1) {
    const auto group = static_cast<std::uint32_t>(std::countr_zero(groups));
    for (std::uint32_t word = 0; word < group_words_; ++word) {
      const std::uint32_t at = group * group_words_ + word;
      std::uint64_t rules = used_[at];
      for (std::size_t i = 0; i < dimensions_.size() && rules != 0; ++i) {
        rules &= dimensions_[i]->Word(scratch.classes[i][packet], group, word, group_words_);
      }
      for (; rules != 0; rules &= rules - 1) {
        const auto rule = at * 64 + static_cast<std::uint32_t>(std::countr_zero(rules));
        sets.Add(targets_[rule], PacketSet{1} << packet);
      }
    }
  }
}

}  // namespace edgecap::filter
