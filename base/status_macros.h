// SPDX-License-Identifier: Apache-2.0
//
// Early return of an absl::Status, and context added while unwinding: the operator reads what was
// being done, then what went wrong.
//
// Threading: none.

#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace edgecap {

// "context: message", same code. An ok status stays as it is.
[[nodiscard]] inline absl::Status Annotate(const absl::Status& status, std::string_view context) {
  if (status.ok()) return status;
  std::string text(context);
  text += ": ";
  text.append(status.message().data(), status.message().size());
  return absl::Status(status.code(), text);
}

// absl::string_view is not std::string_view in Debian's build; messages cross over here.
[[nodiscard]] inline std::string MessageOf(const absl::Status& status) {
  return std::string(status.message().data(), status.message().size());
}

}  // namespace edgecap

#define EDGECAP_CONCAT_INNER(a, b) a##b
#define EDGECAP_CONCAT(a, b) EDGECAP_CONCAT_INNER(a, b)

// Returns from the enclosing function when `expression` is not ok.
#define EDGECAP_RETURN_IF_ERROR(expression)                   \
  do {                                                        \
    if (absl::Status status_ = (expression); !status_.ok()) { \
      return status_;                                         \
    }                                                         \
  } while (false)

// Declares or assigns `target` from a StatusOr, or returns its status.
#define EDGECAP_ASSIGN_OR_RETURN(target, expression) \
  EDGECAP_ASSIGN_OR_RETURN_INNER(EDGECAP_CONCAT(status_or_, __LINE__), target, expression)
#define EDGECAP_ASSIGN_OR_RETURN_INNER(temporary, target, expression) \
  auto temporary = (expression);                                      \
  if (!temporary.ok()) return std::move(temporary).status();          \
  target = *std::move(temporary)
