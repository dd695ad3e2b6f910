// A risk report as plain values, and its one byte form (report.capnp; rules 5, 16, 37, 51). What the words mean, and
// JSON, stand in node/reports; here is only what is signed, hashed and sent.
//
// Every enum follows the schema number for number. A number that this version does not know is kept as it is: compare
// with the named constants, never switch without a default.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "crypto/bytes.h"
#include "crypto/result.h"
#include "protocol/ids.h"
#include "protocol/report_limits.h"

namespace tocsin::protocol {

enum class ReportKind : std::uint16_t {
  kUnknown,
  kIncident,
  kSituation,
  kAlert,
  kIndicator,
  kIncitement,
  kDisplacement,
  kArmsFlow,
  kTriggerEvent,
  kMeasure,
  kRiskAssessment,
  kWatchlist,
  kNeed,
  kPledge,
  kCountryAssessment,
  kAtrocitiesEstimate,
  kPolicyOptions,
  kPlan,
  kReview,
  kResponse,
  kRequest,
  kAnswer,
  kCorroborate,
  kDispute,
  kCorrect,
  kWithdraw,
  kAcknowledge
};
enum class ReportStatus : std::uint16_t { kUnknown, kActual, kExercise, kSystem, kTest, kDraft };
// By rising width: a wider marking has the greater number, except that kUnknown is none at all.
enum class Tlp : std::uint16_t { kUnknown, kRed, kAmberStrict, kAmber, kGreen, kClear };
enum class Severity : std::uint16_t { kUnknown, kMinor, kModerate, kSevere, kExtreme };
enum class Urgency : std::uint16_t { kUnknown, kPast, kFuture, kExpected, kImmediate };
enum class Certainty : std::uint16_t { kUnknown, kUnlikely, kPossible, kLikely, kObserved };
enum class Likelihood : std::uint16_t {
  kUnknown,
  kAlmostNoChance,
  kVeryUnlikely,
  kUnlikely,
  kRoughlyEvenChance,
  kLikely,
  kVeryLikely,
  kAlmostCertain
};
enum class Confidence : std::uint16_t { kUnknown, kLow, kModerate, kHigh };
enum class Reliability : std::uint16_t { kUnknown, kA, kB, kC, kD, kE, kF };
enum class Credibility : std::uint16_t { kUnknown, k1, k2, k3, k4, k5, k6 };
enum class TimePrecision : std::uint16_t { kUnknown, kMoment, kDay, kDays, kWeek, kMonth, kYear };
enum class GeoPrecision : std::uint16_t {
  kUnknown,
  kExact,
  kNear,
  kDistrict,
  kProvince,
  kArea,
  kCountry,
  kInternational
};
enum class ReportRelation : std::uint16_t {
  kUnknown,
  kRelated,
  kFollowUp,
  kBasedOn,
  kSupports,
  kContradicts,
  kSameEvent,
  kAnswers
};
enum class ViolenceType : std::uint16_t { kUnknown, kStateBased, kNonState, kOneSided };
enum class ActorRole : std::uint16_t { kUnknown, kSideA, kSideB, kPerpetrator, kVictim };
enum class Trend : std::uint16_t { kUnknown, kImproving, kStable, kWorsening };
enum class DisplacementCause : std::uint16_t {
  kUnknown,
  kConflict,
  kViolence,
  kPersecution,
  kEviction,
  kDisaster,
  kOther
};
enum class Movement : std::uint16_t { kUnknown, kFlight, kReturn, kRelocation };

using ReportSalt = FixedBytes<struct ReportSaltTag, 16>;
// Stands for a source; who it is never leaves the author's node (node/reports/sources.h).
using SourceReference = FixedBytes<struct SourceReferenceTag, 16>;
using AttachmentDigest = FixedBytes<struct AttachmentDigestTag, 32>;
// Over what a report says, without what differs each time it is written (content_digest below).
using ContentDigest = FixedBytes<struct ContentDigestTag, 32>;

struct Point {
  double latitude = 0;   // degrees north, WGS 84
  double longitude = 0;  // degrees east
  friend bool operator==(const Point&, const Point&) = default;
};

struct Place {
  std::string iso3;  // ISO 3166-1 alpha-3, or empty
  std::string admin1;
  std::string admin2;
  std::vector<std::string> pcodes;
  std::string name;
  std::optional<Point> point;
  GeoPrecision geo_precision = GeoPrecision::kUnknown;
  friend bool operator==(const Place&, const Place&) = default;
};

struct ReportSource {
  SourceReference reference;
  Reliability reliability = Reliability::kUnknown;
  Credibility credibility = Credibility::kUnknown;
  friend bool operator==(const ReportSource&, const ReportSource&) = default;
};

struct RiskIndicator {  // "factor.number"
  std::uint8_t factor = 0;
  std::uint8_t number = 0;
  friend auto operator<=>(const RiskIndicator&, const RiskIndicator&) = default;
};

struct ReportReference {
  ReportId report;
  ReportRelation relation = ReportRelation::kUnknown;
  friend bool operator==(const ReportReference&, const ReportReference&) = default;
};

struct Attachment {
  AttachmentDigest digest;
  Number first;             // of its run of entries in the author's feed
  std::uint32_t count = 0;  // entries
  std::uint64_t bytes = 0;  // of the whole file
  std::string name;
  std::string media_type;
  friend bool operator==(const Attachment&, const Attachment&) = default;
};

struct Provenance {
  std::string publisher;
  std::string dataset;
  std::string row_id;
  std::string citation;
  std::string url;
  std::string licence;
  std::optional<Time> retrieved;
  friend bool operator==(const Provenance&, const Provenance&) = default;
};

struct Actor {
  std::string name;
  ActorRole role = ActorRole::kUnknown;
  friend bool operator==(const Actor&, const Actor&) = default;
};

using People = std::optional<std::int64_t>;  // a count of people; absent: not stated

struct IncidentDetails {
  std::string event_type;
  ViolenceType violence_type = ViolenceType::kUnknown;
  std::string conflict;
  std::vector<Actor> actors;
  People deaths_best, deaths_low, deaths_high;
  People deaths_civilians, deaths_side_a, deaths_side_b, deaths_unknown;
  People injured, missing;
  friend bool operator==(const IncidentDetails&, const IncidentDetails&) = default;
};
struct SituationDetails {
  Trend trend = Trend::kUnknown;
  People people_affected, people_in_need;
  std::string outlook;
  friend bool operator==(const SituationDetails&, const SituationDetails&) = default;
};
struct AlertDetails {
  std::vector<std::string> lines_tried;
  std::string requested_action;
  friend bool operator==(const AlertDetails&, const AlertDetails&) = default;
};
struct IndicatorDetails {
  std::string name;
  std::optional<double> value;
  std::string unit;
  Trend trend = Trend::kUnknown;
  std::string baseline;
  friend bool operator==(const IndicatorDetails&, const IndicatorDetails&) = default;
};
struct DisplacementDetails {
  People people, people_low, people_high, households;
  Movement movement = Movement::kUnknown;
  DisplacementCause cause = DisplacementCause::kUnknown;
  std::optional<Place> origin, destination;
  friend bool operator==(const DisplacementDetails&, const DisplacementDetails&) = default;
};
struct CorroborateDetails {
  ReportId target;
  std::string note;
  friend bool operator==(const CorroborateDetails&, const CorroborateDetails&) = default;
};
struct DisputeDetails {
  ReportId target;
  std::string reason;
  friend bool operator==(const DisputeDetails&, const DisputeDetails&) = default;
};
struct CorrectDetails {
  ReportId target;                   // the first report, never a correction
  std::optional<ReportId> previous;  // the correction that this one replaces; absent: it replaces the first report
  std::string reason;
  Bytes replacement;  // canonical report; decode_report has checked it
  friend bool operator==(const CorrectDetails&, const CorrectDetails&) = default;
};
struct WithdrawDetails {
  ReportId target;
  std::string reason;
  friend bool operator==(const WithdrawDetails&, const WithdrawDetails&) = default;
};
struct AcknowledgeDetails {
  ReportId target;
  std::string note;
  friend bool operator==(const AcknowledgeDetails&, const AcknowledgeDetails&) = default;
};
// Fields of a kind that a later version added; only their number is known. Cannot be encoded: the stored bytes are the
// report.
struct UnknownDetails {
  std::uint16_t discriminant = 0;
  friend bool operator==(const UnknownDetails&, const UnknownDetails&) = default;
};
using ReportDetails = std::variant<std::monostate, IncidentDetails, SituationDetails, AlertDetails, IndicatorDetails,
                                   DisplacementDetails, CorroborateDetails, DisputeDetails, CorrectDetails,
                                   WithdrawDetails, AcknowledgeDetails, UnknownDetails>;

struct Report {
  ReportSalt salt;
  ReportKind kind = ReportKind::kUnknown;
  ReportStatus status = ReportStatus::kUnknown;
  OrgId author;
  Time created;  // as claimed
  std::optional<Time> observed_from, observed_to;
  TimePrecision observed_precision = TimePrecision::kUnknown;
  std::vector<Place> places;  // the first is the main one
  Tlp tlp = Tlp::kUnknown;
  std::vector<ReportSource> sources;
  Severity severity = Severity::kUnknown;
  Urgency urgency = Urgency::kUnknown;
  Certainty certainty = Certainty::kUnknown;
  Likelihood likelihood = Likelihood::kUnknown;
  Confidence confidence = Confidence::kUnknown;
  std::vector<RiskIndicator> indicators;
  std::vector<ReportReference> references;
  std::vector<Attachment> attachments;
  std::string language;
  std::string title;
  std::string text;
  std::optional<Provenance> provenance;
  ReportDetails details;
  friend bool operator==(const Report&, const Report&) = default;
};

// Codes of both directions; origin caller when encoding, peer when decoding. `detail` names the field and what to do.
inline constexpr Code kReportTooLarge{"report_too_large"};           // as a whole; names the longest field
inline constexpr Code kReportFieldTooLong{"report_field_too_long"};  // a text or a list above its limit
inline constexpr Code kReportFieldInvalid{"report_field_invalid"};  // not UTF-8, control character, number out of range
inline constexpr Code kReportFieldMissing{"report_field_missing"};  // salt, kind, status, author, tlp, a target
inline constexpr Code kReportDetailsMismatch{"report_details_mismatch"};  // fields of another kind
// Decoding only.
inline constexpr Code kReportMalformed{"report_malformed"};  // no Cap'n Proto message, or one that breaks its limits
inline constexpr Code kReportNotCanonical{"report_not_canonical"};  // rule 5
inline constexpr Code kReportVersion{"report_version"};             // a format version that this program does not know

// The canonical bytes. Refuses what decode_report would refuse; nothing is cut or filled in.
Result<Bytes> encode_report(const Report& report);

// Checks size, canonical form, limits and texts; copies to aligned memory itself. Unknown numbers and kinds pass (rule
// 16). A correction's replacement is decoded too, so that whoever has the correction has the new content.
Result<Report> decode_report(ByteView canonical);

// Over the bytes as received, never re-encoded.
ReportId report_id(ByteView canonical);

// The nested report of a correction; its own salt and created are those of the correction's author.
Result<Report> decode_replacement(const CorrectDetails& details);

// The same for two reports that say the same: leaves out salt, author, created, and the provenance's time of retrieval.
// An import compares it to tell a known row that is unchanged from one that the publisher has changed. Errors: those of
// encode_report, salt and author excepted.
Result<ContentDigest> content_digest(const Report& report);

// True for the kinds that speak about another report: corroborate, dispute, correct, withdraw, acknowledge.
bool acts_on_report(ReportKind kind);
// The report that such a kind speaks about.
std::optional<ReportId> target_of(const Report& report);
// The details that belong to a kind (empty ones), monostate for kinds without fields.
ReportDetails empty_details(ReportKind kind);

// May these details stand under this kind? None may where all fields are optional; unknown ones may (rule 16).
bool details_fit(ReportKind kind, const ReportDetails& details);
// Every limit of a report but the size of its bytes; salt, author, kind, status and tlp may still be missing. What
// encode_report and decode_report both check. At most 64 faults, by order of the fields; `code` is
// report_field_too_long, report_field_invalid, report_details_mismatch, or report_field_missing for a target.
struct FieldFault {
  std::string field;  // as in JSON: "place.latitude"
  Code code;
  std::string detail;
};
std::vector<FieldFault> report_field_faults(const Report& report);
// The first of them as an error (origin caller): "field: detail".
Result<void> check_report_fields(const Report& report);
// What a text may be: UTF-8 (no surrogates, no overlong forms), no control character other than tab and line feed.
bool is_clean_text(std::string_view text);
// A UTF-8 character that starts at text[at]: its length in bytes, or 0 when it is none (cut, overlong, surrogate, above
// U+10FFFF).
std::size_t utf8_length(std::string_view text, std::size_t at);

}  // namespace tocsin::protocol
