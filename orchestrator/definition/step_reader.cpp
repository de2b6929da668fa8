// Steps of a file to steps of the draft.
#include "orchestrator/definition/step_reader.hpp"

#include "orchestrator/definition/input_reader.hpp"
#include "orchestrator/definition/words.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace baton::orchestrator::definition {

namespace {

// More steps than people draw; the checks take time with the square of it.
constexpr std::size_t steps_max = 1000;
constexpr std::int64_t quorum_max = 100;
constexpr Duration keep_max = std::chrono::days(30);
constexpr std::string_view http_task = "http.call";
constexpr std::string_view transform_task = "transform.jq";
constexpr std::array<std::string_view, 4> event_members{"data", "subject", "source", "id"};

} // namespace

void StepReader::read_all(const TomlNode& list, core::StepIndex parent, core::Phase phase) {
    for (const TomlNode& table : list.items) {
        if (draft_.steps.size() == steps_max) {
            values_.complaints().at_value(
                table, fmt::format("more than {} steps in one workflow", steps_max));
            return;
        }
        if (draft_.steps.size() < steps_max) read(table, parent, phase);
    }
}

void StepReader::read(const TomlNode& table, core::StepIndex parent, core::Phase phase) {
    const auto index = static_cast<core::StepIndex>(draft_.steps.size());
    DraftStep draft;
    draft.table = &table;
    draft.parent = draft.step.parent = parent;
    draft.phase = draft.step.phase = phase;
    draft.step.line = table.at.line;
    const bool has_wrong_keys = values_.check_keys(table, step_keys);
    read_id(table, draft, has_wrong_keys);
    const TomlEntry* kind = find_kind(table, draft, has_wrong_keys);
    if (kind != nullptr) draft.word = kind->key;
    check_fitting(table, draft);
    read_order(table, draft);
    draft_.steps.push_back(std::move(draft));
    // First, because what else the step says may read its item.
    repetitions_.read(index);
    for (const TomlEntry& entry : table.entries) {
        if (entry.key == "when")
            draft_.steps[index].step.when = expressions_.condition(entry, index, Scope::whole);
        if (entry.key == "output")
            draft_.steps[index].step.output =
                expressions_.values(entry.value, index, Scope::step_output);
    }
    read_handling(table, index);
    // Children come directly after their block, so the block's own parts must be read before.
    if (kind != nullptr) read_kind(*kind, index);
}

void StepReader::read_id(const TomlNode& table, DraftStep& step, bool has_wrong_keys) {
    step.id_at = table.at;
    for (const TomlEntry& entry : table.entries) {
        if (entry.key != "id") continue;
        step.id_at = entry.value.at;
        const auto id = values_.text(entry);
        if (!id) return;
        if (const std::string complaint = complaint_about_id(*id); !complaint.empty()) {
            std::string other = *id;
            std::replace(other.begin(), other.end(), '-', '_');
            const bool is_better = other != *id && complaint_about_id(other).empty();
            values_.complaints().at_value(entry.value, complaint,
                                          is_better ? fmt::format("write \"{}\"", other) : "");
            // Other steps may mean it all the same; they get no second complaint.
        }
        step.step.id = *id;
        return;
    }
    if (!has_wrong_keys) values_.complaints().add(About::keys, table.at, 1, "this step has no id");
}

const TomlEntry* StepReader::find_kind(const TomlNode& table, DraftStep& step,
                                       bool has_wrong_keys) {
    const TomlEntry* kind = nullptr;
    for (const TomlEntry& entry : table.entries) {
        if (!contains(kind_keys.available, entry.key)) continue;
        if (kind == nullptr) {
            kind = &entry;
            continue;
        }
        values_.complaints().at_key(
            entry, fmt::format("{} has two kinds, {} and {}", name_of(step), kind->key, entry.key),
            "a step does one thing");
        step.word.clear();
        return nullptr;
    }
    if (kind != nullptr || has_wrong_keys) return kind;
    std::vector<std::string_view> words(kind_keys.available.begin(), kind_keys.available.end());
    for (const TomlEntry& entry : table.entries)
        if (contains(repetition_keys.available, entry.key))
            std::erase_if(words, [&](std::string_view word) { return !may_have(word, entry.key); });
    values_.complaints().add(About::keys, table.at, 1,
                             fmt::format("{} does nothing", name_of(step)),
                             fmt::format("give it {}", one_of(words, "")));
    return nullptr;
}

void StepReader::check_fitting(const TomlNode& table, const DraftStep& step) {
    if (step.word.empty()) return;
    for (const TomlEntry& entry : table.entries) {
        if (!contains(step_keys.available, entry.key)) continue;
        if (contains(kind_keys.available, entry.key) || may_have(step.word, entry.key)) continue;
        // What shapes a repetition is looked at with it.
        if (!repetition_of(entry.key).empty()) continue;
        const bool repeats = contains(repetition_keys.available, entry.key);
        values_.complaints().at_key(
            entry, fmt::format("{} has no meaning for a step of kind {}", entry.key, step.word),
            repeats ? "it stands beside task, do or parallel; put the step into a do and repeat that" : "");
    }
}

void StepReader::read_order(const TomlNode& table, DraftStep& step) {
    for (const TomlEntry& entry : table.entries) {
        if (entry.key == "after") {
            const auto names = values_.texts(entry, false);
            step.place_is_unknown = !names;
            step.after.emplace();
            for (const TomlNode* name : names.value_or(std::vector<const TomlNode*>{}))
                step.after->push_back({name->text, name});
        }
        if (entry.key == "join") read_join(entry, step);
        if (entry.key == "cancel_rest")
            step.step.cancel_rest = values_.boolean(entry).value_or(false);
    }
}

void StepReader::read_join(const TomlEntry& entry, DraftStep& step) {
    if (entry.value.is_integer()) {
        const auto count = values_.integer(entry, 1, steps_max);
        step.step.join = core::Join::count;
        step.step.join_count = static_cast<std::uint32_t>(count.value_or(1));
        if (count && step.after && step.after->size() < step.step.join_count)
            values_.complaints().at_value(
                entry.value,
                fmt::format("join = {}, but after names only {}", *count, step.after->size()));
        return;
    }
    if (!entry.value.is_text()) {
        values_.wrong_type(entry, "\"all\", \"any\", \"done\" or a number");
        return;
    }
    const auto word = values_.word(entry, {"all", "any", "first", "done"});
    if (!word) return;
    if (*word == "any" || *word == "first") step.step.join = core::Join::any;
    if (*word == "done") step.step.join = core::Join::done;
}

void StepReader::read_kind(const TomlEntry& entry, core::StepIndex index) {
    const std::string& word = entry.key;
    DraftStep& draft = draft_.steps[index];
    if (word == "task") {
        draft.step.kind = core::TaskKind{calls_.call(*draft.table, index, Scope::with, defaults_)};
    } else if (word == "workflow") {
        draft.step.kind = core::TaskKind{calls_.workflow_call(*draft.table, index, Scope::with, defaults_)};
    } else if (word == "http") {
        read_http(entry, index);
    } else if (word == "transform") {
        read_transform(entry, index);
    } else if (word == "do" || word == "parallel") {
        if (word == "parallel") draft.step.kind = core::ParallelKind{};
        const TomlNode* children =
            values_.tables(entry, "{ id = \"first\", task = \"mail.send\" }");
        if (children == nullptr) return;
        if (children->items.empty())
            values_.complaints().at_value(entry.value, fmt::format("{} has no steps", word));
        read_all(*children, index, draft_.steps[index].phase);
    } else if (word == "switch") {
        read_switch(entry, index);
    } else if (word == "set") {
        if (auto values = expressions_.table(entry, "{ name = \"${input.name}\" }", index, Scope::step))
            draft_.steps[index].step.kind = core::SetKind{std::move(*values)};
    } else if (word == "wait") {
        if (const auto duration = values_.duration(entry))
            draft_.steps[index].step.kind = core::WaitKind{*duration};
    } else if (word == "wait_until") {
        if (auto time = expressions_.moment(entry, index))
            draft_.steps[index].step.kind = core::WaitUntilKind{std::move(*time)};
    } else if (word == "end") {
        refuse_in_closing(entry, index, "the run has its end already");
        if (auto kind = read_end(entry, index)) draft_.steps[index].step.kind = std::move(*kind);
    } else if (word == "fail") {
        if (auto kind = read_fail(entry, index)) draft_.steps[index].step.kind = std::move(*kind);
    } else if (word == "signal") {
        if (auto kind = read_signal(entry, index)) draft_.steps[index].step.kind = std::move(*kind);
    } else if (word == "event") {
        if (auto kind = read_event(entry, index)) draft_.steps[index].step.kind = std::move(*kind);
    } else if (word == "approval") {
        if (auto kind = read_approval(entry, index)) draft_.steps[index].step.kind = std::move(*kind);
    } else if (word == "emit") {
        if (auto kind = read_emit(entry, index)) draft_.steps[index].step.kind = std::move(*kind);
    } else if (word == "reply") {
        if (auto value = expressions_.values(entry.value, index, Scope::step))
            draft_.steps[index].step.kind = core::ReplyKind{std::move(*value)};
    } else if (word == "first_of") {
        if (auto kind = read_first_of(entry, index)) draft_.steps[index].step.kind = std::move(*kind);
    }
}

const TomlNode& StepReader::meant(TomlNode table) { return draft_.made.emplace_back(std::move(table)); }

// A task of the http worker, which knows the targets and their secrets.
void StepReader::read_http(const TomlEntry& entry, core::StepIndex index) {
    constexpr std::string_view example = "{ target = \"crm\", path = \"/users\" }";
    if (values_.table(entry, example) == nullptr) return;
    if (const auto url = std::ranges::find(entry.value.entries, std::string_view{"url"}, &TomlEntry::key); url != entry.value.entries.end())
        return values_.complaints().at_key(*url, "a call goes to a target that the operator has named, and not to any address",
                                           fmt::format("http = {}", example));
    const bool has_wrong_keys = values_.check_keys(entry.value, http_keys);
    for (const std::string_view needed : {"target", "path"})
        if (entry.value.find(needed) == nullptr && !has_wrong_keys)
            values_.complaints().at_value(entry.value, fmt::format("http has no {}", needed), fmt::format("http = {}", example));
    const TomlEntry* content = nullptr;
    for (const TomlEntry& part : entry.value.entries) {
        if (part.key != "body" && part.key != "form" && part.key != "text") continue;
        if (content != nullptr)
            values_.complaints().at_key(part, fmt::format("a call sends one of body, form and text, and here is {} already", content->key));
        content = &part;
    }
    TomlNode table = *draft_.steps[index].table;
    table.entries.push_back({"with", entry.at, entry.value});
    auto call = calls_.call(meant(std::move(table)), index, Scope::with, defaults_);
    call.task = http_task;
    draft_.steps[index].step.kind = core::TaskKind{std::move(call)};
}

// A task of the worker for programs, which runs jq within limits. The program is the author's, what it works on is data.
void StepReader::read_transform(const TomlEntry& entry, core::StepIndex index) {
    const auto program = values_.text(entry);
    if (!program) return;
    if (program->find_first_not_of(" \t\n") == std::string::npos)
        values_.complaints().at_value(entry.value, "transform has no program", "jq's way to say it all is \".\"");
    if (const std::size_t dollar = program->find("${"); dollar != std::string::npos)
        return values_.complaints().inside(About::keys, entry.value, dollar, 2, "a jq program is plain text; ${} has no meaning in it",
                                           "hand values in by with = { .. }, and read them as .name");
    TomlNode table = *draft_.steps[index].table;
    TomlNode given;
    given.at = entry.value.at;
    given.entries.push_back({"program", entry.at, entry.value});
    for (TomlEntry& part : table.entries) {
        if (part.key != "with") continue;
        given.entries.push_back({"input", part.at, std::move(part.value)});
        part.value = std::move(given);
        given = {};
    }
    if (!given.entries.empty()) table.entries.push_back({"with", entry.at, std::move(given)});
    auto call = calls_.call(meant(std::move(table)), index, Scope::with, defaults_);
    call.task = transform_task;
    draft_.steps[index].step.kind = core::TaskKind{std::move(call)};
}

std::optional<core::SignalKind> StepReader::read_signal(const TomlEntry& entry, core::StepIndex index) {
    const auto name = values_.text(entry);
    if (!name) return std::nullopt;
    if (name->empty()) {
        values_.complaints().at_value(entry.value, "a signal needs a name");
        return std::nullopt;
    }
    auto text = expressions_.values(entry.value, index, Scope::step);
    if (!text) return std::nullopt;
    return core::SignalKind{std::move(*text)};
}

std::optional<core::EventKind> StepReader::read_event(const TomlEntry& entry, core::StepIndex index) {
    constexpr std::string_view example = "{ type = \"invoice.paid\", match = { \"data.id\" = \"${input.id}\" } }";
    if (values_.table(entry, example) == nullptr) return std::nullopt;
    const bool has_wrong_keys = values_.check_keys(entry.value, event_keys);
    core::EventKind event;
    bool is_whole = true;
    for (const TomlEntry& part : entry.value.entries) {
        if (part.key == "type") event.type = event_type(part);
        if (part.key == "keep") {
            const auto keep = values_.duration(part);
            if (keep && *keep > keep_max)
                values_.complaints().at_value(part.value, "keep must be at most 30d",
                                              "an event that old is known to somebody: ask a task");
            event.keep = keep.value_or(event.keep);
        }
        if (part.key == "match") is_whole = read_match(part, index, event);
    }
    if (entry.value.find("type") == nullptr && !has_wrong_keys)
        values_.complaints().at_value(entry.value, "event has no type", "which one to wait for, such as type = \"invoice.paid\"");
    if (event.type.empty() || !is_whole) return std::nullopt;
    return event;
}

// What waits are found by stands in the file, and not in what a run computes.
std::string StepReader::event_type(const TomlEntry& entry) {
    const auto text = values_.text(entry);
    if (!text) return {};
    if (text->empty()) values_.complaints().at_value(entry.value, "an event needs a type");
    const std::size_t dollar = text->find("${");
    if (dollar == std::string::npos) return *text;
    values_.complaints().inside(About::keys, entry.value, dollar, 2, "the type is a plain text; ${} has no meaning in it",
                                "compare what the event says with match = { subject = \"${..}\" }");
    return {};
}

bool StepReader::read_match(const TomlEntry& entry, core::StepIndex index, core::EventKind& event) {
    if (values_.table(entry, "{ \"data.id\" = \"${input.id}\" }") == nullptr || !entry.value.is_table()) {
        if (entry.value.is_text())
            values_.complaints().at_value(entry.value, "match must be a table of what stands where in the event");
        return false;
    }
    bool is_whole = true;
    for (const TomlEntry& part : entry.value.entries) {
        const std::string_view root = std::string_view{part.key}.substr(0, part.key.find('.'));
        const bool is_path = part.key.find("..") == std::string::npos && !part.key.ends_with('.');
        if (!is_path || std::find(event_members.begin(), event_members.end(), root) == event_members.end()) {
            values_.complaints().at_key(part, fmt::format("an event has no '{}' to be compared", part.key),
                                        "write \"data.id\", \"subject\", \"source\" or \"id\", each in quotes");
            is_whole = false;
            continue;
        }
        if (part.value.is_table()) {
            values_.complaints().at_value(part.value, fmt::format("'{}' is compared with one value, and this is a table", part.key),
                                          fmt::format("write the path in quotes: \"{}.NAME\" = ..", part.key));
            is_whole = false;
            continue;
        }
        auto value = expressions_.values(part.value, index, Scope::step);
        if (value)
            event.match.push_back({part.key, std::move(*value)});
        else
            is_whole = false;
    }
    std::sort(event.match.begin(), event.match.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
    return is_whole;
}

std::optional<core::ApprovalKind> StepReader::read_approval(const TomlEntry& entry, core::StepIndex index) {
    if (values_.table(entry, "{ title = \"Give access to ${input.system}?\", by = [\"role:it\"] }") == nullptr)
        return std::nullopt;
    const bool has_wrong_keys = values_.check_keys(entry.value, approval_keys);
    std::optional<expression::Template> title;
    std::uint32_t quorum = 1;
    std::optional<Duration> remind;
    std::vector<core::SchemaField> form;
    for (const TomlEntry& part : entry.value.entries) {
        if (part.key == "title" && values_.text(part)) title = expressions_.values(part.value, index, Scope::step);
        if (part.key == "quorum") quorum = static_cast<std::uint32_t>(values_.integer(part, 1, quorum_max).value_or(1));
        if (part.key == "remind") remind = values_.duration(part);
        if (part.key == "remind" && remind && *remind < std::chrono::seconds(1))
            values_.complaints().at_value(part.value, "remind must be a second at least");
        if (part.key != "form") continue;
        if (part.value.is_text())
            form = read_form_file(part.value, values_, draft_.schemas);
        else if (values_.table(part, "{ days = \"integer\" }") != nullptr)
            form = read_input(part.value, values_, draft_.schemas);
    }
    std::optional<expression::Template> by;
    for (const TomlEntry& part : entry.value.entries)
        if (part.key == "by") by = read_asked(part, index, quorum);
    if (entry.value.find("title") == nullptr && !has_wrong_keys)
        values_.complaints().at_value(entry.value, "approval has no title", "title is the question people are asked");
    if (!title) return std::nullopt;
    return core::ApprovalKind{std::move(*title), std::move(by), quorum, std::move(form), remind};
}

// A list of users and roles, or an expression that gives one.
std::optional<expression::Template> StepReader::read_asked(const TomlEntry& entry, core::StepIndex index,
                                                           std::uint32_t quorum) {
    const bool is_expression = entry.value.is_text() && entry.value.text.starts_with("${") && entry.value.text.ends_with('}');
    if (is_expression) return expressions_.values(entry.value, index, Scope::step);
    const auto people = values_.texts(entry, false);
    if (!people) return std::nullopt;
    if (people->empty())
        values_.complaints().at_value(entry.value, "by names nobody", "leave it out to ask whoever may operate runs");
    const bool are_users = std::none_of(people->begin(), people->end(), [](const TomlNode* one) {
        return one->text.starts_with("role:") || one->text.find("${") != std::string::npos;
    });
    if (are_users && !people->empty() && people->size() < quorum)
        values_.complaints().at_value(entry.value, fmt::format("{} have to agree, and only {} {} asked", quorum, people->size(),
                                                               people->size() == 1 ? "is" : "are"));
    return expressions_.values(entry.value, index, Scope::step);
}

std::optional<core::EmitKind> StepReader::read_emit(const TomlEntry& entry, core::StepIndex index) {
    if (values_.table(entry, "{ type = \"invoice.paid\", data = { id = \"${input.id}\" } }") == nullptr) return std::nullopt;
    const bool has_wrong_keys = values_.check_keys(entry.value, emit_keys);
    std::optional<expression::Template> type;
    std::optional<expression::Template> subject;
    std::optional<expression::Template> data;
    for (const TomlEntry& part : entry.value.entries) {
        if (part.key == "type" && values_.text(part)) {
            if (part.value.text.empty()) values_.complaints().at_value(part.value, "an event needs a type");
            type = expressions_.values(part.value, index, Scope::step);
        }
        if (part.key == "subject" && values_.text(part)) subject = expressions_.values(part.value, index, Scope::step);
        if (part.key == "data") data = expressions_.values(part.value, index, Scope::step);
    }
    if (entry.value.find("type") == nullptr && !has_wrong_keys)
        values_.complaints().at_value(entry.value, "emit has no type", "what listeners ask for, such as type = \"invoice.paid\"");
    if (!type) return std::nullopt;
    return core::EmitKind{std::move(*type), std::move(subject), std::move(data)};
}

std::optional<core::FirstOfKind> StepReader::read_first_of(const TomlEntry& entry, core::StepIndex index) {
    if (values_.table(entry, "{ ack = { signal = \"ack\" }, late = { wait = \"5m\" } }") == nullptr) return std::nullopt;
    core::FirstOfKind first;
    for (const TomlEntry& way : entry.value.entries)
        read_way(way, index, first);
    if (entry.value.entries.size() < 2)
        values_.complaints().at_value(entry.value, "first_of needs two waits at least");
    return first;
}

void StepReader::read_way(const TomlEntry& entry, core::StepIndex index, core::FirstOfKind& first) {
    std::string complaint = complaint_about_id(entry.key);
    if (entry.key == "first") complaint = "'first' says which of the waits it was, and cannot be one";
    if (!complaint.empty()) return values_.complaints().at_key(entry, complaint);
    if (values_.table(entry, "{ signal = \"ack\" }") == nullptr) return;
    const bool has_wrong_keys = values_.check_keys(entry.value, way_keys);
    if (entry.value.entries.size() != 1) {
        if (!has_wrong_keys)
            values_.complaints().at_value(
                entry.value, fmt::format("'{}' needs one of signal, event, approval, wait or wait_until", entry.key));
        return;
    }
    const TomlEntry& wait = entry.value.entries.front();
    const bool asks_already = std::any_of(first.ways.begin(), first.ways.end(), [](const auto& way) {
        return std::holds_alternative<core::ApprovalKind>(way.wait);
    });
    if (wait.key == "approval" && asks_already)
        values_.complaints().at_key(entry, "a first_of asks people once", "ask everybody in one approval, with quorum = 1");
    if (wait.key == "event") {
        if (auto event = read_event(wait, index)) first.ways.push_back({entry.key, std::move(*event)});
    }
    if (wait.key == "approval" && !asks_already) {
        if (auto approval = read_approval(wait, index)) first.ways.push_back({entry.key, std::move(*approval)});
    }
    if (wait.key == "signal") {
        if (auto signal = read_signal(wait, index)) first.ways.push_back({entry.key, std::move(*signal)});
    } else if (wait.key == "wait") {
        if (const auto duration = values_.duration(wait)) first.ways.push_back({entry.key, core::WaitKind{*duration}});
    } else if (wait.key == "wait_until") {
        if (auto time = expressions_.moment(wait, index))
            first.ways.push_back({entry.key, core::WaitUntilKind{std::move(*time)}});
    }
}

// What has no meaning once the run has its end.
void StepReader::refuse_in_closing(const TomlEntry& entry, core::StepIndex index, std::string_view why) {
    const core::Phase phase = draft_.steps[index].phase;
    if (phase == core::Phase::main) return;
    values_.complaints().at_key(entry, fmt::format("{} has no meaning in [[{}]]", entry.key, core::word_of(phase)),
                                std::string{why});
}

std::optional<core::StepKind> StepReader::read_end(const TomlEntry& entry, core::StepIndex index) {
    core::EndKind end;
    if (entry.value.is_boolean() && entry.value.boolean) return end;
    if (!entry.value.is_table()) {
        values_.complaints().at_value(entry.value,
                                      "end must be true or a table such as { output = { .. } }");
        return std::nullopt;
    }
    values_.check_keys(entry.value, end_keys);
    if (const TomlNode* output = entry.value.find("output"))
        end.output = expressions_.values(*output, index, Scope::step);
    return end;
}

std::optional<core::StepKind> StepReader::read_fail(const TomlEntry& entry, core::StepIndex index) {
    core::FailKind fail;
    if (entry.value.is_text()) {
        fail.detail = expressions_.values(entry.value, index, Scope::step);
        return fail;
    }
    if (values_.table(entry, "{ error = \"not_allowed\", message = \"why\" }") == nullptr)
        return std::nullopt;
    values_.check_keys(entry.value, fail_keys);
    for (const TomlEntry& part : entry.value.entries) {
        if (part.key == "error") fail.type = calls_.route_word(part);
        if (part.key == "message" && values_.text(part))
            fail.detail = expressions_.values(part.value, index, Scope::step);
    }
    return fail;
}

void StepReader::read_switch(const TomlEntry& entry, core::StepIndex index) {
    const TomlNode* list =
        values_.tables(entry, "[ { when = \"input.size > 3\", go = \"large\" } ]");
    core::SwitchKind kind;
    if (list != nullptr && list->items.empty())
        values_.complaints().at_value(entry.value, "switch has no cases");
    for (std::size_t number = 0; list != nullptr && number < list->items.size(); ++number)
        kind.cases.push_back(
            read_case(list->items[number], index, number, number + 1 == list->items.size()));
    draft_.steps[index].step.kind = std::move(kind);
}

core::SwitchCase StepReader::read_case(const TomlNode& table, core::StepIndex index,
                                       std::size_t number, bool is_last) {
    core::SwitchCase result;
    const bool has_wrong_keys = values_.check_keys(table, switch_case_keys);
    bool has_go = false;
    bool has_when = false;
    for (const TomlEntry& part : table.entries) {
        if (part.key == "when") {
            has_when = true;
            result.when = expressions_.condition(part, index);
        }
        if (part.key != "go") continue;
        has_go = true;
        for (const TomlNode* name :
             values_.texts(part, true).value_or(std::vector<const TomlNode*>{}))
            draft_.steps[index].goes.push_back({{name->text, name}, GoFrom::switch_case, number});
    }
    if (!has_go && !has_wrong_keys)
        values_.complaints().at_value(table, "this case leads nowhere",
                                      "add go = \"step\", or go = [] to do nothing");
    if (!has_when && !is_last && !has_wrong_keys)
        values_.complaints().at_value(table,
                                      "a case without when is the default and must come last");
    return result;
}

void StepReader::read_handling(const TomlNode& table, core::StepIndex index) {
    for (const TomlEntry& entry : table.entries) {
        DraftStep& draft = draft_.steps[index];
        if (entry.key == "catch") read_catch(entry, index);
        if (entry.key == "compensate") read_compensate(entry, index);
        if (entry.key == "verify") read_verify(entry, index);
        if (entry.key == "cache") read_cache(entry, index);
        if (entry.key == "on_timeout") read_on_timeout(entry, draft);
        const bool has_own_timeout = draft.word == "do" || draft.word == "parallel" || draft.word == "signal" ||
                                     draft.word == "event" || draft.word == "approval";
        if (entry.key == "timeout" && has_own_timeout) {
            draft.step.block_timeout = values_.duration(entry);
            if (draft.step.block_timeout && draft.step.block_timeout->count() == 0)
                values_.complaints().at_value(entry.value, "timeout must be longer than 0");
        }
    }
}

void StepReader::read_on_timeout(const TomlEntry& entry, DraftStep& step) {
    const auto text = values_.text(entry);
    if (!text || *text == "fail") return;
    if (*text == "continue") {
        step.step.on_timeout.then = core::OnTimeout::Then::go_on;
        return;
    }
    step.step.on_timeout.then = core::OnTimeout::Then::go;
    step.goes.push_back({{*text, &entry.value}, GoFrom::on_timeout, 0});
}

void StepReader::read_catch(const TomlEntry& entry, core::StepIndex index) {
    const TomlNode* rules = values_.tables(entry, "[ { error = \"not_found\", continue = true } ]");
    if (rules == nullptr) return;
    for (const TomlNode& rule : rules->items)
        read_catch_rule(rule, index);
}

void StepReader::read_catch_rule(const TomlNode& table, core::StepIndex index) {
    core::CatchRule rule;
    bool is_broken = values_.check_keys(table, catch_keys);
    const std::size_t number = draft_.steps[index].step.catches.size();
    std::size_t ways = 0;
    for (const TomlEntry& part : table.entries) {
        if (part.key == "error") rule.error.text = calls_.error_pattern(part);
        if (part.key == "output") {
            rule.then = core::CatchRule::Then::output;
            rule.output = expressions_.values(part.value, index, Scope::catch_output);
        }
        if (part.key == "go") {
            rule.then = core::CatchRule::Then::go;
            for (const TomlNode* name :
                 values_.texts(part, true).value_or(std::vector<const TomlNode*>{}))
                draft_.steps[index].goes.push_back(
                    {{name->text, name}, GoFrom::catch_rule, number});
        }
        if (part.key == "continue" && (!part.value.is_boolean() || !part.value.boolean)) {
            values_.complaints().at_value(part.value, "continue can only be true");
            is_broken = true;
        }
        if (part.key != "error") ++ways;
    }
    if (!is_broken && table.find("error") == nullptr)
        values_.complaints().at_value(table, "this rule says no error",
                                      "add error = \"not_found\", or error = \"*\" for any");
    else if (!is_broken && ways != 1)
        values_.complaints().at_value(table, "a catch rule needs one of output, go or continue");
    draft_.steps[index].step.catches.push_back(std::move(rule));
}

void StepReader::read_cache(const TomlEntry& entry, core::StepIndex index) {
    const TomlNode* table = values_.table(entry, "{ key = \"input.email\", max_age = \"1d\" }");
    if (table == nullptr) return;
    const bool has_wrong_keys = values_.check_keys(*table, cache_keys);
    std::optional<expression::Program> key;
    std::optional<Duration> max_age;
    for (const TomlEntry& part : table->entries) {
        if (part.key == "key") key = expressions_.program(part, index, Scope::step);
        if (part.key != "max_age") continue;
        max_age = values_.duration(part);
        if (max_age && (max_age->count() == 0 || *max_age > keep_max))
            values_.complaints().at_value(part.value, "max_age must be longer than 0, and at most 30d");
    }
    for (const std::string_view needed : {"key", "max_age"})
        if (table->find(needed) == nullptr && !has_wrong_keys)
            values_.complaints().at_value(*table, fmt::format("cache has no {}", needed),
                                          needed == "key" ? "an expression of all that the result hangs on, such as key = \"input.email\""
                                                          : "how old a result may be, such as max_age = \"1d\"");
    if (key && max_age) draft_.steps[index].step.cache = core::Cache{std::move(*key), *max_age};
}

void StepReader::read_verify(const TomlEntry& entry, core::StepIndex index) {
    const TomlNode* table = values_.table(entry, "{ task = \"mail.find\", done = \"result.found\" }");
    if (table == nullptr) return;
    if (values_.check_keys(*table, verify_keys)) return; // a call would read keys that a look has not
    for (const TomlEntry& part : table->entries) {
        if (part.key == "timeout" && part.value.is_table())
            values_.complaints().at_value(part.value, "a look has one limit of time", "write timeout = \"30s\"");
        if (part.key == "retry" && part.value.is_list())
            values_.complaints().at_value(part.value, "a look is tried again by one policy",
                                          "write retry = { max_attempts = 5 }, or the name of one");
    }
    // It is bounded by itself, and not by what bounds the step.
    CallDefaults defaults = defaults_;
    defaults.timeouts.schedule_to_close.reset();
    defaults.timeouts.schedule_to_start.reset();
    defaults.timeouts.heartbeat.reset();
    core::TaskCall call = calls_.call(*table, index, Scope::with, defaults);
    std::optional<expression::Program> done;
    std::optional<expression::Template> output;
    for (const TomlEntry& part : table->entries) {
        if (part.key == "done") done = expressions_.condition(part, index, Scope::step_output);
        if (part.key == "output") output = expressions_.values(part.value, index, Scope::step_output);
    }
    if (table->find("task") == nullptr)
        values_.complaints().at_value(*table, "verify has no task", "the one that finds out");
    if (table->find("done") == nullptr)
        values_.complaints().at_value(*table, "verify does not say what a look must find",
                                      "an expression over its result, such as done = \"result.found\"");
    if (done)
        draft_.steps[index].step.verify = core::Verification{std::move(call), std::move(*done), std::move(output)};
}

void StepReader::read_compensate(const TomlEntry& entry, core::StepIndex index) {
    refuse_in_closing(entry, index, "the run has its end already, and is undone no more");
    const TomlNode* table =
        values_.table(entry, "{ task = \"mail.delete\", with = { id = \"${mailbox.id}\" } }");
    if (table == nullptr) return;
    core::Compensation undo;
    const bool has_wrong_keys = values_.check_keys(*table, compensate_keys);
    const TomlNode* workflow = table->find("workflow");
    undo.call = workflow != nullptr ? calls_.workflow_call(*table, index, Scope::compensate, defaults_)
                                    : calls_.call(*table, index, Scope::compensate, defaults_);
    for (const TomlEntry& part : table->entries)
        if (workflow != nullptr && part.key != "task" && contains(compensate_keys.available, part.key) &&
            !undo_may_have("workflow", part.key))
            values_.complaints().at_key(part, fmt::format("{} has no meaning for an undo by a workflow", part.key));
    for (const TomlEntry& part : table->entries) {
        if (part.key == "when") undo.when = expressions_.condition(part, index, Scope::compensate);
        if (part.key != "on") continue;
        const auto word = values_.word(part, {"completed", "attempted"});
        if (word && *word == "attempted") undo.on = core::Compensation::On::attempted;
    }
    if (table->find("task") != nullptr && workflow != nullptr)
        values_.complaints().at_value(*table, "compensate has both a task and a workflow", "an undo does one thing");
    if (table->find("task") == nullptr && workflow == nullptr && !has_wrong_keys)
        values_.complaints().at_value(*table, "compensate has no task", "or it names a workflow");
    draft_.steps[index].step.compensate = std::move(undo);
}

} // namespace baton::orchestrator::definition
