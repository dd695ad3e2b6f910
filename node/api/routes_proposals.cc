// proposals: what several stewards of a channel decide together (rule 22).
#include "node/api/proposals.h"
#include "node/api/router.h"
#include "node/api/views.h"

namespace tocsin::api {
namespace {

using namespace protocol;

constexpr std::size_t kShownMax = 500;

std::string what_of(App& app, const ProposedChange& change) {
  if (const auto* invite = std::get_if<InviteChange>(&change)) {
    return "invite " + invite->member.name + " as " + std::string(to_string(invite->member.role));
  }
  if (const auto* remove = std::get_if<RemoveChange>(&change)) return "remove " + app.desk.org_name(remove->org);
  if (const auto* next = std::get_if<StewardsChange>(&change)) {
    std::string out = std::to_string(next->quorum) + " of the stewards";
    for (const OrgId& org : next->stewards)
      out += (&org == &next->stewards.front() ? " " : ", ") + app.desk.org_name(org);
    return out;
  }
  if (const auto* chair = std::get_if<ChairChange>(&change)) {
    return "the chair to " + app.desk.org_name(chair->org) + ", term " + std::to_string(chair->term);
  }
  if (const auto* grant = std::get_if<GrantChange>(&change)) {
    return "give " + app.desk.org_name(grant->org) + " what was written from epoch " +
           std::to_string(count_of(grant->from)) + " on";
  }
  if (const auto* pin = std::get_if<PinChange>(&change)) {
    return "end feed " + hex(pin->pin.feed).substr(0, 16) + " with entry " + std::to_string(pin->pin.last.value);
  }
  return "something that this version does not know";
}

std::string_view kind_of(const ProposedChange& change) {
  static constexpr std::string_view kKinds[] = {"unknown", "invite", "remove", "stewards", "chair", "history", "pin"};
  return kKinds[change.index()];
}

std::optional<OrgId> org_of(const ProposedChange& change) {
  if (const auto* invite = std::get_if<InviteChange>(&change)) return invite->member.org;
  if (const auto* remove = std::get_if<RemoveChange>(&change)) return remove->org;
  if (const auto* chair = std::get_if<ChairChange>(&change)) return chair->org;
  if (const auto* grant = std::get_if<GrantChange>(&change)) return grant->org;
  return std::nullopt;
}

// Why it can take effect no more, for people.
std::string lapse_text(App& app, const ProposalInfo& info) {
  const auto org = org_of(info.proposal.change);
  const std::string who = org ? app.desk.org_name(*org) : std::string("that organisation");
  switch (info.cause) {
    case LapseCause::kNone:
      break;
    case LapseCause::kStewards:
      return "other stewards decide now than those that it was made for; propose it again where it is still wanted";
    case LapseCause::kTerm:
      return "that term of the chair, or a later one, has begun";
    case LapseCause::kNotMember:
      return who +
             " has left the channel meanwhile, or was removed; where it comes back, this is not meant: propose "
             "it again";
    case LapseCause::kMember:
      return who + " is in the channel already";
    case LapseCause::kDone:
      if (std::holds_alternative<PinChange>(info.proposal.change))
        return "that feed has an end already, there or below, or on its other branch";
      return "what it asks for, or more, is in force already";
    case LapseCause::kStewardGone:
      return "who is to decide left the channel meanwhile or may not write there, or the chair is not among them; "
             "propose others";
  }
  return {};
}

Json proposal_json(App& app, const ProposalInfo& info) {
  const Proposal& proposal = info.proposal;
  Json answers = Json::array();
  bool answered = false;
  for (const Approval& answer : info.answers) {
    answered |= answer.org == app.replica().own_org().id();
    answers.push_back({{"org_id", hex(answer.org)},
                       {"name", app.desk.org_name(answer.org)},
                       {"node_id", hex(answer.node)},
                       {"answer", answer.approve ? "approve" : "reject"},
                       {"reason", answer.reason}});
  }
  const auto channel = app.replica().channel(proposal.channel);
  const auto org = org_of(proposal.change);
  return {{"proposal_id", hex(proposal.id)},
          {"channel_id", hex(proposal.channel)},
          {"channel", channel ? channel->name : std::string()},
          {"kind", kind_of(proposal.change)},
          {"what", what_of(app, proposal.change)},
          {"org_id", org ? Json(hex(*org)) : Json(nullptr)},
          {"state", to_string(info.state)},
          {"code", info.cause == LapseCause::kNone ? Json(nullptr) : Json(to_string(info.cause))},
          {"detail", info.cause == LapseCause::kNone ? Json(nullptr) : Json(lapse_text(app, info))},
          {"approved", info.approved},
          {"needed", info.needed},
          {"proposed_by", {{"org_id", hex(proposal.org)}, {"name", app.desk.org_name(proposal.org)}}},
          {"created", time_text(proposal.created)},
          {"reason", proposal.reason},
          {"answered", answered},
          {"answers", answers}};
}

std::optional<ProposalInfo> found(App& app, const ProposalId& id) {
  for (auto& info : app.replica().proposals(std::nullopt)) {
    if (info.proposal.id == id) return std::move(info);
  }
  return std::nullopt;
}

// By its id or the first eight digits or more.
Result<ProposalInfo> named_proposal(App& app, std::string_view text) {
  std::optional<ProposalInfo> one;
  if (text.size() >= 8) {
    for (auto& info : app.replica().proposals(std::nullopt)) {
      if (!hex(info.proposal.id).starts_with(text)) continue;
      if (one) return caller_error(Code{"proposal_ambiguous"}, "several proposals fit; give more of the id");
      one = std::move(info);
    }
  }
  if (!one) {
    return caller_error(Code{"unknown_proposal"}, "no proposal begins with that; see: tocsin proposal list --all");
  }
  return std::move(*one);
}

void list_proposals(App& app, const Request& request, ResponderPtr responder) {
  std::optional<ChannelId> channel;
  if (const auto text = request.get("channel"); !text.empty()) {
    auto named = app.desk.find_channel(text);
    if (!named) return responder->problem(named.error());
    channel = *named;
  }
  const bool all = request.get("all") == "true";
  Json items = Json::array();
  for (const auto& info : app.replica().proposals(channel)) {
    if ((all || info.state == ProposalState::kOpen) && items.size() < kShownMax) {
      items.push_back(proposal_json(app, info));
    }
  }
  responder->json(page_json(std::move(items), {}));
}

void show_proposal(App& app, const Request& request, ResponderPtr responder) {
  auto info = named_proposal(app, request.params[0]);
  if (!info) return responder->problem(info.error());
  responder->json(proposal_json(app, *info));
}

void answer_proposal(App& app, const Request& request, const ResponderPtr& responder, bool approve) {
  auto info = named_proposal(app, request.params[0]);
  if (!info) return responder->problem(info.error());
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  if (auto fine = only_fields(*body, {"reason"}); !fine) return responder->problem(fine.error());
  const ProposalId id = info->proposal.id;
  auto queued =
      app.replica().answer_proposal(id, approve, text_or(*body, "reason"), [&app, responder, id](Result<void> done) {
        if (!done) return responder->problem(done.error());
        const auto now = found(app, id);
        if (now) responder->json(proposal_json(app, *now));
      });
  if (!queued) responder->problem(queued.error());
}

void approve_proposal(App& app, const Request& request, ResponderPtr responder) {
  answer_proposal(app, request, responder, true);
}
void reject_proposal(App& app, const Request& request, ResponderPtr responder) {
  answer_proposal(app, request, responder, false);
}

Result<std::vector<OrgId>> orgs_in(App& app, const Json& body, std::string_view name) {
  std::vector<OrgId> out;
  const auto list = body.find(name);
  if (list == body.end()) return out;
  if (!list->is_array()) return caller_error(Code{"wrong_type"}, std::string(name) + " is a list of organisations");
  for (const auto& item : *list) {
    if (!item.is_string()) return caller_error(Code{"wrong_type"}, std::string(name) + " is a list of organisations");
    TOCSIN_ASSIGN(org, app.desk.find_org(item.get<std::string>()));
    out.push_back(org);
  }
  return out;
}

void change_stewards(App& app, const Request& request, ResponderPtr responder) {
  auto id = app.desk.find_channel(request.params[0]);
  if (!id) return responder->problem(id.error());
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  if (auto fine = only_fields(*body, {"stewards", "quorum", "reason"}); !fine) return responder->problem(fine.error());
  auto stewards = stewards_from(app, *body);
  if (!stewards) return responder->problem(stewards.error());
  if (stewards->stewards.empty())
    return responder->problem(caller_error(Code{"missing_field"}, "stewards is a list of organisations"));
  propose(app, *id, StewardsChange{stewards->stewards, stewards->quorum}, text_or(*body, "reason"), {}, responder);
}

void change_chair(App& app, const Request& request, ResponderPtr responder) {
  auto id = app.desk.find_channel(request.params[0]);
  if (!id) return responder->problem(id.error());
  auto body = body_object(request);
  if (!body) return responder->problem(body.error());
  if (auto fine = only_fields(*body, {"org", "node", "reason"}); !fine) return responder->problem(fine.error());
  Result<OrgId> org = app.replica().own_org().id();
  if (body->contains("org")) org = app.desk.find_org(text_or(*body, "org"));
  if (!org) return responder->problem(org.error());
  auto term = app.replica().next_term_of(*id, *org);
  if (!term) return responder->problem(term.error());
  ChairChange change{*term, *org, app.replica().own_node()};
  if (*org != app.replica().own_org().id()) {
    const OrgLog* log = app.replica().org_log(*org);
    if (log == nullptr) return responder->problem(caller_error(Code{"unknown_peer"}, "that organisation is not known"));
    // Of several nodes the one that said most lately what it holds; it has to make the key of its control log.
    std::optional<Time> newest;
    for (const auto& [node, certified] : log->nodes()) {
      if (certified.revoked) continue;
      Time said;
      for (const auto& receipt : app.replica().receipts(*id)) {
        if (receipt.node == node) said = receipt.created;
      }
      if (!newest || said > *newest) {
        newest = said;
        change.node = node;
      }
    }
    if (!newest) return responder->problem(caller_error(Code{"unknown_node"}, "that steward has no certified node"));
  }
  propose(app, *id, change, text_or(*body, "reason"), {}, responder);
}

}  // namespace

Result<StewardsChange> stewards_from(App& app, const Json& body) {
  StewardsChange out;
  TOCSIN_ASSIGN(stewards, orgs_in(app, body, "stewards"));
  out.stewards = std::move(stewards);
  out.quorum = out.stewards.size() < 2 ? 1 : static_cast<std::uint8_t>(out.stewards.size() / 2 + 1);
  if (const auto quorum = body.find("quorum"); quorum != body.end()) {
    if (!quorum->is_number_unsigned() || quorum->get<std::uint64_t>() < 1 ||
        quorum->get<std::uint64_t>() > kStewardsMax)
      return caller_error(Code{"bad_parameter"}, "quorum is a number from 1 to 32");
    out.quorum = quorum->get<std::uint8_t>();
  }
  return out;
}

void propose(App& app, const ChannelId& channel, ProposedChange change, const std::string& reason, Json answer,
             const ResponderPtr& responder) {
  const auto done = [&app, responder, answer = std::move(answer)](Result<ProposalId> made) {
    if (!made) return responder->problem(made.error());
    const auto info = found(app, *made);
    if (!info) return responder->problem(internal_error(Code{"unknown_proposal"}, "the proposal is gone"));
    Json out = answer.is_object() ? answer : Json::object();
    const Json shown = proposal_json(app, *info);
    for (const auto& [key, value] : shown.items()) {
      if (!out.contains(key)) out[key] = value;
    }
    const bool waits = info->state == ProposalState::kOpen;
    out["state"] = waits ? "proposed" : std::string(to_string(info->state));
    if (waits) {
      out["detail"] = "nothing has changed yet: " + std::to_string(info->needed) + " stewards have to approve, " +
                      std::to_string(info->approved) + " did; over there: tocsin proposal approve " +
                      hex(info->proposal.id).substr(0, 16);
    }
    responder->json(out, waits ? 202 : 200);
  };
  auto made = app.replica().propose(channel, std::move(change), reason, done);
  if (!made) responder->problem(made.error());
}

void add_proposal_routes(std::vector<Route>& out) {
  out.push_back({.method = "GET",
                 .path = "/proposals",
                 .summary = "What stewards have to decide",
                 .parameters = {"channel", "all"},
                 .handler = list_proposals});
  out.push_back({.method = "GET",
                 .path = "/proposals/{proposal}",
                 .summary = "One proposal, with all answers",
                 .parameters = {},
                 .handler = show_proposal});
  out.push_back({.method = "POST",
                 .path = "/proposals/{proposal}/approve",
                 .summary = "This organisation's yes",
                 .parameters = {},
                 .handler = approve_proposal});
  out.push_back({.method = "POST",
                 .path = "/proposals/{proposal}/reject",
                 .summary = "This organisation's no, with a reason",
                 .parameters = {},
                 .handler = reject_proposal});
  out.push_back({.method = "POST",
                 .path = "/channels/{channel}/stewards",
                 .summary = "Propose who decides",
                 .parameters = {},
                 .handler = change_stewards});
  out.push_back({.method = "POST",
                 .path = "/channels/{channel}/chair",
                 .summary = "Propose who leads the next term",
                 .parameters = {},
                 .handler = change_chair});
}

}  // namespace tocsin::api
