// The marking of a whole file: the strictest of its reports.
#pragma once

#include <optional>
#include <string>

#include "node/reports/vocab.h"
#include "protocol/report.h"

namespace tocsin::exchange {

class StrictestTlp {
 public:
  // A marking that this version does not know ranks below all others: it may be anything.
  void add(protocol::Tlp tlp) {
    if (!strictest_ || reports::rank_of(tlp) < reports::rank_of(*strictest_)) strictest_ = tlp;
  }
  // As JSON: "AMBER" in quotes, or null for an empty file.
  std::string json() const {
    return strictest_ ? "\"" + std::string(reports::key_of(*strictest_)) + "\"" : std::string("null");
  }

 private:
  std::optional<protocol::Tlp> strictest_;
};

}  // namespace tocsin::exchange
