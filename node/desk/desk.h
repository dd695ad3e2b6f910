// The acts of people on reports. One thread (the loop's); every answer comes through `done`, later, on the same thread.
// What an act wrote is durable and in the index when its answer comes.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/random.h"
#include "node/desk/feeder.h"
#include "node/desk/users.h"
#include "node/index/index_thread.h"
#include "node/reports/problem.h"
#include "node/reports/readers.h"
#include "node/reports/state.h"
#include "protocol/clock.h"
#include "protocol/replica.h"
#include "protocol/report.h"

namespace tocsin::desk {

using protocol::Done;

inline constexpr Code kInvalidReport{"invalid_report"};        // caller: the detail names field and fix
inline constexpr Code kGovernmentNamed{"government_named"};    // caller: rule 53; say yes for each country
inline constexpr Code kUnknownChannel{"unknown_channel"};      // caller
inline constexpr Code kChannelAmbiguous{"channel_ambiguous"};  // caller
inline constexpr Code kUnknownPeer{"unknown_peer"};            // caller: no such organisation or node
inline constexpr Code kPeerAmbiguous{"peer_ambiguous"};        // caller
inline constexpr Code kNoAlertChannel{"no_alert_channel"};     // caller: make or join one, or name channels
inline constexpr Code kNotAnAlert{"not_an_alert"};             // caller
inline constexpr Code kAlreadyShared{"already_shared"};        // caller: the channel has it
inline constexpr Code kDraftStays{"draft_stays"};              // caller: a draft does not leave the organisation
inline constexpr Code kMarkingStays{"marking_stays"};  // caller: TLP:AMBER+STRICT does not leave the organisation
inline constexpr Code kChannelNameTaken{"channel_name_taken"};  // caller: a channel here is called that
inline constexpr Code kBodyErased{"body_erased"};               // caller: the text is no longer held here
inline constexpr Code kRecalled{"recalled"};                    // no error: the report was taken back there
inline constexpr Code kNotSharedThere{"not_shared_there"};      // caller: that channel does not have it
inline constexpr Code kPrivateStays{"private_stays"};           // caller: nobody else has it there
inline constexpr Code kNothingWaits{"nothing_waits"};           // caller: nobody asked for this report to be released
inline constexpr Code kSamePerson{"same_person"};      // caller: a second person releases what the first wants to share
inline constexpr Code kChangedSince{"changed_since"};  // caller: it was corrected since it was asked for
inline constexpr Code kReadersChanged{"readers_changed"};  // caller: others read there than who asked was shown
inline constexpr Code kUnknownHold{"unknown_hold"};        // caller: no evidence copy of that report is kept
inline constexpr Code kBadHoldReason{"bad_reason"};        // caller

// The answer to a sharing that rule 53 stops: who would read, and what to say.
Error government_error(const std::vector<reports::Reader>& against);

// Of a report that a person writes: what an attachment names has to be in the feed already (rule 40).
inline constexpr std::string_view kNoAttachmentsByHand =
    "attachments: a file cannot be attached in this version, and its parts cannot be named by hand; leave them out";

struct HeldBack {  // where a report did not go, although others took it
  protocol::ChannelId channel;
  Code code;
  std::vector<reports::Reader> readers;  // with kGovernmentNamed: the governments
};
struct Made {
  protocol::ReportId id;
  std::vector<protocol::ChannelId> channels;  // that took it
  std::vector<HeldBack> held;
  std::vector<reports::Problem> advice;           // what was repaired or is worth knowing
  std::vector<protocol::ChannelId> waiting = {};  // where it goes once a second person has released it
  bool until_home = false;                        // it waits for this home to be confirmed, and for nobody
};

// What waits for a second person before others may read it: reports that are marked more strictly than `above_tlp`, or
// are as severe as `from_severity` or more. Neither: nothing does.
struct FourEyes {
  std::optional<protocol::Tlp> above_tlp;
  std::optional<protocol::Severity> from_severity;
};

// What who releases has seen, where the record says something else than the first time: ids, or eight digits of each.
struct Seen {
  std::string version;  // the correction in force, or the report itself
  std::string readers;  // the hash of who reads now
};

// A yes to rule 53, country by country (ISO 3166-1 alpha-3).
using AllowedGovernments = std::set<std::string>;

// A report with all that bears on it.
struct Loaded {
  index::ReportFound found;
  protocol::Report original;  // as its author first wrote it
  protocol::Report content;   // what is in force: the replacement of the newest correction, or the same
  reports::ReportState state;
  Bytes canonical;  // of the original: what is shared on, so that the id stays
  std::vector<std::pair<protocol::ReportId, protocol::Report>> acts;  // about it, by arrival
};

// What sharing a report would name: the countries of the original and of its author's corrections, which go along.
std::set<std::string> shared_countries(const Loaded& loaded);

// The bytes of all that sharing a report sends: the original and its author's corrections, so that nobody reads what
// has been replaced. Errors: those of encode_report.
Result<std::vector<Bytes>> shared_bytes(const Loaded& loaded);

// How an act on that report is written: what is done about an alert waits for nothing (rule 52).
protocol::Haste haste_of(const Loaded& loaded);

// What a report about another inherits from it.
protocol::Report about(const Loaded& loaded, protocol::ReportKind kind);

class Desk {
 public:
  // References outlive the desk.
  Desk(protocol::Replica& replica, index::IndexThread& index, Feeder& feeder, protocol::Clock& clock,
       crypto::Random& random);
  ~Desk();

  // `users` knows what waits; it outlives the desk. Without users nothing waits.
  void set_four_eyes(FourEyes rule, const Users* users) {
    four_eyes_ = rule;
    users_ = users;
  }
  // Does it need a second person before it goes there? Never an alert, nor what goes where alerts go (rule 52), nor
  // what this organisation alone reads.
  bool needs_two(const protocol::Report& report, const protocol::ChannelId& channel) const;
  bool needs_two(const Loaded& loaded, const protocol::ChannelId& channel) const;
  // The record of what one person wants to share: `version` is the correction in force.
  protocol::WaitingRecord ask_second(const protocol::ReportId& subject, std::optional<protocol::ReportId> correction,
                                     std::vector<protocol::ChannelId> channels, const Actor& by,
                                     std::optional<protocol::ReportId> version = std::nullopt) const;
  // The records of sharing a report in a channel: none where it waits already, as it stands.
  // `until_home`: a new one waits for this home instead (waits_for_home), and what waits for a person goes on doing so.
  std::vector<protocol::WaitingRecord> ask_to_share(const Loaded& loaded, const protocol::ChannelId& channel,
                                                    const Actor& by, bool until_home = false) const;
  // The records of a correction that is about to be written and needs a second person in `channels`, of which there may
  // be none. What waits of the report is asked for anew, as corrected: who corrects it does not release it either.
  std::vector<protocol::WaitingRecord> ask_again(const Loaded& loaded, const protocol::ReportId& correction,
                                                 const std::vector<protocol::ChannelId>& channels, const Actor& by,
                                                 bool until_home = false) const;
  // Who reads in these channels, each organisation once: as a list and as what a record keeps of it.
  std::vector<reports::Reader> readers_of(const std::vector<protocol::ChannelId>& channels) const;
  crypto::Hash readers_hash(const std::vector<protocol::ChannelId>& channels) const;
  // Shares what waits, by the word of a second person. Where the report was withdrawn meanwhile, that is the answer,
  // and it waits no more. What was corrected while it waited goes only where `seen` names that version. Errors:
  // nothing_waits, same_person, changed_since, readers_changed, already_withdrawn, government_named; those of may_share
  // and append. With `dry_run` nothing is written: `channels` says where it would go, `held` whom rule 53 would ask
  // about.
  void release(const protocol::ReportId& report, AllowedGovernments allowed, const Actor& by,
               Done<std::pair<Made, std::vector<protocol::WaitingRecord>>> done, const Seen& seen = {},
               bool dry_run = false);

  // Does it wait for this home to be confirmed (rule 21)? Never an alert (rule 52).
  bool waits_for_home(const protocol::Report& report, const protocol::ChannelId& channel) const;
  // Sends what waited for that, as it was asked for; what others would read than those who were shown stays. Nothing
  // while the home is in doubt.
  void release_home(std::function<void()> done);
  // Did the last turn leave behind what another may send: a full disk, a lock, one of several channels?
  bool home_sends_again() const { return home_again_; }
  // What it left behind and why, as far as it waits still.
  std::vector<std::string> home_warnings() const;

  // ---- names that people type
  // A name, a whole id, or at least eight digits of one. Joined channels come before others of the same name.
  Result<protocol::ChannelId> find_channel(std::string_view text) const;
  // An organisation by id, node id, prefix of either, or name.
  Result<protocol::OrgId> find_org(std::string_view text) const;
  std::string org_name(const protocol::OrgId& org) const;
  // A channel that this node has joined is called that: a second one would have to be named by its id ever after.
  Result<void> check_channel_name(std::string_view name) const;

  // ---- who reads
  std::vector<reports::Reader> readers_of(const protocol::ChannelId& channel) const;
  // Governments among the other members whose country is one of these and that were not allowed (rule 53).
  std::vector<reports::Reader> governments_against(const std::set<std::string>& countries,
                                                   const protocol::ChannelId& channel,
                                                   const AllowedGovernments& allowed) const;
  std::vector<reports::Reader> governments_against(const protocol::Report& report, const protocol::ChannelId& channel,
                                                   const AllowedGovernments& allowed) const {
    return governments_against(reports::named_countries(report), channel, allowed);
  }

  // May it be written where other organisations read? Not a draft, nor what is marked AMBER+STRICT; an alert always may
  // (rule 52). Of a correction its replacement is looked at: to mark something strict that others have would only show
  // it to them again. Errors: draft_stays, marking_stays; those of Replica::may_append but for home_unconfirmed, which
  // makes it wait (waits_for_home).
  Result<void> may_share(const protocol::Report& report, const protocol::ChannelId& channel) const;
  // The same where the readers are known and the channel may be written to.
  Result<void> may_be_read(const protocol::Report& report, std::span<const reports::Reader> readers) const;
  // The same for a report with all that goes along: the original, its author's corrections, what is in force.
  Result<void> may_share(const Loaded& loaded, const protocol::ChannelId& channel) const;

  // ---- acts
  // What create would write, but for the salt: defaults, author and time filled in, and checked. Error: invalid_report.
  Result<protocol::Report> prepare(protocol::Report report) const;
  // Writes it to the channel, or to the private one. Errors: those of prepare and may_share, government_named; those of
  // Replica::append.
  // Where it needs a second person (needs_two) it is written to the private channel and waits, in the name of `by`; so
  // with share and correct.
  void create(protocol::Report report, std::optional<protocol::ChannelId> channel, AllowedGovernments allowed,
              Done<Made> done, const Actor& by = owner_actor());
  // Sends the original and its author's corrections, all or none.
  void share(const protocol::ReportId& report, const protocol::ChannelId& channel, AllowedGovernments allowed,
             Done<Made> done, const Actor& by = owner_actor());
  // A correction that marks a report for this organisation alone narrows who may have it: it stays at home, with the
  // report, and that is recalled wherever others read (`held` of the answer names those, with kRecalled).
  // Statements about a report go wherever it went. `patch` is JSON that names the fields to change
  // (reports/report_json.h). What adds to a report asks again about governments (kGovernmentNamed, nothing is sent);
  // a withdrawal and an acknowledgement say nothing new and never wait. With `dry_run` nothing is written: the answer
  // says where it would go, and in `held` whom rule 53 would ask about.
  void correct(const protocol::ReportId& report, std::string patch, std::string reason, AllowedGovernments allowed,
               bool dry_run, Done<Made> done, const Actor& by = owner_actor());
  // Takes back an own report, or what this organisation said of another, in every channel that has it: the bodies,
  // those of its corrections too, are erased at every node that gets the word (protocol/erasure.h). Once more, it goes
  // where a copy stands that nobody was told to erase.
  void withdraw(const protocol::ReportId& report, std::string reason, bool dry_run, Done<Made> done);
  // Takes back the copy in one channel, also one that a withdrawal did not come to. The report stays in the others;
  // where there is none, it is written to the private channel first. Errors: not_the_author, already_withdrawn,
  // not_shared_there, private_stays; those of append.
  void recall(const protocol::ReportId& report, const protocol::ChannelId& channel, bool dry_run, Done<Made> done);
  // Keeps an evidence copy of a report, with its author's corrections, at the nodes of this organisation: neither its
  // author nor retention has it erased there. Errors: unknown_report, body_erased, bad_reason; those of append.
  void hold(const protocol::ReportId& report, std::string reason, std::string by, Done<protocol::HoldRecord> done);
  // `report`: an id, or eight digits of one or more. Errors: unknown_hold; those of append.
  void end_hold(std::string_view report, std::string by, Done<protocol::HoldRecord> done);
  std::vector<protocol::HoldRecord> holds() const;  // in force, newest first
  std::optional<protocol::HoldRecord> hold_of(const protocol::ReportId& report) const;
  // What is kept of it here, as its author first wrote it. Error: body_erased.
  Result<protocol::Report> read_held(const protocol::HoldRecord& hold);
  // Both wait where the report itself would (needs_two).
  void corroborate(const protocol::ReportId& report, std::string note, AllowedGovernments allowed, bool dry_run,
                   Done<Made> done, const Actor& by = owner_actor());
  void dispute(const protocol::ReportId& report, std::string reason, AllowedGovernments allowed, bool dry_run,
               Done<Made> done, const Actor& by = owner_actor());
  void acknowledge(const protocol::ReportId& alert, std::string note, bool dry_run, Done<Made> done);
  // Where raise would send it now, and what it would hold back: `channels` and `held` of the answer. Error:
  // no_alert_channel.
  Result<Made> plan_alert(const protocol::Report& alert, std::vector<protocol::ChannelId> channels,
                          const AllowedGovernments& allowed) const;
  // Rule 52: whatever can be sent is sent. Without `channels`: every channel of class alert. Those where a government
  // of the country would read are held back unless allowed; the others get it at once.
  void raise(protocol::Report alert, std::vector<protocol::ChannelId> channels, AllowedGovernments allowed,
             Done<Made> done);

  // ---- reading
  void load(const protocol::ReportId& report, Done<Loaded> done);
  // The report that stands at a place in the store.
  Result<protocol::Report> read_at(const index::Location& location, Bytes* canonical = nullptr);
  // What a row shows: the report as its author now has it, under its first id. Errors: those of read_at.
  Result<protocol::Report> read_shown(const index::ReportRow& row);
  void inbox_done(const protocol::ReportId& report, Done<void> done);

  protocol::Replica& replica() { return replica_; }
  index::IndexThread& index() { return index_; }
  Feeder& feeder() { return feeder_; }
  protocol::Clock& clock() { return clock_; }
  crypto::Random& random() { return random_; }

 private:
  void load_once(const protocol::ReportId& report, bool again, Done<Loaded> done);
  // Where a report and its author's corrections stand.
  struct Place {
    protocol::ReportId report;
    index::Location at;
  };
  void places_of(const Loaded& loaded, Done<std::vector<Place>> done);
  // Of a report whose withdrawal did not come to all channels: the same withdrawal, with the orders, to those where a
  // copy is not taken back yet. Errors: already_withdrawn where there is none; not_a_writer.
  void withdraw_rest(const Loaded& loaded, bool dry_run, Done<Made> done);
  // The orders to erase those in one channel. Errors: those of Replica::make_erasure_order.
  Result<std::vector<Bytes>> orders_for(const std::vector<Place>& places, const protocol::ReportId& subject,
                                        const protocol::ChannelId& channel, protocol::ErasureCause cause) const;
  struct Item {
    protocol::FeedKind kind;
    Bytes payload;
  };
  using Items = std::vector<std::pair<protocol::ChannelId, std::vector<Item>>>;
  // As `write`, with what is to stand in each channel.
  void write_items(Items items, Made made, Done<Made> done, protocol::Haste haste = protocol::Haste::kOrdinary);
  void write_hold(protocol::HoldRecord hold, Done<protocol::HoldRecord> done);
  // Appends these canonical reports to each channel, in one piece there; then waits for the index. `made` says what
  // the answer already knows. A channel that fails is held back with its reason; when none takes it, that is the error.
  void write(std::vector<Bytes> canonical, std::vector<protocol::ChannelId> channels, Made made, Done<Made> done,
             protocol::Haste haste = protocol::Haste::kOrdinary);
  // Without `allowed` nobody is asked about governments.
  void act_on(const protocol::ReportId& report, std::function<Result<protocol::Report>(const Loaded&)> make,
              std::optional<AllowedGovernments> allowed, bool dry_run, Done<Made> done,
              const Actor& by = owner_actor());
  // The channels that may have a report no longer once this correction is in force: it is marked for this organisation
  // alone, and others read there.
  std::vector<protocol::ChannelId> narrowed(const protocol::Report& act,
                                            const std::vector<protocol::ChannelId>& channels) const;
  // Writes the correction to the private channel, and has the report erased in those.
  void narrow(const Loaded& loaded, Bytes correction, std::vector<protocol::ChannelId> outside, bool dry_run,
              Done<Made> done);
  enum class Release { kShow, kLook, kShare };  // a dry run; before anything is shared; share it
  // `readers`: the hash of those that were allowed to read it.
  void release_one(protocol::WaitingRecord record, Release what, AllowedGovernments allowed, Actor by, Seen seen,
                   const crypto::Hash& readers, Done<Made> done);
  void release_next(std::shared_ptr<std::vector<protocol::WaitingRecord>> waiting, std::size_t at,
                    std::function<void()> done);
  std::vector<protocol::ChannelId> writable(const std::vector<index::Location>& copies) const;
  void finish(protocol::Report& report) const;  // salt, author, created

  protocol::Replica& replica_;
  index::IndexThread& index_;
  Feeder& feeder_;
  protocol::Clock& clock_;
  crypto::Random& random_;
  protocol::EntryOpener opener_;
  FourEyes four_eyes_;
  const Users* users_ = nullptr;
  bool releasing_home_ = false, home_again_ = false;
  std::vector<std::pair<protocol::WaitingId, std::string>> unsent_;  // by release_home, and why
};

}  // namespace tocsin::desk
