#include "node/cli/parse.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>

#include "node/cli/output.h"
#include "node/cli/version.h"

namespace tocsin::cli {
namespace {

// A name and what it means, which goes on below itself.
std::string two_columns(std::string left, std::string_view right, std::size_t column, std::size_t width) {
  left.resize(std::max(left.size() + 2, column), ' ');
  return "  " + left + wrap(right, width, left.size() + 2) + "\n";
}

std::vector<std::string> split_choices(std::string_view choices) {
  std::vector<std::string> out;
  while (!choices.empty()) {
    const auto bar = choices.find('|');
    out.emplace_back(choices.substr(0, bar));
    choices = bar == std::string_view::npos ? std::string_view{} : choices.substr(bar + 1);
  }
  return out;
}

void add_option(CLI::App& app, const Option& option, Parsed& parsed) {
  const std::string name(option.name), flag = "--" + name;
  CLI::Option* made;
  if (option.arity == Arity::kFlag) {
    made = app.add_flag_function(
        flag, [&parsed, name](std::int64_t) { parsed.words[name]; }, std::string(option.help));
  } else if (option.arity == Arity::kMany) {
    // One value each time; extra words are arguments.
    constexpr int kTimesMax = 1000;
    made = app.add_option_function<std::vector<std::string>>(
        flag, [&parsed, name](const std::vector<std::string>& values) { parsed.words[name] = values; },
        std::string(option.help));
    made->expected(1, kTimesMax)->allow_extra_args(false);
  } else {
    made = app.add_option_function<std::string>(
        flag, [&parsed, name](const std::string& value) { parsed.words[name] = {value}; }, std::string(option.help));
  }
  if (!option.choices.empty()) made->check(CLI::IsMember(split_choices(option.choices)));
  if (option.required) made->required();
}

void add_argument(CLI::App& app, const Argument& argument, Parsed& parsed) {
  const std::string name(argument.name), help(argument.help);
  CLI::Option* made;
  if (argument.rest) {
    made = app.add_option_function<std::vector<std::string>>(
        name, [&parsed, name](const std::vector<std::string>& values) { parsed.words[name] = values; }, help);
  } else {
    made = app.add_option_function<std::string>(
        name, [&parsed, name](const std::string& value) { parsed.words[name] = {value}; }, help);
  }
  if (argument.required) made->required();
}

CLI::App* add_app(CLI::App& parent, const std::string& name, Parsed& parsed, std::string help) {
  auto* app = parent.add_subcommand(name);
  app->set_help_flag();
  app->fallthrough();
  app->add_flag_callback("-h,--help", [&parsed, help = std::move(help)] {
    parsed.text = help;
    throw CLI::CallForHelp();
  });
  return app;
}

}  // namespace

std::string synopsis(const Command& command) {
  std::string out = "tocsin ";
  if (!command.noun.empty()) out += std::string(command.noun) + " ";
  out += command.verb;
  for (const auto& argument : command.arguments) {
    std::string word(argument.name);
    std::transform(word.begin(), word.end(), word.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    if (argument.rest) word += "…";
    out += argument.required ? " " + word : " [" + word + "]";
  }
  for (const auto& option : command.options) {
    std::string word = "--" + std::string(option.name);
    if (!option.value.empty()) word += " " + std::string(option.value);
    if (option.arity == Arity::kMany) word += " …";
    out += option.required ? " " + word : " [" + word + "]";
  }
  return out;
}

std::string help_command(const Command& command) {
  const auto width = wrap_width(STDOUT_FILENO);
  std::string out = std::string(command.summary) + ".\n\nUsage: " + wrap(synopsis(command), width, 7) + "\n";
  const auto line = [width](const std::string& left, std::string_view right) {
    return two_columns(left, right, 30, width);
  };
  if (!command.arguments.empty()) out += "\nArguments:\n";
  for (const auto& argument : command.arguments) out += line(std::string(argument.name), argument.help);
  if (!command.options.empty()) out += "\nOptions:\n";
  auto option_line = [&](const Option& option) {
    return line("--" + std::string(option.name) + (option.value.empty() ? "" : " " + std::string(option.value)),
                option.help);
  };
  for (const auto& option : command.options) out += option_line(option);
  out += "\nFor every command:\n";
  for (const auto& option : global_options())
    if (command.dry_run || option.name != "dry-run") out += option_line(option);
  if (!command.example.empty()) out += "\nExample:\n  " + std::string(command.example) + "\n";
  return out;
}

std::string help_noun(std::string_view noun) {
  std::string out;
  for (const auto& command : commands())
    if (command.noun == noun)
      out += two_columns("tocsin " + std::string(noun) + " " + std::string(command.verb), command.summary, 34,
                         wrap_width(STDOUT_FILENO));
  return "Usage: tocsin " + std::string(noun) + " VERB …\n\n" + out + "\ntocsin " + std::string(noun) +
         " VERB --help says more.\n";
}

namespace {

// The library's own message lists what is left back to front.
std::string first_unknown(const CLI::App& app) {
  const auto left = app.remaining(true);
  return left.empty() ? std::string("a word") : left.front();
}

// " report readers" for the words of that command: where its help is.
std::string deepest(const std::vector<std::string>& words) {
  for (const auto& command : commands()) {
    if (!command.noun.empty() && words.size() > 1 && words[0] == command.noun && words[1] == command.verb)
      return " " + words[0] + " " + words[1];
    if (command.noun.empty() && !words.empty() && words[0] == command.verb) return " " + words[0];
  }
  return {};
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words) out += " " + word;
  return out;
}

}  // namespace

std::string help_overview() {
  std::string out =
      "Tocsin signs and encrypts risk reports and syncs them, peer to peer, with those who may read them.\n\n"
      "Usage: tocsin COMMAND …\n\n";
  std::string_view last_noun;
  for (const auto& command : commands()) {
    if (command.noun != last_noun) out += "\n";
    last_noun = command.noun;
    out += two_columns(
        command.noun.empty() ? std::string(command.verb) : std::string(command.noun) + " " + std::string(command.verb),
        command.summary, 24, wrap_width(STDOUT_FILENO));
  }
  return out +
         "\ntocsin COMMAND --help says more; tocsin man shows the whole manual.\n"
         "Exit codes: 0 ok, 1 failure, 2 usage, 3 partial, 4 denied, 5 unreachable, 6 integrity.\n";
}

Parsed parse(const std::vector<std::string>& arguments) {
  Parsed parsed;
  CLI::App app("Tocsin", "tocsin");
  app.set_help_flag();
  app.require_subcommand(0, 1);
  app.add_flag_callback("-h,--help", [&parsed] {
    parsed.text = help_overview();
    throw CLI::CallForHelp();
  });
  app.add_flag_callback("--version", [&parsed] {
    parsed.text = "tocsin " + std::string(kVersion) + "\n";
    throw CLI::CallForHelp();
  });
  for (const auto& option : global_options()) add_option(app, option, parsed);
  std::map<std::string, CLI::App*> nouns;
  const Command* chosen = nullptr;
  for (const auto& command : commands()) {
    CLI::App* parent = &app;
    if (!command.noun.empty()) {
      auto& noun = nouns[std::string(command.noun)];
      if (!noun) {
        noun = add_app(app, std::string(command.noun), parsed, help_noun(command.noun));
        noun->require_subcommand(1, 1);
      }
      parent = noun;
    }
    auto* sub = add_app(*parent, std::string(command.verb), parsed, help_command(command));
    for (const auto& argument : command.arguments) add_argument(*sub, argument, parsed);
    for (const auto& option : command.options) add_option(*sub, option, parsed);
    sub->callback([&chosen, &command] { chosen = &command; });
  }
  try {
    std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
    app.parse(std::move(reversed));
  } catch (const CLI::CallForHelp&) {
    return parsed;
  } catch (const CLI::ExtrasError&) {
    const auto unknown = first_unknown(app);
    parsed.text = !arguments.empty() && unknown == arguments[0] && unknown[0] != '-'
                      ? "no such command: tocsin " + unknown + "; see: tocsin --help"
                      : "not expected here: " + unknown + "; see: tocsin" + deepest(arguments) + " --help";
    parsed.is_error = true;
    return parsed;
  } catch (const CLI::RequiredError& error) {
    const bool verb_missing = std::string_view(error.what()).find("subcommand") != std::string_view::npos;
    parsed.text = verb_missing ? "no such command: tocsin" + joined(arguments) + "; see: tocsin --help" : error.what();
    parsed.is_error = true;
    return parsed;
  } catch (const CLI::ParseError& error) {
    parsed.text = error.what();
    parsed.is_error = true;
    return parsed;
  }
  if (!chosen) {
    parsed.text = help_overview();
    parsed.is_error = false;
    return parsed;
  }
  for (const auto& argument : chosen->arguments) {
    const auto found = parsed.words.find(std::string(argument.name));
    if (found != parsed.words.end() && !found->second.empty() && found->second.front().empty() &&
        argument.name != "text" && argument.name != "name") {
      parsed.text = std::string(argument.name) + " is empty";
      parsed.is_error = true;
      return parsed;
    }
  }
  parsed.command = chosen;
  return parsed;
}

}  // namespace tocsin::cli
