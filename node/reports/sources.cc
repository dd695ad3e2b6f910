#include "node/reports/sources.h"

#include <array>

#include "protocol/report.h"

namespace tocsin::reports {
namespace {

constexpr std::uint8_t kSourceVersion = 1;

void put_source_text(Bytes& out, const std::string& text) {
  std::array<std::uint8_t, 2> size;
  store_le16(size.data(), static_cast<std::uint16_t>(text.size()));
  append(out, size);
  append(out, as_bytes(text));
}

// Takes the next u16 size and bytes off `rest`.
bool take_source_text(ByteView& rest, std::string& out) {
  if (rest.size() < 2) return false;
  const std::size_t size = load_le16(rest.data());
  if (size > kSourceFieldBytesMax || rest.size() - 2 < size) return false;
  out = as_text(rest.subspan(2, size));
  rest = rest.subspan(2 + size);
  return true;
}

}  // namespace

Result<Bytes> encode_source(const SourceRecord& record) {
  if (record.name.empty()) return caller_error(kSourceRecordInvalid, "say who the source is");
  for (const auto* text : {&record.name, &record.contact, &record.note}) {
    if (text->size() > kSourceFieldBytesMax || !protocol::is_clean_text(*text))
      return caller_error(kSourceRecordInvalid, "name, contact and note are texts of at most 4096 bytes each");
  }
  Bytes out{kSourceVersion};
  put_source_text(out, record.name);
  put_source_text(out, record.contact);
  put_source_text(out, record.note);
  return out;
}

Result<SourceRecord> decode_source(ByteView bytes) {
  SourceRecord out;
  bool whole = !bytes.empty() && bytes[0] == kSourceVersion;
  ByteView rest = whole ? bytes.subspan(1) : bytes;
  whole = whole && take_source_text(rest, out.name) && take_source_text(rest, out.contact) &&
          take_source_text(rest, out.note) && rest.empty();
  if (!whole) return environment_error(kSourceRecordMalformed, "the record of a source cannot be read");
  return out;
}

}  // namespace tocsin::reports
