// man, completion: made from the same table as the help.
#include <algorithm>
#include <cstdio>
#include <set>

#include "node/cli/context.h"
#include "node/cli/parse.h"
#include "node/cli/version.h"

namespace tocsin::cli {
namespace {

std::string roff(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char ch = text[i];
    // The one character outside ASCII that the texts hold.
    if (text.substr(i).starts_with("…")) {
      out += "\\[u2026]";
      i += std::string_view("…").size() - 1;
    } else if (ch == '\\')
      out += "\\e";
    else if (ch == '-')
      out += "\\-";
    else
      out += ch;
  }
  return out[0] == '.' || out[0] == '\'' ? "\\&" + out : out;
}

void roff_options(std::string& out, const std::vector<Option>& options) {
  for (const auto& option : options) {
    out += ".TP\n\\fB" + roff("--" + std::string(option.name)) + "\\fR";
    if (!option.value.empty()) out += " \\fI" + roff(option.value) + "\\fR";
    out += "\n" + roff(option.help) + (option.required ? " (required)" : "") + "\n";
  }
}

int text_man(Context&) {
  std::string out =
      ".TH TOCSIN 1 \"\" \"tocsin " + std::string(kVersion) +
      "\" \"Tocsin\"\n.SH NAME\ntocsin \\- shared early warning of mass atrocities, peer to peer\n.SH SYNOPSIS\n"
      "\\fBtocsin\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n.SH DESCRIPTION\nA node signs and encrypts risk reports and "
      "syncs them "
      "with the organisations that share a channel with it. The same program runs the node and talks to it.\n"
      ".SH OPTIONS OF EVERY COMMAND\n";
  roff_options(out, global_options());
  out += ".SH COMMANDS\n";
  for (const auto& command : commands()) {
    out += ".SS " + roff(synopsis(command)) + "\n" + roff(command.summary) + ".\n";
    for (const auto& argument : command.arguments)
      out += ".TP\n\\fI" + roff(argument.name) + "\\fR\n" + roff(argument.help) + "\n";
    roff_options(out, command.options);
    if (!command.example.empty()) out += ".PP\nExample:\n.PP\n.nf\n" + roff(command.example) + "\n.fi\n";
  }
  out +=
      ".SH EXIT "
      "STATUS\n.TP\n0\nok\n.TP\n1\nfailure\n.TP\n2\nusage\n.TP\n3\npartial\n.TP\n4\ndenied\n.TP\n5\nunreachable\n."
      "TP\n6\nintegrity\n"
      ".SH ENVIRONMENT\n.TP\nTOCSIN_HOME\nthe node's home folder\n.TP\nTOCSIN_PASSPHRASE_FILE\nfile whose first line "
      "is the node's passphrase\n"
      ".TP\nTOCSIN_ROOT_PASSPHRASE_FILE\nfile with the passphrase of the root key file, and of the next one in the "
      "second line: a line for each key, in the order in which they are asked for\n"
      ".TP\nTOCSIN_NEW_PASSPHRASE_FILE\nfile whose first line is the new passphrase, for key passphrase\n"
      ".TP\nTOCSIN_USER_PASSWORD_FILE\nfile whose first line is the password of the user that is added\n"
      ".TP\nTOCSIN_TOKEN_FILE\nfile whose first line is a token: the call is made under the name of its user\n";
  std::fputs(out.c_str(), stdout);
  return kExitOk;
}

// "a b c" of the options of a command.
std::string option_words(const Command& command) {
  std::string out;
  for (const auto* list : {&command.options, &global_options()})
    for (const auto& option : *list)
      if (command.dry_run || option.name != "dry-run") out += " --" + std::string(option.name);
  return out;
}

int text_completion(Context&) {
  std::string first;
  std::set<std::string_view> nouns;
  for (const auto& command : commands()) {
    if (command.noun.empty())
      first += " " + std::string(command.verb);
    else if (nouns.insert(command.noun).second)
      first += " " + std::string(command.noun);
  }
  std::string out =
      "# bash completion for tocsin; load with: source <(tocsin completion)\n_tocsin() {\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words='' key=''\n"
      // The words of the command; what --home and --output take is none.
      "  local w last=''; for w in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      "    [[ $w == -* || $last == --home || $last == --output ]] || key=\"${key:+$key }$w\"; last=$w\n  done\n"
      "  case $prev in\n    --home|--file|--out|--terms) COMPREPLY=($(compgen -f -- \"$cur\")); return;;\n"
      "    --output) COMPREPLY=($(compgen -W 'table json ndjson' -- \"$cur\")); return;;\n";
  out += "  esac\n  case \"$key\" in\n    '') words='" + first + " --home --output --version --help';;\n";
  for (const auto noun : nouns) {
    std::string verbs;
    for (const auto& command : commands())
      if (command.noun == noun) verbs += " " + std::string(command.verb);
    out += "    '" + std::string(noun) + "') words='" + verbs + "';;\n";
  }
  for (const auto& command : commands()) {
    const std::string key = (command.noun.empty() ? "" : std::string(command.noun) + " ") + std::string(command.verb);
    out += "    '" + key + "'*) words='" + option_words(command) + "'\n      case $prev in\n";
    for (const auto& option : command.options) {
      if (option.choices.empty()) continue;
      std::string choices(option.choices);
      std::replace(choices.begin(), choices.end(), '|', ' ');
      out += "        --" + std::string(option.name) + ") words='" + choices + "';;\n";
    }
    out += "      esac;;\n";
  }
  out +=
      "  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
      "  [[ $cur != -* && ${#COMPREPLY[@]} -eq 0 ]] && COMPREPLY=($(compgen -f -- \"$cur\"))\n}\ncomplete -F _tocsin "
      "tocsin\n";
  std::fputs(out.c_str(), stdout);
  return kExitOk;
}

}  // namespace

void add_text_commands(std::vector<Command>& out) {
  out.push_back({"", "man", "Print the manual page", {}, {}, "tocsin man | man -l -", text_man});
  out.push_back({"",
                 "completion",
                 "Print the completion script for bash",
                 {},
                 {},
                 "source <(tocsin completion)",
                 text_completion});
}

}  // namespace tocsin::cli
