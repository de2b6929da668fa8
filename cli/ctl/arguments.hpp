// The command line behind `baton ctl`: a word, its arguments and options, in any order, as rabbitmqctl
// takes them. Pure but for reading nothing: values only.
#pragma once

#include "base/result.hpp"

#include <chrono>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace baton::cli::ctl {

struct Arguments {
    std::string word; // empty: none was given
    std::vector<std::string> values;
    // By long name without dashes: {"vhost", "/"}. Options without a value have "true".
    std::map<std::string, std::string> options;
    std::vector<std::string> given; // everything, for error texts

    bool has(const std::string& option) const { return options.contains(option); }
    std::string option(const std::string& name, std::string otherwise = {}) const;
    std::string vhost() const { return option("vhost", "/"); }
    // Of --timeout, in whole seconds; `otherwise` without it, and for "infinity".
    std::chrono::seconds timeout(std::chrono::seconds otherwise) const;
    // Are remarks like "Listing queues …" wanted?
    bool is_quiet() const { return has("quiet") || has("silent"); }
};

// The failure says which option is unknown or lacks its value, and what --timeout must be.
Outcome<Arguments> read_arguments(const std::vector<std::string>& given);

// Options that work with every word, those in front of the word included.
bool is_general_option(std::string_view name);

} // namespace baton::cli::ctl
