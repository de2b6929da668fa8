// `baton ctl`: finds the word, checks what it was given, runs it.
#include "base/suggest.hpp"
#include "cli/ctl/columns.hpp"
#include "cli/ctl/word.hpp"
#include "cli/verbs.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <memory>

namespace baton::cli {

namespace {

using ctl::Arguments;
using ctl::Column;
using ctl::Word;

constexpr const char* general_options = R"(General options

short            | long               | description
-----------------|--------------------|--------------------------------
-?               | --help             | displays the help of a word
-t <n>           | --timeout <n>      | of lists and words that wait, in seconds
-q               | --quiet            | no informational messages
-s               | --silent           | the same, and no table header row
-p <vhost>       | --vhost <vhost>    | for words of a virtual host; default: /
                 | --formatter <f>    | of lists: table, json, csv
                 | --no-table-headers | no table header row
-n <node>, -l    | --node, --longnames| accepted, without effect: there is one node

The server is found by BATON_URL, BATON_USER and BATON_PASSWORD or BATON_PASSWORD_FILE.

Exit codes: 0 done, 64 wrong usage, 65 the data is refused or not there, 67 no such user, 69 no
server, 70 it exists already or the server failed, 75 not in time, 77 the user may not.
)";

struct Group {
    const char* title;
    std::vector<Word> words;
};

std::vector<Group> all_words() {
    return {{"Server", ctl::words_of_server()},
            {"Users, virtual hosts, permissions", ctl::words_of_users()},
            {"Lists", ctl::words_of_lists()},
            {"Policies, limits, parameters", ctl::words_of_policies()},
            {"Queues and connections", ctl::words_of_topology()}};
}

std::string usage_of(const Word& word) {
    return fmt::format("baton ctl [--quiet] {}{}{}", word.name, word.usage.empty() ? "" : " ", word.usage);
}

void print_overview(std::FILE* file) {
    fmt::print(file, "Usage\n\nbaton ctl [--quiet] <word> [<options and arguments>]\n\n"
                     "The words of rabbitmqctl for Baton's own broker.\n");
    for (const Group& group : all_words()) {
        fmt::print(file, "\n{}:\n\n", group.title);
        for (const Word& word : group.words) fmt::print(file, "   {:<29} {}\n", word.name, word.summary);
    }
    fmt::print(file, "\nUse 'baton ctl help <word>' to learn more about one of them.\n\n{}", general_options);
}

// A title, and below it the names of the wanted columns in lines of a terminal's width.
template <typename IsWanted>
void print_names(std::string_view title, std::span<const Column> columns, IsWanted is_wanted) {
    constexpr std::size_t width = 78;
    std::string line;
    fmt::print("\n{}\n\n", title);
    for (const Column& column : columns) {
        if (!is_wanted(column)) continue;
        if (!line.empty() && line.size() + column.name.size() + 2 > width) {
            fmt::print("{},\n", line);
            line.clear();
        }
        line += line.empty() ? "  " : ", ";
        line += column.name;
    }
    fmt::print("{}\n", line);
}

void print_help_of(const Word& word) {
    fmt::print("Usage\n\n{}\n\n{}.\n\nExamples\n\n", usage_of(word), word.summary);
    std::string_view rest = word.example;
    while (!rest.empty()) {
        const auto end = std::min(rest.find('\n'), rest.size());
        fmt::print("  baton ctl {}\n", rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    const auto is_empty = [](const Column& column) { return column.path.empty(); };
    if (!word.columns.empty()) print_names("Columns", word.columns, std::not_fn(is_empty));
    if (std::ranges::any_of(word.columns, is_empty))
        print_names("Columns that rabbitmqctl has and that stay empty here", word.columns, is_empty);
    fmt::print("\n{}", general_options);
}

std::optional<Word> find_word(std::string_view name) {
    for (const Group& group : all_words())
        for (const Word& word : group.words)
            if (word.name == name) return word;
    return std::nullopt;
}

std::vector<std::string_view> all_names() {
    std::vector<std::string_view> names;
    for (const Group& group : all_words())
        for (const Word& word : group.words) names.push_back(word.name);
    return names;
}

// "username" of "<username> [<password>]": what the first argument names.
std::string_view first_argument_of(const Word& word) {
    auto rest = word.usage;
    // Options stand in front, in brackets.
    while (rest.starts_with('[')) rest.remove_prefix(std::min(rest.find(']') + 2, rest.size()));
    return rest.starts_with('<') ? rest.substr(1, rest.find('>') - 1) : std::string_view{};
}

// What is wrong with the arguments for this word; empty if nothing.
std::string complaint_about(const Arguments& arguments, const Word& word) {
    if (arguments.values.size() < word.values_min) return "not enough arguments.";
    if (arguments.values.size() > word.values_max) return "too many arguments.";
    if (word.values_min > 0 && arguments.values.front().empty() && first_argument_of(word) != "explanation")
        return fmt::format("the {} must not be empty", first_argument_of(word));
    for (const auto& [name, value] : arguments.options) {
        const bool fits = ctl::is_general_option(name) || std::ranges::find(word.options, name) != word.options.end();
        if (!fits) return fmt::format("Invalid options for this command:\n--{}", name);
    }
    const auto formatter = arguments.option("formatter", "table");
    if (formatter != "table" && formatter != "json" && formatter != "csv" && formatter != "pretty_table")
        return fmt::format("there is no formatter '{}'; there are table, json, csv", formatter);
    if (const auto format = arguments.option("format", "json"); format != "json")
        return fmt::format("definitions are JSON here, not '{}'", format);
    return {};
}

void run_word(Session& session, const std::vector<std::string>& given) {
    auto read = ctl::read_arguments(given);
    if (!read) {
        fmt::print(stderr, "Error (argument validation): {}\n", read.error().detail);
        session.exit_code = ctl::ctl_usage;
        return;
    }
    Arguments arguments = std::move(*read);
    const bool asks_help = arguments.has("help") || arguments.word == "help";
    if (arguments.word == "help") {
        arguments.word = arguments.values.empty() ? std::string{} : arguments.values.front();
    }
    if (arguments.word.empty()) {
        print_overview(asks_help ? stdout : stderr);
        session.exit_code = asks_help ? ctl::ctl_done : ctl::ctl_usage;
        return;
    }
    const auto word = find_word(arguments.word);
    if (!word) {
        const auto hint = suggest(arguments.word, all_names());
        fmt::print(stderr, "\nCommand '{}' not found.\n", arguments.word);
        if (hint) fmt::print(stderr, "Did you mean '{}'?\n", *hint);
        fmt::print(stderr, "'baton ctl help' lists all words.\n");
        session.exit_code = ctl::ctl_usage;
        return;
    }
    if (asks_help) return print_help_of(*word);
    const auto complaint = complaint_about(arguments, *word);
    ctl::Work work(session.environment, std::move(arguments), usage_of(*word));
    if (complaint.empty())
        word->run(work);
    else
        work.fail_usage(complaint);
    session.exit_code = work.exit_code();
}

} // namespace

void add_ctl_verb(CLI::App& app, Session& session) {
    auto* verb = app.add_subcommand("ctl", "Administer the broker with the words of rabbitmqctl; baton ctl help lists them");
    // The words read their own options, so that rabbitmqctl's scripts work.
    verb->set_help_flag();
    verb->prefix_command();
    verb->callback([&session, verb] { run_word(session, verb->remaining()); });
}

} // namespace baton::cli
