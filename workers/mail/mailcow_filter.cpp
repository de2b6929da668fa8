// A redirect without :copy ends what would happen to the letter otherwise: it is not kept (RFC 5228
// §4.2, RFC 3894).
#include "workers/mail/mailcow_filter.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace baton::workers::mail {

namespace {

constexpr std::string_view of_baton = "# of ";
constexpr std::string_view archived = "# archived";

std::string sieve_quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + '"';
}

// The first text in quotes; empty if there is none.
std::string sieve_unquoted(std::string_view line) {
    std::string out;
    std::size_t at = line.find('"');
    if (at == std::string_view::npos) return out;
    for (++at; at < line.size() && line[at] != '"'; ++at) {
        if (line[at] == '\\' && at + 1 < line.size()) ++at;
        out += line[at];
    }
    return out;
}

std::vector<std::string> sieve_words(std::string_view line) {
    std::vector<std::string> words;
    for (std::size_t begin = 0; begin < line.size();) {
        const std::size_t end = std::min(line.find(' ', begin), line.size());
        if (end > begin) words.emplace_back(line.substr(begin, end - begin));
        begin = end + 1;
    }
    return words;
}

} // namespace

std::string script_of(const Forwarding& forwarding) {
    std::string script = "require [\"copy\"];\n# Made by Baton: mail.add_forward, "
                         "mail.remove_forward, mail.archive and mail.unlock change it.\n";
    if (forwarding.is_archived) script += fmt::format("{}\n", archived);
    for (const std::string& target : forwarding.targets) {
        if (const auto marks = forwarding.marks.find(target);
            marks != forwarding.marks.end() && !marks->second.empty())
            script += fmt::format("{}{} {}\n", of_baton, target, fmt::join(marks->second, " "));
        script += fmt::format("redirect {}{};\n", forwarding.keeps_copy ? ":copy " : "",
                              sieve_quoted(target));
    }
    return script;
}

Forwarding forwarding_in(std::string_view script) {
    Forwarding found;
    while (!script.empty()) {
        std::string_view line = script.substr(0, script.find('\n'));
        script.remove_prefix(std::min(script.size(), line.size() + 1));
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line == archived) found.is_archived = true;
        if (line.starts_with(of_baton)) {
            auto words = sieve_words(line.substr(of_baton.size()));
            if (words.size() > 1) found.marks[words.front()] = {words.begin() + 1, words.end()};
        }
        if (!line.starts_with("redirect ")) continue;
        found.keeps_copy = line.starts_with("redirect :copy ");
        found.targets.push_back(sieve_unquoted(line));
    }
    return found;
}

} // namespace baton::workers::mail
