#include "orchestrator/rehearsal/test_file.hpp"

#include "base/rfc3339.hpp"
#include "orchestrator/core/run.hpp"
#include "orchestrator/definition/complaints.hpp"
#include "orchestrator/definition/key_table.hpp"
#include "orchestrator/definition/toml_document.hpp"
#include "orchestrator/definition/values.hpp"

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <span>

namespace baton::orchestrator::rehearsal {

namespace {

using definition::Complaints;
using definition::KeyTable;
using definition::TomlEntry;
using definition::TomlNode;
using definition::ValueReader;

constexpr std::array<std::string_view, 1> file_words{"test"};
constexpr std::array<std::string_view, 8> test_words{"name", "input", "on",  "event", "starts_at",
                                                     "mock", "act",   "expect"};
constexpr std::array<std::string_view, 12> answer_words{
    "result", "error",  "timeout", "after", "times",     "idempotent",
    "title",  "detail", "status",  "data",  "retryable", "retry_after"};
constexpr std::array<std::string_view, 9> expect_words{"started", "status", "output", "error", "calls",
                                                       "called",  "with",   "steps",  "within"};
constexpr std::array<std::string_view, 18> act_words{
    "event",  "subject", "source", "roles",  "after", "cancel",  "pause",  "resume", "retry", "skip",   "output",
    "signal", "data",  "approve", "reject", "by",     "form",  "comment"};
constexpr std::array<std::string_view, 12> step_words{
    "waiting", "dispatched", "deferred", "backing_off", "running", "sleeping",
    "done",    "failed",     "dead",     "cancelled",   "skipped", "blocked"};

constexpr KeyTable file_keys{file_words};
constexpr KeyTable test_keys{test_words};
constexpr KeyTable answer_keys{answer_words};
constexpr KeyTable expect_keys{expect_words};
constexpr KeyTable act_keys{act_words};

constexpr std::uint32_t times_max = 1'000'000;

constexpr std::array<std::string_view, 9> act_verbs{"cancel", "pause", "resume",  "retry", "skip",
                                                    "signal", "event", "approve", "reject"};
// Who acts when the test does not say it: a server always knows.
constexpr std::string_view somebody = "somebody";
constexpr std::array<std::string_view, 1> of_skip{"skip"};
constexpr std::array<std::string_view, 1> of_event{"event"};
constexpr std::array<std::string_view, 2> of_messages{"signal", "event"};
constexpr std::array<std::string_view, 2> of_approval{"approve", "reject"};
constexpr std::array<std::string_view, 3> of_somebody{"signal", "approve", "reject"};
// Words beside a verb, and the verbs they say more about.
constexpr std::array<std::pair<std::string_view, std::span<const std::string_view>>, 8> act_details{
    {{"output", of_skip},
     {"data", of_messages},
     {"subject", of_event},
     {"source", of_event},
     {"by", of_somebody},
     {"form", of_approval},
     {"comment", of_approval},
     {"roles", of_approval}}};

// The key of each table is a name of the workflow's; what else it may be is said in the complaint.
struct Names {
    std::vector<std::string> steps; // paths
    std::vector<std::string> tasks; // types with their queues
    bool has_step(std::string_view name) const {
        return std::ranges::find(steps, name) != steps.end();
    }
    bool has_task(std::string_view name) const {
        return std::ranges::find(tasks, name) != tasks.end();
    }
};

Names names_of(const core::Workflow& workflow) {
    Names names;
    for (const core::Step& step : workflow.steps)
        names.steps.push_back(step.path);
    names.tasks = workflow.task_types;
    const auto add_workflow = [&names](const core::TaskCall& call) {
        if (call.is_workflow) names.tasks.push_back(call.task);
    };
    for (const core::Step& step : workflow.steps) {
        if (const auto* kind = std::get_if<core::TaskKind>(&step.kind)) add_workflow(kind->call);
        if (step.compensate) add_workflow(step.compensate->call);
    }
    return names;
}

core::Document document_of(const TomlNode& node) {
    return core::Document::of(definition::to_json(node));
}

class Reader {
public:
    Reader(Complaints& complaints, const core::Workflow& workflow)
        : complaints_(complaints),
          values_(complaints),
          workflow_(workflow),
          names_(names_of(workflow)) {}

    std::vector<TestCase> read(const TomlNode& root);

private:
    std::optional<TestCase> read_test(const TomlNode& table);
    void read_event(const TomlNode& table, TestCase& test);
    void read_mocks(const TomlEntry& entry, TestCase& test);
    std::vector<Answer> read_answers(const TomlNode& node);
    Answer read_answer(const TomlNode& node);
    void read_answer_table(const TomlNode& table, Answer& answer);
    void read_acts(const TomlEntry& entry, TestCase& test);
    std::optional<Act> read_act(const TomlNode& table);
    void check_act_words(const TomlNode& table, std::string_view verb);
    core::Event event_of(const TomlNode& table, const TomlEntry& verb, const std::string& text);
    void read_expectation(const TomlEntry& entry, Expectation& expect);
    void read_expected(const TomlEntry& entry, Expectation& expect);
    void read_calls(const TomlEntry& entry, Expectation& expect);
    void read_steps(const TomlEntry& entry, Expectation& expect);
    bool is_step(std::string_view name) const;
    bool know_step(const TomlEntry& entry);
    bool know_step(const TomlNode& text);

    Complaints& complaints_;
    ValueReader values_;
    const core::Workflow& workflow_;
    Names names_;
};

std::vector<TestCase> Reader::read(const TomlNode& root) {
    std::vector<TestCase> tests;
    values_.check_keys(root, file_keys);
    std::set<std::string> known;
    for (const TomlEntry& entry : root.entries) {
        if (entry.key != "test") continue;
        const TomlNode* all = values_.tables(entry, "[[test]]");
        if (!all) continue;
        for (const TomlNode& table : all->items) {
            auto test = read_test(table);
            if (!test) continue;
            if (!known.insert(test->name).second)
                complaints_.at_value(*table.find("name"),
                                     fmt::format("there are two tests '{}'", test->name));
            tests.push_back(std::move(*test));
        }
    }
    return tests;
}

std::optional<TestCase> Reader::read_test(const TomlNode& table) {
    TestCase test;
    test.line = table.at.line;
    values_.check_keys(table, test_keys);
    for (const TomlEntry& entry : table.entries) {
        if (entry.key == "name") {
            if (auto name = values_.text(entry)) test.name = std::move(*name);
        } else if (entry.key == "input") {
            if (values_.table(entry, "input = { email = \"ada@x.org\" }"))
                test.input = document_of(entry.value);
        } else if (entry.key == "starts_at") {
            if (entry.value.kind == TomlNode::Kind::date_time)
                test.starts_at = from_rfc3339(entry.value.text);
            if (!test.starts_at)
                complaints_.at_value(entry.value, "starts_at must be a time with its offset",
                                     "as in 2026-03-29T00:59:00Z");
        } else if (entry.key == "mock") {
            read_mocks(entry, test);
        } else if (entry.key == "act") {
            read_acts(entry, test);
        } else if (entry.key == "expect") {
            read_expectation(entry, test.expect);
        }
    }
    read_event(table, test);
    if (test.name.empty()) {
        complaints_.add(definition::About::keys, table.at, 1, "a test needs a name",
                        "as in name = \"happy path\"");
        return std::nullopt;
    }
    if (!table.find("expect"))
        complaints_.add(definition::About::keys, table.at, 1,
                        fmt::format("test '{}' expects nothing", test.name),
                        "say expect = { status = \"completed\" }");
    return test;
}

// What starts the run, instead of its input.
void Reader::read_event(const TomlNode& table, TestCase& test) {
    const TomlEntry* on = nullptr;
    const TomlEntry* event = nullptr;
    for (const TomlEntry& entry : table.entries) {
        if (entry.key == "on") on = &entry;
        if (entry.key == "event") event = &entry;
    }
    if (on == nullptr && event == nullptr) return;
    if (on != nullptr && event == nullptr)
        return complaints_.at_key(*on, "the test does not say what happens there",
                                  "event = { data = { email = \"ada@x.org\" } }");
    if (!values_.table(*event, "event = { data = { email = \"ada@x.org\" } }")) return;
    if (!test.input.is_null())
        return complaints_.at_key(*event, "a test has an input or an event", "the trigger makes the input of the event");
    const auto name = on != nullptr ? values_.text(*on) : std::nullopt;
    if (on != nullptr && !name) return;
    std::vector<std::string> names;
    for (const core::Trigger& trigger : workflow_.triggers) {
        if (!name || trigger.name == *name) test.trigger = &trigger;
        names.push_back(trigger.name);
    }
    if (!test.trigger || (!name && names.size() > 1)) {
        complaints_.at_key(on != nullptr ? *on : *event,
                           name ? fmt::format("workflow '{}' has no [[on]] called '{}'", workflow_.name, *name)
                                : fmt::format("workflow '{}' has {} [[on]]", workflow_.name, names.empty() ? "no" : "several"),
                           name ? definition::did_you_mean(*name, names)
                                : names.empty() ? "give the test an input" : "say which: on = \"" + names.front() + "\"");
        test.trigger = nullptr;
        return;
    }
    test.event = document_of(event->value);
}

void Reader::read_mocks(const TomlEntry& entry, TestCase& test) {
    const TomlNode* table = values_.table(entry, "mock = { \"mail.create\" = { id = 7 } }");
    if (!table) return;
    for (const TomlEntry& mock : table->entries) {
        if (mock.key != "*" && !is_step(mock.key) && !names_.has_task(mock.key)) {
            std::vector<std::string> all = names_.tasks;
            all.insert(all.end(), names_.steps.begin(), names_.steps.end());
            complaints_.at_key(
                mock,
                fmt::format("workflow '{}' has no task and no step '{}'", workflow_.name, mock.key),
                definition::did_you_mean(mock.key, all));
        }
        test.mocks.emplace(mock.key, read_answers(mock.value));
    }
}

std::vector<Answer> Reader::read_answers(const TomlNode& node) {
    std::vector<Answer> answers;
    if (!node.is_list()) {
        answers.push_back(read_answer(node));
        return answers;
    }
    for (const TomlNode& item : node.items)
        answers.push_back(read_answer(item));
    if (answers.empty())
        complaints_.at_value(node, "a list of answers must not be empty",
                             "to answer with a list say { result = [] }");
    return answers;
}

// A table with one of these three words says what happens; everything else is itself the result.
Answer Reader::read_answer(const TomlNode& node) {
    Answer answer;
    if (node.find("result") || node.find("error") || node.find("timeout"))
        read_answer_table(node, answer);
    else
        answer.result = document_of(node);
    return answer;
}

void Reader::read_answer_table(const TomlNode& table, Answer& answer) {
    values_.check_keys(table, answer_keys);
    for (const TomlEntry& entry : table.entries) {
        if (entry.key == "result") {
            answer.result = document_of(entry.value);
        } else if (entry.key == "error") {
            answer.kind = Answer::Kind::error;
            if (auto type = values_.text(entry)) answer.problem.type = std::move(*type);
        } else if (entry.key == "timeout") {
            if (values_.boolean(entry).value_or(false)) answer.kind = Answer::Kind::silence;
        } else if (entry.key == "after") {
            answer.after = values_.duration(entry).value_or(Duration{});
        } else if (entry.key == "times") {
            if (const auto times = values_.integer(entry, 1, times_max))
                answer.times = static_cast<std::uint32_t>(*times);
        } else if (entry.key == "idempotent") {
            answer.is_idempotent = values_.boolean(entry).value_or(true);
        } else if (entry.key == "title") {
            answer.problem.title = values_.text(entry).value_or("");
        } else if (entry.key == "detail") {
            answer.problem.detail = values_.text(entry).value_or("");
        } else if (entry.key == "status") {
            answer.problem.status = static_cast<int>(values_.integer(entry, 0, 999).value_or(0));
        } else if (entry.key == "data") {
            answer.problem.data = document_of(entry.value);
        } else if (entry.key == "retryable") {
            answer.problem.retryable = values_.boolean(entry).value_or(true);
        } else if (entry.key == "retry_after") {
            answer.problem.retry_after = values_.duration(entry);
        }
    }
}

void Reader::read_acts(const TomlEntry& entry, TestCase& test) {
    const TomlNode* all =
        values_.tables(entry, "act = [ { after = \"5m\", cancel = \"not needed\" } ]");
    if (!all) return;
    for (const TomlNode& table : all->items) {
        auto act = read_act(table);
        if (!act) continue;
        const auto later = std::ranges::upper_bound(test.acts, act->after, {}, &Act::after);
        test.acts.insert(later, std::move(*act));
    }
}

std::optional<Act> Reader::read_act(const TomlNode& table) {
    values_.check_keys(table, act_keys);
    Act act;
    const TomlEntry* verb = nullptr;
    std::size_t said = 0;
    for (const TomlEntry& entry : table.entries) {
        if (entry.key == "after") {
            act.after = values_.duration(entry).value_or(Duration{});
        } else if (std::ranges::find(act_verbs, entry.key) != act_verbs.end()) {
            verb = &entry;
            ++said;
        }
    }
    if (said != 1) {
        complaints_.add(
            definition::About::keys, table.at, 1,
            "an act is one of cancel, pause, resume, retry, skip, signal, event, approve or reject",
            "as in { after = \"5m\", cancel = \"not needed\" }");
        return std::nullopt;
    }
    check_act_words(table, verb->key);
    const auto text = values_.text(*verb);
    if (text) act.event = event_of(table, *verb, *text);
    return act;
}

// The words that say more about some acts.
void Reader::check_act_words(const TomlNode& table, std::string_view verb) {
    for (const auto& [word, verbs] : act_details) {
        const auto entry = std::ranges::find(table.entries, word, &TomlEntry::key);
        if (entry == table.entries.end() || std::ranges::find(verbs, verb) != verbs.end()) continue;
        complaints_.at_key(*entry, fmt::format("{} says nothing of {}", word, verb),
                           fmt::format("it goes with {}", definition::one_of(verbs, "")));
    }
}

core::Event Reader::event_of(const TomlNode& table, const TomlEntry& verb,
                             const std::string& text) {
    const auto detail = [&table](std::string_view word) {
        const TomlNode* node = table.find(word);
        return node ? document_of(*node) : core::Document{};
    };
    const auto words = [&table](std::string_view word) {
        const TomlNode* node = table.find(word);
        return node && node->is_text() ? node->text : std::string{};
    };
    if (verb.key == "cancel") return core::CancelRequested{text};
    if (verb.key == "pause") return core::PauseRequested{text};
    if (verb.key == "resume") return core::ResumeRequested{text};
    if (verb.key == "retry") return core::RunRetried{true};
    if (verb.key == "signal") {
        core::SignalSent signal;
        signal.name = text;
        signal.data = detail("data");
        signal.by = words("by");
        if (signal.by.empty()) signal.by = somebody;
        return signal;
    }
    if (verb.key == "event") {
        boost::json::object event{{"source", words("source")}, {"type", text}};
        if (const std::string subject = words("subject"); !subject.empty()) event["subject"] = subject;
        event["data"] = detail("data").json();
        core::EventArrived arrived; // its id and keys follow when it is told
        arrived.event = core::Document::of(std::move(event));
        return arrived;
    }
    know_step(verb.value);
    if (verb.key == "skip" && table.find("output"))
        return core::OutputGiven{text, detail("output"), "in a test"};
    if (verb.key == "skip") return core::SkipRequested{text, "in a test"};
    core::ApprovalDecided decided;
    decided.step = text;
    decided.approves = verb.key == "approve";
    decided.comment = words("comment");
    decided.form = detail("form");
    decided.by = words("by");
    decided.may_operate = decided.by.empty();
    if (decided.by.empty()) decided.by = somebody;
    if (const TomlNode* roles = table.find("roles"); roles && roles->is_list())
        for (const TomlNode& one : roles->items)
            decided.roles.push_back(one.text);
    return decided;
}

void Reader::read_expectation(const TomlEntry& entry, Expectation& expect) {
    const TomlNode* table = values_.table(entry, "expect = { status = \"completed\" }");
    if (!table) return;
    values_.check_keys(*table, expect_keys);
    for (const TomlEntry& one : table->entries)
        read_expected(one, expect);
    if (table->entries.empty())
        complaints_.at_value(*table, "this expects nothing",
                             "say expect = { status = \"completed\" }");
}

void Reader::read_expected(const TomlEntry& entry, Expectation& expect) {
    if (entry.key == "started") {
        expect.started = values_.boolean(entry).value_or(true);
    } else if (entry.key == "status") {
        const auto word = values_.word(entry, {"completed", "failed", "cancelled", "timed_out",
                                               "compensated", "paused", "running", "compensating"});
        if (word) expect.status = core::run_status_from(*word);
    } else if (entry.key == "output") {
        expect.output = document_of(entry.value);
    } else if (entry.key == "error") {
        expect.error = values_.text(entry);
    } else if (entry.key == "calls") {
        read_calls(entry, expect);
    } else if (entry.key == "called") {
        const TomlNode* table = values_.table(entry, "called = { \"mail.create\" = 1 }");
        for (const TomlEntry& one : table ? table->entries : std::vector<TomlEntry>{}) {
            if (!names_.has_task(one.key))
                complaints_.at_key(
                    one, fmt::format("workflow '{}' has no task '{}'", workflow_.name, one.key),
                    definition::did_you_mean(one.key, names_.tasks));
            if (const auto times = values_.integer(one, 0, times_max))
                expect.called[one.key] = static_cast<std::uint32_t>(*times);
        }
    } else if (entry.key == "with") {
        const TomlNode* table =
            values_.table(entry, "with = { mailbox = { address = \"ada@x.org\" } }");
        for (const TomlEntry& one : table ? table->entries : std::vector<TomlEntry>{})
            if (know_step(one)) expect.with.emplace(one.key, document_of(one.value));
    } else if (entry.key == "steps") {
        read_steps(entry, expect);
    } else if (entry.key == "within") {
        expect.within = values_.duration(entry);
    }
}

void Reader::read_calls(const TomlEntry& entry, Expectation& expect) {
    const auto texts = values_.texts(entry, true);
    if (!texts) return;
    expect.calls.emplace();
    for (const TomlNode* node : *texts) {
        ExpectedCalls calls{node->text};
        if (const std::size_t at = node->text.rfind(" x");
            at != std::string::npos && at + 2 < node->text.size() &&
            std::ranges::all_of(node->text.substr(at + 2),
                                [](char c) { return c >= '0' && c <= '9'; }) &&
            node->text.size() - at - 2 <= 6) {
            calls.task = node->text.substr(0, at);
            calls.times = static_cast<std::uint32_t>(std::stoul(node->text.substr(at + 2)));
        }
        if (!names_.has_task(calls.task))
            complaints_.at_value(
                *node, fmt::format("workflow '{}' has no task '{}'", workflow_.name, calls.task),
                definition::did_you_mean(calls.task, names_.tasks));
        expect.calls->push_back(std::move(calls));
    }
}

void Reader::read_steps(const TomlEntry& entry, Expectation& expect) {
    const TomlNode* table = values_.table(entry, "steps = { invite = \"done\" }");
    for (const TomlEntry& one : table ? table->entries : std::vector<TomlEntry>{}) {
        if (!know_step(one)) continue;
        const auto word = values_.text(one);
        if (!word) continue;
        if (std::ranges::find(step_words, *word) == step_words.end())
            complaints_.at_value(one.value, fmt::format("a step is never '{}'", *word),
                                 "it is " + definition::one_of(step_words, ""));
        expect.steps.emplace(one.key, *word);
    }
}

// "people[17].send" as well as "people.send", where `people` is repeated.
bool Reader::is_step(std::string_view name) const {
    if (!core::find_step(workflow_, name)) return false;
    for (std::size_t at = name.find('['); at != std::string_view::npos;
         at = name.find('[', at + 1)) {
        const auto repeated = core::find_step(workflow_, name.substr(0, at));
        if (!repeated || !workflow_.steps[*repeated].repetition) return false;
    }
    return true;
}

bool Reader::know_step(const TomlEntry& entry) {
    if (is_step(entry.key)) return true;
    complaints_.at_key(entry, fmt::format("no step '{}'", entry.key),
                       definition::did_you_mean(entry.key, names_.steps));
    return false;
}

bool Reader::know_step(const TomlNode& text) {
    if (is_step(text.text)) return true;
    complaints_.at_value(text, fmt::format("no step '{}'", text.text),
                         definition::did_you_mean(text.text, names_.steps));
    return false;
}

} // namespace

TestFile read_tests(std::string_view source, std::string_view file,
                    const core::Workflow& workflow) {
    TestFile out;
    auto document = definition::parse_toml(source, file);
    if (!document.diagnostics.empty()) {
        out.diagnostics = std::move(document.diagnostics);
        return out;
    }
    Complaints complaints(source, file);
    out.tests = Reader(complaints, workflow).read(document.root);
    if (complaints.has_errors()) out.tests.clear();
    out.diagnostics = complaints.take();
    return out;
}

std::string workflow_file_of(std::string_view test_file) {
    constexpr std::string_view ending = ".test.toml";
    if (!test_file.ends_with(ending)) return {};
    return std::string(test_file.substr(0, test_file.size() - ending.size())) + ".toml";
}

} // namespace baton::orchestrator::rehearsal
