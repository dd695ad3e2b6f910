// channels.
#include "node/api/proposals.h"
#include "node/api/router.h"
#include "node/api/views.h"

namespace tocsin::api {
namespace {

using namespace protocol;

constexpr std::int64_t kAcceptWaitMs = 60'000;  // `channel accept` waits this long for an epoch

std::optional<ChannelId> named(App& app, const Request& request, const ResponderPtr& responder) {
  auto channel = app.desk.find_channel(request.params[0]);
  if (channel) return *channel;
  responder->problem(channel.error());
  return std::nullopt;
}

void list_channels(App& app, const Request&, ResponderPtr responder) {
  auto channels = app.replica().channels();
  std::vector<ChannelId> ids;
  for (const auto& c : channels) ids.push_back(c.id);
  app.desk.index().ask(
      [ids](index::Index& i) -> Result<std::vector<std::uint64_t>> {
        std::vector<std::uint64_t> out;
        for (const auto& id : ids) {
          index::ReportQuery query;
          query.channel = id;
          TOCSIN_ASSIGN(count, i.count(query));
          out.push_back(count);
        }
        return out;
      },
      [&app, responder, channels](Result<std::vector<std::uint64_t>> counts) {
        if (!counts) return responder->problem(counts.error());
        Json items = Json::array();
        for (std::size_t n = 0; n < channels.size(); ++n) {
          auto item = channel_json(app, channels[n]);
          item["reports"] = (*counts)[n];
          items.push_back(std::move(item));
        }
        responder->json(page_json(std::move(items), {}));
      });
}

// Who was in the channel before is invited to the one that follows it (rule 23); whom nobody has verified here, is not.
void invite_members_of(App& app, const ChannelId& before, const ChannelId& next, const NewChannel& channel, Json& out) {
  out["invited"] = Json::array();
  out["not_invited"] = Json::array();
  const auto info = app.replica().channel(before);
  if (!info) return;
  for (const auto& member : info->members) {
    if (member.org == app.replica().own_org().id()) continue;
    if (std::ranges::find(channel.stewards, member.org) != channel.stewards.end()) continue;
    const Role role = may_be_invited_as(member.role) ? member.role : Role::kMember;
    Json line{{"org_id", hex(member.org)}, {"name", member.name}};
    if (channel.stewards.empty()) {
      if (auto invited = app.replica().invite(next, member.org, role, nullptr)) {
        out["invited"].push_back(line);
        continue;
      } else {
        line["code"] = invited.error().code.text();
        line["detail"] = invited.error().detail;
      }
    } else {
      line["code"] = "needs_stewards";
      line["detail"] = "its stewards decide that once they have joined: tocsin channel add";
    }
    out["not_invited"].push_back(line);
  }
}

void create_channel(App& app, const Request& request, ResponderPtr responder) {
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  if (auto fine =
          only_fields(*body, {"name", "class", "terms", "retention_days", "stewards", "quorum", "successor_of"});
      !fine)
    return responder->problem(fine.error());
  auto name = text_field(*body, "name");
  if (!name) return responder->problem(name.error());
  if (auto fine = app.desk.check_channel_name(*name); !fine) return responder->problem(fine.error());
  NewChannel channel{.name = *name, .terms = text_or(*body, "terms")};
  const auto parsed = parse_channel_class(text_or(*body, "class", "shared"));
  if (!parsed || *parsed == ChannelClass::kPrivate || *parsed == ChannelClass::kUnknown)
    return responder->problem(caller_error(Code{"bad_parameter"}, "class is shared, alert or public"));
  channel.channel_class = *parsed;
  if (const auto days = body->find("retention_days"); days != body->end()) {
    if (!days->is_number_unsigned() || days->get<std::uint64_t>() > 36500)
      return responder->problem(caller_error(Code{"bad_parameter"}, "retention_days is a number from 0 to 36500"));
    channel.retention_days = days->get<std::uint32_t>();
  }
  auto stewards = stewards_from(app, *body);
  if (!stewards) return responder->problem(stewards.error());
  // The own organisation leads the first term; it may be named among them or not.
  const bool named_itself = std::erase(stewards->stewards, app.replica().own_org().id()) > 0;
  channel.stewards = stewards->stewards;
  const std::size_t count = channel.stewards.size() + 1;
  channel.quorum = named_itself || body->contains("quorum") ? stewards->quorum
                   : count == 1                             ? std::uint8_t{1}
                                                            : static_cast<std::uint8_t>(count / 2 + 1);
  if (body->contains("successor_of")) {
    auto before = app.desk.find_channel(text_or(*body, "successor_of"));
    if (!before) return responder->problem(before.error());
    channel.successor_of = *before;
  }
  auto made = app.replica().create_channel(channel, [&app, responder, channel](Result<ChannelId> id) {
    if (!id) return responder->problem(id.error());
    Json out{{"channel_id", hex(*id)}, {"name", channel.name}, {"class", to_string(channel.channel_class)}};
    if (channel.successor_of) {
      out["successor_of"] = hex(*channel.successor_of);
      invite_members_of(app, *channel.successor_of, *id, channel, out);
    }
    responder->json(out, 201);
  });
  if (!made) responder->problem(made.error());
}

Json channel_warnings(const ChannelInfo& c, Time now) {
  constexpr std::int64_t kDayMs = 24 * 3'600'000;
  Json out = Json::array();
  if (c.key_missing)
    out.push_back("the newest key was not given to this node; it has told the chair, and goes on with the key before");
  if (c.standing == ChannelStanding::kRemoved)
    out.push_back(
        "the chair has removed this organisation: what is held here stays, nothing new comes, and the members are "
        "those that were last known");
  if (c.needs_newer)
    out.push_back(
        "the channel uses something that this version does not know: writing is stopped until this node has Tocsin " +
        (c.needs_version.empty() ? "in a newer version" : c.needs_version));
  if (c.epoch.value > 0 && c.channel_class != ChannelClass::kPrivate) {
    const auto days = (now.ms - c.epoch_created.ms) / kDayMs;
    if (days >= 45)
      out.push_back("no new key for " + std::to_string(days) + " days: revocations may be withheld from this node");
    else if (days >= 30)
      out.push_back("the key is " + std::to_string(days) + " days old; its chair should make a new one");
  }
  return out;
}

void show_channel(App& app, const Request& request, ResponderPtr responder) {
  const auto id = named(app, request, responder);
  if (!id) return;
  const auto c = *app.replica().channel(*id);
  auto out = channel_json(app, c);
  out["epoch_created"] = c.epoch.value ? Json(time_text(c.epoch_created)) : Json(nullptr);
  out["height"] = c.height.value;
  out["term"] = c.term;
  Json stewards = Json::array();
  for (const auto& steward : c.stewards)
    stewards.push_back({{"org_id", hex(steward)}, {"name", app.desk.org_name(steward)}});
  out["stewards"] = stewards;
  out["quorum"] = c.quorum;
  out["successor_of"] = c.successor_of ? Json(hex(*c.successor_of)) : Json(nullptr);
  out["successor"] = nullptr;
  for (const auto& other : app.replica().channels()) {
    if (other.successor_of == c.id && other.standing == ChannelStanding::kJoined) out["successor"] = hex(other.id);
  }
  std::size_t open = 0;
  for (const auto& proposal : app.replica().proposals(c.id)) open += proposal.state == ProposalState::kOpen;
  out["proposals_open"] = open;
  out["chair"] = {
      {"org_id", hex(c.chair_org)}, {"node_id", hex(c.chair_node)}, {"name", app.desk.org_name(c.chair_org)}};
  out["terms"] = c.terms;
  out["retention_days"] = c.retention_days;
  const auto invited_as = app.replica().invited_role(*id);
  out["invited_as"] = invited_as == Role::kUnknown ? Json(nullptr) : Json(to_string(invited_as));
  Json members = Json::array(), invited = Json::array();
  for (const auto& member : c.members) members.push_back(member_json(member));
  for (const auto& member : c.invited) invited.push_back(member_json(member));
  out["members"] = members;
  out["invited"] = invited;
  Json grants = Json::array();
  for (const auto& grant : c.grants)
    grants.push_back({{"org_id", hex(grant.org)},
                      {"name", grant.name},
                      {"from_epoch", count_of(grant.from)},
                      {"joined_epoch", grant.joined.value ? Json(count_of(grant.joined)) : Json(nullptr)},
                      {"granted_at", time_text(grant.granted)}});
  out["grants"] = grants;
  out["readers_hidden"] = c.own_role == Role::kContributor;
  out["claimed_chair"] = c.claimed_chair
                             ? Json{{"org_id", hex(*c.claimed_chair)}, {"name", app.desk.org_name(*c.claimed_chair)}}
                             : Json(nullptr);
  out["warnings"] = channel_warnings(c, app.desk.clock().now());
  responder->json(out);
}

bool decided_together(App& app, const ChannelId& id) {
  const auto info = app.replica().channel(id);
  return info && info->stewards.size() > 1;
}

void add_member(App& app, const Request& request, ResponderPtr responder) {
  const auto id = named(app, request, responder);
  if (!id) return;
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  if (auto fine = only_fields(*body, {"org", "role", "reason"}); !fine) return responder->problem(fine.error());
  auto text = text_field(*body, "org");
  if (!text) return responder->problem(text.error());
  auto org = app.desk.find_org(*text);
  if (!org) return responder->problem(org.error());
  const auto role = parse_role(text_or(*body, "role", "member"));
  if (!role || !may_be_invited_as(*role))
    return responder->problem(caller_error(Code{"bad_parameter"}, "role is member, reader or contributor"));
  const Json out{{"channel_id", hex(*id)}, {"org_id", hex(*org)}, {"role", to_string(*role)}, {"state", "invited"}};
  if (request.dry_run) {
    auto readers = app.desk.readers_of(*id);
    if (const auto peer = app.replica().peer(*org); peer && may_read(*role))
      readers.push_back({*org, peer->profile.name, peer->profile.kind, peer->profile.country});
    auto more = out;
    more["readers"] = readers_json(app, readers);
    return responder->json(more);
  }
  if (decided_together(app, *id)) {
    auto member = app.replica().member_to_invite(*id, *org, *role);
    if (!member) return responder->problem(member.error());
    return propose(app, *id, InviteChange{*member}, text_or(*body, "reason"),
                   {{"channel_id", hex(*id)}, {"org_id", hex(*org)}, {"role", to_string(*role)}}, responder);
  }
  auto queued = app.replica().invite(*id, *org, *role, [responder, out](Result<void> invited) {
    if (!invited) return responder->problem(invited.error());
    responder->json(out, 201);
  });
  if (!queued) responder->problem(queued.error());
}

constexpr std::string_view kContributorStillHas =
    "It was shown nothing of this channel but what it wrote itself and what it was answered. Nothing new that it "
    "writes "
    "is taken.";
constexpr std::string_view kStillHas =
    "It keeps every report that it received before, and the keys to read them. It gets no new key: what is written "
    "from now on it cannot read, "
    "even if somebody hands it the bytes.";

void remove_member(App& app, const Request& request, ResponderPtr responder) {
  const auto id = named(app, request, responder);
  if (!id) return;
  auto org = app.desk.find_org(request.params[1]);
  if (!org) return responder->problem(org.error());
  const auto info = *app.replica().channel(*id);
  const auto member = std::ranges::find(info.members, *org, &MemberInfo::org);
  const bool is_member = member != info.members.end();
  const bool contributor = is_member && member->role == Role::kContributor;
  Json out{
      {"channel_id", hex(*id)}, {"org_id", hex(*org)}, {"still_has", contributor ? kContributorStillHas : kStillHas}};
  if (request.dry_run) {
    auto readers = app.desk.readers_of(*id);
    std::erase_if(readers, [&](const auto& reader) { return reader.org == *org; });
    out["readers"] = readers_json(app, readers);
    return responder->json(out);
  }
  if (is_member && decided_together(app, *id))
    return propose(app, *id, RemoveChange{*org}, std::string(request.get("reason")), out, responder);
  auto queued = app.replica().remove_member(*id, *org, [&app, responder, out, id = *id](Result<void> removed) mutable {
    if (!removed) return responder->problem(removed.error());
    out["epoch"] = count_of(app.replica().channel(id)->epoch);
    responder->json(out);
  });
  if (!queued) responder->problem(queued.error());
}

constexpr std::string_view kCannotBeTakenBack =
    "It will read all of this, with every node that it has. That cannot be taken back: removing it later ends what "
    "comes, not what it read. Every member sees the grant.";

// Rule 34. What would be shown is counted before anything is asked.
void grant_history(App& app, const Request& request, ResponderPtr responder) {
  const auto id = named(app, request, responder);
  if (!id) return;
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  if (auto fine = only_fields(*body, {"org", "from_epoch", "reason"}); !fine) return responder->problem(fine.error());
  auto text = text_field(*body, "org");
  if (!text) return responder->problem(text.error());
  auto org = app.desk.find_org(*text);
  if (!org) return responder->problem(org.error());
  const auto from = body->find("from_epoch");
  if (from == body->end() || !from->is_number_unsigned())
    return responder->problem(caller_error(Code{"bad_parameter"}, "from_epoch is the number of an epoch, from 1"));
  const Epoch epoch = app.replica().epoch_counted(*id, from->get<std::uint64_t>());
  auto preview = app.replica().preview_history(*id, *org, epoch);
  if (!preview) return responder->problem(preview.error());
  Json out{{"channel_id", hex(*id)},
           {"org_id", hex(*org)},
           {"name", app.desk.org_name(*org)},
           {"from_epoch", count_of(epoch)},
           {"to_epoch", count_of(preview->to)},
           {"since", time_text(preview->since)}};
  if (!request.dry_run && decided_together(app, *id))
    return propose(app, *id, GrantChange{*org, epoch}, text_or(*body, "reason"), out, responder);
  if (!request.dry_run) {
    auto queued = app.replica().grant_history(*id, *org, epoch, [responder, out](Result<void> granted) {
      if (!granted) return responder->problem(granted.error());
      responder->json(out, 201);
    });
    if (!queued) responder->problem(queued.error());
    return;
  }
  out["detail"] = kCannotBeTakenBack;
  app.desk.index().ask([ranges = preview->entries](index::Index& i) { return i.count_in(ranges); },
                       [responder, out](Result<std::uint64_t> count) mutable {
                         if (!count) return responder->problem(count.error());
                         out["reports"] = *count;
                         responder->json(out);
                       });
}

// Waits for an epoch that is wrapped to this node: asks again whenever channels change, until the time is over.
class AcceptWait final : public ReplicaListener, public std::enable_shared_from_this<AcceptWait> {
 public:
  AcceptWait(App& app, ChannelId channel, ResponderPtr responder)
      : app_(app),
        channel_(channel),
        responder_(std::move(responder)),
        until_(app.desk.clock().steady_ms() + kAcceptWaitMs) {}
  void start() {
    self_ = shared_from_this();
    app_.hub.add_listener(this);
    app_.later(kAcceptWaitMs, [self = shared_from_this()] { self->check(); });
    check();
  }
  void on_channels() override {
    // The list of listeners may not change while it is being told.
    app_.post([self = shared_from_this()] { self->check(); });
  }
  void on_heads(const ChannelId&, const LogKey&) override {}
  void on_org_log(const OrgId&) override {}
  void on_peers() override {}
  void on_mail() override {}
  void on_arrival(Arrival) override {}

 private:
  void check() {
    if (!self_) return;
    const auto info = app_.replica().channel(channel_);
    const bool joined = info && info->standing == ChannelStanding::kJoined;
    const bool waiting = info && info->standing == ChannelStanding::kAccepting;
    if (waiting && app_.desk.clock().steady_ms() < until_) return;
    app_.hub.remove_listener(this);
    if (!joined && !waiting) {
      const bool again = info && info->standing == ChannelStanding::kInvited;
      responder_->problem(caller_error(Code{"not_invited"},
                                       again ? "the channel's chair has invited anew meanwhile; accept that invitation"
                                             : "the channel's chair has taken the invitation back"));
      self_.reset();
      return;
    }
    const std::string state(info ? to_string(info->standing) : "removed");
    Json out{{"channel_id", hex(channel_)}, {"state", state}};
    if (waiting)
      out["detail"] =
          "accepted, but no key has come yet: it comes as soon as a node of the channel's steward is reached";
    responder_->json(out, joined ? 200 : 202);
    self_.reset();
  }
  App& app_;
  ChannelId channel_;
  ResponderPtr responder_;
  std::int64_t until_;
  std::shared_ptr<AcceptWait> self_;  // lives until it has answered
};

void accept_channel(App& app, const Request& request, ResponderPtr responder) {
  const auto id = named(app, request, responder);
  if (!id) return;
  const auto info = *app.replica().channel(*id);
  if (request.dry_run)
    return responder->json({{"channel_id", hex(*id)}, {"state", to_string(info.standing)}, {"terms", info.terms}});
  if (info.standing == ChannelStanding::kJoined && !info.claimed_chair)
    return responder->json({{"channel_id", hex(*id)}, {"state", "joined"}});
  if (info.standing == ChannelStanding::kAccepting) return std::make_shared<AcceptWait>(app, *id, responder)->start();
  auto queued = app.replica().accept(*id, [&app, responder, id = *id](Result<void> accepted) {
    if (!accepted) return responder->problem(accepted.error());
    std::make_shared<AcceptWait>(app, id, responder)->start();
  });
  if (!queued) responder->problem(queued.error());
}

void refuse_channel(App& app, const Request& request, ResponderPtr responder) {
  const auto id = named(app, request, responder);
  if (!id) return;
  auto queued = app.replica().refuse(*id, [&app, responder, id = *id](Result<void> refused) {
    if (!refused) return responder->problem(refused.error());
    responder->json({{"channel_id", hex(id)}, {"state", to_string(app.replica().channel(id)->standing)}});
  });
  if (!queued) responder->problem(queued.error());
}

constexpr std::string_view kLeft =
    "Nothing is written there any more, and nothing new comes. The channel hears of it from the first member that this "
    "node meets; until then it counts this organisation in. What came before stays here.";

void leave_channel(App& app, const Request& request, ResponderPtr responder) {
  const auto id = named(app, request, responder);
  if (!id) return;
  const auto info = *app.replica().channel(*id);
  if (request.dry_run)
    return responder->json({{"channel_id", hex(*id)}, {"name", info.name}, {"state", to_string(info.standing)}});
  auto queued = app.replica().leave(*id, [responder, id = *id](Result<void> left) {
    if (!left) return responder->problem(left.error());
    responder->json({{"channel_id", hex(id)}, {"state", "removed"}, {"detail", kLeft}});
  });
  if (!queued) responder->problem(queued.error());
}

void rotate_channel(App& app, const Request& request, ResponderPtr responder) {
  const auto id = named(app, request, responder);
  if (!id) return;
  auto queued = app.replica().rotate(*id, [&app, responder, id = *id](Result<void> rotated) {
    if (!rotated) return responder->problem(rotated.error());
    responder->json({{"channel_id", hex(id)}, {"epoch", count_of(app.replica().channel(id)->epoch)}});
  });
  if (!queued) responder->problem(queued.error());
}

}  // namespace

void add_channel_routes(std::vector<Route>& out) {
  out.push_back({"GET", "/channels", "Channels and invitations", {}, list_channels});
  out.push_back({"POST", "/channels", "Make a channel", {}, create_channel});
  out.push_back({"GET", "/channels/{channel}", "Terms, key, and who can read", {}, show_channel});
  out.push_back({"POST", "/channels/{channel}/members", "Invite a verified peer", {}, add_member, true});
  out.push_back(
      {"DELETE", "/channels/{channel}/members/{org}", "Remove an organisation", {"reason"}, remove_member, true});
  out.push_back({"POST", "/channels/{channel}/grants", "Give a member older epochs", {}, grant_history, true});
  out.push_back({"POST", "/channels/{channel}/accept", "Agree to the terms and join", {}, accept_channel, true});
  out.push_back({"POST", "/channels/{channel}/refuse", "Decline an invitation", {}, refuse_channel});
  out.push_back({"POST", "/channels/{channel}/leave", "Leave it", {}, leave_channel, true});
  out.push_back({"POST", "/channels/{channel}/rotate", "Make a new key now", {}, rotate_channel});
}

}  // namespace tocsin::api
