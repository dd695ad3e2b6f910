#include "node/desk/exporter.h"

#include <utility>

namespace tocsin::desk {

Exporter::Exporter(Desk& desk, const exchange::Format& format, index::ReportQuery query, Sink sink,
                   Done<std::uint64_t> done)
    : desk_(desk), query_(std::move(query)), sink_(std::move(sink)), done_(std::move(done)) {
  query_.order = index::Order::kOldestFirst;
  query_.limit = kExportPage;
  query_.after.clear();
  writer_ = format.write([this](std::string_view piece) -> Result<void> {
    pending_.append(piece);
    return kOk;
  });
}

void Exporter::start() {
  if (auto begun = writer_->begin(); !begun) return done_(begun.error());
  next_page();
}

void Exporter::next_page() {
  desk_.index().ask([query = query_](index::Index& i) { return i.list(query); },
                    [self = shared_from_this()](Result<index::ReportPage> page) {
                      if (!page) return self->done_(page.error());
                      self->write_page(*page);
                    });
}

void Exporter::write_page(const index::ReportPage& page) {
  for (const auto& row : page.rows) {
    if (row.standing.withdrawn) continue;
    const auto report = desk_.read_shown(row);
    if (!report) continue;  // erased since
    if (auto added = writer_->add({row.id, &*report}); !added) return done_(added.error());
    ++written_;
  }
  const bool last = page.next.empty();
  if (last)
    if (auto ended = writer_->end(); !ended) return done_(ended.error());
  query_.after = page.next;
  sink_(std::exchange(pending_, {}), [self = shared_from_this(), last](bool go_on) {
    if (!go_on) return self->done_(caller_error(Code{"stopped"}));
    if (last) return self->done_(self->written_);
    self->next_page();
  });
}

}  // namespace tocsin::desk
