// The protected sources of this node: who stands behind the references in its reports (rule 51). Kept in the node's own
// store, sealed under the reading tier; nothing of it goes to a peer, into a log or an export. Erasing a record makes
// its reference in sent reports stand for nobody, for ever.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/random.h"
#include "node/reports/sources.h"
#include "protocol/replica.h"
#include "protocol/report.h"

namespace tocsin::desk {

inline constexpr Code kUnknownSource{"unknown_source"};             // caller: no such reference here
inline constexpr Code kSourceAmbiguous{"source_ambiguous"};         // caller: several references begin like that
inline constexpr Code kSourceRegisterFull{"source_register_full"};  // caller: erase some first
inline constexpr std::size_t kSourcesMax = 10'000;

struct Source {
  protocol::SourceReference reference;
  std::optional<reports::SourceRecord> record;  // nothing: damaged; it can still be erased
};

// One thread (the loop's). References outlive it.
class SourceRegister {
 public:
  SourceRegister(protocol::Replica& replica, const protocol::ReadingKey& key, crypto::Random& random)
      : replica_(replica), key_(key), random_(random) {}

  struct Added {
    protocol::SourceReference reference;
    bool known = false;  // by exactly that name: nothing was changed, so that one person keeps one reference
  };
  // Errors: source_record_invalid, source_register_full; those of the store.
  void add(reports::SourceRecord record, protocol::Done<Added> done);
  // By name; the damaged ones first. Errors: those of the store.
  Result<std::vector<Source>> list() const;
  // By reference, or the first eight digits of one or more. Errors: unknown_source, source_ambiguous; those of the
  // store.
  Result<Source> find(std::string_view text) const;
  void erase(const protocol::SourceReference& reference, protocol::Done<void> done);

 private:
  protocol::Replica& replica_;
  const protocol::ReadingKey& key_;
  crypto::Random& random_;
};

}  // namespace tocsin::desk
