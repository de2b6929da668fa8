// for_each, while, until and what shapes them.
#include "orchestrator/definition/repetition_reader.hpp"

#include "orchestrator/definition/words.hpp"

#include <fmt/format.h>

#include <charconv>

namespace baton::orchestrator::definition {

namespace {

// Each instance that runs has a state of its own in memory.
// At a millisecond each, a quarter of an hour.
constexpr std::int64_t iterations_max = 1'000'000;
constexpr std::int64_t quota_max = 1'000'000;

} // namespace

void RepetitionReader::read(core::StepIndex index) {
    const TomlNode& table = *draft_.steps[index].table;
    const TomlEntry* entry = find(table, index);
    if (entry == nullptr) return;
    check_shaping(table, *entry);
    draft_.repeated.emplace(draft_.steps[index].step.id, index);
    if (entry->key == "for_each")
        read_for_each(table, *entry, index);
    else
        read_loop(table, *entry, index);
}

const TomlEntry* RepetitionReader::find(const TomlNode& table, core::StepIndex index) {
    const TomlEntry* found = nullptr;
    for (const TomlEntry& entry : table.entries) {
        if (!contains(repetition_keys.available, entry.key)) continue;
        if (found != nullptr) {
            values_.complaints().at_key(
                entry, fmt::format("{} has both {} and {}", name_of(draft_.steps[index]), found->key, entry.key),
                "a step is repeated in one way; put one of them on a do block around it");
            return nullptr;
        }
        found = &entry;
    }
    if (found != nullptr) return found;
    for (const TomlEntry& entry : table.entries)
        if (const auto feature = repetition_of(entry.key); !feature.empty())
            values_.complaints().at_key(
                entry, fmt::format("{} has no meaning without {}", entry.key, feature));
    return nullptr;
}

// `as` beside `until`, say.
void RepetitionReader::check_shaping(const TomlNode& table, const TomlEntry& entry) {
    const bool is_for_each = entry.key == "for_each";
    for (const TomlEntry& other : table.entries) {
        const auto feature = repetition_of(other.key);
        if (feature.empty() || is_for_each == (feature == "for_each")) continue;
        values_.complaints().at_key(
            other, fmt::format("{} has no meaning beside {}, only beside {}", other.key, entry.key, feature));
    }
}

void RepetitionReader::read_for_each(const TomlNode& table, const TomlEntry& entry,
                                     core::StepIndex index) {
    draft_.steps[index].repeats = Repeats::for_each;
    read_item(table, entry, index);
    std::optional<std::int64_t> max_parallel;
    std::optional<expression::Program> parallel;
    for (const TomlEntry& part : table.entries) {
        if (part.key == "max_parallel" && part.value.is_text())
            parallel = read_parallel(part, index);
        else if (part.key == "max_parallel")
            max_parallel = values_.integer(part, 1, core::parallel_max);
    }
    const Failures failures = read_failures(table);
    auto items = expressions_.list(entry, index);
    if (!items) return;
    DraftStep& draft = draft_.steps[index];
    draft.item_schema = expressions_.schema_of_items(*items);
    core::ForEach for_each{.items = std::move(*items), .as = draft.item};
    for_each.tolerate = failures.tolerate;
    for_each.enough = failures.enough;
    for_each.fail_fast = failures.fail_fast;
    if (max_parallel) for_each.max_parallel = static_cast<std::uint32_t>(*max_parallel);
    for_each.parallel = std::move(parallel);
    draft.step.repetition = std::move(for_each);
}

// Decided once, with the list.
std::optional<expression::Program> RepetitionReader::read_parallel(const TomlEntry& entry, core::StepIndex index) {
    auto parallel = expressions_.program(entry, index, Scope::whole);
    if (!parallel) return std::nullopt;
    const auto kind = parallel->static_kind();
    if (kind && *kind != expression::Kind::integer)
        values_.complaints().inside(About::data, entry.value, 0, entry.value.text.size(),
                                    fmt::format("max_parallel must give a whole number; this gives a value of type {}",
                                                expression::plain_name(*kind)));
    return parallel;
}

RepetitionReader::Failures RepetitionReader::read_failures(const TomlNode& table) {
    Failures failures;
    for (const TomlEntry& part : table.entries) {
        if (part.key == "tolerate") failures.tolerate = read_quota(part, 0);
        if (part.key == "enough") failures.enough = read_quota(part, 1);
        if (part.key == "fail_fast") failures.fail_fast = values_.boolean(part);
    }
    return failures;
}

std::optional<core::Quota> RepetitionReader::read_quota(const TomlEntry& entry, std::int64_t least) {
    if (entry.value.is_integer()) {
        const auto number = values_.integer(entry, least, quota_max);
        if (!number) return std::nullopt;
        return core::Quota{static_cast<std::uint32_t>(*number), false};
    }
    if (!entry.value.is_text()) {
        values_.wrong_type(entry, "a number of items or a part of them, \"10%\"");
        return std::nullopt;
    }
    const std::string_view text = entry.value.text;
    std::uint32_t percent = 0;
    const char* end = text.data() + text.size() - (text.ends_with('%') ? 1 : 0);
    const auto [stop, error] = std::from_chars(text.data(), end, percent);
    if (text.ends_with('%') && error == std::errc{} && stop == end && percent >= least && percent <= 100)
        return core::Quota{percent, true};
    values_.complaints().at_value(
        entry.value, fmt::format("{} must be a number of items, or a part of them from {}% to 100%", entry.key, least));
    return std::nullopt;
}

void RepetitionReader::read_item(const TomlNode& table, const TomlEntry& entry,
                                 core::StepIndex index) {
    DraftStep& draft = draft_.steps[index];
    draft.item = "item";
    draft.item_at = entry.at;
    const TomlNode* as = nullptr;
    for (const TomlEntry& part : table.entries) {
        if (part.key != "as") continue;
        const auto name = values_.text(part);
        if (!name) return;
        as = &part.value;
        draft.item = *name;
        draft.item_at = part.value.at;
    }
    if (const std::string complaint = complaint_about_item(draft.item); !complaint.empty())
        return values_.complaints().at_value(*as, complaint);
    for (core::StepIndex at = draft.parent; at != core::no_step; at = draft_.steps[at].parent) {
        const DraftStep& outer = draft_.steps[at];
        if (outer.repeats != Repeats::for_each || outer.item != draft.item) continue;
        const auto message = fmt::format("'{}' is the item of {} around it already", draft.item, name_of(outer));
        if (as != nullptr)
            values_.complaints().at_value(*as, message, "items inside one another need names of their own");
        else
            values_.complaints().at_key(entry, message, "give this for_each a name of its own: as = \"..\"");
    }
}

void RepetitionReader::read_loop(const TomlNode& table, const TomlEntry& entry,
                                 core::StepIndex index) {
    const bool is_while = entry.key == "while";
    draft_.steps[index].repeats = Repeats::loop;
    std::optional<std::int64_t> max_iterations;
    std::optional<Duration> every;
    for (const TomlEntry& part : table.entries) {
        if (part.key == "max_iterations") max_iterations = values_.integer(part, 1, iterations_max);
        if (part.key != "every") continue;
        every = values_.duration(part);
        if (every && every->count() == 0)
            values_.complaints().at_value(part.value, "every must be longer than 0");
    }
    auto condition =
        expressions_.condition(entry, index, is_while ? Scope::loop_while : Scope::loop_until);
    if (!condition) return;
    core::Loop loop{.test = is_while ? core::Loop::Test::before : core::Loop::Test::after,
                    .condition = std::move(*condition),
                    .every = every};
    if (max_iterations) loop.max_iterations = static_cast<std::uint32_t>(*max_iterations);
    draft_.steps[index].step.repetition = std::move(loop);
}

} // namespace baton::orchestrator::definition
