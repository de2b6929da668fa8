// Triggers.
#include "orchestrator/definition/trigger_reader.hpp"

#include "base/time_zone.hpp"
#include "orchestrator/core/input.hpp"
#include "orchestrator/core/trigger_input.hpp"
#include "orchestrator/definition/words.hpp"
#include "orchestrator/schedule/cron.hpp"

#include <boost/json/value.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace baton::orchestrator::definition {

namespace {

using core::CronTrigger;
using core::EventTrigger;
using core::RpcTrigger;
using core::WebhookTrigger;

// So many starts of a schedule are looked at for the time between two of them.
constexpr int starts_looked_at = 100;

class TriggerReader {
public:
    TriggerReader(Draft& draft, ValueReader& values, ExpressionReader& expressions)
        : draft_(draft),
          values_(values),
          complaints_(values.complaints()),
          expressions_(expressions) {}

    void read(const TomlNode& table) {
        const bool has_wrong_keys = values_.check_keys(table, trigger_keys);
        const TomlEntry* kind = nullptr;
        for (const TomlEntry& entry : table.entries) {
            if (!contains(trigger_kind_keys.available, entry.key)) continue;
            if (kind != nullptr)
                return complaints_.at_key(
                    entry,
                    fmt::format("an [[on]] is one trigger; this one is {} already", kind->key),
                    "begin another [[on]] for it");
            kind = &entry;
        }
        if (kind == nullptr) {
            if (!has_wrong_keys)
                complaints_.at_value(table, "the [[on]] does not say what starts the workflow",
                                     "such as cron = \"15 2 * * *\"");
            return;
        }
        core::Trigger trigger;
        trigger.line = table.at.line;
        // A webhook is called as its path is, what events start as their type.
        const Scope scope = scope_of(kind->key);
        trigger.name = scope != Scope::cron && core::is_tag_name(kind->value.text)
                           ? kind->value.text
                           : kind->key;
        for (const TomlEntry& entry : table.entries)
            if (entry.key == "name") read_name(entry, trigger);
        check_name(table, trigger);
        for (const TomlEntry& entry : table.entries) {
            const bool is_common =
                entry.key == kind->key || entry.key == "name" || entry.key == "input";
            if (is_common || !contains(trigger_keys.available, entry.key)) continue;
            if (!trigger_may_have(kind->key, entry.key))
                complaints_.at_key(
                    entry, fmt::format("a trigger by {} has no '{}'", kind->key, entry.key));
        }
        if (scope == Scope::cron) trigger.kind = read_cron(table, *kind);
        if (scope == Scope::webhook) trigger.kind = read_webhook(table, *kind);
        if (scope == Scope::event) trigger.kind = read_event(table, *kind);
        if (scope == Scope::rpc) trigger.kind = read_rpc(table, *kind);
        for (const TomlEntry& entry : table.entries)
            if (entry.key == "when" && trigger_may_have(kind->key, "when"))
                trigger.when = expressions_.condition(entry, core::no_step, scope);
        read_input(table, trigger, has_wrong_keys, scope);
        draft_.workflow.triggers.push_back(std::move(trigger));
    }

private:
    static Scope scope_of(std::string_view kind) {
        if (kind == "cron") return Scope::cron;
        if (kind == "rpc") return Scope::rpc;
        return kind == "webhook" ? Scope::webhook : Scope::event;
    }

    void read_name(const TomlEntry& entry, core::Trigger& trigger) {
        const auto name = values_.text(entry);
        if (!name) return;
        if (!core::is_tag_name(*name))
            complaints_.at_value(entry.value, fmt::format("'{}' cannot name a trigger", *name),
                                 "letters, digits, _, . and -, at most 64");
        trigger.name = *name;
    }

    // What is remembered of a trigger (how far it has come, its pause) belongs to its name.
    void check_name(const TomlNode& table, const core::Trigger& trigger) {
        for (const core::Trigger& other : draft_.workflow.triggers)
            if (other.name == trigger.name)
                return complaints_.at_value(
                    table,
                    fmt::format("two triggers are called '{}', here and in line {}", trigger.name,
                                other.line),
                    "give each a name = \"..\" of its own");
    }

    CronTrigger read_cron(const TomlNode& table, const TomlEntry& kind) {
        CronTrigger cron;
        const auto expression = values_.text(kind);
        bool is_good = expression.has_value();
        if (expression) cron.cron = *expression;
        for (const TomlEntry& entry : table.entries) {
            if (entry.key == "timezone") is_good = read_zone(entry, cron) && is_good;
            if (entry.key == "overlap") read_overlap(entry, cron);
            if (entry.key == "catch_up") read_catch_up(entry, cron);
        }
        if (expression)
            if (const auto parsed = schedule::Cron::parse(*expression); !parsed) {
                complaints_.at_value(
                    kind.value,
                    fmt::format("\"{}\" is no schedule: {}", *expression, parsed.error().detail),
                    "as in \"15 2 * * mon-fri\"");
                is_good = false;
            }
        if (const TomlNode* jitter = table.find("jitter"); jitter != nullptr)
            for (const TomlEntry& entry : table.entries)
                if (entry.key == "jitter") read_jitter(entry, cron, is_good);
        return cron;
    }

    bool read_zone(const TomlEntry& entry, CronTrigger& cron) {
        const auto zone = values_.text(entry);
        if (!zone) return false;
        cron.timezone = *zone;
        if (zone_offset(*zone, 0)) return true;
        complaints_.at_value(entry.value,
                             has_zones() ? fmt::format("there is no time zone '{}'", *zone)
                                         : "this machine knows no time zones but UTC",
                             has_zones()
                                 ? "a zone is called as in the IANA database: Europe/Berlin, UTC"
                                 : "install the package tzdata");
        return false;
    }

    void read_overlap(const TomlEntry& entry, CronTrigger& cron) {
        const auto word = values_.word(entry, {"skip", "queue", "cancel", "allow"});
        if (!word) return;
        for (const auto overlap : {CronTrigger::Overlap::skip, CronTrigger::Overlap::queue,
                                   CronTrigger::Overlap::cancel, CronTrigger::Overlap::allow})
            if (core::word_of(overlap) == *word) cron.overlap = overlap;
    }

    // "6h", or { within = "6h", most = 1 }
    void read_catch_up(const TomlEntry& entry, CronTrigger& cron) {
        if (!entry.value.is_table()) {
            if (entry.value.is_text()) {
                if (const auto within = values_.duration(entry)) cron.catch_up = *within;
            } else {
                values_.wrong_type(entry,
                                   "a duration such as \"6h\", or { within = \"6h\", most = 1 }");
            }
            return;
        }
        values_.check_keys(entry.value, catch_up_keys);
        for (const TomlEntry& part : entry.value.entries) {
            if (part.key == "within")
                cron.catch_up = values_.duration(part).value_or(cron.catch_up);
            if (part.key == "most")
                cron.catch_up_most = static_cast<std::uint32_t>(
                    values_.integer(part, 0, 1000).value_or(cron.catch_up_most));
        }
    }

    // Put off by more than the time between two, starts would wait for one another.
    void read_jitter(const TomlEntry& entry, CronTrigger& cron, bool is_good) {
        const auto jitter = values_.duration(entry);
        if (!jitter) return;
        cron.jitter = *jitter;
        const auto parsed = is_good ? schedule::Cron::parse(cron.cron, cron.timezone)
                                    : Outcome<schedule::Cron>(Failure{});
        if (!parsed) return;
        std::optional<Duration> least;
        auto at = parsed->next(Time{});
        for (int i = 0; at && i < starts_looked_at; ++i) {
            const auto next = parsed->next(*at);
            if (next) least = std::min(least.value_or(Duration::max()), *next - *at);
            at = next;
        }
        if (least && *jitter >= *least)
            complaints_.at_value(
                entry.value,
                fmt::format(
                    "jitter must be shorter than the time between two starts, which is {} min",
                    std::chrono::duration_cast<std::chrono::minutes>(*least).count()));
    }

    WebhookTrigger read_webhook(const TomlNode& table, const TomlEntry& kind) {
        WebhookTrigger hook;
        if (const auto path = values_.text(kind)) {
            hook.path = *path;
            if (!core::is_tag_name(*path))
                complaints_.at_value(kind.value, fmt::format("'{}' cannot name a webhook", *path),
                                     "letters, digits, _, . and -, at most 64; it is called at "
                                     "/baton/v1/hooks/NAME");
        }
        const TomlEntry* auth = nullptr;
        bool has_id = false;
        for (const TomlEntry& entry : table.entries) {
            if (entry.key == "auth") auth = &entry;
            if (entry.key != "id") continue;
            has_id = true;
            hook.id = expressions_.program(entry, core::no_step, Scope::webhook);
        }
        if (auth == nullptr) {
            complaints_.at_value(table, "the webhook does not say how its sender shows who it is",
                                 "auth = { scheme = \"github\", secret = { file = "
                                 "\"/etc/baton/hook-secret\" } }, or auth = \"none\"");
            return hook;
        }
        read_auth(*auth, hook);
        const bool is_signed = hook.scheme != WebhookTrigger::Scheme::bearer &&
                               hook.scheme != WebhookTrigger::Scheme::none;
        if (hook.scheme == WebhookTrigger::Scheme::none)
            complaints_.warn_at_value(auth->value,
                                      "whoever reaches this server can start this workflow",
                                      "give the sender a secret");
        else if (!is_signed && !has_id)
            complaints_.warn_at_value(
                table, "a delivery that its sender repeats starts a second run",
                "name it by what is the same, such as id = \"event.body.id\"");
        return hook;
    }

    EventTrigger read_event(const TomlNode& table, const TomlEntry& kind) {
        const auto type = values_.text(kind);
        if (!type) return {};
        // A broker carries it as a routing key.
        constexpr std::size_t bytes_max = 255;
        const bool has_values = type->find("${") != std::string::npos;
        if (type->empty() || type->size() > bytes_max || has_values) {
            complaints_.at_value(
                kind.value, fmt::format("'{}' is no type of events", *type),
                has_values ? "it is a plain text; ask for what stands in an event with when"
                           : "text of 1 to 255 bytes, such as \"hr.employee.terminated\"");
            return {};
        }
        for (std::size_t at = 0; at <= type->size();) {
            const std::size_t end = std::min(type->find('.', at), type->size());
            const std::string_view word = std::string_view(*type).substr(at, end - at);
            if (word.size() > 1 && word.find_first_of("*#") != std::string_view::npos) {
                complaints_.at_value(
                    kind.value, fmt::format("'{}' fits no event", *type),
                    "* and # stand alone between dots: * is any one word, # any number of them");
                break;
            }
            at = end + 1;
        }
        EventTrigger trigger{*type, {}};
        for (const TomlEntry& entry : table.entries) {
            if (entry.key != "source") continue;
            trigger.source = values_.text(entry).value_or("");
            if (entry.value.is_text() && trigger.source.empty())
                complaints_.at_value(entry.value, "the source is empty",
                                     "leave it out, and any is meant");
        }
        if (table.find("when") == nullptr && trigger.source.empty()) warn_of_circles(kind, *type);
        return trigger;
    }

    // What a run tells starts the next one, without end.
    void warn_of_circles(const TomlEntry& kind, const std::string& type) {
        for (const core::Step& step : draft_.workflow.steps) {
            const auto* emit = std::get_if<core::EmitKind>(&step.kind);
            const auto said =
                emit != nullptr && emit->type.is_constant()
                    ? emit->type.evaluate([](std::string_view) { return std::nullopt; })
                    : expression::Template::EvaluateResult(boost::json::value{});
            const auto* text = said ? said->if_string() : nullptr;
            if (text != nullptr && core::topic_fits(type, {text->data(), text->size()}))
                return complaints_.warn_at_value(
                    kind.value,
                    fmt::format("each run starts another one: its step '{}' emits '{}'", step.path,
                                std::string_view(*text)),
                    "say with when which events are meant, or give the event another type");
        }
    }

    RpcTrigger read_rpc(const TomlNode& table, const TomlEntry& kind) {
        RpcTrigger rpc;
        if (const auto name = values_.text(kind)) {
            rpc.name = *name;
            if (!core::is_tag_name(*name))
                complaints_.at_value(kind.value, fmt::format("'{}' cannot name an rpc", *name),
                                     "letters, digits, _, . and -, at most 64: \"incident.open\"");
            else if (core::is_own_request(*name))
                complaints_.at_value(
                    kind.value,
                    fmt::format("'{}' is the server's: it answers run.* and workflow.* itself",
                                *name),
                    "give it another name");
        }
        for (const TomlEntry& entry : table.entries)
            if (entry.key == "timeout") rpc.timeout = values_.duration(entry);
        if (rpc.timeout && rpc.timeout->count() == 0)
            complaints_.at_value(*table.find("timeout"), "timeout must be longer than 0");
        return rpc;
    }

    void read_auth(const TomlEntry& entry, WebhookTrigger& hook) {
        if (entry.value.is_text() && entry.value.text == "none") {
            hook.scheme = WebhookTrigger::Scheme::none;
            return;
        }
        const TomlNode* table = values_.table(
            entry, "{ scheme = \"github\", secret = { file = \"/etc/baton/hook-secret\" } }");
        if (table == nullptr || values_.check_keys(*table, auth_keys)) return;
        std::string scheme;
        bool has_header = false;
        for (const TomlEntry& part : table->entries) {
            if (part.key == "scheme") scheme = read_scheme(part, hook);
            if (part.key == "tolerance") read_tolerance(part, hook);
        }
        for (const TomlEntry& part : table->entries) {
            if (part.key == "secret") read_secrets(part, hook);
            if (part.key == "header") has_header = read_header(part, hook);
            if (part.key == "prefix") hook.prefix = values_.text(part).value_or("");
            const bool is_of_hmac = part.key == "header" || part.key == "prefix";
            if (is_of_hmac && !scheme.empty() && scheme != "hmac")
                complaints_.at_key(part,
                                   fmt::format("{} is known of the scheme {}", part.key, scheme),
                                   "only hmac has it");
        }
        if (table->find("scheme") == nullptr)
            complaints_.at_value(*table, "auth has no scheme",
                                 "github, slack, stripe, hmac or bearer");
        else if (scheme == "hmac" && table->find("header") == nullptr && !has_header)
            complaints_.at_value(*table, "auth does not say which header has the signature",
                                 "such as header = \"X-Signature\"");
        if (table->find("secret") == nullptr)
            complaints_.at_value(
                *table, "auth has no secret",
                "secret = { file = \"/etc/baton/hook-secret\" }, or { environment = \"NAME\" }");
    }

    std::string read_scheme(const TomlEntry& entry, WebhookTrigger& hook) {
        const auto word = values_.word(entry, {"github", "slack", "stripe", "hmac", "bearer"});
        if (!word) return {};
        if (*word == "slack") hook.scheme = WebhookTrigger::Scheme::slack;
        if (*word == "stripe") hook.scheme = WebhookTrigger::Scheme::stripe;
        if (*word == "bearer") hook.scheme = WebhookTrigger::Scheme::bearer;
        if (*word == "github") {
            hook.header = "X-Hub-Signature-256";
            hook.prefix = "sha256=";
        }
        return *word;
    }

    bool read_header(const TomlEntry& entry, WebhookTrigger& hook) {
        const auto header = values_.text(entry);
        if (!header) return false;
        constexpr std::string_view letters =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        if (header->empty() || header->find_first_not_of(letters) != std::string::npos)
            complaints_.at_value(entry.value, fmt::format("'{}' is no name of a header", *header),
                                 "letters, digits, - and _");
        hook.header = *header;
        return true;
    }

    // Wide enough for clocks that differ; wider, and what somebody wrote down could be sent again.
    void read_tolerance(const TomlEntry& entry, WebhookTrigger& hook) {
        const auto tolerance = values_.duration(entry);
        if (!tolerance) return;
        if (*tolerance < std::chrono::seconds(1) || *tolerance > std::chrono::hours(1))
            complaints_.at_value(entry.value, "tolerance must be from 1s to 1h",
                                 "the services themselves say five minutes");
        hook.tolerance = *tolerance;
    }

    void read_secrets(const TomlEntry& entry, WebhookTrigger& hook) {
        constexpr std::string_view cure =
            "secret = { file = \"/etc/baton/hook-secret\" }, or { environment = \"NAME\" }";
        constexpr std::size_t most = 4;
        if (entry.value.is_text())
            return complaints_.at_value(entry.value,
                                        "a secret does not stand in the file of a workflow",
                                        std::string(cure));
        if (entry.value.is_table()) return read_secret(entry.value, hook);
        if (!entry.value.is_list() || entry.value.items.empty() || entry.value.items.size() > most)
            return values_.wrong_type(
                entry,
                "a table such as { file = \"/etc/baton/hook-secret\" }, or a list of up to four");
        for (const TomlNode& one : entry.value.items) {
            if (!one.is_table())
                return complaints_.at_value(one, "each secret is a table", std::string(cure));
            read_secret(one, hook);
        }
    }

    void read_secret(const TomlNode& table, WebhookTrigger& hook) {
        if (values_.check_keys(table, secret_keys)) return;
        WebhookTrigger::Secret secret;
        for (const TomlEntry& part : table.entries) {
            const auto text = values_.text(part);
            if (!text) return;
            (part.key == "file" ? secret.file : secret.environment) = *text;
            if (part.key == "file" && !text->starts_with('/'))
                complaints_.at_value(part.value, "the file of a secret is named by its whole path",
                                     "as /etc/baton/hook-secret");
            if (part.key == "environment" &&
                (text->empty() || text->find_first_of("= ") != std::string::npos))
                complaints_.at_value(part.value,
                                     fmt::format("'{}' is no name of a variable", *text));
        }
        if (secret.file.empty() == secret.environment.empty())
            complaints_.at_value(table, "a secret is in a file or in the environment",
                                 "say one of file and environment");
        hook.secrets.push_back(std::move(secret));
    }

    static std::string_view example_of_input(Scope scope) {
        if (scope == Scope::cron) return "{ day = \"${event.scheduled_at}\" }";
        return scope == Scope::event ? "{ name = \"${event.data.name}\" }"
                                     : "{ name = \"${event.body.name}\" }";
    }

    void read_input(const TomlNode& table, core::Trigger& trigger, bool has_wrong_keys,
                    Scope scope) {
        const TomlEntry* given = nullptr;
        for (const TomlEntry& entry : table.entries)
            if (entry.key == "input") given = &entry;
        if (given != nullptr)
            trigger.input =
                expressions_.table(*given, example_of_input(scope), core::no_step, scope);
        if (!draft_.input_is_known) return;
        if (given == nullptr && scope == Scope::rpc) return; // the caller gives it
        if (given == nullptr || given->value.is_table())
            check_against_input(table, given == nullptr ? nullptr : &given->value, has_wrong_keys);
    }

    void check_against_input(const TomlNode& table, const TomlNode* given, bool has_wrong_keys) {
        const auto& fields = draft_.workflow.input;
        if (given != nullptr)
            for (const TomlEntry& entry : given->entries)
                check_given(entry);
        for (const core::SchemaField& field : fields) {
            if (!field.required || field.fallback) continue;
            if (given != nullptr && given->find(field.name) != nullptr) continue;
            if (has_wrong_keys && given == nullptr) continue;
            complaints_.at_value(
                given != nullptr ? *given : table,
                fmt::format(
                    "the workflow requires the input '{}', which this trigger does not give",
                    field.name),
                fmt::format("add it to input = {{ .. }}, or give {} a default in [input]",
                            field.name));
        }
    }

    void check_given(const TomlEntry& entry) {
        const auto& fields = draft_.workflow.input;
        const auto field =
            std::find_if(fields.begin(), fields.end(),
                         [&](const core::SchemaField& one) { return one.name == entry.key; });
        if (field == fields.end()) {
            std::vector<std::string> names;
            for (const core::SchemaField& one : fields)
                names.push_back(one.name);
            return complaints_.at_key(entry,
                                      fmt::format("the workflow has no input '{}'", entry.key),
                                      did_you_mean(entry.key, names));
        }
        if (!is_constant(entry.value)) return;
        std::vector<std::string> wrong;
        core::check_value(field->schema, to_json(entry.value), "input." + entry.key, wrong);
        for (const std::string& one : wrong)
            complaints_.at_value(entry.value, one);
    }

    static bool is_constant(const TomlNode& node) {
        if (node.is_text() && node.text.find("${") != std::string::npos) return false;
        return std::all_of(node.items.begin(), node.items.end(),
                           [](const TomlNode& one) { return is_constant(one); }) &&
               std::all_of(node.entries.begin(), node.entries.end(),
                           [](const TomlEntry& one) { return is_constant(one.value); });
    }

    Draft& draft_;
    ValueReader& values_;
    Complaints& complaints_;
    ExpressionReader& expressions_;
};

} // namespace

void read_triggers(const TomlNode& list, Draft& draft, ValueReader& values,
                   ExpressionReader& expressions) {
    TriggerReader reader(draft, values, expressions);
    for (const TomlNode& table : list.items)
        reader.read(table);
}

} // namespace baton::orchestrator::definition
