// SPDX-License-Identifier: Apache-2.0
//
// What a filter means, one packet and one field at a time, as filter/filter_spec.h and
// filter/prepared_filter.h say it in words. Slow and plain: what the compiled filter is compared
// with. It shares no code with the product but the plain structs of a filter: packets are read by
// tests/support/packet_definition.h, BPF expressions are libpcap's own from text to interpreter,
// and payload expressions are PCRE2's.
//
// Threading: a FilterDefinition keeps compiled expressions; one thread.

#pragma once

#include <pcap/pcap.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/packet.h"
#include "filter/filter_context.h"
#include "filter/filter_spec.h"
#include "tests/support/packet_definition.h"

namespace edgecap::testing {

// A packet as a filter is asked about it.
struct SeenPacket {
  explicit SeenPacket(Bytes bytes_in)
      : bytes(std::move(bytes_in)),
        wire_bytes(static_cast<std::uint32_t>(bytes.size())),
        layers(PacketDefinition(bytes).layers()) {}

  Bytes bytes;
  std::uint32_t wire_bytes;
  std::vector<LayerDefinition> layers;
};

class FilterDefinition {
 public:
  explicit FilterDefinition(filter::FilterContext context) : context_(std::move(context)) {}

  // The packet was received by port `port`, or none (kNoPort).
  bool Holds(const filter::CaptureFilter& filter, const SeenPacket& packet, std::uint16_t port) {
    const auto holds = [&](const filter::FilterSpec& spec) { return Holds(spec, packet, port); };
    return (filter.filters.empty() || std::ranges::any_of(filter.filters, holds)) &&
           std::ranges::none_of(filter.exclude, holds);
  }

  bool Holds(const filter::FilterSpec& spec, const SeenPacket& packet, std::uint16_t port) {
    for (std::size_t i = 0; i < packet.layers.size(); ++i) {
      if (spec.layer == filter::Layer::kOuter && i > 0) break;
      if (spec.layer == filter::Layer::kInner && i == 0) continue;
      const LayerDefinition& layer = packet.layers[i];
      if (In(spec.length, std::min(packet.wire_bytes, 65535U)) && PortNameHolds(spec, port) &&
          LayerHolds(spec, layer) && (spec.bpf.empty() || BpfHolds(spec.bpf, packet)) &&
          (spec.payload.empty() || PayloadHolds(spec, packet, layer))) {
        return true;
      }
    }
    return false;
  }

 private:
  // ---- Fields ----------------------------------------------------------------------------------

  static bool In(const filter::NumberSet& set, const Number& number) {
    if (set.empty()) return true;
    if (!number) return false;
    return std::ranges::any_of(set, [&](const filter::NumberRange& range) {
      return range.first <= *number && *number <= range.last;
    });
  }

  static bool In(const filter::AddressSet& set, const Bytes& address) {
    if (set.empty()) return true;
    return std::ranges::any_of(set, [&](const filter::AddressRange& range) {
      const std::size_t bytes = range.v6 ? 16 : 4;
      if (address.size() != bytes) return false;
      const Bytes first(range.first.begin(), range.first.begin() + bytes);
      const Bytes last(range.last.begin(), range.last.begin() + bytes);
      return first <= address && address <= last;
    });
  }

  bool PortNameHolds(const filter::FilterSpec& spec, std::uint16_t port) const {
    if (spec.port_name.empty()) return true;
    if (port >= context_.port_names.size()) return false;
    return std::ranges::count(spec.port_name, context_.port_names[port]) != 0;
  }

  static bool FlagsHold(const filter::FilterSpec& spec, const Number& flags) {
    if (spec.tcp_flags.empty()) return true;
    return flags && std::ranges::any_of(spec.tcp_flags, [&](const filter::FlagTest& test) {
             return (*flags & test.mask) == test.value;
           });
  }

  bool EndsHold(const filter::FilterSpec& spec, const LayerDefinition& layer) const {
    if (!spec.direction && spec.local_address.empty() && spec.remote_address.empty() &&
        spec.local_port.empty() && spec.remote_port.empty()) {
      return true;
    }
    const bool out =
        spec.direction != filter::Direction::kIn &&
        EndsHold(spec, layer.source, layer.source_port, layer.destination, layer.destination_port);
    const bool in =
        spec.direction != filter::Direction::kOut &&
        EndsHold(spec, layer.destination, layer.destination_port, layer.source, layer.source_port);
    return out || in;
  }

  bool EndsHold(const filter::FilterSpec& spec, const Bytes& local, const Number& local_port,
                const Bytes& remote, const Number& remote_port) const {
    return In(context_.local_prefixes, local) && In(spec.local_address, local) &&
           In(spec.local_port, local_port) && In(spec.remote_address, remote) &&
           In(spec.remote_port, remote_port);
  }

  bool LayerHolds(const filter::FilterSpec& spec, const LayerDefinition& layer) const {
    return In(spec.source_address, layer.source) &&
           In(spec.destination_address, layer.destination) &&
           (In(spec.address, layer.source) || In(spec.address, layer.destination)) &&
           In(spec.source_port, layer.source_port) &&
           In(spec.destination_port, layer.destination_port) &&
           (In(spec.port, layer.source_port) || In(spec.port, layer.destination_port)) &&
           In(spec.protocol, layer.protocol) && In(spec.vlan, layer.vlan) &&
           In(spec.icmp_type, layer.icmp_type) && In(spec.icmp_code, layer.icmp_code) &&
           In(spec.ip_version, layer.ip_version) && In(spec.dscp, layer.dscp) &&
           In(spec.fragment, layer.fragment) && In(spec.ether_type, layer.ether_type) &&
           FlagsHold(spec, layer.tcp_flags) && EndsHold(spec, layer);
  }

  // ---- Expressions -----------------------------------------------------------------------------

  struct BpfFree {
    void operator()(bpf_program* program) const {
      pcap_freecode(program);
      delete program;
    }
  };
  struct PcapFree {
    void operator()(pcap_t* pcap) const { pcap_close(pcap); }
  };
  struct PcreFree {
    void operator()(pcre2_code* code) const { pcre2_code_free(code); }
    void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  };

  bool BpfHolds(const std::string& expression, const SeenPacket& packet) {
    auto& program = programs_[expression];
    if (program == nullptr) {
      auto* made = new bpf_program{};
      EDGECAP_CHECK(pcap_compile(pcap_.get(), made, expression.c_str(), 1, PCAP_NETMASK_UNKNOWN) ==
                    0);
      program.reset(made);
    }
    const pcap_pkthdr header = {
        {}, static_cast<bpf_u_int32>(packet.bytes.size()), packet.wire_bytes};
    static constexpr std::uint8_t kNothing[1] = {};  // an empty vector's data() may be null
    return pcap_offline_filter(program.get(), &header,
                               packet.bytes.empty() ? kNothing : packet.bytes.data()) != 0;
  }

  bool PayloadHolds(const filter::FilterSpec& spec, const SeenPacket& packet,
                    const LayerDefinition& layer) {
    if (layer.payload_begin == layer.payload_end) return false;
    return std::ranges::any_of(spec.payload, [&](const std::string& expression) {
      auto& code = patterns_[expression];
      if (code == nullptr) {
        int error = 0;
        std::size_t at = 0;
        code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.data()), expression.size(),
                                 0, &error, &at, nullptr));
        EDGECAP_CHECK(code != nullptr);
      }
      return pcre2_match(code.get(), packet.bytes.data() + layer.payload_begin,
                         layer.payload_end - layer.payload_begin, 0, 0, match_.get(), nullptr) >= 0;
    });
  }

  const filter::FilterContext context_;
  std::unique_ptr<pcap_t, PcapFree> pcap_{pcap_open_dead(DLT_EN10MB, 262144)};
  std::map<std::string, std::unique_ptr<bpf_program, BpfFree>> programs_;
  std::map<std::string, std::unique_ptr<pcre2_code, PcreFree>> patterns_;
  std::unique_ptr<pcre2_match_data, PcreFree> match_{pcre2_match_data_create(1, nullptr)};
};

}  // namespace edgecap::testing
