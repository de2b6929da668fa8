// What a broker would refuse of definitions, by the broker's own rules and without asking it.
#include "broker/core/access.hpp"
#include "broker/core/exchange.hpp"
#include "broker/core/names.hpp"
#include "broker/core/options.hpp"
#include "broker/core/policy.hpp"
#include "broker/core/queue_settings.hpp"
#include "web/broker/definitions.hpp"

#include <fmt/format.h>

#include <map>
#include <set>
#include <utility>

namespace baton::web {

namespace broker_core = broker::core;

namespace {

Failure refused_entry(std::string why) {
    return Failure{make_error_code(boost::system::errc::invalid_argument), std::move(why)};
}

class Check {
public:
    Check(const std::vector<Definition>& wanted, const broker_core::Overview& known) {
        for (const auto& vhost : known.vhosts) vhosts_.insert(vhost.name);
        for (const auto& user : known.users) users_.insert(user.name);
        for (const auto& exchange : known.exchanges) exchanges_[{exchange.vhost, exchange.name}] = exchange.type;
        for (const auto& [place, wish, password] : wanted) {
            if (const auto* vhost = std::get_if<broker_core::PutVhost>(&wish)) vhosts_.insert(vhost->vhost.name);
            if (const auto* user = std::get_if<broker_core::PutUser>(&wish)) users_.insert(user->user.name);
            if (const auto* exchange = std::get_if<broker_core::DeclareExchange>(&wish))
                exchanges_[{exchange->exchange.vhost, exchange->exchange.name}] = exchange->exchange.type;
        }
    }

    Outcome<void> operator()(const broker_core::PutVhost& wish) const { return expect_name("a virtual host", wish.vhost.name); }
    Outcome<void> operator()(const broker_core::PutUser& wish) const { return expect_name("a user", wish.user.name); }
    Outcome<void> operator()(const broker_core::PutPermission& wish) const {
        const auto& put = wish.permission;
        BATON_TRY(expect_user(put.user));
        BATON_TRY(expect_vhost(put.vhost));
        return expect_patterns({&put.configure, &put.write, &put.read});
    }
    Outcome<void> operator()(const broker_core::PutTopicPermission& wish) const {
        BATON_TRY(expect_user(wish.permission.user));
        BATON_TRY(expect_vhost(wish.permission.vhost));
        BATON_TRY(broker_core::check_name("an exchange", wish.permission.exchange));
        return expect_patterns({&wish.permission.write, &wish.permission.read});
    }
    Outcome<void> operator()(const broker_core::PutPolicy& wish) const {
        BATON_TRY(expect_vhost(wish.policy.vhost));
        return broker_core::check_policy(wish.policy);
    }
    Outcome<void> operator()(const broker_core::PutVhostLimits& wish) const { return expect_vhost(wish.limits.vhost); }
    Outcome<void> operator()(const broker_core::PutUserLimits& wish) const { return expect_user(wish.limits.user); }
    Outcome<void> operator()(const broker_core::PutParameter& wish) const {
        if (!wish.parameter.vhost.empty()) BATON_TRY(expect_vhost(wish.parameter.vhost));
        BATON_TRY(broker_core::check_name("a parameter", wish.parameter.component));
        if (!wish.parameter.vhost.empty() && !is_known_component(wish.parameter.component))
            return refused_entry(fmt::format("component {} not found", wish.parameter.component));
        return expect_name("a parameter", wish.parameter.name);
    }
    Outcome<void> operator()(const broker_core::DeclareExchange& wish) const {
        const auto& put = wish.exchange;
        BATON_TRY(expect_vhost(put.vhost));
        BATON_TRY(broker_core::check_name("an exchange", put.name));
        BATON_TRY(broker_core::check_arguments("an exchange", put.arguments));
        BATON_TRY(broker_core::exchange_kind_from(put.type, put.arguments));
        const auto* alternate = put.arguments.find("alternate-exchange");
        if (alternate != nullptr && alternate->get<std::string>() == nullptr)
            return refused_entry("'alternate-exchange' must be a text");
        if (alternate != nullptr)
            BATON_TRY(broker_core::check_name("an alternate exchange", *alternate->get<std::string>()));
        return boost::system::in_place_value;
    }
    Outcome<void> operator()(const broker_core::DeclareQueue& wish) const {
        BATON_TRY(expect_vhost(wish.vhost));
        BATON_TRY(expect_name("a queue", wish.name));
        if (wish.name.starts_with("amq."))
            return refused_entry(fmt::format("queue name '{}' contains reserved prefix 'amq.*'", wish.name));
        BATON_TRY(broker_core::check_arguments("a queue", wish.arguments));
        BATON_TRY(broker_core::settings_from(wish.arguments, {wish.name, wish.vhost, wish.durable, false, wish.auto_delete},
                                      broker_core::Options{}.quorum_delivery_limit));
        return boost::system::in_place_value;
    }
    Outcome<void> operator()(const broker_core::Bind& wish) const {
        const auto& put = wish.binding;
        BATON_TRY(expect_vhost(put.vhost));
        BATON_TRY(broker_core::check_routing_key(put.routing_key));
        BATON_TRY(broker_core::check_arguments("a binding", put.arguments));
        const auto source = exchanges_.find({put.vhost, put.source});
        if (source == exchanges_.end()) return boost::system::in_place_value;
        const auto kind = broker_core::exchange_kind_from(source->second, {});
        return kind ? broker_core::check_binding(kind->type, put.routing_key, put.arguments) : boost::system::in_place_value;
    }
    // Definitions ask for nothing else.
    template <typename Other>
    Outcome<void> operator()(const Other&) const {
        return boost::system::in_place_value;
    }

private:
    static Outcome<void> expect_name(std::string_view what, const std::string& name) {
        if (name.empty()) return refused_entry(fmt::format("{} needs a name", what));
        return broker_core::check_name(what, name);
    }
    Outcome<void> expect_vhost(const std::string& name) const {
        if (!vhosts_.contains(name)) return refused_entry(fmt::format("no vhost '{}'", name));
        return boost::system::in_place_value;
    }
    Outcome<void> expect_user(const std::string& name) const {
        if (!users_.contains(name)) return refused_entry(fmt::format("no user '{}'", name));
        return boost::system::in_place_value;
    }
    Outcome<void> expect_patterns(std::initializer_list<const std::string*> patterns) const {
        for (const auto* pattern : patterns) BATON_TRY(access_.check_pattern(*pattern));
        return boost::system::in_place_value;
    }

    std::set<std::string> vhosts_;
    std::set<std::string> users_;
    std::map<std::pair<std::string, std::string>, std::string> exchanges_; // virtual host and name to type
    broker_core::Access access_;
};

} // namespace

// Of RabbitMQ's plugins that come with it; what they are is kept and does nothing here.
bool is_known_component(std::string_view name) {
    return name == "federation-upstream" || name == "federation-upstream-set" || name == "shovel";
}

std::vector<std::string> complaints_about(const std::vector<Definition>& wanted, const broker_core::Overview& known) {
    const Check check(wanted, known);
    std::vector<std::string> complaints;
    for (const auto& definition : wanted)
        if (const Outcome<void> checked = std::visit(check, definition.wish); !checked)
            complaints.push_back(fmt::format("{}: {}", definition.place, checked.error().detail));
    return complaints;
}

} // namespace baton::web
