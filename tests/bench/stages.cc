// SPDX-License-Identifier: Apache-2.0
//
// What each stage of the data path costs: cycles of the time stamp counter a packet, one line each,
// and behind some of them the same work done by a peer that nobody here wrote:
//
//   stage=classifier_1000 cycles=40.00
//   peer=rte_acl stage=classifier_1000 cycles=60.00 ratio=1.50
//
// A ratio is the peer's cycles by ours: above 1 ours is faster. Each figure is the least of many
// rounds over the same 2,048 packets in bursts of 64, so it is what a stage computes with its
// tables and the packets' headers in the processor's cache. What packets cost that come from memory
// is measured with the other cases of scripts/bench.py.
//
//   parse_*         the parser; `vxlan`: two layers
//   flow_hash       the flow's number, parsing included
//   direct_1_rule   a job with one exact 5-tuple, as Match() answers it; nothing matches
//   classifier_N    N rules over 64 jobs, as Match() answers it, parsing and the list of jobs
//                   included. Packets are random and nothing matches; `_near`: half of their
//                   fields are those of some rules, but nothing matches; `_tenth`: about a tenth
//                   of them matches. The peer, rte_acl, looks at the same rules and packets for
//                   one category: it says whether anything matches, not which jobs
//   bpf             `tcp port 80 and host 10.1.2.3`, TCP, nothing matches; peer: libpcap
//   payload_200     200 expressions, nothing matches
//   sample_*        what a worker asks of a sampler for a burst; the flow's number not included
//   append_*        the copy into a block
//
// Packets have 60 bytes where a name does not say otherwise.

#include <arpa/inet.h>
#include <pcap/pcap.h>
#include <rte_acl.h>
#include <rte_cycles.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/check.h"
#include "config/config.h"
#include "dataplane/eal.h"
#include "filter/bpf_program.h"
#include "filter/compiled_filter.h"
#include "filter/flow_hash.h"
#include "filter/packet_parser.h"
#include "filter/payload_matcher.h"
#include "pcapwriter/block_builder.h"
#include "sampler/reservoir.h"
#include "sampler/sampler.h"
#include "tests/support/packet_builder.h"
#include "tests/support/test_burst.h"

namespace edgecap {
namespace {

using testing::Packet;
using testing::TestBurst;

constexpr std::size_t kPackets = 2048;
constexpr std::size_t kSmallBytes = 60;
constexpr std::size_t kLargeBytes = 1514;
constexpr std::uint32_t kJobs = 64;
constexpr std::uint8_t kTcp = 6;
constexpr std::uint8_t kUdp = 17;

// ---- Measuring ----------------------------------------------------------------------------------

// The least cycles a packet that `work` takes for one of `items`, each of which is a burst.
template <typename Items, typename Work>
double CyclesPerPacket(Items& items, Work&& work) {
  // Long beside reading the counter, short beside the time between two interrupts.
  constexpr std::uint64_t kRoundCycles = 100'000;
  constexpr double kSeconds = 0.15;
  const auto pass = [&] {
    for (auto& item : items) {
      work(item);
      asm volatile("" ::: "memory");  // it is done now, and done again the next time
    }
  };
  const auto cycles = [&](std::uint64_t passes) {
    const std::uint64_t begin = rte_rdtsc_precise();
    for (std::uint64_t i = 0; i < passes; ++i) pass();
    return rte_rdtsc_precise() - begin;
  };
  pass();
  const std::uint64_t passes = 1 + kRoundCycles / cycles(1);
  const std::uint64_t end =
      rte_rdtsc() + static_cast<std::uint64_t>(kSeconds * static_cast<double>(rte_get_tsc_hz()));
  std::uint64_t least = cycles(passes);
  while (rte_rdtsc() < end) least = std::min(least, cycles(passes));
  return static_cast<double>(least) / static_cast<double>(passes * items.size() * kBurstPacketsMax);
}

void Report(const std::string& stage, double cycles) {
  std::printf("stage=%s cycles=%.2f\n", stage.c_str(), cycles);
  std::fflush(stdout);
}

void ReportPeer(const char* peer, const std::string& stage, double cycles, double ours) {
  std::printf("peer=%s stage=%s cycles=%.2f ratio=%.2f\n", peer, stage.c_str(), cycles,
              cycles / ours);
  std::fflush(stdout);
}

// ---- Packets ------------------------------------------------------------------------------------

// Addresses and ports in host byte order.
struct Tuple {
  std::uint32_t source = 0;
  std::uint32_t destination = 0;
  std::uint16_t source_port = 0;
  std::uint16_t destination_port = 0;
  std::uint8_t protocol = 0;
};

std::string AddressText(std::uint32_t address) {
  const std::uint32_t wire = htonl(address);
  char text[INET_ADDRSTRLEN];
  inet_ntop(AF_INET, &wire, text, sizeof(text));
  return text;
}

Packet MakePacket(const Tuple& tuple) {
  Packet packet;
  packet.Ipv4(AddressText(tuple.source).c_str(), AddressText(tuple.destination).c_str(),
              tuple.protocol);
  if (tuple.protocol == kTcp) return packet.Tcp(tuple.source_port, tuple.destination_port, 0x10);
  return packet.Udp(tuple.source_port, tuple.destination_port);
}

// Full bursts. Their packets came at one time, as a card's do.
class Traffic {
 public:
  void Add(const std::vector<std::uint8_t>& bytes) {
    if (bursts_.empty() || bursts_.back().burst().count == kBurstPacketsMax) {
      bursts_.emplace_back();
    }
    bursts_.back().Add(bytes, kTimeNs);
    bursts_.back().burst().packet_times = false;
  }

  [[nodiscard]] auto begin() { return bursts_.begin(); }
  [[nodiscard]] auto end() { return bursts_.end(); }
  [[nodiscard]] std::size_t size() const { return bursts_.size(); }

 private:
  static constexpr std::uint64_t kTimeNs = 1'700'000'000'123'456'789;

  std::deque<TestBurst> bursts_;
};

std::uint32_t Below(std::mt19937& random, std::uint32_t bound) {
  return static_cast<std::uint32_t>(random() % bound);
}

Tuple RandomTuple(std::mt19937& random) {
  return {.source = static_cast<std::uint32_t>(random()),
          .destination = static_cast<std::uint32_t>(random()),
          .source_port = static_cast<std::uint16_t>(random()),
          .destination_port = static_cast<std::uint16_t>(random()),
          .protocol = Below(random, 2) == 0 ? kTcp : kUdp};
}

// Bytes of the nth packet of a mix: 7 small ones, 4 of 590 bytes, 1 large one.
std::size_t ImixBytes(std::size_t n) {
  const std::size_t place = n * 7 % 12;
  return place < 7 ? kSmallBytes : place < 11 ? 590 : kLargeBytes;
}

template <typename BytesOf>
Traffic TrafficOfSizes(BytesOf&& bytes_of) {
  std::mt19937 random(1);
  Traffic traffic;
  for (std::size_t i = 0; i < kPackets; ++i) {
    traffic.Add(MakePacket(RandomTuple(random)).Pad(bytes_of(i)).bytes());
  }
  return traffic;
}

Traffic SmallTraffic() {
  return TrafficOfSizes([](std::size_t) { return kSmallBytes; });
}

Traffic VxlanTraffic() {
  std::mt19937 random(1);
  Traffic traffic;
  for (std::size_t i = 0; i < kPackets; ++i) {
    Packet packet;
    packet.Ipv4("10.0.0.1", "10.0.0.2", kUdp).Vxlan();
    packet.Inner(MakePacket(RandomTuple(random)).Pad(kSmallBytes));
    traffic.Add(packet.bytes());
  }
  return traffic;
}

// ---- Parser -------------------------------------------------------------------------------------

void MeasureLayers(const std::string& stage, Traffic& traffic, std::uint32_t layer_count) {
  auto layers = std::make_unique<std::array<filter::FlowKeys, filter::kLayersMax>>();
  Report(stage, CyclesPerPacket(traffic, [&](TestBurst& packets) {
           EDGECAP_CHECK(filter::ParseLayers(packets.burst(), packets.burst().All(), *layers) ==
                         layer_count);
         }));
}

void MeasureParser() {
  Traffic plain = SmallTraffic();
  auto keys = std::make_unique<filter::FlowKeys>();
  for (const auto& [stage, detail] : {std::pair("parse_tuple", filter::ParseDetail::kTuple),
                                      std::pair("parse_all", filter::ParseDetail::kAll)}) {
    Report(stage, CyclesPerPacket(plain, [&, detail = detail](TestBurst& packets) {
             filter::ParsePackets(packets.burst(), packets.burst().All(), detail, *keys);
           }));
  }
  MeasureLayers("parse_layers", plain, 1);
  Traffic vxlan = VxlanTraffic();
  MeasureLayers("parse_layers_vxlan", vxlan, 2);
  std::uint64_t hash[kBurstPacketsMax];
  Report("flow_hash", CyclesPerPacket(plain, [&](TestBurst& packets) {
           filter::FlowHashes(packets.burst(), packets.burst().All(), /*seed=*/0, hash);
         }));
}

// ---- Rules --------------------------------------------------------------------------------------

struct Prefix {
  std::uint32_t address = 0;
  std::uint32_t bits = 0;  // 0: any

  [[nodiscard]] std::uint32_t HostMask() const {
    return static_cast<std::uint32_t>((std::uint64_t{1} << (32 - bits)) - 1);
  }
  [[nodiscard]] bool Holds(std::uint32_t other) const {
    return ((address ^ other) & ~HostMask()) == 0;
  }
};

struct Ports {
  std::uint16_t first = 0;
  std::uint16_t last = 65535;

  [[nodiscard]] bool IsAny() const { return first == 0 && last == 65535; }
  [[nodiscard]] bool Holds(std::uint16_t port) const { return first <= port && port <= last; }
};

struct Rule {
  Prefix source;
  Prefix destination;
  Ports source_port;
  Ports destination_port;
  std::uint8_t protocol = 0;  // 0: any

  [[nodiscard]] bool Holds(const Tuple& tuple) const {
    return source.Holds(tuple.source) && destination.Holds(tuple.destination) &&
           source_port.Holds(tuple.source_port) && destination_port.Holds(tuple.destination_port) &&
           (protocol == 0 || protocol == tuple.protocol);
  }
};

// Four in ten exact; the others with networks, ranges of ports, and without some of the fields.
// Those with only one network have a small one, so that there is traffic for which none holds.
Rule RandomRule(std::mt19937& random) {
  const Tuple tuple = RandomTuple(random);
  const auto prefix = [&](std::uint32_t address, std::uint32_t bits_min, std::uint32_t bits_max) {
    Prefix result{0, bits_min + Below(random, bits_max - bits_min + 1)};
    result.address = address & ~result.HostMask();
    return result;
  };
  const auto range = [&](std::uint16_t port) {
    return Ports{port, static_cast<std::uint16_t>(std::min(65535U, port + Below(random, 5000)))};
  };
  Rule rule;
  rule.protocol = tuple.protocol;
  const std::uint32_t kind = Below(random, 10);
  if (kind < 4) {
    rule.source = {tuple.source, 32};
    rule.destination = {tuple.destination, 32};
    rule.source_port = {tuple.source_port, tuple.source_port};
    rule.destination_port = {tuple.destination_port, tuple.destination_port};
    return rule;
  }
  if (kind < 7) {
    (Below(random, 2) == 0 ? rule.source : rule.destination) = prefix(tuple.source, 16, 32);
    rule.destination_port = kind == 4 ? Ports{tuple.destination_port, tuple.destination_port}
                                      : range(tuple.destination_port);
    if (kind == 5) rule.protocol = 0;
    if (kind == 6) rule.source_port = range(tuple.source_port);
    return rule;
  }
  if (kind < 9) {
    rule.source = prefix(tuple.source, 8, 24);
    rule.destination = prefix(tuple.destination, 8, 24);
    if (kind == 8) rule.protocol = 0;
    return rule;
  }
  (Below(random, 2) == 0 ? rule.source : rule.destination) = prefix(tuple.source, 20, 32);
  return rule;
}

std::vector<Rule> RandomRules(std::size_t count) {
  std::mt19937 random(7);
  std::vector<Rule> rules;
  for (std::size_t i = 0; i < count; ++i) rules.push_back(RandomRule(random));
  return rules;
}

// A packet for which `rule` holds.
Tuple TupleOf(const Rule& rule, std::mt19937& random) {
  const auto port = [&](const Ports& ports) {
    return static_cast<std::uint16_t>(ports.first + Below(random, 1U + ports.last - ports.first));
  };
  Tuple tuple = RandomTuple(random);
  tuple.source = rule.source.address | (tuple.source & rule.source.HostMask());
  tuple.destination = rule.destination.address | (tuple.destination & rule.destination.HostMask());
  tuple.source_port = port(rule.source_port);
  tuple.destination_port = port(rule.destination_port);
  if (rule.protocol != 0) tuple.protocol = rule.protocol;
  return tuple;
}

const Rule& OneOf(const std::vector<Rule>& rules, std::mt19937& random) {
  return rules[Below(random, static_cast<std::uint32_t>(rules.size()))];
}

// A packet for which no rule holds. `near`: half of its fields are those of some rules.
Tuple TupleOfNone(const std::vector<Rule>& rules, bool near, std::mt19937& random) {
  const auto any = [&] {
    return near && Below(random, 2) == 0 ? TupleOf(OneOf(rules, random), random)
                                         : RandomTuple(random);
  };
  Tuple tuple;
  do {
    tuple = {.source = any().source,
             .destination = any().destination,
             .source_port = any().source_port,
             .destination_port = any().destination_port,
             .protocol = any().protocol};
  } while (std::ranges::any_of(rules, [&](const Rule& rule) { return rule.Holds(tuple); }));
  return tuple;
}

enum class Meeting {
  kNone,   // nothing matches
  kNear,   // nothing matches, but most packets have something of some rules
  kTenth,  // about a tenth of the packets matches, the others are as in kNone
};

Traffic TrafficFor(const std::vector<Rule>& rules, Meeting meeting) {
  std::mt19937 random(11);
  Traffic traffic;
  for (std::size_t i = 0; i < kPackets; ++i) {
    const bool matches = meeting == Meeting::kTenth && Below(random, 10) == 0;
    const Tuple tuple = matches ? TupleOf(OneOf(rules, random), random)
                                : TupleOfNone(rules, meeting == Meeting::kNear, random);
    traffic.Add(MakePacket(tuple).Pad(kSmallBytes).bytes());
  }
  return traffic;
}

filter::FilterSpec SpecOf(const Rule& rule) {
  filter::FilterSpec spec;
  const auto set_prefix = [&](std::string_view name, const Prefix& prefix) {
    if (prefix.bits == 0) return;
    const std::string text = AddressText(prefix.address) + "/" + std::to_string(prefix.bits);
    EDGECAP_CHECK(spec.Set(name, text).ok());
  };
  set_prefix("source_address", rule.source);
  set_prefix("destination_address", rule.destination);
  if (!rule.source_port.IsAny()) {
    spec.source_port = {{rule.source_port.first, rule.source_port.last}};
  }
  if (!rule.destination_port.IsAny()) {
    spec.destination_port = {{rule.destination_port.first, rule.destination_port.last}};
  }
  if (rule.protocol != 0) spec.protocol = {{rule.protocol, rule.protocol}};
  return spec;
}

// The rules given to `jobs` jobs in turn.
std::unique_ptr<const filter::CompiledFilter> Compile(const std::vector<Rule>& rules,
                                                      std::uint32_t jobs) {
  std::vector<filter::CaptureFilter> filters(jobs);
  for (std::size_t i = 0; i < rules.size(); ++i) {
    filters[i % jobs].filters.push_back(SpecOf(rules[i]));
  }
  std::vector<std::shared_ptr<const filter::PreparedFilter>> prepared;
  for (const filter::CaptureFilter& filter : filters) {
    prepared.push_back(*filter::PreparedFilter::Prepare(filter, {}));
  }
  return *filter::CompiledFilter::Compile(prepared);
}

// Which packets any job wants, burst by burst.
std::vector<PacketSet> Wanted(const filter::CompiledFilter& filter, filter::MatchScratch& scratch,
                              Traffic& traffic) {
  std::vector<PacketSet> wanted;
  for (TestBurst& packets : traffic) {
    filter.Match(packets.burst(), scratch);
    PacketSet any = 0;
    for (const filter::JobMatch& match : scratch.matches()) any |= match.packets;
    wanted.push_back(any);
  }
  return wanted;
}

// ---- rte_acl ------------------------------------------------------------------------------------

// rte_acl wants one byte first, then fields in groups of four bytes: from the protocol on it finds
// all of them in a plain packet as it is.
constexpr std::uint32_t kProtocolOffset = 23;
RTE_ACL_RULE_DEF(AclRule, 5);

constexpr std::array<rte_acl_field_def, 5> kAclFields{{
    {RTE_ACL_FIELD_TYPE_BITMASK, 1, 0, 0, 0},
    {RTE_ACL_FIELD_TYPE_MASK, 4, 1, 1, 26 - kProtocolOffset},
    {RTE_ACL_FIELD_TYPE_MASK, 4, 2, 2, 30 - kProtocolOffset},
    {RTE_ACL_FIELD_TYPE_RANGE, 2, 3, 3, 34 - kProtocolOffset},
    {RTE_ACL_FIELD_TYPE_RANGE, 2, 4, 3, 36 - kProtocolOffset},
}};

class Acl {
 public:
  explicit Acl(const std::vector<Rule>& rules) {
    const rte_acl_param param{.name = "stages",
                              .socket_id = SOCKET_ID_ANY,
                              .rule_size = RTE_ACL_RULE_SZ(kAclFields.size()),
                              .max_rule_num = static_cast<std::uint32_t>(rules.size())};
    context_ = rte_acl_create(&param);
    EDGECAP_CHECK(context_ != nullptr);
    for (const Rule& rule : rules) {
      const AclRule acl_rule = AclRuleOf(rule);
      EDGECAP_CHECK(
          rte_acl_add_rules(context_, reinterpret_cast<const rte_acl_rule*>(&acl_rule), 1) == 0);
    }
    rte_acl_config config{};
    config.num_categories = 1;
    config.num_fields = kAclFields.size();
    std::ranges::copy(kAclFields, config.defs);
    EDGECAP_CHECK(rte_acl_build(context_, &config) == 0);
  }
  Acl(const Acl&) = delete;
  Acl& operator=(const Acl&) = delete;
  ~Acl() { rte_acl_free(context_); }

  using Packets = std::array<const std::uint8_t*, kBurstPacketsMax>;
  using Results = std::array<std::uint32_t, kBurstPacketsMax>;

  // Packets as it wants them, burst by burst.
  static std::vector<Packets> PacketsOf(Traffic& traffic) {
    std::vector<Packets> result;
    for (TestBurst& packets : traffic) {
      Packets& pointers = result.emplace_back();
      for (std::uint32_t i = 0; i < kBurstPacketsMax; ++i) {
        pointers[i] = packets.burst().packets[i].data + kProtocolOffset;
      }
    }
    return result;
  }

  // Not 0: some rule holds. Eal has lifted DPDK's bound of SIMD, so its widest method is taken;
  // none of the others is faster.
  void Match(Packets& packets, Results& results) const {
    rte_acl_classify(context_, packets.data(), results.data(), kBurstPacketsMax, 1);
  }

  PacketSet Match(Packets& packets) const {
    Results results;
    Match(packets, results);
    PacketSet any = 0;
    for (std::uint32_t i = 0; i < kBurstPacketsMax; ++i) {
      any |= static_cast<PacketSet>(results[i] != 0) << i;
    }
    return any;
  }

 private:
  static AclRule AclRuleOf(const Rule& rule) {
    AclRule result{};
    result.data = {.category_mask = 1, .priority = 1, .userdata = 1};
    result.field[0].value.u8 = rule.protocol;
    result.field[0].mask_range.u8 = rule.protocol == 0 ? 0 : 0xff;
    result.field[1].value.u32 = rule.source.address;
    result.field[1].mask_range.u32 = rule.source.bits;
    result.field[2].value.u32 = rule.destination.address;
    result.field[2].mask_range.u32 = rule.destination.bits;
    result.field[3].value.u16 = rule.source_port.first;
    result.field[3].mask_range.u16 = rule.source_port.last;
    result.field[4].value.u16 = rule.destination_port.first;
    result.field[4].mask_range.u16 = rule.destination_port.last;
    return result;
  }

  rte_acl_ctx* context_ = nullptr;
};

// ---- Filters ------------------------------------------------------------------------------------

double MeasureMatch(const std::string& stage, const filter::CompiledFilter& filter,
                    filter::MatchScratch& scratch, Traffic& traffic) {
  const double cycles =
      CyclesPerPacket(traffic, [&](TestBurst& packets) { filter.Match(packets.burst(), scratch); });
  Report(stage, cycles);
  return cycles;
}

void MeasureDirect() {
  std::mt19937 random(7);
  const Tuple tuple = RandomTuple(random);
  const Rule exact{.source = {tuple.source, 32},
                   .destination = {tuple.destination, 32},
                   .source_port = {tuple.source_port, tuple.source_port},
                   .destination_port = {tuple.destination_port, tuple.destination_port},
                   .protocol = tuple.protocol};
  const auto filter = Compile({exact}, 1);
  const auto scratch = *filter->NewScratch();
  Traffic traffic = TrafficFor({exact}, Meeting::kNone);
  MeasureMatch("direct_1_rule", *filter, *scratch, traffic);
}

void MeasureClassifier(std::size_t rule_count) {
  const std::vector<Rule> rules = RandomRules(rule_count);
  const auto filter = Compile(rules, kJobs);
  EDGECAP_CHECK(filter->stats().classified);
  const auto scratch = *filter->NewScratch();
  const Acl acl(rules);
  for (const auto& [suffix, meeting] :
       {std::pair("", Meeting::kNone), std::pair("_near", Meeting::kNear),
        std::pair("_tenth", Meeting::kTenth)}) {
    Traffic traffic = TrafficFor(rules, meeting);
    std::vector<Acl::Packets> acl_packets = Acl::PacketsOf(traffic);
    const std::vector<PacketSet> wanted = Wanted(*filter, *scratch, traffic);
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      EDGECAP_CHECK(wanted[i] == acl.Match(acl_packets[i]));
      EDGECAP_CHECK(meeting == Meeting::kTenth || wanted[i] == 0);
    }
    const std::string stage = "classifier_" + std::to_string(rule_count) + suffix;
    const double ours = MeasureMatch(stage, *filter, *scratch, traffic);
    Acl::Results results;
    const double peer =
        CyclesPerPacket(acl_packets, [&](Acl::Packets& packets) { acl.Match(packets, results); });
    ReportPeer("rte_acl", stage, peer, ours);
  }
}

void MeasureBpf() {
  constexpr const char* kExpression = "tcp port 80 and host 10.1.2.3";
  std::mt19937 random(1);
  Traffic traffic;
  for (std::size_t i = 0; i < kPackets; ++i) {
    Tuple tuple = RandomTuple(random);
    tuple.protocol = kTcp;
    traffic.Add(MakePacket(tuple).Pad(kSmallBytes).bytes());
  }

  const auto program = *filter::BpfProgram::Compile(kExpression);
  const double ours = CyclesPerPacket(traffic, [&](TestBurst& packets) {
    EDGECAP_CHECK(program->Match(packets.burst(), packets.burst().All()) == 0);
  });
  Report("bpf", ours);

  pcap_t* const ethernet = pcap_open_dead(DLT_EN10MB, 65535);
  bpf_program pcap_program;
  EDGECAP_CHECK(pcap_compile(ethernet, &pcap_program, kExpression, /*optimize=*/1,
                             PCAP_NETMASK_UNKNOWN) == 0);
  const double peer = CyclesPerPacket(traffic, [&](TestBurst& packets) {
    for (const PacketView& packet : packets.burst().packets) {
      EDGECAP_CHECK(bpf_filter(pcap_program.bf_insns, packet.data, packet.wire_bytes,
                               packet.head_bytes) == 0);
    }
  });
  ReportPeer("libpcap", "bpf", peer, ours);
  pcap_freecode(&pcap_program);
  pcap_close(ethernet);
}

// ---- Payload ------------------------------------------------------------------------------------

std::string RandomWord(std::mt19937& random, std::uint32_t low, std::uint32_t high) {
  std::string word(low + Below(random, high - low + 1), 'a');
  for (char& letter : word) letter = static_cast<char>('a' + Below(random, 26));
  return word;
}

// Like those of intrusion detection rules: words of protocols, some with classes, bounded gaps or
// bytes in hex. None is in what HttpText() makes, where q and z never meet.
std::string RandomExpression(std::mt19937& random, std::size_t kind) {
  const std::string rare = RandomWord(random, 2, 5) + "qz" + RandomWord(random, 2, 5);
  const std::string word = RandomWord(random, 4, 8);
  const auto hex = [&](std::uint32_t low) {
    char text[8];
    std::snprintf(text, sizeof(text), "\\x%02x", low + Below(random, 256 - low));
    return std::string(text);
  };
  const std::string power = std::to_string(8U << Below(random, 3));
  switch (kind) {
    case 0:
      return "(?i)user-agent: " + rare + "/[0-9]\\.[0-9]";
    case 1:
      return "(?i)" + rare + "=[0-9a-f]{" + power + "}";
    case 2:
      return rare + ".{0," + power + "}" + word;
    case 3:
      return "/" + word + "/" + rare + "\\.(php|aspx?|jsp|cgi)\\?";
    case 4:
      return hex(128) + hex(0) + hex(128) + RandomWord(random, 2, 4);
    case 5:
      return "(?:cmd|exec|system)\\s*\\(\\s*[\"']" + rare;
    default:
      return rare + RandomWord(random, 0, 6);
  }
}

// A request's head, and then text.
std::string HttpText(std::mt19937& random, std::size_t bytes) {
  static constexpr std::array kWords{
      "the",     "capture", "packet", "network", "index",   "html",   "image",   "content",
      "length",  "value",   "window", "data",    "service", "status", "request", "server",
      "session", "update",  "report", "message", "system",  "user",   "login",   "page"};
  static constexpr std::array kBetween{" ", " ", " ", ", ", ". ", "=\"", "\">"};
  const auto word = [&] { return std::string(kWords[Below(random, kWords.size())]); };
  std::string text = "GET /" + word() + "/" + word() +
                     ".html?id=" + std::to_string(Below(random, 1'000'000)) +
                     " HTTP/1.1\r\nHost: www." + word() +
                     ".example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n"
                     "Accept: text/html,application/xml;q=0.9,*/*;q=0.8\r\nCookie: session=" +
                     std::to_string(random()) + "\r\n\r\n";
  while (text.size() < bytes) text += word() + kBetween[Below(random, kBetween.size())];
  return text.substr(0, bytes);
}

void MeasurePayload() {
  std::mt19937 random(7);
  std::vector<std::string> expressions;
  for (std::size_t i = 0; i < 200; ++i) expressions.push_back(RandomExpression(random, i % 10));
  const auto matcher = *filter::PayloadMatcher::Compile(expressions);
  filter::PayloadMatcher::Scratch scratch;
  EDGECAP_CHECK(scratch.Prepare(*matcher).ok());

  constexpr std::uint32_t kPayloadOffset = 14 + 20 + 8;
  std::uint64_t payload_bytes = 0;
  Traffic traffic;
  for (std::size_t i = 0; i < kPackets; ++i) {
    Tuple tuple = RandomTuple(random);
    tuple.protocol = kUdp;
    std::vector<std::uint8_t> bytes = MakePacket(tuple).bytes();
    const std::string text = HttpText(random, ImixBytes(i) - kPayloadOffset);
    payload_bytes += text.size();
    bytes.insert(bytes.end(), text.begin(), text.end());
    traffic.Add(bytes);
  }
  std::uint32_t begin[kBurstPacketsMax];
  std::ranges::fill(begin, kPayloadOffset);
  const double cycles = CyclesPerPacket(traffic, [&](TestBurst& packets) {
    const Burst& burst = packets.burst();
    std::uint32_t end[kBurstPacketsMax];
    for (std::uint32_t i = 0; i < kBurstPacketsMax; ++i) end[i] = burst.packets[i].head_bytes;
    EDGECAP_CHECK(matcher->Match(burst, burst.All(), begin, end, scratch) == 0);
  });
  std::printf("stage=payload_200_imix cycles=%.2f cycles_per_byte=%.3f\n", cycles,
              cycles * kPackets / static_cast<double>(payload_bytes));
}

// ---- Samplers -----------------------------------------------------------------------------------

void MeasureSampler(const char* stage, const sampler::SamplingPolicy& policy, Traffic& traffic) {
  sampler::RateLimit rate_limit(policy.rate, policy.rate_burst);
  sampler::Sampler sampler(policy, /*worker=*/0, &rate_limit);
  std::mt19937_64 random(1);
  std::array<std::uint64_t, kBurstPacketsMax> flow_hash;
  std::ranges::generate(flow_hash, random);
  volatile PacketSet taken = 0;
  Report(stage, CyclesPerPacket(traffic, [&](TestBurst& packets) {
           taken = sampler.Thin(packets.burst(), packets.burst().All(), flow_hash.data());
         }));
}

void MeasureSamplers() {
  using sampler::SamplingPolicy;
  Traffic traffic = SmallTraffic();
  MeasureSampler("sample_one_in_1000", SamplingPolicy::OneIn(1000, 1), traffic);
  MeasureSampler("sample_probability_0.001", SamplingPolicy::Probability(0.001, 1), traffic);
  MeasureSampler("sample_per_flow_1000", SamplingPolicy::PerFlow(1000, 1), traffic);
  // All packets have one time: the first one takes what there is.
  MeasureSampler("sample_rate_empty", SamplingPolicy::Rate(1, 1), traffic);

  const auto reservoir =
      *sampler::Reservoir::Create({.capacity = 1000, .packet_bytes = kSmallBytes, .seed = 1});
  const auto take = [&](TestBurst& packets) {
    reservoir->Take(packets.burst(), packets.burst().All());
  };
  while (reservoir->seen() < 1'000'000) std::ranges::for_each(traffic, take);
  Report("sample_reservoir_filled", CyclesPerPacket(traffic, take));
}

// ---- Blocks -------------------------------------------------------------------------------------

void MeasureAppend(const char* stage, Traffic traffic) {
  constexpr std::uint32_t kBurstBytes =
      kBurstPacketsMax * pcapwriter::RecordBytes(std::uint32_t{kLargeBytes});
  constexpr std::uint32_t kSnaplen = 65535;
  const std::uint64_t block_bytes = config::CaptureConfig{}.block_bytes;
  const auto pool =
      *pcapwriter::BlockPool::Create(block_bytes, 2, /*want_hugepages=*/false, /*writers=*/1);
  pcapwriter::BlockPool::Returner returner(*pool);
  pcapwriter::BlockQueue ring(4, 1);
  pcapwriter::BlockQueue::Producer producer(ring);
  pcapwriter::Stream stream({}, 0, kSnaplen);
  pcapwriter::BlockBuilder builder(stream, *pool, producer);
  Report(stage, CyclesPerPacket(traffic, [&](TestBurst& packets) {
           const Burst& burst = packets.burst();
           const bool full = builder.Room() < kBurstBytes;
           EDGECAP_CHECK(builder.Reserve(kBurstBytes));
           builder.Append(burst, burst.All(), burst.Amount(burst.All()), kSnaplen);
           if (!full) return;
           while (pcapwriter::Block* const block = ring.Pop()) returner.Give(block);
         }));
}

void Run() {
  config::DataplaneConfig dataplane;
  dataplane.hugepages = "off";  // as our own tables
  dataplane.memory_mb = 512;
  const auto eal = dataplane::Eal::Start(dataplane);
  EDGECAP_CHECK(eal.ok());

  MeasureParser();
  MeasureDirect();
  for (const std::size_t rules : {100, 1'000, 10'000}) MeasureClassifier(rules);
  MeasureBpf();
  MeasurePayload();
  MeasureSamplers();
  MeasureAppend("append_60", SmallTraffic());
  MeasureAppend("append_imix", TrafficOfSizes(ImixBytes));
  MeasureAppend("append_1514", TrafficOfSizes([](std::size_t) { return kLargeBytes; }));
}

}  // namespace
}  // namespace edgecap

int main() {
  edgecap::Run();
  return 0;
}
