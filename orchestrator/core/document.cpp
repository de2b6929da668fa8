// JSON documents: parsed once, serialised once.
#include "orchestrator/core/document.hpp"

#include "base/json_text.hpp"

namespace baton::orchestrator::core {
namespace {

std::size_t memory_of(const boost::json::value& value) {
    std::size_t bytes = sizeof value;
    if (const auto* text = value.if_string()) {
        bytes += text->capacity();
    } else if (const auto* array = value.if_array()) {
        bytes += (array->capacity() - array->size()) * sizeof value;
        for (const auto& item : *array)
            bytes += memory_of(item);
    } else if (const auto* object = value.if_object()) {
        // A member is its key, its value and a place in the object's index.
        bytes += (object->capacity() - object->size()) * sizeof(boost::json::key_value_pair);
        for (const auto& member : *object)
            bytes += memory_of(member.value()) + member.key().size() + 32;
    }
    return bytes;
}

} // namespace

Outcome<Document> Document::parse(std::string text) {
    auto json = read_json(text, json_from_outside);
    if (!json) return Failure{json.error().code, "not JSON that can be used: " + json.error().detail};
    auto body = std::make_shared<Body>();
    body->json = std::move(*json);
    body->text = std::move(text);
    return Document{std::move(body)};
}

Outcome<Document> Document::parse_stored(std::string text) {
    BATON_ASSIGN(auto json, read_json(text, json_of_our_own));
    auto body = std::make_shared<Body>();
    body->json = std::move(json);
    body->text = std::move(text);
    body->memory = sizeof(Body) + body->text.capacity() + memory_of(body->json);
    return Document{std::move(body)};
}

Document Document::of(boost::json::value json) {
    if (json.is_null()) return {};
    auto body = std::make_shared<Body>();
    body->text = write_json(json);
    body->json = std::move(json);
    body->memory = sizeof(Body) + body->text.capacity() + memory_of(body->json);
    return Document{std::move(body)};
}

const boost::json::value& Document::json() const {
    static const boost::json::value null;
    return body_ ? body_->json : null;
}

std::shared_ptr<const boost::json::value> Document::shared_json() const {
    if (!body_) return std::make_shared<const boost::json::value>();
    return {body_, &body_->json};
}

} // namespace baton::orchestrator::core
