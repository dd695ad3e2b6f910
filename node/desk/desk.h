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
  std::vector<reports::Problem> advice;  // what was repaired or is worth knowing
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

class Desk {
 public:
  // References outlive the desk.
  Desk(protocol::Replica& replica, index::IndexThread& index, Feeder& feeder, protocol::Clock& clock,
       crypto::Random& random);
  ~Desk();

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
  // it to them again. Errors: draft_stays, marking_stays; those of Replica::may_append.
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
  void create(protocol::Report report, std::optional<protocol::ChannelId> channel, AllowedGovernments allowed,
              Done<Made> done);
  // Sends the original and its author's corrections, all or none.
  void share(const protocol::ReportId& report, const protocol::ChannelId& channel, AllowedGovernments allowed,
             Done<Made> done);
  // Statements about a report go wherever it went. `patch` is JSON that names the fields to change
  // (reports/report_json.h). What adds to a report asks again about governments (kGovernmentNamed, nothing is sent);
  // a withdrawal and an acknowledgement say nothing new and never wait. With `dry_run` nothing is written: the answer
  // says where it would go, and in `held` whom rule 53 would ask about.
  void correct(const protocol::ReportId& report, std::string patch, std::string reason, AllowedGovernments allowed,
               bool dry_run, Done<Made> done);
  void withdraw(const protocol::ReportId& report, std::string reason, bool dry_run, Done<Made> done);
  void corroborate(const protocol::ReportId& report, std::string note, AllowedGovernments allowed, bool dry_run,
                   Done<Made> done);
  void dispute(const protocol::ReportId& report, std::string reason, AllowedGovernments allowed, bool dry_run,
               Done<Made> done);
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
  // Appends these canonical reports to each channel, in one piece there; then waits for the index. `made` says what
  // the answer already knows. A channel that fails is held back with its reason; when none takes it, that is the error.
  void write(std::vector<Bytes> canonical, std::vector<protocol::ChannelId> channels, Made made, Done<Made> done);
  // Without `allowed` nobody is asked about governments.
  void act_on(const protocol::ReportId& report, std::function<Result<protocol::Report>(const Loaded&)> make,
              std::optional<AllowedGovernments> allowed, bool dry_run, Done<Made> done);
  std::vector<protocol::ChannelId> writable(const std::vector<index::Location>& copies) const;
  void finish(protocol::Report& report) const;  // salt, author, created

  protocol::Replica& replica_;
  index::IndexThread& index_;
  Feeder& feeder_;
  protocol::Clock& clock_;
  crypto::Random& random_;
  protocol::EntryOpener opener_;
};

}  // namespace tocsin::desk
