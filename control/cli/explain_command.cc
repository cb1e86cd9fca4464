// SPDX-License-Identifier: Apache-2.0

#include "control/cli/explain_command.h"

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "base/status_macros.h"
#include "control/cli/filter_options.h"
#include "control/cli/filter_steps.h"
#include "control/cli/format.h"
#include "control/cli/options.h"
#include "control/cli/text_table.h"
#include "dataplane/file_rx_source.h"
#include "filter/compiled_filter.h"

namespace edgecap::cli {
namespace {

using nlohmann::json;

constexpr char kExamples[] =
    "A capture looks at the fields of all filters at once, then runs BPF programs and payload\n"
    "expressions on the packets that are left. With --read the packets left after each part are\n"
    "counted.\n\n"
    "Examples:\n"
    "  edgecap explain '{protocol: tcp, port: 443}'\n"
    "  edgecap explain --protocol tcp --destination-port '80;443;8000-8999'\n"
    "  edgecap explain --bpf 'tcp[tcpflags] & tcp-syn != 0' --read in.pcap\n"
    "  edgecap explain --filter '{port: 53}' --exclude '{address: 192.0.2.0/24}' --read in.pcap\n"
    "  edgecap explain --filter-file filters.yaml --local-prefix 10.0.0.0/8 --json";

struct ExplainOptions {
  std::string map;  // one filter, in place of --filter
  FilterOptions filter;
  std::vector<std::string> local_prefixes;
  std::string read_path;
  bool json = false;
};

struct Explanation {
  std::string filter;
  std::string program;
  filter::FilterStats stats;
  std::optional<FilterSteps> steps;
};

json ToJson(const Explanation& explanation) {
  json object = {{"filter", explanation.filter},
                 {"program", explanation.program},
                 {"rules", explanation.stats.rules},
                 {"classified", explanation.stats.classified},
                 {"bytes", explanation.stats.bytes}};
  if (!explanation.steps) return object;
  json steps = json::array();
  std::string place;
  for (const FilterStep& step : explanation.steps->steps) {
    if (!step.place.empty()) place = step.place;
    steps.push_back({{"place", place}, {"asked", step.asked}, {"packets", step.packets}});
  }
  object["read"] = {{"packets", explanation.steps->packets},
                    {"steps", std::move(steps)},
                    {"wanted", explanation.steps->wanted}};
  return object;
}

std::string ToText(const Explanation& explanation) {
  std::string text = explanation.program;
  text += "\n" + std::to_string(explanation.stats.rules) + " rules, ";
  text += explanation.stats.classified   ? "found by classes of field values"
          : explanation.stats.rules == 0 ? "nothing to look up"
                                         : "compared with a whole burst at a time";
  text += "; " + FormatBytes(explanation.stats.bytes) + "\n";
  if (!explanation.steps) return text;
  TextTable table({{}, {"asked"}, {"packets left", Align::kRight}});
  table.AddRow({"", "(all that were read)", std::to_string(explanation.steps->packets)});
  for (const FilterStep& step : explanation.steps->steps) {
    table.AddRow({step.place, step.asked, std::to_string(step.packets)});
  }
  table.AddRow({"wanted", "", std::to_string(explanation.steps->wanted)});
  return text + "\n" + table.ToString();
}

absl::StatusOr<int> Explain(const ExplainOptions& options, const filter::CaptureFilter& filter,
                            const filter::FilterContext& context) {
  EDGECAP_ASSIGN_OR_RETURN(const auto prepared, filter::PreparedFilter::Prepare(filter, context));
  EDGECAP_ASSIGN_OR_RETURN(const auto program, filter::CompiledFilter::Compile({&prepared, 1}));
  Explanation explanation{filter.ToString(), prepared->Describe(), program->stats(), {}};
  if (!options.read_path.empty()) {
    EDGECAP_ASSIGN_OR_RETURN(const auto source, dataplane::OpenFileRxSource(options.read_path));
    EDGECAP_ASSIGN_OR_RETURN(explanation.steps, CountFilterSteps(filter, context, *source));
  }
  const std::string text =
      options.json ? ToJson(explanation).dump(2, ' ', false, json::error_handler_t::replace) + "\n"
                   : ToText(explanation);
  std::fputs(text.c_str(), stdout);
  return kExitSuccess;
}

}  // namespace

void AddExplainCommand(CLI::App& app, Command& chosen) {
  CLI::App* command = app.add_subcommand(
      "explain", "Show what a filter becomes, and what it leaves of a capture file");
  auto options = std::make_shared<ExplainOptions>();
  command->add_option("FILTER", options->map, "one filter as a map, as --filter takes it")
      ->type_name("MAP");
  AddFilterOptions(*command, options->filter);
  AddLocalPrefixOption(*command, options->local_prefixes);
  command->add_option("-r,--read", options->read_path, "a capture file; - is standard input")
      ->type_name("FILE");
  command->add_flag("--json", options->json, "print JSON")->group(kOutputGroup);
  command->footer(kExamples);
  command->callback([&chosen, options] {
    if (!options->map.empty()) options->filter.filters.push_back(options->map);
    const absl::StatusOr<filter::CaptureFilter> filter = ToCaptureFilter(options->filter);
    if (!filter.ok()) throw CLI::ValidationError(MessageOf(filter.status()));
    const absl::StatusOr<filter::FilterContext> context = ToFilterContext(options->local_prefixes);
    if (!context.ok()) throw CLI::ValidationError(MessageOf(context.status()));
    chosen = [options, filter = *filter, context = *context] {
      return Explain(*options, filter, context);
    };
  });
}

}  // namespace edgecap::cli
