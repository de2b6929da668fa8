// A JSON document as runs carry it: the text that is stored and sent, and the parsed value that
// expressions read, made once and shared. Immutable and cheap to copy. A default Document is null.
#pragma once

#include "base/result.hpp"

#include <boost/json/value.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace baton::orchestrator::core {

class Document {
public:
    Document() = default; // null

    // For what comes from outside: keeps `text` as it is. The failure says what is wrong and where.
    // Nesting is limited, so nobody's stack is at the mercy of a worker.
    static Outcome<Document> parse(std::string text);
    // For what we stored ourselves: documents from outside inside documents of steps inside ours.
    static Outcome<Document> parse_stored(std::string text);
    // Serialises once. No failure: every value has a text.
    static Document of(boost::json::value json);

    // How deep what a workflow makes may be: around a value from outside it can put a few levels.
    static constexpr std::size_t made_depth_max = 128;

    std::string_view text() const { return body_ ? std::string_view{body_->text} : "null"; }
    const boost::json::value& json() const;
    // Shares the ownership; for values that look into the document.
    std::shared_ptr<const boost::json::value> shared_json() const;
    bool is_null() const { return !body_ || body_->json.is_null(); }
    // About how many bytes of memory it takes: small values cost many times their text.
    std::size_t memory() const { return body_ ? body_->memory : 0; }

    friend bool operator==(const Document& a, const Document& b) { return a.text() == b.text(); }

private:
    struct Body {
        std::string text;
        boost::json::value json;
        std::size_t memory = 0;
    };
    explicit Document(std::shared_ptr<const Body> body) : body_(std::move(body)) {}

    std::shared_ptr<const Body> body_;
};

} // namespace baton::orchestrator::core
