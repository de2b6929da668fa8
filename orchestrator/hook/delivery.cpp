#include "orchestrator/hook/delivery.hpp"

#include "base/utf8.hpp"
#include "orchestrator/core/fingerprint.hpp"

#include <boost/json/object.hpp>
#include <boost/system/errc.hpp>
#include <fmt/format.h>

#include <memory>

namespace baton::orchestrator::hook {

using expression::Value;

namespace {

constexpr std::size_t id_bytes_max = 500;

Failure bad(std::string detail) {
    return {make_error_code(boost::system::errc::invalid_argument), std::move(detail)};
}

int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// Of application/x-www-form-urlencoded.
std::string decoded(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const int high = text[i] == '%' && i + 2 < text.size() ? digit_of(text[i + 1]) : -1;
        const int low = high >= 0 ? digit_of(text[i + 2]) : -1;
        if (low >= 0) {
            out += static_cast<char>(high * 16 + low);
            i += 2;
        } else {
            out += text[i] == '+' ? ' ' : text[i];
        }
    }
    return as_utf8(out);
}

boost::json::object form_of(std::string_view body) {
    boost::json::object fields;
    for (std::size_t at = 0; at < body.size();) {
        const std::size_t end = std::min(body.find('&', at), body.size());
        const std::string_view part = body.substr(at, end - at);
        const std::size_t equals = std::min(part.find('='), part.size());
        if (!part.empty())
            fields[decoded(part.substr(0, equals))] =
                decoded(part.substr(std::min(equals + 1, part.size())));
        at = end + 1;
    }
    return fields;
}

Outcome<boost::json::value> body_of(const Delivery& delivery) {
    const auto type = delivery.headers.find("content-type");
    const std::string said = type == delivery.headers.end()
                                 ? std::string{}
                                 : type->second.substr(0, type->second.find(';'));
    if (said == "application/x-www-form-urlencoded")
        return boost::json::value(form_of(delivery.body));
    if (said == "application/json" || said.ends_with("+json")) {
        const auto parsed = core::Document::parse(std::string(delivery.body));
        if (!parsed) return bad("the body is no JSON: " + parsed.error().detail);
        return parsed->json();
    }
    return boost::json::value(as_utf8(std::string(delivery.body)));
}

boost::json::object object_of(const std::map<std::string, std::string>& texts) {
    boost::json::object out;
    for (const auto& [name, value] : texts)
        out[as_utf8(name)] = as_utf8(value);
    return out;
}

expression::Lookup reading(const core::Workflow& workflow, const Value& event) {
    return [&](std::string_view name) -> std::optional<Value> {
        if (name == "event") return event;
        if (name == "vars" && !workflow.vars.is_null())
            return Value::sharing_json(workflow.vars.shared_json());
        return std::nullopt;
    };
}

} // namespace

Outcome<Value> event_of(const core::Trigger& trigger, const Delivery& delivery) {
    BATON_ASSIGN(boost::json::value body, body_of(delivery));
    boost::json::object event;
    event["trigger"] = trigger.name;
    event["headers"] = object_of(delivery.headers);
    event["query"] = object_of(delivery.query);
    event["body"] = std::move(body);
    return Value::sharing_json(std::make_shared<const boost::json::value>(std::move(event)));
}

Outcome<std::optional<std::string>> start_key(const core::Workflow& workflow,
                                              const core::Trigger& trigger, const Value& event,
                                              std::string_view body) {
    const auto& hook = std::get<core::WebhookTrigger>(trigger.kind);
    if (!hook.id) {
        const bool is_signed = hook.scheme == core::WebhookTrigger::Scheme::hmac ||
                               hook.scheme == core::WebhookTrigger::Scheme::slack ||
                               hook.scheme == core::WebhookTrigger::Scheme::stripe;
        if (!is_signed) return std::optional<std::string>{};
        return std::optional(
            fmt::format("webhook/{}/{}", trigger.name, core::to_hex(core::sha256(body))));
    }
    const auto value = expression::evaluate(*hook.id, reading(workflow, event));
    if (!value) return bad("id: " + value.error().message);
    const std::string id = expression::to_plain_text(*value);
    if (id.empty() || id.size() > id_bytes_max)
        return bad(fmt::format("id: it must be text of 1 to {} bytes", id_bytes_max));
    return std::optional(fmt::format("webhook/{}/id/{}", trigger.name, id));
}

} // namespace baton::orchestrator::hook
