// SPDX-License-Identifier: Apache-2.0
//
// The filter on the command line, the same for every command that takes one:
//
//   --source-address 10.0.0.0/8 --port 443   an option for each field; together they are one filter
//   --filter '{protocol: tcp, port: 443}'    one filter as a map in YAML or JSON; repeatable
//   --filter-file FILE                       filters and exclude, in YAML or JSON
//   --exclude '{port: 22}'                   what is left out; repeatable, with any of the above
//
// Life cycle: the parser fills the options; ToCaptureFilter() reads what they say.
//
// Threading: none.

#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "filter/filter_context.h"
#include "filter/filter_spec.h"

namespace edgecap::cli {

struct FilterOptions {
  std::map<std::string, std::vector<std::string>> fields;  // by field: "source_address"
  std::vector<std::string> filters;
  std::vector<std::string> exclude;
  std::string file;  // "-" is standard input; empty: none
};

// `options` outlives the parser.
void AddFilterOptions(CLI::App& app, FilterOptions& options);

// Reads the file, if there is one, and judges everything.
//
// Errors: kInvalidArgument, naming the option, place and value, and what would be right; of the
// file system for a file that cannot be read.
[[nodiscard]] absl::StatusOr<filter::CaptureFilter> ToCaptureFilter(const FilterOptions& options);

// --local-prefix, for commands that are not the daemon's: what dataplane.local_prefixes is there.
void AddLocalPrefixOption(CLI::App& app, std::vector<std::string>& prefixes);

// Errors: kInvalidArgument, naming the prefix.
[[nodiscard]] absl::StatusOr<filter::FilterContext> ToFilterContext(
    const std::vector<std::string>& prefixes);

}  // namespace edgecap::cli
