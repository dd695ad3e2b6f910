#include "node/desk/source_register.h"

#include <algorithm>

#include "crypto/seal.h"
#include "node/desk/id_prefix.h"

namespace tocsin::desk {

using protocol::SourceReference;

Result<std::vector<Source>> SourceRegister::list() const {
  std::vector<Source> out;
  TOCSIN_TRY(replica_.scan_records(protocol::Table::kSources, [&](ByteView name, ByteView sealed) {
    const auto reference = SourceReference::from(name);
    if (!reference) return true;
    Source& source = out.emplace_back(Source{*reference, std::nullopt});
    auto plain = crypto::open_secret(key_.view(), crypto::kLabelSource, name, sealed);
    if (auto record = plain ? reports::decode_source(plain->view()) : Result<reports::SourceRecord>(plain.error()))
      source.record = std::move(*record);
    return out.size() < kSourcesMax;
  }));
  const auto name_of = [](const Source& source) { return source.record ? source.record->name : std::string(); };
  std::sort(out.begin(), out.end(), [&](const Source& a, const Source& b) {
    return std::pair(name_of(a), a.reference) < std::pair(name_of(b), b.reference);
  });
  return out;
}

void SourceRegister::add(reports::SourceRecord record, protocol::Done<Added> done) {
  auto plain = reports::encode_source(record);
  if (!plain) return done(plain.error());
  auto known = list();
  if (!known) return done(known.error());
  for (const auto& source : *known)
    if (source.record && source.record->name == record.name) return done(Added{source.reference, true});
  if (known->size() >= kSourcesMax)
    return done(caller_error(kSourceRegisterFull, "this node holds 10,000 sources; remove those not needed any more"));
  const auto reference = crypto::random_fixed<SourceReference>(random_);
  const auto sealed = crypto::seal(key_.view(), crypto::kLabelSource, reference.view(), *plain, random_);
  replica_.put_record(protocol::Table::kSources, reference.view(), sealed,
                      [reference, done = std::move(done)](Result<void> stored) {
                        stored ? done(Added{reference, false}) : done(stored.error());
                      });
}

Result<Source> SourceRegister::find(std::string_view text) const {
  TOCSIN_ASSIGN(sources, list());
  std::erase_if(sources, [&](const Source& source) { return !is_prefix(text, source.reference.view()); });
  if (sources.empty())
    return caller_error(kUnknownSource, "no source here has that reference; see: tocsin source list");
  if (sources.size() > 1) return caller_error(kSourceAmbiguous, "several references begin like that; give more of it");
  return std::move(sources.front());
}

void SourceRegister::erase(const SourceReference& reference, protocol::Done<void> done) {
  replica_.remove_record(protocol::Table::kSources, reference.view(), std::move(done));
}

}  // namespace tocsin::desk
