#include "web/broker/from_json.hpp"

#include "base/base64.hpp"
#include "web/broker/broker_port.hpp"
#include "web/broker/field_json.hpp"
#include "web/access/login.hpp"
#include "web/http/replies.hpp"

#include <boost/json/array.hpp>
#include <fmt/format.h>

namespace baton::web {

namespace broker_core = broker::core;
namespace json = boost::json;

namespace {

template <typename... Arguments>
Failure refused_field(fmt::format_string<Arguments...> text, Arguments&&... arguments) {
    return Failure{make_error_code(boost::system::errc::invalid_argument),
                   fmt::format(text, std::forward<Arguments>(arguments)...)};
}

// Null counts as absent.
const json::value* member(const json::object& object, std::string_view key) {
    const auto* found = object.if_contains(key);
    return found == nullptr || found->is_null() ? nullptr : found;
}

Outcome<std::int64_t> integer_from(const json::value& value, std::string_view key) {
    ErrorCode error;
    const auto number = value.to_number<std::int64_t>(error);
    if (error) return refused_field("'{}' must be a whole number", key);
    return number;
}

using Limit = std::optional<std::int64_t>;

Outcome<void> read_limits(const json::object& object,
                          std::initializer_list<std::pair<std::string_view, Limit*>> known) {
    for (const auto& entry : object) {
        Limit* into = nullptr;
        std::string names;
        for (const auto& [name, limit] : known) {
            if (name == entry.key()) into = limit;
            names += fmt::format("{}'{}'", names.empty() ? "" : ", ", name);
        }
        const std::string key(entry.key());
        if (into == nullptr) return refused_field("there is no limit '{}'; there are {}", key, names);
        BATON_ASSIGN(const auto number, integer_from(entry.value(), key));
        *into = number < 0 ? Limit{} : Limit{number};
    }
    return boost::system::in_place_value;
}

} // namespace

Outcome<bool> flag_in(const json::object& object, std::string_view key, bool otherwise) {
    const auto* found = member(object, key);
    if (found == nullptr) return otherwise;
    if (found->is_bool()) return found->as_bool();
    if (found->is_string() && found->as_string() == "true") return true;
    if (found->is_string() && found->as_string() == "false") return false;
    return refused_field("'{}' must be true or false", key);
}

Outcome<std::string> text_in(const json::object& object, std::string_view key) {
    const auto* found = member(object, key);
    if (found == nullptr) return refused_field("'{}' is missing", key);
    if (!found->is_string()) return refused_field("'{}' must be a text", key);
    return std::string(found->as_string());
}

Outcome<amqp::FieldTable> table_in(const json::object& object, std::string_view key) {
    const auto* found = member(object, key);
    if (found == nullptr) return amqp::FieldTable{};
    const auto inner = as_object(*found);
    if (!inner) return refused_field("'{}' must be an object", key);
    return to_table(*inner, std::string(key));
}

Outcome<std::vector<std::string>> tags_in(const json::object& object) {
    std::vector<std::string> tags;
    const auto* found = member(object, "tags");
    if (found == nullptr) return tags;
    if (const auto* list = found->if_array()) {
        for (const auto& item : *list) {
            if (!item.is_string()) return refused_field("'tags' must be texts");
            tags.emplace_back(item.as_string());
        }
        return tags;
    }
    if (!found->is_string()) return refused_field("'tags' must be an array of texts, or one text with commas");
    std::string_view rest = found->as_string();
    while (!rest.empty()) {
        const auto end = std::min(rest.find(','), rest.size());
        std::string_view tag = rest.substr(0, end);
        while (tag.starts_with(' ')) tag.remove_prefix(1);
        while (tag.ends_with(' ')) tag.remove_suffix(1);
        if (!tag.empty()) tags.emplace_back(tag);
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return tags;
}

Outcome<broker_core::UserPut> user_from(const json::object& object, const std::string& name, const BrokerPort& port) {
    broker_core::UserPut user;
    user.name = name;
    if (member(object, "tags") == nullptr) return refused_field("'tags' is missing; an empty text means none");
    BATON_ASSIGN(user.tags, tags_in(object));
    for (const std::string& tag : user.tags)
        if (const auto trouble = tag_trouble(tag); !trouble.empty()) return refused_field("{}", trouble);
    user.hash_algorithm = port.sha256_algorithm;
    if (member(object, "password") != nullptr) {
        BATON_ASSIGN(const auto password, text_in(object, "password"));
        if (!password.empty()) user.password_hash = port.hash_password(password);
        return user;
    }
    if (member(object, "password_hash") == nullptr) return user;
    BATON_ASSIGN(user.password_hash, text_in(object, "password_hash"));
    if (member(object, "hashing_algorithm") != nullptr) {
        BATON_ASSIGN(user.hash_algorithm, text_in(object, "hashing_algorithm"));
        if (!port.is_hash_algorithm(user.hash_algorithm))
            return refused_field("'hashing_algorithm' is '{}', which nobody could log in with here; known are "
                           "rabbit_password_hashing_sha256, …_sha512 and …_md5",
                           user.hash_algorithm);
    }
    if (user.password_hash.empty()) return user;
    const auto bytes = from_base64(user.password_hash);
    const auto wanted = port.hash_size(user.hash_algorithm);
    if (!bytes) return refused_field("'password_hash' is no base64");
    if (bytes->size() != wanted)
        return refused_field("'password_hash' has {} bytes, where salt and digest of {} have {}; nobody could log in with it",
                       bytes->size(), user.hash_algorithm, wanted);
    return user;
}

Outcome<broker_core::VhostPut> vhost_from(const json::object& object, const std::string& name) {
    broker_core::VhostPut vhost;
    vhost.name = name;
    const json::object* source = &object;
    if (const auto* metadata = member(object, "metadata"); metadata != nullptr && metadata->is_object() &&
                                                           member(object, "description") == nullptr)
        source = &metadata->as_object();
    if (member(*source, "description") != nullptr) {
        BATON_ASSIGN(vhost.description, text_in(*source, "description"));
    }
    BATON_ASSIGN(vhost.tags, tags_in(*source));
    return vhost;
}

Outcome<broker_core::PolicyPut> policy_from(const json::object& object, const std::string& vhost, const std::string& name,
                                     bool is_operator) {
    broker_core::PolicyPut policy;
    policy.vhost = vhost;
    policy.name = name;
    policy.is_operator = is_operator;
    BATON_ASSIGN(policy.pattern, text_in(object, "pattern"));
    if (member(object, "definition") == nullptr) return refused_field("'definition' is missing");
    BATON_ASSIGN(policy.definition, table_in(object, "definition"));
    if (const auto* priority = member(object, "priority")) {
        BATON_ASSIGN(const auto number, integer_from(*priority, "priority"));
        policy.priority = static_cast<std::int32_t>(number);
        if (policy.priority != number) return refused_field("'priority' is too large");
    }
    policy.apply_to = "all";
    if (member(object, "apply-to") != nullptr) {
        BATON_ASSIGN(policy.apply_to, text_in(object, "apply-to"));
    }
    return policy;
}

Outcome<broker_core::DeclareExchange> exchange_from(const json::object& object, const std::string& vhost,
                                             const std::string& name) {
    broker_core::DeclareExchange wanted;
    wanted.exchange.vhost = vhost;
    wanted.exchange.name = name;
    wanted.exchange.type = "direct";
    if (member(object, "type") != nullptr) {
        BATON_ASSIGN(wanted.exchange.type, text_in(object, "type"));
    }
    BATON_ASSIGN(wanted.durable, flag_in(object, "durable", true));
    BATON_ASSIGN(wanted.exchange.auto_delete, flag_in(object, "auto_delete", false));
    BATON_ASSIGN(wanted.exchange.internal, flag_in(object, "internal", false));
    BATON_ASSIGN(wanted.exchange.arguments, table_in(object, "arguments"));
    return wanted;
}

Outcome<broker_core::DeclareQueue> queue_from(const json::object& object, const std::string& vhost,
                                       const std::string& name) {
    broker_core::DeclareQueue wanted;
    wanted.vhost = vhost;
    wanted.name = name;
    BATON_ASSIGN(wanted.durable, flag_in(object, "durable", true));
    BATON_ASSIGN(wanted.auto_delete, flag_in(object, "auto_delete", false));
    BATON_ASSIGN(wanted.arguments, table_in(object, "arguments"));
    return wanted;
}

Outcome<void> limits_into(broker_core::VhostLimitsPut& into, const json::object& object) {
    return read_limits(object, {{"max-connections", &into.connections_max}, {"max-queues", &into.queues_max}});
}

Outcome<void> limits_into(broker_core::UserLimitsPut& into, const json::object& object) {
    return read_limits(object, {{"max-connections", &into.connections_max}, {"max-channels", &into.channels_max}});
}

} // namespace baton::web
