// Several stewards: what they decide together, and one chair after the other (rules 22, 23, 27, 28).
#include "protocol/stewards.h"

#include <gtest/gtest.h>

#include "crypto/wrap.h"
#include "protocol/entry_sign.h"
#include "tests/support/channel_world.h"
#include "tests/support/expect.h"
#include "tests/support/forged_control.h"
#include "tests/support/forged_feed.h"
#include "tests/support/further_nodes.h"

namespace tocsin::protocol {
namespace {

using test::code_of;
using test::must;
using test::Party;
using test::sync_all;
using test::sync_once;
using test::WorldClock;

struct Stewards : testing::Test {
  WorldClock clock;
  Party a{"Alpha", 1, clock}, b{"Bravo", 2, clock}, c{"Charlie", 3, clock}, d{"Delta", 4, clock};
  Party e{"Echo", 5, clock};
  ChannelId id;

  // Alpha leads; Bravo and Charlie are stewards as well, two of three decide; Delta is a member.
  void SetUp() override {
    for (Party* other : {&b, &c, &d, &e}) test::introduce(a, *other);
    NewChannel wanted{"Early warning", ChannelClass::kShared, "Purpose: early warning.", 0};
    wanted.stewards = {b.org(), c.org()};
    wanted.quorum = 2;
    id = must(a.replica().create_channel(wanted, nullptr));
    a.store.sync();
    for (Party* steward : {&b, &c}) accept(*steward);
    invite(d);
    accept(d);
    sync_all({&a, &b, &c, &d});
  }
  void accept(Party& party) {
    sync_all({&a, &party});
    must(party.replica().accept(id, nullptr));
    party.store.sync();
    sync_all({&a, &party});
  }
  ProposalId propose(Party& steward, ProposedChange change, const std::string& reason = "needed") {
    const ProposalId out = must(steward.replica().propose(id, std::move(change), reason, nullptr));
    steward.store.sync();
    return out;
  }
  void answer(Party& steward, const ProposalId& proposal, bool yes = true) {
    must(steward.replica().answer_proposal(proposal, yes, yes ? "" : "too early", nullptr));
    steward.store.sync();
  }
  RosterMember as_member(Party& party, Role role = Role::kMember) {
    return {party.org(), role, party.log().head(), party.log().head_hash(), party.name(), OrgKind::kNgo, "KEN"};
  }
  void invite(Party& party) {
    const ProposalId proposal = propose(a, InviteChange{as_member(party)});
    sync_all({&a, &b, &c});
    answer(b, proposal);
    sync_all({&a, &b, &c});
  }
  ChannelInfo info(Party& party) { return *party.replica().channel(id); }
  std::set<std::string> members(Party& party) {
    std::set<std::string> out;
    for (const MemberInfo& member : info(party).members) out.insert(member.name);
    return out;
  }
  ProposalState state_of(Party& party, const ProposalId& proposal) {
    for (const ProposalInfo& each : party.replica().proposals(id)) {
      if (each.proposal.id == proposal) return each.state;
    }
    return {};
  }
  ProposalInfo shown(Party& party, const ProposalId& proposal) {
    for (const ProposalInfo& each : party.replica().proposals(id)) {
      if (each.proposal.id == proposal) return each;
    }
    return {};
  }
  ChairChange chair_of(Party& party) {
    return {must(party.replica().next_term_of(id, party.org())), party.org(), party.node()};
  }
  void write(Party& party, std::string_view text) {
    party.write(id, text);
    party.store.sync();
  }
  void expect_equal(std::vector<Party*> parties) {
    for (Party* party : parties) {
      EXPECT_EQ(party->replica().frontier(id).digest(), parties[0]->replica().frontier(id).digest()) << party->name();
      EXPECT_EQ(info(*party).epoch, info(*parties[0]).epoch) << party->name();
    }
  }
  using Names = std::set<std::string>;
};

TEST_F(Stewards, rule_22_two_of_three_decide_and_the_chair_enters_it) {
  EXPECT_EQ(members(d), (Names{"Alpha", "Bravo", "Charlie", "Delta"}));
  for (Party* party : {&a, &b, &c}) EXPECT_EQ(info(*party).own_role, Role::kSteward);
  EXPECT_EQ(info(d).own_role, Role::kMember);
  EXPECT_EQ(info(d).stewards, (std::vector<OrgId>{b.org(), a.org(), c.org()})) << "the chair of term 1 is number 1";
  EXPECT_EQ(info(d).quorum, 2);
  // The chair alone changes nothing.
  EXPECT_EQ(code_of(a.replica().invite(id, e.org(), Role::kMember, nullptr)), "needs_stewards");
  EXPECT_EQ(code_of(a.replica().remove_member(id, d.org(), nullptr)), "needs_stewards");
  EXPECT_EQ(code_of(d.replica().propose(id, RemoveChange{c.org()}, "", nullptr)), "not_steward");

  const ProposalId proposal = propose(c, RemoveChange{d.org()}, "it left the field");
  sync_all({&a, &b, &c, &d});
  EXPECT_EQ(state_of(a, proposal), ProposalState::kOpen) << "one of three is not enough";
  EXPECT_EQ(members(a).count("Delta"), 1u);
  EXPECT_EQ(code_of(c.replica().answer_proposal(proposal, true, "", nullptr)), "already_answered");
  const Epoch before = info(a).epoch;
  answer(b, proposal);
  sync_all({&a, &b, &c, &d});
  for (Party* party : {&a, &b, &c}) {
    EXPECT_EQ(members(*party), (Names{"Alpha", "Bravo", "Charlie"})) << party->name();
    EXPECT_EQ(state_of(*party, proposal), ProposalState::kDecided) << party->name();
    EXPECT_EQ(info(*party).epoch, before.next()) << "a fresh key (rule 27)";
  }
  EXPECT_EQ(info(d).standing, ChannelStanding::kRemoved) << "and it is told";
  EXPECT_EQ(code_of(b.replica().answer_proposal(proposal, true, "", nullptr)), "not_open");
}

TEST_F(Stewards, rule_22_who_said_no_and_thinks_better_of_it_proposes_it_again) {
  const ProposalId first = propose(b, RemoveChange{d.org()});
  sync_all({&a, &b, &c});
  answer(c, first, false);
  sync_all({&a, &b, &c});
  ASSERT_EQ(state_of(b, first), ProposalState::kOpen) << "Alpha has said nothing";
  EXPECT_EQ(code_of(b.replica().propose(id, RemoveChange{d.org()}, "", nullptr)), "already_proposed");
  EXPECT_EQ(code_of(a.replica().propose(id, RemoveChange{d.org()}, "", nullptr)), "already_proposed")
      << "it can say yes";
  const ProposalId again = propose(c, RemoveChange{d.org()});
  sync_all({&a, &b, &c});
  answer(b, again);
  sync_all({&a, &b, &c});
  EXPECT_EQ(state_of(a, again), ProposalState::kDecided);
  EXPECT_EQ(shown(a, first).cause, LapseCause::kNotMember);
}

TEST_F(Stewards, rule_22_another_node_answers_where_the_one_that_did_is_revoked) {
  Party second{c, "Charlie 2", 13, clock};
  test::certify(c, second);
  sync_all({&a, &b, &c, &second});
  const ProposalId proposal = propose(b, RemoveChange{d.org()});
  sync_all({&b, &c, &second});
  answer(second, proposal);
  sync_once(second, c);
  EXPECT_EQ(code_of(c.replica().answer_proposal(proposal, true, "", nullptr)), "already_answered");
  test::revoke(c, second, c);
  sync_all({&a, &b, &c});
  ASSERT_EQ(state_of(a, proposal), ProposalState::kOpen);
  EXPECT_EQ(code_of(c.replica().propose(id, RemoveChange{d.org()}, "", nullptr)), "already_proposed");
  answer(c, proposal);
  sync_all({&a, &b, &c});
  EXPECT_EQ(state_of(a, proposal), ProposalState::kDecided);
}

TEST_F(Stewards, rule_22_who_was_out_and_in_again_within_one_answer_is_not_meant) {
  const ProposalId late = propose(b, RemoveChange{d.org()}, "of the first time");
  sync_all({&b, &c});
  const ProposalId remove = propose(a, RemoveChange{d.org()});
  b.store.sync();
  sync_all({&a, &b});
  answer(b, remove);
  sync_all({&a, &b});
  ASSERT_EQ(members(a).count("Delta"), 0u);
  sync_all({&a, &b, &d});
  const ProposalId back = propose(a, InviteChange{as_member(d)});
  sync_all({&a, &b});
  answer(b, back);
  sync_all({&a, &b, &d});
  accept(d);
  sync_all({&a, &b, &d});
  ASSERT_EQ(members(a).count("Delta"), 1u);
  EXPECT_EQ(shown(b, late).cause, LapseCause::kNotMember);
  sync_all({&a, &c});  // all of it at once
  EXPECT_EQ(shown(c, late).cause, LapseCause::kNotMember);
}

TEST_F(Stewards, rule_22_a_majority_against_rejects_and_reasons_are_seen_by_all) {
  const ProposalId proposal = propose(a, InviteChange{as_member(e)});
  sync_all({&a, &b, &c});
  answer(b, proposal, false);
  answer(c, proposal, false);
  sync_all({&a, &b, &c, &d});
  for (Party* party : {&a, &b, &c, &d}) {
    EXPECT_EQ(state_of(*party, proposal), ProposalState::kRejected) << party->name();
  }
  EXPECT_TRUE(info(a).invited.empty());
  for (const ProposalInfo& each : d.replica().proposals(id)) {
    if (each.proposal.id != proposal) continue;
    EXPECT_EQ(each.answers.size(), 3u);
    EXPECT_EQ(std::count_if(each.answers.begin(), each.answers.end(),
                            [](const Approval& answer) { return answer.reason == "too early"; }),
              2);
  }
}

TEST_F(Stewards, rule_22_proposals_lapse_with_the_stewards_that_they_were_made_for) {
  const ProposalId lapses = propose(b, RemoveChange{d.org()});
  const ProposalId change = propose(a, StewardsChange{{a.org(), b.org(), d.org()}, 2});
  sync_all({&a, &b, &c, &d});
  answer(b, change);
  sync_all({&a, &b, &c, &d});
  EXPECT_EQ(info(c).stewards, (std::vector<OrgId>{a.org(), b.org(), d.org()}));
  EXPECT_EQ(info(c).own_role, Role::kMember);
  EXPECT_EQ(info(d).own_role, Role::kSteward);
  for (Party* party : {&a, &b, &c}) EXPECT_EQ(state_of(*party, change), ProposalState::kDecided) << party->name();
  b.crash();
  EXPECT_EQ(state_of(b, change), ProposalState::kDecided) << "also after a start";
  EXPECT_EQ(state_of(a, lapses), ProposalState::kLapsed);
  EXPECT_EQ(code_of(a.replica().answer_proposal(lapses, true, "", nullptr)), "not_open");
  // Back to the set of before: what was approved under it stays worthless.
  const ProposalId back = propose(a, StewardsChange{{b.org(), a.org(), c.org()}, 2});
  sync_all({&a, &b, &c, &d});
  answer(d, back);
  sync_all({&a, &b, &c, &d});
  EXPECT_EQ(info(d).stewards, (std::vector<OrgId>{b.org(), a.org(), c.org()}));
  EXPECT_EQ(state_of(a, lapses), ProposalState::kLapsed);
  EXPECT_EQ(members(a).count("Delta"), 1u);
}

TEST_F(Stewards, rule_22_what_can_take_effect_no_more_lapses_for_good) {
  // Approved, but the chair does not know yet when the member leaves by itself.
  const ProposalId remove = propose(c, RemoveChange{d.org()});
  sync_once(c, b);
  answer(b, remove);
  const ProposalId wanted = propose(b, StewardsChange{{a.org(), b.org(), d.org()}, 2});
  must(d.replica().leave(id, nullptr));
  d.store.sync();
  sync_once(d, a);
  sync_all({&a, &b, &c, &d});
  ASSERT_EQ(members(a).count("Delta"), 0u);
  for (Party* party : {&a, &b, &c}) {
    EXPECT_EQ(shown(*party, remove).state, ProposalState::kLapsed) << party->name();
    EXPECT_EQ(shown(*party, remove).cause, LapseCause::kNotMember) << party->name();
    EXPECT_EQ(shown(*party, wanted).state, ProposalState::kLapsed) << party->name();
    EXPECT_EQ(shown(*party, wanted).cause, LapseCause::kStewardGone) << party->name();
  }
  EXPECT_EQ(code_of(a.replica().answer_proposal(remove, true, "", nullptr)), "not_open");
  // Who comes back later is not meant by what was approved before.
  a.crash();
  invite(d);
  accept(d);
  sync_all({&a, &b, &c, &d});
  EXPECT_EQ(members(c).count("Delta"), 1u);
  for (Party* party : {&a, &b, &c}) {
    EXPECT_EQ(state_of(*party, remove), ProposalState::kLapsed) << party->name();
    EXPECT_EQ(state_of(*party, wanted), ProposalState::kLapsed) << party->name();
  }
}

TEST_F(Stewards, rule_22_one_change_is_proposed_once_at_a_time) {
  test::introduce(c, e);
  const ProposalId first = propose(b, RemoveChange{d.org()});
  sync_all({&a, &b, &c, &d});
  for (Party* party : {&b, &c}) {
    const auto again = party->replica().propose(id, RemoveChange{d.org()}, "", nullptr);
    ASSERT_EQ(code_of(again), "already_proposed") << party->name();
    EXPECT_NE(again.error().detail.find(to_hex(first.view()).substr(0, 16)), std::string::npos);
  }
  const ProposalId other = propose(c, InviteChange{as_member(e)});
  EXPECT_EQ(code_of(c.replica().propose(id, InviteChange{as_member(e)}, "", nullptr)), "already_proposed");
  // Of those that met nobody meanwhile both stand; the second lapses with the first.
  const ProposalId same = propose(a, InviteChange{as_member(e)});
  sync_all({&a, &b, &c});
  answer(b, other);
  sync_all({&a, &b, &c});
  accept(e);
  sync_all({&a, &b, &c});
  EXPECT_EQ(shown(c, other).state, ProposalState::kDecided);
  EXPECT_EQ(shown(c, same).state, ProposalState::kLapsed);
  EXPECT_EQ(shown(c, same).cause, LapseCause::kMember);
  // What was rejected may be asked for again.
  for (Party* party : {&a, &c}) answer(*party, first, false);
  sync_all({&a, &b, &c});
  ASSERT_EQ(state_of(b, first), ProposalState::kRejected);
  EXPECT_EQ(state_of(b, propose(b, RemoveChange{d.org()})), ProposalState::kOpen);
}

TEST_F(Stewards, rule_22_what_was_decided_keeps_its_count) {
  const ProposalId change = propose(c, StewardsChange{{a.org(), b.org(), d.org()}, 2});
  sync_all({&a, &b, &c, &d});
  answer(a, change);
  sync_all({&a, &b, &c, &d});
  ASSERT_EQ(info(c).own_role, Role::kMember) << "who proposed it decides no more";
  b.crash();
  for (Party* party : {&a, &b, &c}) {
    EXPECT_EQ(shown(*party, change).approved, 2u) << party->name();
    EXPECT_EQ(shown(*party, change).needed, 2u) << party->name();
  }
  // A term that has followed since does not make the one before it lapse.
  const ProposalId lead = propose(b, chair_of(b));
  sync_all({&a, &b, &c, &d});
  answer(d, lead);
  sync_all({&a, &b, &c, &d});
  const ProposalId next = propose(d, chair_of(d));
  sync_all({&a, &b, &c, &d});
  answer(a, next);
  sync_all({&a, &b, &c, &d});
  for (Party* party : {&a, &b, &c, &d}) {
    EXPECT_EQ(state_of(*party, next), ProposalState::kDecided) << party->name();
    EXPECT_EQ(state_of(*party, lead), ProposalState::kDecided) << party->name();
  }
}

TEST_F(Stewards, rule_22_what_does_not_fit_is_not_proposed) {
  const auto refused = [&](ProposedChange change) { return code_of(a.replica().propose(id, change, "", nullptr)); };
  EXPECT_EQ(refused(RemoveChange{b.org()}), "bad_change") << "a steward first stops being one";
  EXPECT_EQ(refused(RemoveChange{e.org()}), "bad_change");
  EXPECT_EQ(refused(StewardsChange{{a.org(), b.org()}, 2}), "bad_change");
  EXPECT_EQ(refused(StewardsChange{{a.org(), b.org(), c.org()}, 3}), "bad_change");
  EXPECT_EQ(refused(StewardsChange{{a.org(), b.org(), e.org()}, 2}), "bad_change") << "no member";
  EXPECT_EQ(refused(StewardsChange{{b.org(), c.org(), d.org()}, 2}), "bad_change") << "without the chair";
  EXPECT_EQ(refused(ChairChange{1, a.org(), a.node()}), "bad_change");
  EXPECT_EQ(refused(ChairChange{2, b.org(), b.node()}), "bad_change") << "term 2 is Charlie's turn";
  EXPECT_EQ(refused(ChairChange{2, c.org(), b.node()}), "bad_change");
}

TEST_F(Stewards, rule_22_a_hostile_chair_changes_no_members_without_the_others) {
  const auto refused = [&](const std::function<void(ControlState&)>& alter) {
    return code_of(test::give_control(b, id, test::forge_epoch(a, id, {&a, &b, &c, &d}, alter)));
  };
  const Epoch before = info(b).epoch;
  EXPECT_EQ(refused([&](ControlState& state) {
              std::erase_if(state.roster, [&](const RosterMember& member) { return member.org == d.org(); });
            }),
            "not_approved");
  EXPECT_EQ(refused([&](ControlState& state) {
              state.roster.push_back(as_member(e));
              std::ranges::sort(state.roster, {}, &RosterMember::org);
            }),
            "not_approved");
  EXPECT_EQ(refused([&](ControlState& state) {
              for (RosterMember& member : state.roster) {
                if (member.org == d.org()) member.role = Role::kReader;
              }
            }),
            "not_approved");
  EXPECT_EQ(refused([&](ControlState& state) {
              state.stewards = {a.org()};
              state.quorum = 1;
              for (RosterMember& member : state.roster) {
                member.role = member.org == a.org() ? Role::kSteward : Role::kMember;
              }
            }),
            "not_approved");
  EXPECT_EQ(refused([&](ControlState& state) { state.invited.push_back(as_member(e)); }), "not_approved");
  write(d, "heard");
  sync_all({&a, &b, &c, &d});
  LogKey feed;
  for (const LogRecord& record : b.replica().channel_logs(id)) {
    const auto owner = b.table().feed_owner(record.log);
    if (owner && owner->node == d.node()) feed = record.log;
  }
  EXPECT_EQ(refused([&](ControlState& state) {
              state.pins = {{feed, {0}, {}, d.node()}};
            }),
            "not_approved")
      << "nor does it silence one";
  EXPECT_EQ(info(b).epoch, before);
  // Renewing the key is its own work.
  EXPECT_EQ(refused([](ControlState&) {}), "ok");
}

TEST_F(Stewards, rule_22_a_decision_takes_effect_once_and_only_with_signatures_of_stewards) {
  const ProposalId first = propose(a, RemoveChange{d.org()});
  sync_all({&a, &b, &c, &d});
  answer(b, first);
  sync_all({&a, &b, &c, &d});
  ASSERT_EQ(members(b).count("Delta"), 0u);
  invite(d);
  accept(d);
  sync_all({&a, &b, &c, &d});
  ASSERT_EQ(members(b).count("Delta"), 1u);

  Bytes proposal;
  std::vector<Bytes> approvals;
  const ChannelState held = test::stored_channel(a, id);
  for (const ProposalInfo& each : a.replica().proposals(id)) {
    if (each.proposal.id == first) proposal = each.proposal.message;
  }
  const auto entry_of = [&](const DecisionEvent& event) {
    EntryHeader header;
    header.type = LogType::kControl;
    header.number = held.head.next();
    header.epoch = held.head_epoch;
    header.log = held.control_log();
    header.channel = held.genesis->pseudonym;
    header.previous = held.head_hash;
    ControlBody body;
    body.kind = ControlBody::kEvent;
    body.sealed = seal_control(*held.epochs.at(held.head_epoch).key, id, header.epoch, header.log, header.number,
                               encode_control_event(event, clock.now()), a.random());
    return sign_entry(header, encode_control_body(body), *held.control_key);
  };
  const auto give = [&](const DecisionEvent& event) {
    std::vector<Entry> entries;
    entries.push_back(entry_of(event));
    return code_of(test::give_control(b, id, entries));
  };
  const Proposal old = must(decode_proposal(proposal));
  const auto yes_of = [&](Party& party, const Proposal& to) {
    return sign_approval(
        {id, to.id, to.steward_set, party.org(), party.node(), true, "", held.control_log(), held.head, held.head_hash},
        party.secrets().tier2->signing);
  };
  EXPECT_EQ(give({proposal, {yes_of(a, old), yes_of(b, old)}}), "not_approved") << "it was decided once";
  Proposal fresh = old;
  fresh.created = clock.now();
  fresh.reason = "again";
  fresh = make_proposal(fresh);
  EXPECT_EQ(give({fresh.message, {yes_of(a, fresh)}}), "not_approved") << "too few";
  EXPECT_EQ(give({fresh.message, {yes_of(a, fresh), yes_of(a, fresh)}}), "not_approved") << "the same twice";
  EXPECT_EQ(give({fresh.message, {yes_of(a, fresh), yes_of(d, fresh)}}), "not_approved") << "no steward";
  EXPECT_EQ(give({fresh.message, {yes_of(a, fresh), yes_of(b, old)}}), "not_approved") << "for another proposal";
  Bytes forged = yes_of(b, fresh);
  forged[3] ^= 1;
  EXPECT_EQ(give({fresh.message, {yes_of(a, fresh), forged}}), "not_approved") << "not signed";
  Proposal lapsed = fresh;
  lapsed.steward_set = crypto::random_fixed<crypto::Hash>(a.random());
  lapsed = make_proposal(lapsed);
  EXPECT_EQ(give({lapsed.message, {yes_of(a, lapsed), yes_of(c, lapsed)}}), "not_approved") << "for other stewards";
  EXPECT_EQ(give({fresh.message, {yes_of(a, fresh), yes_of(c, fresh)}}), "ok");
}

TEST_F(Stewards, rule_22_the_chair_changes_with_the_old_one_dead) {
  write(a, "from Alpha");
  sync_all({&a, &b, &c, &d});
  const Epoch before = info(b).epoch;
  // Alpha is gone. Charlie's turn is term 2.
  const ProposalId proposal = propose(b, chair_of(c));
  sync_all({&b, &c, &d});
  answer(c, proposal);
  sync_all({&b, &c, &d});
  for (Party* party : {&b, &c, &d}) {
    EXPECT_EQ(info(*party).term, 2u) << party->name();
    EXPECT_EQ(info(*party).chair_org, c.org()) << party->name();
    EXPECT_EQ(count_of(info(*party).epoch), count_of(before) + 1) << party->name();
    EXPECT_EQ(state_of(*party, proposal), ProposalState::kDecided) << party->name();
    write(*party, "under Charlie, " + party->name());
  }
  EXPECT_TRUE(info(c).is_chair);
  sync_all({&b, &c, &d});
  for (Party* party : {&b, &c, &d}) EXPECT_EQ(party->text_set(id).size(), 4u) << party->name();
  expect_equal({&b, &c, &d});
  // It does a chair's work: what is decided from now on, it enters.
  const ProposalId remove = propose(b, RemoveChange{d.org()});
  sync_all({&b, &c, &d});
  answer(c, remove);
  sync_all({&b, &c, &d});
  EXPECT_EQ(members(b), (Names{"Alpha", "Bravo", "Charlie"}));
  // And after a restart of everybody the same.
  for (Party* party : {&b, &c}) {
    party->crash();
    EXPECT_EQ(info(*party).term, 2u);
  }
  expect_equal({&b, &c});
}

TEST_F(Stewards, rule_22_the_old_chair_takes_up_the_new_term_and_leads_no_more) {
  const ProposalId proposal = propose(b, chair_of(c));
  sync_all({&b, &c});
  answer(c, proposal);
  sync_all({&b, &c});
  ASSERT_TRUE(info(c).is_chair);
  // Meanwhile the old chair went on, and Delta with it.
  must(a.replica().rotate(id, nullptr));
  a.store.sync();
  sync_all({&a, &d});
  write(d, "under the key of the old chair");
  write(a, "written by the old chair");
  const Epoch past = info(d).epoch;
  sync_all({&a, &b, &c, &d});
  for (Party* party : {&a, &b, &c, &d}) {
    EXPECT_EQ(info(*party).term, 2u) << party->name();
    EXPECT_EQ(info(*party).is_chair, party == &c) << party->name();
    EXPECT_GT(info(*party).epoch, past) << "two terms never give one number";
  }
  EXPECT_EQ(code_of(a.replica().rotate(id, nullptr)), "not_chair");
  // Who was given that key reads on what was written under it.
  EXPECT_EQ(d.text_set(id), (std::multiset<std::string>{"under the key of the old chair", "written by the old chair"}));
  for (Party* party : {&a, &b, &c, &d}) write(*party, "again, " + party->name());
  sync_all({&a, &b, &c, &d});
  for (Party* party : {&b, &c}) EXPECT_EQ(party->text_set(id).size(), 4u) << party->name();
  expect_equal({&a, &b, &c, &d});
  for (Party* party : {&a, &d}) {
    party->crash();
    EXPECT_EQ(info(*party).term, 2u);
  }
  expect_equal({&a, &b, &c, &d});
}

TEST_F(Stewards, rule_22_nobody_begins_a_feed_past_the_end_of_a_term) {
  const ProposalId proposal = propose(b, chair_of(c));
  sync_all({&b, &c});
  answer(c, proposal);
  sync_all({&b, &c});
  ASSERT_EQ(info(b).term, 2u);
  // The old chair went on, and Delta has its key.
  const Epoch before = info(a).epoch;
  must(a.replica().rotate(id, nullptr));
  a.store.sync();
  sync_all({&a, &d});
  const Epoch past = info(d).epoch;
  ASSERT_EQ(past, before.next());
  test::ForgedFeed feed(d, id);
  EXPECT_EQ(code_of(test::give(b, id, {feed.next(past, "late", feed.signed_certificate())})), "unknown_epoch")
      << "all of that term is here, and it had no such epoch";
  test::ForgedFeed earlier(d, id, 100);
  EXPECT_EQ(code_of(test::give(b, id, {earlier.next(before, "in time", earlier.signed_certificate())})), "ok");
  EXPECT_EQ(b.texts(id), std::vector<std::string>{"in time"});
}

TEST_F(Stewards, rule_22_the_chair_comes_back_to_who_had_it_and_terms_only_rise) {
  std::vector<Party*> all{&a, &b, &c, &d};
  for (auto [next, yes] : {std::pair(&c, &b), std::pair(&b, &c), std::pair(&a, &c)}) {
    const ProposalId proposal = propose(*next, chair_of(*next));
    sync_all(all);
    answer(*yes, proposal);
    sync_all(all);
    ASSERT_TRUE(info(*next).is_chair) << next->name();
  }
  for (Party* party : all) EXPECT_EQ(info(*party).term, 4u) << party->name();
  expect_equal(all);
  // Who comes now, learns of the terms before, and is equal with the others.
  invite(e);
  accept(e);
  all.push_back(&e);
  sync_all(all);
  EXPECT_EQ(info(e).standing, ChannelStanding::kJoined);
  EXPECT_EQ(info(e).term, 4u);
  expect_equal(all);
}

struct ForgedTerm {
  std::vector<Party*> said_yes;
  Number last;  // where the term before ends, as each of them has seen it
  EntryHash hash;
  std::uint32_t number = 2;
};

struct ForgedTerms : Stewards {
  // Charlie makes itself the chair, by what it holds of the channel; what Bravo says to that.
  std::string given(const ChannelState& held, const ForgedTerm& of) {
    const auto key = crypto::SigningKey::generate(c.random());
    Proposal proposal;
    proposal.channel = id;
    proposal.steward_set = steward_set_hash(id, *held.newest);
    proposal.org = c.org();
    proposal.node = c.node();
    proposal.change = ChairChange{of.number, c.org(), c.node()};
    proposal = make_proposal(proposal);
    ControlCertificate certificate;
    certificate.channel = id;
    certificate.term = {of.number, LogKey{key.verify_key().bytes()}, c.org(), c.node(), {}, {}};
    certificate.last_log = held.control_log();
    certificate.last = of.last;
    certificate.last_hash = of.hash;
    certificate.proposal = proposal;
    for (Party* party : of.said_yes) {
      certificate.approvals.push_back(sign_approval({id, proposal.id, proposal.steward_set, party->org(), party->node(),
                                                     true, "", held.control_log(), of.last, of.hash},
                                                    party->secrets().tier2->signing));
    }
    const Bytes signed_certificate = sign_control_certificate(certificate, c.secrets().tier2->signing);
    ControlState state = *held.newest;
    state.epoch = epoch_in(of.number, count_of(held.head_epoch) + 1);
    state.term = of.number;
    EntryHeader header;
    header.type = LogType::kControl;
    header.number = {1};
    header.epoch = state.epoch;
    header.log = certificate.term.log;
    header.channel = held.genesis->pseudonym;
    std::vector<WrapTarget> wraps;
    for (const auto& [node, certified] : b.log().nodes())
      wraps.push_back(wrap_target(certified.certificate, nullptr, 0));
    const auto bodies = must(make_epoch_bodies(
        {id, state.epoch, header.log, {1}, {}}, crypto::EpochKey::random(c.random()), encode_control_state(state),
        wraps, c.random(), seal_control_certificate(signed_certificate, id, header.log, c.random())));
    std::vector<Entry> out;
    for (const Bytes& body : bodies) {
      out.push_back(sign_entry(header, body, key));
      header.number = header.number.next();
      header.previous = hash_entry(out.back().view().header, out.back().view().signature);
    }
    return std::string(code_of(test::give_control(b, id, out)));
  }
  EntryHash hash_at(const ChannelState& held, Number number) {
    EntryHash out;
    must(b.replica().serve(held.control_log(), number, number, 1 << 20, [&](const StoredEntry& stored) {
      out = hash_entry(stored.entry.header, stored.entry.signature);
      return true;
    }));
    return out;
  }
};

TEST_F(ForgedTerms, rule_22_a_term_without_the_stewards_is_nobodys) {
  const ChannelState held = test::stored_channel(c, id);
  const auto by = [&](std::vector<Party*> said_yes, std::uint32_t number = 2) {
    return given(held, {std::move(said_yes), held.head, held.head_hash, number});
  };
  EXPECT_EQ(by({&c}), "not_approved") << "its own yes alone";
  EXPECT_EQ(by({&c, &d}), "not_approved") << "a member is no steward";
  EXPECT_EQ(by({&a, &c}, 3), "bad_term") << "not its turn";
  EXPECT_NE(given(held, {{&a, &c}, {held.head.value - 1}, held.head_hash}), "ok") << "an end that is not there";
  EXPECT_EQ(by({&a, &c}, 1), "not_acceptable") << "terms rise";
  EXPECT_EQ(info(b).term, 1u);
  EXPECT_EQ(by({&a, &c}), "ok");
  EXPECT_EQ(info(b).term, 2u);
}

TEST_F(ForgedTerms, rule_22_a_term_ends_no_lower_than_its_stewards_had_seen) {
  const ChannelState held = test::stored_channel(c, id);
  ASSERT_EQ(hash_at(held, held.head), held.head_hash);
  invite(e);
  // Charlie's yes to this names what it saw: Echo's invitation.
  const ProposalId grant = propose(b, GrantChange{d.org(), held.first_epoch()});
  sync_all({&a, &b, &c});
  answer(c, grant);
  sync_all({&a, &b, &c});
  ASSERT_EQ(state_of(b, grant), ProposalState::kDecided);
  EXPECT_EQ(given(held, {{&a, &c}, held.head, held.head_hash}), "bad_term")
      << "Charlie now says that it saw no such thing";
  EXPECT_EQ(info(b).term, 1u);
}

TEST_F(Stewards, rule_22_an_epoch_that_is_wrapped_to_nobody_hides_no_change) {
  std::vector<Entry> entries = test::forge_epoch(a, id, {&a}, [](ControlState&) {});
  ChannelState held = test::stored_channel(a, id);
  must(test::give_control(b, id, entries));
  EXPECT_TRUE(info(b).key_missing);
  // The next one opens for all, and has other stewards.
  const EntryView last = entries.back().view();
  ControlState state = *held.newest;
  state.epoch = held.head_epoch.next().next();
  state.stewards = {a.org()};
  state.quorum = 1;
  for (RosterMember& member : state.roster) member.role = member.org == a.org() ? Role::kSteward : Role::kMember;
  EntryHeader header;
  header.type = LogType::kControl;
  header.number = peek_number(last.header).next();
  header.epoch = state.epoch;
  header.log = held.control_log();
  header.channel = held.genesis->pseudonym;
  header.previous = hash_entry(last.header, last.signature);
  std::vector<WrapTarget> wraps;
  for (Party* party : {&a, &b, &c, &d}) {
    for (const auto& [node, certified] : party->log().nodes())
      wraps.push_back(wrap_target(certified.certificate, nullptr, 0));
  }
  std::vector<Entry> next;
  for (const Bytes& body :
       must(make_epoch_bodies({id, state.epoch, header.log, header.number, header.previous},
                              crypto::EpochKey::random(a.random()), encode_control_state(state), wraps, a.random()))) {
    next.push_back(sign_entry(header, body, *held.control_key));
    header.number = header.number.next();
    header.previous = hash_entry(next.back().view().header, next.back().view().signature);
  }
  EXPECT_EQ(code_of(test::give_control(b, id, next)), "not_approved");
  EXPECT_EQ(info(b).quorum, 2);
}

TEST_F(Stewards, rule_26_no_mail_of_a_later_term_moves_a_member) {
  // Delta was a member: it knows the genesis, and its node can sign what it likes.
  const ChannelState held = test::stored_channel(d, id);
  const auto key = crypto::SigningKey::generate(d.random());
  Proposal proposal;
  proposal.channel = id;
  proposal.steward_set = steward_set_hash(id, *held.newest);
  proposal.org = d.org();
  proposal.node = d.node();
  proposal.change = ChairChange{9, d.org(), d.node()};
  ControlCertificate certificate;
  certificate.channel = id;
  certificate.term = {9, LogKey{key.verify_key().bytes()}, d.org(), d.node(), {}, {}};
  certificate.last_log = held.control_log();
  certificate.last = held.head;
  certificate.last_hash = held.head_hash;
  certificate.proposal = make_proposal(proposal);
  Invitation invitation;
  invitation.genesis = held.genesis->message;
  invitation.genesis_signature = held.genesis->signature;
  invitation.certificate = sign_control_certificate(certificate, d.secrets().tier2->signing);
  EntryHeader header;
  header.type = LogType::kControl;
  header.number = {2};
  header.epoch = epoch_in(9, 50);
  header.log = certificate.term.log;
  header.channel = held.genesis->pseudonym;
  const auto epoch_key = crypto::EpochKey::random(d.random());
  ControlBody body;
  body.kind = ControlBody::kEvent;
  body.sealed = seal_control(epoch_key, id, header.epoch, header.log, header.number,
                             encode_control_event(InviteEvent{as_member(b)}, clock.now()), d.random());
  const Entry adding = sign_entry(header, encode_control_body(body), key);
  invitation.adding_entry = encode_entry(adding.view());
  invitation.adding_entry_key = to_bytes(control_entry_key(epoch_key, id, header.epoch, header.log, {2}).view());
  header.number = {1};
  const Entry epoch_entry = sign_entry(header, encode_control_body(body), key);
  invitation.epoch_entry = encode_entry({epoch_entry.view().header, epoch_entry.view().signature, {}});
  for (const Entry& entry : d.org_log) invitation.chair_org_log.push_back(encode_entry(entry.view()));
  const auto& certified = b.log().nodes().at(b.node()).certificate;
  const WrapTarget target = wrap_target(certified, nullptr, 0);
  const auto envelope = must(crypto::seal_to(target.key, crypto::kLabelInvitation, b.node().view(),
                                             encode_invitation(invitation), d.random()));
  (void)b.replica().handle_mail(d.org(), MailKind::kInvitation, target.month, envelope);
  b.store.sync();
  EXPECT_EQ(info(b).standing, ChannelStanding::kJoined);
  EXPECT_EQ(info(b).term, 1u);
  test::introduce(b, d);
  (void)b.replica().handle_mail(d.org(), MailKind::kInvitation, target.month, envelope);
  b.store.sync();
  EXPECT_EQ(info(b).standing, ChannelStanding::kJoined) << "verified or not";
}

TEST_F(Stewards, rule_22_the_chair_alone_tells_nobody_that_it_is_removed) {
  const ChannelState held = test::stored_channel(a, id);
  Notice notice;
  notice.channel = id;
  notice.org = d.org();
  notice.epoch = held.head_epoch;
  notice.entry = {held.head.value + 9};
  notice.entry_hash = held.head_hash;
  const Bytes signed_notice = sign_notice(notice, a.secrets().tier2->signing);
  const WrapTarget target = wrap_target(d.log().nodes().at(d.node()).certificate, nullptr, 0);
  const auto envelope =
      must(crypto::seal_to(target.key, crypto::kLabelNoticeMail, d.node().view(), signed_notice, a.random()));
  EXPECT_EQ(code_of(d.replica().handle_mail(a.org(), MailKind::kNotice, target.month, envelope)), "not_approved");
  EXPECT_EQ(info(d).standing, ChannelStanding::kJoined);
}

TEST_F(Stewards, rule_22_the_chair_cannot_use_up_its_own_replacement) {
  const ProposalId proposal = propose(b, chair_of(c));
  const ProposalInfo shown = b.replica().proposals(id).front();
  const ChannelState held = test::stored_channel(a, id);
  const auto yes = [&](Party& party) {
    return sign_approval({id, proposal, shown.proposal.steward_set, party.org(), party.node(), true, "",
                          held.control_log(), held.head, held.head_hash},
                         party.secrets().tier2->signing);
  };
  EntryHeader header;
  header.type = LogType::kControl;
  header.number = held.head.next();
  header.epoch = held.head_epoch;
  header.log = held.control_log();
  header.channel = held.genesis->pseudonym;
  header.previous = held.head_hash;
  ControlBody body;
  body.kind = ControlBody::kEvent;
  body.sealed = seal_control(*held.epochs.at(held.head_epoch).key, id, header.epoch, header.log, header.number,
                             encode_control_event(DecisionEvent{shown.proposal.message, {yes(b), yes(c)}}, clock.now()),
                             a.random());
  std::vector<Entry> entries;
  entries.push_back(sign_entry(header, encode_control_body(body), *held.control_key));
  EXPECT_EQ(code_of(test::give_control(b, id, entries)), "not_approved");
}

TEST_F(Stewards, rule_22_a_pin_in_a_strangers_name_silences_nobody) {
  write(d, "heard");
  sync_all({&a, &b, &c, &d});
  LogKey feed;
  for (const LogRecord& record : b.replica().channel_logs(id)) {
    const auto owner = b.table().feed_owner(record.log);
    if (owner && owner->node == d.node()) feed = record.log;
  }
  const auto forged = test::forge_epoch(a, id, {&a, &b, &c, &d}, [&](ControlState& state) {
    state.pins = {{feed, {0}, {}, crypto::random_fixed<NodeId>(a.random())}};
  });
  EXPECT_EQ(code_of(test::give_control(b, id, forged)), "not_approved");
}

TEST_F(Stewards, rule_22_members_follow_though_the_old_chair_is_revoked_and_they_lack_its_end) {
  // Bravo and Charlie hold more of the old chair's log than Delta.
  must(a.replica().rotate(id, nullptr));
  a.store.sync();
  sync_all({&a, &b, &c});
  const std::vector<Bytes> news{encode_entry(a.revoke(a.node()).view())};
  for (Party* party : {&b, &c, &d}) {
    (void)party->replica().identify(crypto::TransportPublic{}, news);
    party->store.sync();
  }
  const ProposalId proposal = propose(b, chair_of(c));
  sync_all({&b, &c});
  answer(c, proposal);
  sync_all({&b, &c});
  ASSERT_TRUE(info(c).is_chair);
  sync_all({&b, &c, &d});
  EXPECT_EQ(info(d).term, 2u);
  expect_equal({&b, &c, &d});
}

TEST_F(Stewards, rule_22_who_took_a_term_that_others_passed_over_comes_back) {
  // Charlie takes term 2 by Bravo's yes, and nobody else hears of it; the two others go on with term 3 (Bravo's turn).
  const ProposalId two = propose(b, chair_of(c));
  sync_once(b, c);
  answer(c, two);
  ASSERT_TRUE(info(c).is_chair);
  ASSERT_EQ(info(b).term, 1u);
  const ProposalId three = propose(b, ChairChange{3, b.org(), b.node()});
  sync_all({&a, &b, &d});
  answer(a, three);
  sync_all({&a, &b, &d});
  ASSERT_EQ(info(b).term, 3u);
  sync_all({&a, &b, &c, &d});
  for (Party* party : {&a, &b, &c, &d}) {
    EXPECT_EQ(info(*party).term, 3u) << party->name();
    EXPECT_EQ(info(*party).is_chair, party == &b) << party->name();
  }
  write(c, "back");
  sync_all({&a, &b, &c, &d});
  EXPECT_EQ(d.texts(id), std::vector<std::string>{"back"});
  expect_equal({&a, &b, &c, &d});
}

TEST_F(Stewards, rule_22_a_relay_or_the_disk_alone_learns_nothing_of_a_new_chair) {
  const ProposalId proposal = propose(b, chair_of(c));
  sync_all({&b, &c});
  answer(c, proposal);
  sync_all({&b, &c});
  const LogKey log = test::stored_channel(c, id).control_log();
  const Entry first = must(c.replica().read_entry(log, {1}));
  const ByteView body = first.view().body;
  for (const ByteView secret : {id.view(), b.org().view(), c.org().view(), c.node().view()}) {
    EXPECT_EQ(std::search(body.begin(), body.end(), secret.begin(), secret.end()), body.end());
  }
}

TEST_F(Stewards, rule_22_members_follow_a_new_chair_though_the_old_one_forked_its_log) {
  // Alpha shows Delta one next key, and the others another.
  const std::vector<Entry> one = test::forge_epoch(a, id, {&a, &d}, [](ControlState&) {});
  const std::vector<Entry> other = test::forge_epoch(a, id, {&a, &b, &c}, [](ControlState&) {});
  must(test::give_control(d, id, one));
  for (Party* party : {&b, &c}) must(test::give_control(*party, id, other));
  const ProposalId proposal = propose(b, chair_of(c));
  sync_all({&b, &c});
  answer(c, proposal);
  sync_all({&b, &c});
  ASSERT_TRUE(info(c).is_chair);
  // Delta meets them, and sees the two histories.
  EXPECT_EQ(code_of(test::give_control(d, id, other)), "fork");
  sync_all({&b, &c, &d});
  EXPECT_EQ(info(d).term, 2u);
  EXPECT_EQ(info(d).chair_org, c.org());
  write(d, "still here");
  sync_all({&b, &c, &d});
  EXPECT_EQ(b.texts(id), std::vector<std::string>{"still here"});
  for (const ForkInfo& fork : d.replica().forks()) EXPECT_EQ(fork.org, a.org()) << "whose it is";
}

TEST_F(Stewards, rule_33_a_key_given_late_brings_what_was_decided_under_it) {
  // Three epochs without a slot for Bravo; in the first of them Echo is invited.
  const auto without_bravo = [&] {
    const ChannelState held = test::stored_channel(a, id);
    const std::vector<Entry> entries = test::forge_epoch(a, id, {&a, &c, &d}, [&](ControlState& state) {
      apply_decisions(*held.newest, held.decisions, state);
      state.invited.clear();
      for (const auto& [org, invite] : held.invited) state.invited.push_back(invite.member);
    });
    for (Party* party : {&a, &b, &c, &d}) must(test::give_control(*party, id, entries));
  };
  without_bravo();
  const ProposalId proposal = propose(c, InviteChange{[&] {
                                        test::introduce(c, e);
                                        return as_member(e);
                                      }()});
  sync_all({&a, &c, &d});
  answer(a, proposal);
  a.replica().handle_tick();
  a.store.sync();
  sync_all({&a, &c, &d});
  ASSERT_EQ(info(c).invited.size(), 1u);
  sync_once(a, b);
  without_bravo();
  without_bravo();
  EXPECT_TRUE(info(b).key_missing || info(b).epoch == info(a).epoch);
  for (int i = 0; i < 6; ++i) {
    clock.advance_ms(3'600'000);
    sync_all({&a, &b, &c, &d});
  }
  EXPECT_EQ(info(b).epoch, info(a).epoch);
  EXPECT_EQ(info(b).invited.size(), 1u);
}

TEST_F(Stewards, rule_22_what_was_proposed_while_a_steward_was_away_waits_for_it) {
  const ProposalId proposal = propose(a, InviteChange{as_member(e)});
  sync_all({&a, &d});
  for (int i = 0; i < 200; ++i) write(a, "report " + std::to_string(i));  // a long way to catch up
  sync_once(d, b);
  ASSERT_EQ(state_of(b, proposal), ProposalState::kOpen);
  b.crash();
  ASSERT_EQ(state_of(b, proposal), ProposalState::kOpen) << "and it is remembered";
  answer(b, proposal);
  sync_once(b, d);
  sync_once(d, a);
  EXPECT_EQ(state_of(a, proposal), ProposalState::kDecided);
  EXPECT_EQ(info(a).invited.size(), 1u);
}

TEST_F(Stewards, rule_23_a_successor_names_the_channel_that_it_follows) {
  NewChannel wanted{"Early warning 2", ChannelClass::kShared, "Purpose: early warning.", 0};
  wanted.successor_of = id;
  const ChannelId next = must(b.replica().create_channel(wanted, nullptr));
  b.store.sync();
  test::introduce(b, d);
  must(b.replica().invite(next, d.org(), Role::kMember, nullptr));
  b.store.sync();
  sync_all({&b, &d});
  must(d.replica().accept(next, nullptr));
  d.store.sync();
  sync_all({&b, &d});
  EXPECT_EQ(d.replica().channel(next)->successor_of, id);
  must(b.replica().rotate(next, nullptr));
  b.store.sync();
  sync_all({&b, &d});
  EXPECT_EQ(d.replica().channel(next)->successor_of, id) << "through every epoch";
}

}  // namespace
}  // namespace tocsin::protocol
