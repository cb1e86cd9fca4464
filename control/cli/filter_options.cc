// SPDX-License-Identifier: Apache-2.0

#include "control/cli/filter_options.h"

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "base/status_macros.h"
#include "control/cli/yaml_json.h"
#include "control/filter_json.h"

namespace edgecap::cli {
namespace {

using control::Json;

constexpr char kFilterGroup[] = "Filter (all that are given must hold)";
constexpr char kSeveralGroup[] = "Several filters";
constexpr std::size_t kFileBytesMax = std::size_t{64} << 20;

struct FilterOption {
  const char* field;
  const char* type;
  const char* meaning;
};

constexpr FilterOption kFilterOptions[] = {
    {"source_address", "ADDRESS",
     "from: 192.0.2.7, 10.0.0.0/8, 10.0.0.1-10.0.0.9, 2001:db8::/32; a list with ';'"},
    {"destination_address", "ADDRESS", "to"},
    {"address", "ADDRESS", "from or to"},
    {"source_port", "PORT", "from: 53, 1000-2000; a list with ';'"},
    {"destination_port", "PORT", "to"},
    {"port", "PORT", "from or to"},
    {"protocol", "PROTOCOL", "above IP, by name or number: tcp, udp, icmp, 47"},
    {"local_address", "ADDRESS", "of the end that is here (dataplane.local_prefixes)"},
    {"local_port", "PORT", "of the end that is here"},
    {"remote_address", "ADDRESS", "of the other end"},
    {"remote_port", "PORT", "of the other end"},
    {"direction", "in|out", "towards here, or from here"},
    {"vlan", "ID", "of the outermost tag: 7, 100-199"},
    {"tcp_flags", "FLAGS", "syn; syn,!ack (both hold); VALUE/MASK as 0x02/0x12"},
    {"icmp_type", "N", "of ICMP or ICMPv6"},
    {"icmp_code", "N", "of ICMP or ICMPv6"},
    {"ip_version", "4|6", "of IP"},
    {"dscp", "DSCP", "0 to 63, or ef, cs0 to cs7, af11 to af43"},
    {"length", "BYTES", "of the packet on the wire: 64, 1000-1514"},
    {"fragment", "WHICH", "no, first, later, or yes (first or later)"},
    {"ether_type", "TYPE", "behind VLAN tags: 0x0806, or arp, ipv4, ipv6, mpls, lldp ..."},
    {"port_name", "NAME", "of the receiving port"},
    {"layer", "LAYER", "outer; inner: the packet inside a tunnel; any [outer]"},
    {"bpf", "EXPRESSION", "tcpdump's language, as well as the other fields"},
    {"payload", "REGEX", "in the payload, Hyperscan's syntax: (?i)get, \\x16\\x03; repeatable"},
};

// "source_address" -> "--source-address"
std::string FlagOf(std::string field) {
  std::replace(field.begin(), field.end(), '_', '-');
  return "--" + field;
}

// An option that may be repeated. Its texts reach `keep` as they are: the parser's own lists would
// take a text like [a,b] or {} apart.
CLI::Option* AddTexts(CLI::App& app, const std::string& flag, std::vector<std::string>& texts,
                      const std::string& meaning) {
  const auto keep = [&texts](const CLI::results_t& given) {
    texts = given;
    return true;
  };
  return app.add_option(flag, keep, meaning)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->allow_extra_args(false);
}

absl::Status Invalid(const std::string& message) { return absl::InvalidArgumentError(message); }

absl::Status Report(const std::vector<control::Violation>& violations) {
  return violations.empty() ? absl::OkStatus() : Invalid(control::JoinMessages(violations));
}

// The options of fields, as one filter.
absl::Status ReadFields(const FilterOptions& options, filter::CaptureFilter& filter) {
  if (options.fields.empty()) return absl::OkStatus();
  filter::FilterSpec& spec = filter.filters.emplace_back();
  for (const auto& [field, texts] : options.fields) {
    for (const std::string& text : texts) EDGECAP_RETURN_IF_ERROR(spec.Set(field, text));
  }
  return spec.Validate();
}

// The maps of --filter or --exclude.
absl::Status ReadMaps(const std::string& flag, const std::vector<std::string>& texts,
                      std::vector<filter::FilterSpec>& specs) {
  std::vector<control::Violation> violations;
  for (const std::string& text : texts) {
    EDGECAP_ASSIGN_OR_RETURN(const Json map, ReadYaml(text, flag));
    specs.push_back(control::ReadFilterSpec(map, flag, violations));
    EDGECAP_RETURN_IF_ERROR(Annotate(specs.back().Validate(), flag));
  }
  return Report(violations);
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> opened(nullptr, &std::fclose);
  std::FILE* file = stdin;
  if (path != "-") {
    opened.reset(std::fopen(path.c_str(), "re"));
    file = opened.get();
  }
  std::string text;
  while (file != nullptr) {
    char part[65536];
    const std::size_t bytes = std::fread(part, 1, sizeof(part), file);
    text.append(part, bytes);
    if (text.size() > kFileBytesMax) {
      return Invalid("--filter-file " + path + " is larger than " +
                     std::to_string(kFileBytesMax >> 20) + " MiB");
    }
    if (bytes > 0) continue;
    if (std::ferror(file) == 0) return text;
    break;
  }
  return absl::ErrnoToStatus(errno, "cannot read --filter-file " + path);
}

absl::Status ReadFilterFile(const std::string& path, filter::CaptureFilter& filter) {
  EDGECAP_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  EDGECAP_ASSIGN_OR_RETURN(const Json root, ReadYaml(text, path));
  const std::vector<std::string_view> known = control::FilterFields();
  if (!root.is_object()) {
    return Invalid(path + ": must be a map of filters and exclude, not " + control::Shown(root));
  }
  for (const auto& [name, value] : root.items()) {
    if (std::ranges::count(known, name) != 0) continue;
    return Invalid(path + ": there is no field " + control::ShownText(name) + ": there are " +
                   control::JoinNames(known));
  }
  std::vector<control::Violation> violations;
  filter = control::ReadCaptureFilter(root, violations);
  return Annotate(Report(violations), path);
}

// Filters come from one place, so that nobody has to guess how they are combined.
absl::Status CheckOneSource(const FilterOptions& options) {
  std::vector<std::string> given;
  if (!options.fields.empty()) given.push_back(FlagOf(options.fields.begin()->first));
  if (!options.filters.empty()) given.push_back("--filter");
  if (!options.file.empty()) given.push_back("--filter-file");
  if (given.size() < 2) return absl::OkStatus();
  return Invalid(given[0] + " and " + given[1] +
                 " are both given: the options of fields are one filter, --filter is one for each "
                 "time it is given, --filter-file has them all; use one of these ways");
}

}  // namespace

void AddFilterOptions(CLI::App& app, FilterOptions& options) {
  for (const FilterOption& option : kFilterOptions) {
    const std::string field = option.field;
    const auto keep = [&options, field](const CLI::results_t& given) {
      options.fields[field] = given;
      return true;
    };
    CLI::Option* added = app.add_option(FlagOf(field), keep, option.meaning)
                             ->type_name(option.type)
                             ->allow_extra_args(false)
                             ->group(kFilterGroup);
    if (field == "payload") added->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  }
  AddTexts(app, "--filter", options.filters,
           "one filter, for example '{protocol: tcp, port: [80, 443]}'; repeatable: any may hold")
      ->type_name("MAP")
      ->group(kSeveralGroup);
  AddTexts(app, "--exclude", options.exclude, "leave out what this filter matches; repeatable")
      ->type_name("MAP")
      ->group(kSeveralGroup);
  app.add_option("--filter-file", options.file,
                 "YAML or JSON with lists \"filters\" and \"exclude\"; - is standard input")
      ->type_name("FILE")
      ->group(kSeveralGroup);
}

void AddLocalPrefixOption(CLI::App& app, std::vector<std::string>& prefixes) {
  AddTexts(app, "--local-prefix", prefixes,
           "a network that is here, for local, remote and direction; repeatable")
      ->type_name("PREFIX")
      ->group(kSeveralGroup);
}

absl::StatusOr<filter::FilterContext> ToFilterContext(const std::vector<std::string>& prefixes) {
  filter::FilterContext context;
  std::string list;
  for (const std::string& prefix : prefixes) list += (list.empty() ? "" : ";") + prefix;
  if (prefixes.empty()) return context;
  absl::StatusOr<filter::AddressSet> read = filter::ParseAddressSet(list);
  if (!read.ok()) return Annotate(read.status(), "--local-prefix");
  context.local_prefixes = *std::move(read);
  return context;
}

absl::StatusOr<filter::CaptureFilter> ToCaptureFilter(const FilterOptions& options) {
  EDGECAP_RETURN_IF_ERROR(CheckOneSource(options));
  filter::CaptureFilter filter;
  if (!options.file.empty()) EDGECAP_RETURN_IF_ERROR(ReadFilterFile(options.file, filter));
  EDGECAP_RETURN_IF_ERROR(ReadFields(options, filter));
  EDGECAP_RETURN_IF_ERROR(ReadMaps("--filter", options.filters, filter.filters));
  EDGECAP_RETURN_IF_ERROR(ReadMaps("--exclude", options.exclude, filter.exclude));
  EDGECAP_RETURN_IF_ERROR(filter.Validate());
  return filter;
}

}  // namespace edgecap::cli
