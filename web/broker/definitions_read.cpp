// From a definitions file to what a broker is asked.
#include "web/broker/broker_port.hpp"
#include "web/broker/definitions.hpp"
#include "web/broker/field_json.hpp"
#include "web/broker/from_json.hpp"
#include "web/http/replies.hpp"

#include "base/overloaded.hpp"
#include "base/suggest.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <set>

namespace baton::web {

namespace broker_core = broker::core;
namespace json = boost::json;

namespace {

Failure refused_definition(std::string_view place, std::string_view why) {
    return Failure{make_error_code(boost::system::errc::invalid_argument), fmt::format("{}: {}", place, why)};
}

// Reads a file section by section and collects what it asks for.
class DefinitionsReader {
public:
    DefinitionsReader(const json::object& file, const BrokerPort& port, const std::optional<std::string>& vhost)
        : file_(file), port_(port), vhost_(vhost) {}

    Outcome<Definitions> read() {
        BATON_TRY(look_for_unknown_keys());
        if (!vhost_) {
            BATON_TRY(each("vhosts", [this](const json::object& entry) { return read_vhost(entry); }));
            BATON_TRY(each("users", [this](const json::object& entry) { return read_user(entry); }));
            BATON_TRY(each("permissions", [this](const json::object& entry) { return read_permission(entry); }));
            BATON_TRY(each("topic_permissions",
                           [this](const json::object& entry) { return read_topic_permission(entry); }));
            BATON_TRY(each("global_parameters",
                           [this](const json::object& entry) { return read_global_parameter(entry); }));
        }
        BATON_TRY(each("parameters", [this](const json::object& entry) { return read_parameter(entry); }));
        BATON_TRY(each("policies", [this](const json::object& entry) { return read_policy(entry); }));
        BATON_TRY(each("exchanges", [this](const json::object& entry) { return read_exchange(entry); }));
        BATON_TRY(each("queues", [this](const json::object& entry) { return read_queue(entry); }));
        BATON_TRY(each("bindings", [this](const json::object& entry) { return read_binding(entry); }));
        return Definitions{std::move(found_), std::move(unknown_keys_)};
    }

private:
    Outcome<void> look_for_unknown_keys() {
        static constexpr std::array<std::string_view, 10> sections{
            "vhosts",   "users",     "permissions", "topic_permissions", "global_parameters", "parameters",
            "policies", "exchanges", "queues",      "bindings"};
        // What RabbitMQ says about the file itself.
        static constexpr std::array<std::string_view, 9> remarks{
            "rabbit_version",      "rabbitmq_version", "rabbitmq_definition_format", "product_name",
            "product_version",     "explanation",      "original_cluster_name",      "original_vhost_name",
            "metadata"};
        for (const auto& entry : file_) {
            const std::string key(entry.key());
            if (std::ranges::find(sections, key) != sections.end() || std::ranges::find(remarks, key) != remarks.end())
                continue;
            if (const auto section = suggest(key, sections))
                return refused_definition(fmt::format("'{}'", key), fmt::format("there is no such section; did you mean '{}'?", *section));
            unknown_keys_.push_back(key);
        }
        return boost::system::in_place_value;
    }

    // Calls `take` for each object of a section; puts the place before what it complains of.
    template <typename Take>
    Outcome<void> each(const char* section, Take take) {
        const auto* list = file_.if_contains(section);
        if (list == nullptr || list->is_null()) return boost::system::in_place_value;
        if (!list->is_array()) return refused_definition(section, "must be an array");
        std::size_t index = 0;
        for (const auto& item : list->as_array()) {
            place_ = fmt::format("{}[{}]", section, index++);
            const auto* entry = item.if_object();
            if (entry == nullptr) return refused_definition(place_, "must be an object");
            if (const auto name = text_member(*entry, "name"); !name.empty()) place_ += fmt::format(" '{}'", name);
            if (const Outcome<void> taken = take(*entry); !taken) return refused_definition(place_, taken.error().detail);
        }
        return boost::system::in_place_value;
    }

    void ask(broker_core::AdministrationRequest wish) { found_.push_back({place_, std::move(wish)}); }

    Outcome<std::string> vhost_in(const json::object& entry) const {
        if (vhost_) return *vhost_;
        return text_in(entry, "vhost");
    }

    Outcome<void> read_vhost(const json::object& entry) {
        BATON_ASSIGN(const auto name, text_in(entry, "name"));
        BATON_ASSIGN(auto vhost, vhost_from(entry, name));
        ask(broker_core::PutVhost{std::move(vhost)});
        if (const auto* given = entry.if_contains("limits")) {
            const auto limits = as_object(*given);
            if (!limits) return refused_definition("'limits'", "must be an object");
            broker_core::VhostLimitsPut put{name, {}, {}};
            BATON_TRY(limits_into(put, *limits));
            if (!limits->empty()) ask(broker_core::PutVhostLimits{std::move(put)});
        }
        return boost::system::in_place_value;
    }

    Outcome<void> read_user(json::object entry) {
        BATON_ASSIGN(const auto name, text_in(entry, "name"));
        if (name == port_.own_user) return boost::system::in_place_value;
        // Before 3.6 all hashes were made by MD5 and nobody said so.
        if (is_ancient() && !entry.contains("hashing_algorithm"))
            entry["hashing_algorithm"] = "rabbit_password_hashing_md5";
        BATON_ASSIGN(auto user, user_from(entry, name, port_));
        ask(broker_core::PutUser{std::move(user)});
        found_.back().password = text_member(entry, "password");
        if (const auto* given = entry.if_contains("limits")) {
            const auto limits = as_object(*given);
            if (!limits) return refused_definition("'limits'", "must be an object");
            broker_core::UserLimitsPut put{name, {}, {}};
            BATON_TRY(limits_into(put, *limits));
            if (!limits->empty()) ask(broker_core::PutUserLimits{std::move(put)});
        }
        return boost::system::in_place_value;
    }

    bool is_ancient() const {
        const std::string version = text_member(file_, "rabbit_version");
        int major = 0;
        int minor = 0;
        return std::sscanf(version.c_str(), "%d.%d", &major, &minor) == 2 && (major < 3 || (major == 3 && minor < 6)) &&
               major > 0;
    }

    Outcome<void> read_permission(const json::object& entry) {
        broker_core::PermissionPut put;
        BATON_ASSIGN(put.user, text_in(entry, "user"));
        BATON_ASSIGN(put.vhost, text_in(entry, "vhost"));
        BATON_ASSIGN(put.configure, text_in(entry, "configure"));
        BATON_ASSIGN(put.write, text_in(entry, "write"));
        BATON_ASSIGN(put.read, text_in(entry, "read"));
        if (put.user != port_.own_user) ask(broker_core::PutPermission{std::move(put)});
        return boost::system::in_place_value;
    }

    Outcome<void> read_topic_permission(const json::object& entry) {
        broker_core::TopicPermissionPut put;
        BATON_ASSIGN(put.user, text_in(entry, "user"));
        BATON_ASSIGN(put.vhost, text_in(entry, "vhost"));
        BATON_ASSIGN(put.exchange, text_in(entry, "exchange"));
        BATON_ASSIGN(put.write, text_in(entry, "write"));
        BATON_ASSIGN(put.read, text_in(entry, "read"));
        if (put.user != port_.own_user) ask(broker_core::PutTopicPermission{std::move(put)});
        return boost::system::in_place_value;
    }

    Outcome<void> read_global_parameter(const json::object& entry) {
        BATON_ASSIGN(const auto name, text_in(entry, "name"));
        // A RabbitMQ cluster's name for itself.
        if (name == "internal_cluster_id") return boost::system::in_place_value;
        const auto* value = entry.if_contains("value");
        if (value == nullptr) return refused_definition("'value'", "is missing");
        ask(broker_core::PutParameter{{"", "", name, json::serialize(*value)}});
        return boost::system::in_place_value;
    }

    Outcome<void> read_parameter(const json::object& entry) {
        BATON_ASSIGN(const auto vhost, vhost_in(entry));
        BATON_ASSIGN(const auto component, text_in(entry, "component"));
        BATON_ASSIGN(const auto name, text_in(entry, "name"));
        const auto* value = entry.if_contains("value");
        if (value == nullptr) return refused_definition("'value'", "is missing");
        const auto inner = as_object(*value);
        if (component == "operator_policy" || component == "policy") {
            if (!inner) return refused_definition("'value'", "must be an object");
            BATON_ASSIGN(auto policy, policy_from(*inner, vhost, name, component == "operator_policy"));
            ask(broker_core::PutPolicy{std::move(policy)});
        } else if (component == "vhost-limits") {
            if (!inner) return refused_definition("'value'", "must be an object");
            broker_core::VhostLimitsPut limits{vhost, {}, {}};
            BATON_TRY(limits_into(limits, *inner));
            ask(broker_core::PutVhostLimits{std::move(limits)});
        } else {
            ask(broker_core::PutParameter{{vhost, component, name, json::serialize(*value)}});
        }
        return boost::system::in_place_value;
    }

    Outcome<void> read_policy(const json::object& entry) {
        BATON_ASSIGN(const auto vhost, vhost_in(entry));
        BATON_ASSIGN(const auto name, text_in(entry, "name"));
        BATON_ASSIGN(auto policy, policy_from(entry, vhost, name, false));
        ask(broker_core::PutPolicy{std::move(policy)});
        return boost::system::in_place_value;
    }

    Outcome<void> read_exchange(const json::object& entry) {
        BATON_ASSIGN(const auto vhost, vhost_in(entry));
        BATON_ASSIGN(const auto name, text_in(entry, "name"));
        BATON_ASSIGN(auto exchange, exchange_from(entry, vhost, name));
        if (!name.empty() && !name.starts_with("amq.")) ask(std::move(exchange));
        return boost::system::in_place_value;
    }

    Outcome<void> read_queue(const json::object& entry) {
        BATON_ASSIGN(const auto vhost, vhost_in(entry));
        BATON_ASSIGN(const auto name, text_in(entry, "name"));
        BATON_ASSIGN(auto queue, queue_from(entry, vhost, name));
        ask(std::move(queue));
        return boost::system::in_place_value;
    }

    Outcome<void> read_binding(const json::object& entry) {
        broker_core::Bound binding;
        BATON_ASSIGN(binding.vhost, vhost_in(entry));
        BATON_ASSIGN(binding.source, text_in(entry, "source"));
        BATON_ASSIGN(binding.destination, text_in(entry, "destination"));
        BATON_ASSIGN(const auto kind, text_in(entry, "destination_type"));
        if (kind != "queue" && kind != "exchange") return refused_definition("'destination_type'", "must be queue or exchange");
        binding.destination_kind = kind == "queue" ? broker_core::DestinationKind::queue : broker_core::DestinationKind::exchange;
        BATON_ASSIGN(binding.routing_key, text_in(entry, "routing_key"));
        BATON_ASSIGN(binding.arguments, table_in(entry, "arguments"));
        if (!binding.source.empty()) ask(broker_core::Bind{std::move(binding)});
        return boost::system::in_place_value;
    }

    const json::object& file_;
    const BrokerPort& port_;
    const std::optional<std::string>& vhost_;
    std::string place_;
    std::vector<Definition> found_;
    std::vector<std::string> unknown_keys_;
};

bool same(const amqp::FieldTable& a, const amqp::FieldTable& b) {
    return amqp::equal_by_value(amqp::FieldValue(a), amqp::FieldValue(b));
}

// What a broker has, ready to be asked for each definition of a long file.
class Known {
public:
    Known(const broker_core::Overview& overview, const BrokerPort& port) : overview_(overview), port_(port) {
        for (const auto& queue : overview.queues) queues_.emplace(queue.vhost, queue.name);
        for (const auto& exchange : overview.exchanges) exchanges_.emplace(exchange.vhost, exchange.name);
        for (const auto& binding : overview.bindings)
            bindings_.insert(key_of(binding.vhost, binding.source, binding.destination_kind, binding.destination,
                                    binding.routing_key, binding.arguments));
    }

    bool has(const Definition& definition) const {
        // The hash of a plain password has fresh salt each time.
        if (const auto* user = std::get_if<broker_core::PutUser>(&definition.wish); user != nullptr && !definition.password.empty())
            return has_user(user->user, definition.password);
        return std::visit([this](const auto& wanted) { return is_there(wanted); }, definition.wish);
    }

private:
    template <typename Things, typename Is>
    static bool any(const Things& things, Is is) {
        return std::ranges::any_of(things, is);
    }

    static std::string key_of(const std::string& vhost, const std::string& source, broker_core::DestinationKind kind,
                              const std::string& destination, const std::string& key,
                              const amqp::FieldTable& arguments) {
        return fmt::format("{}\n{}\n{}\n{}\n{}\n{}", vhost, source, static_cast<int>(kind), destination, key,
                           json::serialize(to_json(arguments)));
    }

    bool has_user(const broker_core::UserPut& wanted, const std::string& password) const {
        return any(overview_.users, [&](const broker_core::UserPut& known) {
            return known.name == wanted.name && known.tags == wanted.tags &&
                   port_.password_matches(password, known.password_hash, known.hash_algorithm);
        });
    }
    // A file that knows no more than the name does not take the description away.
    bool is_there(const broker_core::PutVhost& wish) const {
        const bool is_bare = wish.vhost.description.empty() && wish.vhost.tags.empty();
        return any(overview_.vhosts, [&](const broker_core::VhostPut& known) {
            return known.name == wish.vhost.name &&
                   (is_bare || (known.description == wish.vhost.description && known.tags == wish.vhost.tags));
        });
    }
    bool is_there(const broker_core::PutUser& wish) const {
        return any(overview_.users, [&](const broker_core::UserPut& known) {
            return known.name == wish.user.name && known.password_hash == wish.user.password_hash &&
                   known.hash_algorithm == wish.user.hash_algorithm && known.tags == wish.user.tags;
        });
    }
    bool is_there(const broker_core::PutPermission& wish) const {
        const auto& put = wish.permission;
        return any(overview_.permissions, [&](const broker_core::PermissionPut& known) {
            return known.user == put.user && known.vhost == put.vhost && known.configure == put.configure &&
                   known.write == put.write && known.read == put.read;
        });
    }
    bool is_there(const broker_core::PutTopicPermission& wish) const {
        const auto& put = wish.permission;
        return any(overview_.topic_permissions, [&](const broker_core::TopicPermissionPut& known) {
            return known.user == put.user && known.vhost == put.vhost && known.exchange == put.exchange &&
                   known.write == put.write && known.read == put.read;
        });
    }
    bool is_there(const broker_core::PutPolicy& wish) const {
        const auto& put = wish.policy;
        const auto& policies = put.is_operator ? overview_.operator_policies : overview_.policies;
        return any(policies, [&](const broker_core::PolicyPut& known) {
            return known.vhost == put.vhost && known.name == put.name && known.pattern == put.pattern &&
                   known.apply_to == put.apply_to && known.priority == put.priority &&
                   same(known.definition, put.definition);
        });
    }
    bool is_there(const broker_core::PutVhostLimits& wish) const {
        return any(overview_.vhost_limits, [&](const broker_core::VhostLimitsPut& known) {
            return known.vhost == wish.limits.vhost && known.connections_max == wish.limits.connections_max &&
                   known.queues_max == wish.limits.queues_max;
        });
    }
    bool is_there(const broker_core::PutUserLimits& wish) const {
        return any(overview_.user_limits, [&](const broker_core::UserLimitsPut& known) {
            return known.user == wish.limits.user && known.connections_max == wish.limits.connections_max &&
                   known.channels_max == wish.limits.channels_max;
        });
    }
    bool is_there(const broker_core::PutParameter& wish) const {
        const auto& put = wish.parameter;
        return any(overview_.parameters, [&](const broker_core::ParameterPut& known) {
            return known.vhost == put.vhost && known.component == put.component && known.name == put.name &&
                   known.value == put.value;
        });
    }
    bool is_there(const broker_core::DeclareQueue& wish) const { return queues_.contains({wish.vhost, wish.name}); }
    bool is_there(const broker_core::DeclareExchange& wish) const {
        return exchanges_.contains({wish.exchange.vhost, wish.exchange.name});
    }
    bool is_there(const broker_core::Bind& wish) const {
        const auto& bound = wish.binding;
        return bindings_.contains(key_of(bound.vhost, bound.source, bound.destination_kind, bound.destination,
                                         bound.routing_key, bound.arguments));
    }
    // Definitions ask for nothing else.
    template <typename Other>
    bool is_there(const Other&) const {
        return false;
    }

    const broker_core::Overview& overview_;
    const BrokerPort& port_;
    std::set<std::pair<std::string, std::string>> queues_;
    std::set<std::pair<std::string, std::string>> exchanges_;
    std::set<std::string> bindings_;
};

} // namespace

Outcome<Definitions> read_definitions(std::string_view text, const BrokerPort& port,
                                      const std::optional<std::string>& vhost) {
    const auto file = parse_json(text);
    if (!file) return file.error();
    if (!file->is_object()) return refused_definition("the definitions", "must be a JSON object");
    return DefinitionsReader(file->as_object(), port, vhost).read();
}

std::vector<Definition> missing_in(std::vector<Definition> definitions, const broker_core::Overview& overview,
                                   const BrokerPort& port) {
    const Known known(overview, port);
    std::erase_if(definitions, [&](const Definition& definition) { return known.has(definition); });
    return definitions;
}

bool may_be_passed_over(const Definition& definition, const broker_core::Answer& answer) {
    return std::holds_alternative<broker_core::Bind>(definition.wish) && answer.code == amqp::ReplyCode::not_found;
}

} // namespace baton::web
