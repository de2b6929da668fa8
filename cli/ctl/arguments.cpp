#include "cli/ctl/arguments.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace baton::cli::ctl {
namespace {

struct Option {
    std::string_view name;
    char letter; // 0: none
    bool has_value;
    bool is_general;
};

constexpr Option options[] = {
    {"vhost", 'p', true, false},
    {"quiet", 'q', false, true},
    {"silent", 's', false, true},
    {"help", '?', false, true},
    {"formatter", 0, true, true},
    {"timeout", 't', true, true},
    {"no-table-headers", 0, false, true},
    // Accepted and without effect: there is one node.
    {"node", 'n', true, true},
    {"longnames", 'l', false, true},
    {"online", 0, false, false},
    {"offline", 0, false, false},
    {"local", 0, false, false},
    // Of single words.
    {"apply-to", 0, true, false},
    {"priority", 0, true, false},
    {"if-empty", 'e', false, false},
    {"if-unused", 'u', false, false},
    {"global", 0, false, false},
    {"user", 0, true, false},
    {"limit", 0, true, false},
    {"per-connection-delay", 0, true, false},
    {"description", 0, true, false},
    {"tags", 0, true, false},
    {"format", 0, true, false},
    {"skip-if-unchanged", 0, false, false},
};

const Option* find_option(const std::string& text) {
    for (const Option& option : options) {
        if (text.starts_with("--") && text.substr(2) == option.name) return &option;
        if (text.size() == 2 && option.letter != 0 && text[1] == option.letter) return &option;
    }
    return nullptr;
}

Failure usage(std::string text) {
    return Failure{make_error_code(boost::system::errc::invalid_argument), std::move(text)};
}

// Also "5s"; nothing if it is no number of seconds.
std::optional<std::chrono::seconds> seconds_from(std::string_view text) {
    unsigned seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    const std::string_view rest = text.substr(static_cast<std::size_t>(end - text.data()));
    if (error != std::errc{} || (!rest.empty() && rest != "s")) return std::nullopt;
    return std::chrono::seconds{seconds};
}

} // namespace

std::string Arguments::option(const std::string& name, std::string otherwise) const {
    const auto found = options.find(name);
    return found == options.end() ? std::move(otherwise) : found->second;
}

std::chrono::seconds Arguments::timeout(std::chrono::seconds otherwise) const {
    return seconds_from(option("timeout")).value_or(otherwise);
}

bool is_general_option(std::string_view name) {
    return std::ranges::any_of(options, [&](const Option& option) { return option.is_general && option.name == name; });
}

Outcome<Arguments> read_arguments(const std::vector<std::string>& given) {
    Arguments read;
    read.given = given;
    bool only_values = false;
    for (std::size_t i = 0; i < given.size(); ++i) {
        const std::string& text = given[i];
        if (text == "--" && !only_values) {
            only_values = true;
            continue;
        }
        if (only_values || text.size() < 2 || text.front() != '-') {
            if (read.word.empty())
                read.word = text;
            else
                read.values.push_back(text);
            continue;
        }
        const auto equals = text.starts_with("--") ? text.find('=') : std::string::npos;
        const Option* option = find_option(text.substr(0, equals));
        if (option == nullptr) return usage(fmt::format("Invalid options for this command:\n{}", text));
        std::string value = "true";
        if (equals != std::string::npos)
            value = text.substr(equals + 1);
        else if (option->has_value && i + 1 < given.size())
            value = given[++i];
        else if (option->has_value)
            return usage(fmt::format("the option {} needs a value", text));
        if (option->name == "timeout" && value != "infinity" && !seconds_from(value))
            return usage(fmt::format("--timeout must be a number of seconds, or infinity, not '{}'", value));
        read.options[std::string(option->name)] = std::move(value);
    }
    return read;
}

} // namespace baton::cli::ctl
