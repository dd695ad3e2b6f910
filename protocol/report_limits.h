// Hard limits of a report: value and reason. Sizes in bytes of UTF-8. The report as a whole: kReportBytesMax of
// limits.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "protocol/limits.h"

namespace tocsin::protocol {

inline constexpr std::uint16_t kReportFormatVersion = 1;

// A correction carries a whole report: every other kind leaves it this much room, so that what can be written can be
// corrected.
inline constexpr std::size_t kCorrectionRoomBytes = 1024;
inline constexpr std::size_t kPlainReportBytesMax = kReportBytesMax - kCorrectionRoomBytes;

inline constexpr std::size_t kTitleBytesMax = 512;       // one line on a screen, three on a phone
inline constexpr std::size_t kTextBytesMax = 40 * 1024;  // leaves room for the header in one body
inline constexpr std::size_t kLanguageBytesMax = 35;     // BCP 47 recommends room for 35
inline constexpr std::size_t kLabelBytesMax = 200;       // names of places, actors, publishers, files
inline constexpr std::size_t kPcodeBytesMin = 2;         // a country's prefix
inline constexpr std::size_t kPcodeBytesMax = 32;        // the longest in use have about 20
inline constexpr std::size_t kMediaTypeBytesMax = 100;
inline constexpr std::size_t kUnitBytesMax = 64;
inline constexpr std::size_t kCitationBytesMax = 8 * 1024;  // GED cites up to 3.8 KB in one row
inline constexpr std::size_t kUrlBytesMax = 2 * 1024;
inline constexpr std::size_t kNoteBytesMax = 4 * 1024;         // notes, reasons, outlook
inline constexpr std::size_t kCorrectionReasonBytesMax = 512;  // fits kCorrectionRoomBytes with the header
inline constexpr std::size_t kLineTriedBytesMax = 1024;
inline constexpr std::size_t kBaselineBytesMax = 1024;

inline constexpr std::size_t kPlacesMax = 32;
inline constexpr std::size_t kPcodesMax = 64;  // of one place
inline constexpr std::size_t kSourcesMax = 64;
inline constexpr std::size_t kIndicatorsMax = 256;
inline constexpr std::size_t kReferencesMax = 256;
inline constexpr std::size_t kAttachmentsMax = 64;
inline constexpr std::size_t kActorsMax = 32;
inline constexpr std::size_t kLinesTriedMax = 64;

// 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999Z: what RFC 3339 can write.
inline constexpr std::int64_t kTimeMsMin = -62135596800000;
inline constexpr std::int64_t kTimeMsMax = 253402300799999;
inline constexpr std::int64_t kPeopleMax = 10'000'000'000;  // more than live on Earth: a higher count is a fault

}  // namespace tocsin::protocol
