// proposal.
#include <cstdio>

#include "node/cli/context.h"

namespace tocsin::cli {
namespace {

constexpr Column kProposalColumns[] = {{"what", "WHAT", Show::kText, 0, true},
                                       {"channel", "CHANNEL"},
                                       {"state", "STATE"},
                                       {"approved", "YES", Show::kCount},
                                       {"needed", "OF", Show::kCount},
                                       {"answered", "ANSWERED", Show::kYesNo},
                                       {"created", "SINCE", Show::kDay},
                                       {"proposal_id", "PROPOSAL", Show::kId}};
constexpr Field kProposalFields[] = {{"what", "what"},      {"channel", "channel"}, {"state", "state"},
                                     {"detail", "because"}, {"approved", "yes"},    {"needed", "needed"},
                                     {"reason", "reason"},  {"created", "created"}, {"proposal_id", "proposal"}};
constexpr Column kAnswerColumns[] = {
    {"name", "STEWARD", Show::kText, 0, true}, {"answer", "ANSWER"}, {"reason", "REASON"}};

int show_one(Context& c, const Context::Answer& answer) {
  c.show_object(answer, kProposalFields);
  if (c.mode() != OutputMode::kTable) return kExitOk;
  const auto answers = answer.json.value("answers", Json::array());
  if (!answers.empty()) std::printf("\n%s", format_table(answers, kAnswerColumns, terminal_width()).c_str());
  return kExitOk;
}

int proposal_list(Context& c) {
  auto answer =
      c.call("GET", "/proposals" + query_string({{"channel", c.get("channel")}, {"all", c.has("all") ? "true" : ""}}));
  return answer ? c.show_list(*answer, kProposalColumns, "Nothing waits for a decision. Those of before: --all")
                : c.exit_code();
}

int proposal_show(Context& c) {
  auto answer = c.call("GET", "/proposals/" + url_encode(c.get("proposal")));
  return answer ? show_one(c, *answer) : c.exit_code();
}

int proposal_answer(Context& c) {
  Json body = Json::object();
  if (c.has("reason")) body["reason"] = c.get("reason");
  auto answer =
      c.call("POST", "/proposals/" + url_encode(c.get("proposal")) + "/" + std::string(c.command().verb), body);
  return answer ? show_one(c, *answer) : c.exit_code();
}

}  // namespace

void add_proposal_commands(std::vector<Command>& out) {
  const Argument proposal{"proposal", "its id, or the first eight digits or more"};
  out.push_back({"proposal",
                 "list",
                 "List what the stewards of channels have to decide",
                 {},
                 {{"channel", "C", "of this channel alone"}, {"all", "", "those that are over, too", Arity::kFlag}},
                 "",
                 proposal_list});
  out.push_back(
      {"proposal", "show", "Show a proposal and what each steward answered", {proposal}, {}, "", proposal_show});
  out.push_back({"proposal",
                 "approve",
                 "Say yes for this organisation, for good",
                 {proposal},
                 {{"reason", "TEXT", "shown to all members"}},
                 "",
                 proposal_answer});
  out.push_back({"proposal",
                 "reject",
                 "Say no for this organisation, for good, with a reason",
                 {proposal},
                 {{"reason", "TEXT", "shown to all members", Arity::kOne, true}},
                 "",
                 proposal_answer});
}

}  // namespace tocsin::cli
