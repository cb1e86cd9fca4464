// SPDX-License-Identifier: Apache-2.0
//
// What the parser says of one packet of a burst, put back into the form that it has for one packet.
//
// Threading: pure functions.

#pragma once

#include <cstdint>

#include "filter/flow_keys.h"
#include "filter/packet_parser.h"

namespace edgecap::testing {

// Fields that no set of `keys` names are as constructed.
inline filter::LayerKey LayerOf(const filter::FlowKeys& keys, std::uint32_t index) {
  const auto in = [index](PacketSet set) { return ((set >> index) & 1) != 0; };
  filter::LayerKey key;
  if (in(keys.present)) {
    key.payload_begin = keys.payload_begin[index];
    key.payload_end = keys.payload_end[index];
  }
  if (in(keys.ipv4 | keys.ipv6)) {
    key.ip_version = in(keys.ipv4) ? 4 : 6;
    key.protocol = keys.protocol[index];
    key.dscp = keys.dscp[index];
    key.fragment = keys.fragment[index];
    for (std::size_t word = 0; word < (in(keys.ipv4) ? 1u : 4u); ++word) {
      key.source[word] = keys.source[word][index];
      key.destination[word] = keys.destination[word][index];
    }
  }
  if ((key.has_ports = in(keys.ports))) {
    key.source_port = keys.source_port[index];
    key.destination_port = keys.destination_port[index];
  }
  if ((key.has_ether_type = in(keys.ethernet))) key.ether_type = keys.ether_type[index];
  if ((key.tagged = in(keys.tagged))) key.vlan = keys.vlan[index];
  if ((key.has_tcp_flags = in(keys.tcp))) key.tcp_flags = keys.tcp_flags[index];
  if ((key.has_icmp = in(keys.icmp))) {
    key.icmp_type = keys.icmp_type[index];
    key.icmp_code = keys.icmp_code[index];
  }
  return key;
}

// The part of `key` that ParseDetail::kTuple tells.
inline filter::LayerKey TupleOf(const filter::LayerKey& key) {
  filter::LayerKey tuple;
  tuple.ip_version = key.ip_version;
  tuple.protocol = key.protocol;
  tuple.source = key.source;
  tuple.destination = key.destination;
  tuple.has_ports = key.has_ports;
  tuple.source_port = key.source_port;
  tuple.destination_port = key.destination_port;
  return tuple;
}

// Of keys filled by ParseDetail::kTuple.
inline filter::LayerKey TupleOf(const filter::FlowKeys& keys, std::uint32_t index) {
  return TupleOf(LayerOf(keys, index));
}

}  // namespace edgecap::testing
