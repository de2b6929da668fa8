// Where the checks of one workflow file put what they find: positions become lines and columns, and
// the order of printing is kept in one place. Lives for one load(), on one thread.
#pragma once

#include "orchestrator/definition/diagnostic.hpp"
#include "orchestrator/definition/source_text.hpp"
#include "orchestrator/definition/toml_document.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace baton::orchestrator::definition {

// What a mistake is about, in the order of printing: from the whole to the parts. How steps hang
// together comes first, then the data that flows between them, then the single keys and values.
enum class About : std::uint8_t { order_of_steps, data, keys };

class Complaints {
public:
    Complaints(std::string_view source, std::string_view file) : text_(source), file_(file) {}

    void add(About about, Position at, std::size_t length, std::string message,
             std::string hint = {});

    // About the key of an entry, or about its value.
    void at_key(const TomlEntry& entry, std::string message, std::string hint = {});
    void at_value(const TomlNode& value, std::string message, std::string hint = {});

    // About `length` bytes of a text's value, `offset` bytes behind its beginning.
    void inside(About about, const TomlNode& text, std::size_t offset, std::size_t length,
                std::string message, std::string hint = {});

    void warn_at_value(const TomlNode& value, std::string message, std::string hint = {});
    void warn_inside(About about, const TomlNode& text, std::size_t offset, std::size_t length,
                     std::string message, std::string hint = {});

    bool has_errors() const { return errors_ > 0; }
    std::size_t count() const { return found_.size() + uncounted_; }

    // So much is wrong that nobody will read more; suggestions are no longer worth their time.
    bool is_full() const;

    // In the order of printing; warnings only if there are no errors. Of very many, the first
    // hundred and a last one that counts the rest.
    std::vector<Diagnostic> take();

private:
    struct Found {
        About about;
        std::size_t number; // in the order of finding, which decides among equal places
        Diagnostic diagnostic;
    };

    void turn_last_into_warning();

    SourceText text_;
    std::string file_;
    std::vector<Found> found_;
    std::size_t errors_ = 0;
    std::size_t uncounted_ = 0; // found after it was full: only their number is kept
};

// "did you mean 'account'?", or nothing.
std::string did_you_mean(std::string_view name, std::span<const std::string_view> candidates);
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

} // namespace baton::orchestrator::definition
