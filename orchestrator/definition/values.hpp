// Reading single TOML values of an expected type. Each function complains and gives nothing when
// the value is something else, so a reader never has to say a mistake itself.
#pragma once

#include "base/clock.hpp"
#include "orchestrator/definition/complaints.hpp"
#include "orchestrator/definition/key_table.hpp"
#include "orchestrator/definition/toml_document.hpp"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace baton::orchestrator::definition {

class ValueReader {
public:
    explicit ValueReader(Complaints& complaints) : complaints_(complaints) {}

    Complaints& complaints() { return complaints_; }

    std::optional<std::string> text(const TomlEntry& entry);
    std::optional<bool> boolean(const TomlEntry& entry);
    std::optional<Duration> duration(const TomlEntry& entry);
    std::optional<std::int64_t> integer(const TomlEntry& entry, std::int64_t least,
                                        std::int64_t most);
    std::optional<double> number(const TomlEntry& entry, double least, double most);
    // One of some words; `choices` are how the words are written.
    std::optional<std::string> word(const TomlEntry& entry,
                                    std::initializer_list<std::string_view> choices);
    // A list of texts; with `or_one`, a single text counts as a list of one.
    std::optional<std::vector<const TomlNode*>> texts(const TomlEntry& entry, bool or_one);

    // Null, with a complaint, if the value is no table or no list of tables.
    const TomlNode* table(const TomlEntry& entry, std::string_view example);
    const TomlNode* tables(const TomlEntry& entry, std::string_view example);

    // Complains about keys the table does not know or this version does not execute; true if there
    // were such keys, so that what is missing may be missing because of a typing mistake.
    bool check_keys(const TomlNode& table, const KeyTable& keys);

    // `expected` finishes the sentence "timeout must be ..., not an integer".
    void wrong_type(const TomlEntry& entry, std::string_view expected);

private:
    Complaints& complaints_;
};

// "a, b or c".
std::string one_of(std::span<const std::string_view> words, std::string_view quote);

} // namespace baton::orchestrator::definition
