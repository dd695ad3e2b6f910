@0x8934acbc8c1593eb;
# A risk report as it is sealed into a feed entry (docs/protocol.md, "Report"). The message is canonical, single-segment and
# unpacked (rule 5); its id is BLAKE2b-256 of these bytes under the personal "tocsin.report" (rule 37).
#
# Nothing here says who a source is (rule 51): a source is 16 random bytes, and what they stand for stays in the author's node.
# The audience is no field either: who gets a report is decided, and remembered, at the author alone.
#
# Text is UTF-8 without control characters other than tab and line feed. Limits stand in protocol/report_limits.h. Every enum
# starts with the value that means "not stated"; its words, labels and ranks are protocol/vocab/<name>.json, matched by number.
# A number that a reader does not know is shown as unknown and kept (rule 16). Fields are only ever added, at the end.

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("tocsin::protocol::report_schema");

struct Report {
  formatVersion @0 :UInt16;
  # 1. A reader refuses any other: a change that old readers may ignore adds fields and keeps the number.

  salt @1 :Data;
  # 16 random bytes: two reports of equal words have different ids, and an id cannot be guessed from known words.

  kind @2 :Kind;
  # What sort of report it is; decides which member of 'details' may stand. Vocabulary: kind.

  status @3 :Status;
  # Actual, Exercise, System, Test or Draft, as in CAP 1.2. Vocabulary: status.

  author @4 :Data;
  # 32 bytes: id of the organisation that speaks. Must be the organisation that the feed belongs to.

  createdMs @5 :Int64;
  # Milliseconds since 1970-01-01T00:00:00Z, as claimed by the author (rule 14). Year 1 to 9999.

  observed @6 :Period;
  # When what is reported happened or was seen; not when it was written. Null when not stated.

  places @7 :List(Place);
  # Where; the first is the main one. At most 32.

  tlp @8 :Tlp;
  # Traffic Light Protocol 2.0 marking. Vocabulary: tlp.

  sources @9 :List(Source);
  # On what the author relies, graded by the Admiralty scale. At most 64.

  severity @10 :Severity;
  # CAP 1.2. Vocabulary: severity.

  urgency @11 :Urgency;
  # CAP 1.2. Vocabulary: urgency.

  certainty @12 :Certainty;
  # CAP 1.2. Vocabulary: certainty.

  likelihood @13 :Likelihood;
  # ICD 203, of what the report expects. Vocabulary: likelihood.

  confidence @14 :Confidence;
  # ICD 203, in the judgement, said apart from its likelihood. Vocabulary: confidence.

  indicators @15 :List(RiskIndicator);
  # Indicators of the UN Framework of Analysis for Atrocity Crimes that the report bears on. At most 256.

  references @16 :List(Reference);
  # Other reports that this one stands in a relation to. At most 256.

  attachments @17 :List(Attachment);
  # Files that travel as runs of entries of the same feed (rule 40). At most 64.

  language @18 :Text;
  # BCP 47 tag of title and text, such as "en" or "my-Latn". Empty: not stated. At most 35 bytes.

  title @19 :Text;
  # One line for lists and alerts. At most 512 bytes.

  text @20 :Text;
  # The report in words. At most 40 KiB; longer matter is attached.

  provenance @21 :Provenance;
  # Where an imported row comes from. Null for a report written by hand.

  details :union {
    # Fields of the kind. 'none' is right for kinds without fields of their own, and allowed for those whose fields are all optional.
    none @22 :Void;
    incident @23 :Incident;
    situation @24 :Situation;
    alert @25 :Alert;
    indicator @26 :Indicator;
    displacement @27 :Displacement;
    corroborate @28 :Corroborate;
    dispute @29 :Dispute;
    correct @30 :Correct;
    withdraw @31 :Withdraw;
    acknowledge @32 :Acknowledge;
  }
}

enum Kind {
  # Vocabulary: kind. "room" below: known by name, without fields of its own yet.
  unknown @0;              # not stated; refused when writing
  incident @1;             # one event: an attack, a killing, a clash
  situation @2;            # how things stand in a place over a period
  alert @3;                # mass atrocities imminent or under way, when other lines have failed
  indicator @4;            # one observed value of a risk indicator
  incitement @5;           # room
  displacement @6;         # people made to move
  armsFlow @7;             # room
  triggerEvent @8;         # room
  measure @9;              # room
  riskAssessment @10;      # room
  watchlist @11;           # room
  need @12;                # room
  pledge @13;              # room
  countryAssessment @14;   # room
  atrocitiesEstimate @15;  # room
  policyOptions @16;       # room
  plan @17;                # room
  review @18;              # room
  response @19;            # room
  request @20;             # room
  answer @21;              # room
  corroborate @22;         # another organisation or source says the same
  dispute @23;             # the author holds another report to be wrong, in whole or in part
  correct @24;             # the author replaces the content of its own report
  withdraw @25;            # the author takes its own report back
  acknowledge @26;         # the author has read another report and says so
}

enum Status {
  unknown @0;   # not stated; refused when writing
  actual @1;    # to be acted on
  exercise @2;  # part of an exercise; never triggers a real review
  system @3;    # between nodes, not for people
  test @4;      # a technical test; to be disregarded
  draft @5;     # not finished; not to be acted on
}

enum Tlp {
  unknown @0;      # not stated; refused when writing
  red @1;          # named recipients only
  amberStrict @2;  # the recipient's organisation only
  amber @3;        # the recipient's organisation and its clients
  green @4;        # the community
  clear @5;        # the public
}

enum Severity { unknown @0; minor @1; moderate @2; severe @3; extreme @4; }
# CAP 1.2, from minimal to extraordinary threat to life.

enum Urgency { unknown @0; past @1; future @2; expected @3; immediate @4; }
# CAP 1.2: how soon somebody must act.

enum Certainty { unknown @0; unlikely @1; possible @2; likely @3; observed @4; }
# CAP 1.2.

enum Likelihood {
  # ICD 203; per cent in brackets.
  unknown @0;            # not stated
  almostNoChance @1;     # 1-5
  veryUnlikely @2;       # 5-20
  unlikely @3;           # 20-45
  roughlyEvenChance @4;  # 45-55
  likely @5;             # 55-80
  veryLikely @6;         # 80-95
  almostCertain @7;      # 95-99
}

enum Confidence { unknown @0; low @1; moderate @2; high @3; }
# ICD 203.

enum Reliability { unknown @0; a @1; b @2; c @3; d @4; e @5; f @6; }
# Admiralty scale, of the source: A completely reliable to E unreliable, F cannot be judged.

enum Credibility { unknown @0; one @1; two @2; three @3; four @4; five @5; six @6; }
# Admiralty scale, of the information: 1 confirmed to 5 improbable, 6 cannot be judged.

enum TimePrecision {
  unknown @0;  # not stated
  moment @1;   # the times are exact
  day @2;      # the day is known
  days @3;     # within two to six days
  week @4;     # the week is known
  month @5;    # the month is known
  year @6;     # longer than a month
}

enum GeoPrecision {
  # The steps of UCDP GED's where_prec, one for one.
  unknown @0;        # not stated
  exact @1;          # the place itself
  near @2;           # near a known place, within about 25 km
  district @3;       # second-order administrative division
  province @4;       # first-order administrative division
  area @5;           # a linear feature or a vaguely bounded area
  country @6;        # the country only
  international @7;  # at sea or in the air, outside any country
}

struct Period {
  hasFrom @0 :Bool;     # 'fromMs' is stated
  hasTo @1 :Bool;       # 'toMs' is stated
  fromMs @2 :Int64;     # milliseconds since 1970-01-01T00:00:00Z; 0 unless stated
  toMs @3 :Int64;       # the same, end of the period, not before 'fromMs'; 0 unless stated
  precision @4 :TimePrecision;  # how exactly the times are known. Vocabulary: time-precision
}

struct Place {
  iso3 @0 :Text;           # ISO 3166-1 alpha-3, upper case, or empty. Vocabulary: countries
  admin1 @1 :Text;         # first-order administrative division, as the author or publisher names it. At most 200 bytes
  admin2 @2 :Text;         # second-order administrative division. At most 200 bytes
  pcodes @3 :List(Text);   # OCHA place codes, 2 to 32 characters [A-Za-z0-9_-]. At most 64
  name @4 :Text;           # town, camp, road: the name that people use. At most 200 bytes
  hasPoint @5 :Bool;       # 'latitude' and 'longitude' are stated
  latitude @6 :Float64;    # degrees north, WGS 84, -90 to 90; 0 unless stated
  longitude @7 :Float64;   # degrees east, WGS 84, -180 to 180; 0 unless stated
  geoPrecision @8 :GeoPrecision;  # how exactly the place is known. Vocabulary: geo-precision
}

struct Source {
  reference @0 :Data;             # 16 random bytes; who it is stays in the author's node (rule 51)
  reliability @1 :Reliability;    # of the source. Vocabulary: reliability
  credibility @2 :Credibility;    # of the information. Vocabulary: credibility
}

struct RiskIndicator {
  # Written "factor.number".
  factor @0 :UInt8;  # 1 or more; risk factor of the UN Framework (2014). Vocabulary: risk-factor
  number @1 :UInt8;  # 1 or more; indicator under that factor
}

struct Reference {
  report @0 :Data;         # 32 bytes: id of the other report
  relation @1 :Relation;   # what this report is to the other. Vocabulary: relation
}

enum Relation {
  unknown @0;      # not stated
  related @1;      # of the same matter
  followUp @2;     # continues it
  basedOn @3;      # drawn from it
  supports @4;     # adds evidence to it
  contradicts @5;  # speaks against it
  sameEvent @6;    # tells of the same event
  answers @7;      # answers it
}

struct Attachment {
  digest @0 :Data;           # 32 bytes: BLAKE2b-256 of the whole file
  firstNumber @1 :UInt64;    # number of its first entry in the author's feed, 1 or more
  count @2 :UInt32;          # how many entries it takes, 1 or more
  size @3 :UInt64;           # bytes of the whole file
  name @4 :Text;             # file name without a path. At most 200 bytes
  mediaType @5 :Text;        # such as "image/jpeg". At most 100 bytes
}

struct Provenance {
  # A public record, never a person. A row is recognised again by (publisher, rowId).
  publisher @0 :Text;      # such as "UCDP GED". At most 200 bytes
  dataset @1 :Text;        # name and version, such as "GED 19.1". At most 200 bytes
  rowId @2 :Text;          # the publisher's own id of the row. At most 200 bytes
  citation @3 :Text;       # what the publisher cites: articles, broadcasts, documents. At most 8 KiB
  url @4 :Text;            # where the record or the cited document stands. At most 2 KiB
  licence @5 :Text;        # such as "CC BY 4.0". At most 200 bytes
  retrievedMs @6 :Int64;   # when the record was fetched, milliseconds since 1970; 0: not stated
}

enum ViolenceType {
  # UCDP's type_of_violence, one for one.
  unknown @0;     # not stated
  stateBased @1;  # between two parties, at least one the government of a state
  nonState @2;    # between two organised parties, neither a government
  oneSided @3;    # by an organised party against civilians
}

enum ActorRole {
  unknown @0;      # not stated
  sideA @1;        # one party to a fight, no judgement meant
  sideB @2;        # the other party
  perpetrator @3;  # did it
  victim @4;       # suffered it
}

struct Actor {
  name @0 :Text;        # a government, armed group or population, not a private person. At most 200 bytes
  role @1 :ActorRole;   # Vocabulary: actor-role
}

# Counts of people below are Int64: -1 where not stated, else 0 to 10,000,000,000.

struct Incident {
  eventType @0 :Text;                # what happened, in the author's or publisher's words, such as "air strike". At most 200 bytes
  violenceType @1 :ViolenceType;     # Vocabulary: violence-type
  conflict @2 :Text;                 # name of the conflict that it belongs to. At most 200 bytes
  actors @3 :List(Actor);            # at most 32
  deathsBest @4 :Int64 = -1;         # killed, all told: best estimate
  deathsLow @5 :Int64 = -1;          # low estimate, as given: publishers' rows are not always in order
  deathsHigh @6 :Int64 = -1;         # high estimate, as given
  deathsCivilians @7 :Int64 = -1;    # civilians among the killed
  deathsSideA @8 :Int64 = -1;        # killed on side A
  deathsSideB @9 :Int64 = -1;        # killed on side B
  deathsUnknown @10 :Int64 = -1;     # killed, side not known
  injured @11 :Int64 = -1;           # injured
  missing @12 :Int64 = -1;           # missing, abducted or made to disappear
}

enum Trend { unknown @0; improving @1; stable @2; worsening @3; }
# Vocabulary: trend.

struct Situation {
  trend @0 :Trend;                   # over the observed period
  peopleAffected @1 :Int64 = -1;     # people whose life is touched
  peopleInNeed @2 :Int64 = -1;       # of them, in need of help or protection
  outlook @3 :Text;                  # what the author expects next. At most 4 KiB
}

struct Alert {
  linesTried @0 :List(Text);         # other lines of reporting that were tried, and what came of it. At most 64 of 1 KiB
  requestedAction @1 :Text;          # what the author asks the readers to do. At most 4 KiB
}

struct Indicator {
  name @0 :Text;          # what is measured. At most 200 bytes
  hasValue @1 :Bool;      # 'value' is stated
  value @2 :Float64;      # finite; 0 unless stated
  unit @3 :Text;          # unit of the value, such as "incidents/week". At most 64 bytes
  trend @4 :Trend;        # against the period before
  baseline @5 :Text;      # what is usual, in words. At most 1 KiB
}

enum DisplacementCause { unknown @0; conflict @1; violence @2; persecution @3; eviction @4; disaster @5; other @6; }
# Vocabulary: displacement-cause.

enum Movement { unknown @0; flight @1; return @2; relocation @3; }
# Vocabulary: movement.

struct Displacement {
  people @0 :Int64 = -1;             # people, best estimate
  peopleLow @1 :Int64 = -1;          # low estimate, as given
  peopleHigh @2 :Int64 = -1;         # high estimate, as given
  households @3 :Int64 = -1;         # households
  movement @4 :Movement;             # flight, return or relocation
  cause @5 :DisplacementCause;       # why
  origin @6 :Place;                  # from where; null: not stated
  destination @7 :Place;             # to where; null: not stated
}

struct Corroborate {
  target @0 :Data;   # 32 bytes: id of the report that is borne out
  note @1 :Text;     # what exactly, and how the author knows, without saying who. At most 4 KiB
}

struct Dispute {
  target @0 :Data;   # 32 bytes: id of the report that is disputed
  reason @1 :Text;   # what is wrong, and why. At most 4 KiB
}

struct Correct {
  target @0 :Data;        # 32 bytes: id of the first report, whose content is replaced
  previous @1 :Data;      # 32 bytes: id of the correction that this one replaces, or empty when it replaces the first report
  reason @2 :Text;        # what was wrong. At most 512 bytes
  replacement @3 :Data;   # a whole canonical Report by the same author, not itself of a kind that acts on another report
}

struct Withdraw {
  target @0 :Data;   # 32 bytes: id of the author's own report (a dispute or a correction too)
  reason @1 :Text;   # why. At most 4 KiB
}

struct Acknowledge {
  target @0 :Data;   # 32 bytes: id of the report that was read
  note @1 :Text;     # at most 4 KiB
}
