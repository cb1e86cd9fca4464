// SPDX-License-Identifier: Apache-2.0

#include "dataplane/reservoir_sample.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/status_macros.h"
#include "pcapwriter/block_builder.h"
#include "pcapwriter/pcap_format.h"
#include "sampler/sample_selection.h"

namespace edgecap::dataplane {
namespace {

using sampler::Reservoir;

absl::Status TooLarge(const JobSpec& spec, std::uint32_t packet_bytes, std::uint64_t bytes_max) {
  const std::uint64_t fitting_packets = bytes_max / Reservoir::SlotBytes(packet_bytes);
  const std::uint64_t fitting_bytes = Reservoir::PacketBytesWithin(bytes_max, spec.packet_limit);
  std::string message =
      "packet_limit: a sample (reservoir) of " + std::to_string(spec.packet_limit) +
      " packets with up to " + std::to_string(packet_bytes) +
      " bytes of each (snaplen) is more than the " + std::to_string(bytes_max) +
      " bytes that it may have on each worker; ask for a packet_limit of at most " +
      std::to_string(fitting_packets);
  if (fitting_bytes != 0) {
    message += " or a snaplen of at most " + std::to_string(fitting_bytes);
  }
  return absl::InvalidArgumentError(message);
}

// The selected packets as records, one after another.
pcapwriter::Tail RecordsOf(const Reservoir& reservoir, std::span<const std::uint64_t> slots) {
  pcapwriter::Tail tail;
  for (const std::uint64_t slot : slots) {
    tail.bytes +=
        pcapwriter::RecordBytes(static_cast<std::uint32_t>(reservoir.At(slot).bytes.size()));
  }
  tail.data = std::make_unique_for_overwrite<std::byte[]>(tail.bytes);
  std::byte* to = tail.data.get();
  for (const std::uint64_t slot : slots) {
    const Reservoir::Packet packet = reservoir.At(slot);
    const pcapwriter::RecordHeader header{static_cast<std::uint32_t>(packet.time_ns / kNsPerSecond),
                                          static_cast<std::uint32_t>(packet.time_ns % kNsPerSecond),
                                          static_cast<std::uint32_t>(packet.bytes.size()),
                                          packet.wire_bytes};
    std::memcpy(to, &header, sizeof(header));
    std::memcpy(to + sizeof(header), packet.bytes.data(), packet.bytes.size());
    to += pcapwriter::RecordBytes(header.captured_bytes);
    tail.traffic += {1, packet.wire_bytes};
  }
  return tail;
}

}  // namespace

absl::StatusOr<std::vector<std::unique_ptr<Reservoir>>> MakeReservoirs(const JobSpec& spec,
                                                                       const ReservoirPlan& plan) {
  if (spec.packet_limit == 0) {
    return absl::InvalidArgumentError(
        "packet_limit: a sample (reservoir) needs its size; give a packet_limit");
  }
  if (spec.byte_limit != 0) {
    return absl::InvalidArgumentError(
        "byte_limit: " + std::to_string(spec.byte_limit) +
        " is refused with a reservoir, which holds packet_limit packets whatever their size; leave "
        "byte_limit out or set snaplen");
  }
  const std::uint32_t packet_bytes = std::min(spec.snaplen, plan.packet_bytes_max);
  const std::uint64_t bytes_max = plan.patient ? kPatientReservoirBytesMax : kReservoirBytesMax;
  if (spec.packet_limit > bytes_max / Reservoir::SlotBytes(packet_bytes)) {
    return TooLarge(spec, packet_bytes, bytes_max);
  }
  const std::uint64_t bytes = spec.packet_limit * Reservoir::SlotBytes(packet_bytes) * plan.workers;
  if (!plan.patient && bytes > plan.bytes_left) {
    return absl::ResourceExhaustedError(
        "a sample (reservoir) of " + std::to_string(spec.packet_limit) + " packets takes " +
        std::to_string(bytes) + " bytes of memory, and running captures leave " +
        std::to_string(plan.bytes_left) +
        "; ask for a smaller packet_limit or snaplen, stop a capture or wait");
  }
  std::vector<std::unique_ptr<Reservoir>> reservoirs;
  for (std::uint32_t worker = 0; worker < plan.workers; ++worker) {
    EDGECAP_ASSIGN_OR_RETURN(
        reservoirs.emplace_back(),
        Reservoir::Create({spec.packet_limit, packet_bytes, spec.sampling.seed, worker,
                           /*touched=*/!plan.patient}));
  }
  return reservoirs;
}

void FinishReservoirs(const JobSpec& spec, std::span<const std::unique_ptr<JobPart>> parts,
                      std::span<const std::unique_ptr<pcapwriter::Stream>> streams) {
  std::vector<const Reservoir*> reservoirs;
  for (const auto& part : parts) reservoirs.push_back(part->reservoir.get());
  const auto selected = sampler::SelectSample(reservoirs, spec.packet_limit, spec.sampling.seed);
  for (std::size_t worker = 0; worker < parts.size(); ++worker) {
    JobPart& part = *parts[worker];
    pcapwriter::Tail tail = RecordsOf(*part.reservoir, selected[worker]);
    part.captured.Add(tail.traffic);
    part.stored_bytes.Add(tail.bytes - tail.traffic.packets * sizeof(pcapwriter::RecordHeader));
    part.sampled_out.Add(part.matched.Value() - tail.traffic);
    part.reservoir.reset();
    streams[worker]->SetTail(std::move(tail));
  }
}

}  // namespace edgecap::dataplane
