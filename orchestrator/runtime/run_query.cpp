// One pass over the text: fields by a table, values by a function for each kind of field.
#include "orchestrator/runtime/run_query.hpp"

#include "base/duration_text.hpp"
#include "base/rfc3339.hpp"
#include "base/suggest.hpp"
#include "orchestrator/core/workflow.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace baton::orchestrator::runtime {

namespace {

using core::RunStatus;

constexpr std::size_t query_bytes_max = 4096;
constexpr std::size_t conditions_max = 32; // each may be a look into an index
constexpr std::size_t id_prefix_min = 6;
constexpr std::size_t id_length = 36;
constexpr std::size_t ids_max = 100;

constexpr std::array<std::string_view, 12> fields{
    "workflow", "status", "since", "until", "ended_since", "ended_until",
    "error",    "key",    "run",   "root",  "label.NAME",  "input.NAME"};
constexpr std::array<std::string_view, 11> statuses{
    "queued",    "running",   "paused",      "compensating", "completed", "failed",
    "cancelled", "timed_out", "compensated", "open",         "closed"};

struct Word {
    std::string text;
    std::size_t at = 0; // offset
    bool is_quoted = false;
};

class Reader {
public:
    Reader(std::string_view text, Time now) : text_(text), now_(now) {}

    Outcome<RunSearch> read() {
        if (text_.size() > query_bytes_max)
            return wrong(0, fmt::format("a query may have {} bytes, this one has {}",
                                        query_bytes_max, text_.size()));
        if (const auto zero = text_.find('\0'); zero != std::string_view::npos)
            return wrong(zero, "a zero byte is no part of any value");
        for (skip_blanks(); at_ < text_.size(); skip_blanks()) {
            if (++conditions_ > conditions_max)
                return wrong(at_, fmt::format("a query may have {} conditions", conditions_max));
            BATON_TRY(read_condition());
        }
        return std::move(search_);
    }

private:
    Failure wrong(std::size_t offset, std::string_view what) const {
        std::size_t column = 1;
        for (std::size_t i = 0; i < offset && i < text_.size(); ++i)
            column += (static_cast<unsigned char>(text_[i]) & 0xc0U) != 0x80U ? 1 : 0;
        return Failure{make_error_code(boost::system::errc::invalid_argument),
                       fmt::format("column {}: {}", column, what)};
    }

    static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

    void skip_blanks() {
        while (at_ < text_.size() && is_blank(text_[at_]))
            ++at_;
    }

    Outcome<void> read_condition() {
        const std::size_t begin = at_;
        while (at_ < text_.size() && !is_blank(text_[at_]) && text_[at_] != ':' &&
               text_[at_] != '=' && text_[at_] != '"')
            ++at_;
        const std::string_view field = text_.substr(begin, at_ - begin);
        const bool has_sign = at_ < text_.size() && (text_[at_] == ':' || text_[at_] == '=');
        if (!has_sign || field.empty()) return wrong(begin, no_condition(field));
        ++at_;
        BATON_ASSIGN(const Word value, read_value());
        return take(field, begin, value);
    }

    static std::string no_condition(std::string_view field) {
        const std::string named =
            field.empty() ? "here is no field" : fmt::format("'{}' is no condition", field);
        const std::string example =
            field.empty() || std::ranges::find(fields, field) == fields.end() ? "workflow"
                                                                              : std::string(field);
        return fmt::format("{}; write FIELD:VALUE, as {}:{}", named, example,
                           field.empty() || example != "workflow" ? "…" : std::string(field));
    }

    Outcome<Word> read_value() {
        Word value;
        value.at = at_;
        if (at_ < text_.size() && text_[at_] == '"') return read_quoted();
        while (at_ < text_.size() && !is_blank(text_[at_])) {
            if (text_[at_] == '"')
                return wrong(at_, "a quote inside a value; put the whole value in quotes, with "
                                  "\\\" for each of its own");
            value.text += text_[at_++];
        }
        if (value.text.empty())
            return wrong(value.at, "here a value is missing; an empty one is \"\"");
        return value;
    }

    Outcome<Word> read_quoted() {
        Word value;
        value.at = at_;
        value.is_quoted = true;
        for (++at_; at_ < text_.size(); ++at_) {
            char c = text_[at_];
            if (c == '"') {
                ++at_;
                if (at_ < text_.size() && !is_blank(text_[at_]))
                    return wrong(at_, "a blank must come after the closing quote");
                return value;
            }
            if (c == '\\' && at_ + 1 < text_.size() &&
                (text_[at_ + 1] == '"' || text_[at_ + 1] == '\\'))
                c = text_[++at_];
            value.text += c;
        }
        return wrong(value.at, "this quote is not closed");
    }

    Outcome<void> take(std::string_view field, std::size_t at, const Word& value) {
        if (field == "workflow") return take_match(search_.workflows, value);
        if (field == "key") return take_match(search_.keys, value);
        if (field == "error") return take_error(value);
        if (field == "status") return take_status(value);
        if (field == "since") return take_time(search_.since, field, at, value);
        if (field == "until") return take_time(search_.until, field, at, value);
        if (field == "ended_since") return take_time(search_.ended_since, field, at, value);
        if (field == "ended_until") return take_time(search_.ended_until, field, at, value);
        if (field == "run") return take_ids(value);
        if (field == "root") return take_root(value);
        if (field.starts_with(label_prefix) || field.starts_with(input_prefix))
            return take_tag(field, at, value);
        if (field == "label" || field == "input")
            return wrong(at, fmt::format("'{0}' needs a name: {0}.NAME={1}", field, value.text));
        const auto hint = did_you_mean(field, fields);
        std::string all;
        for (const std::string_view one : fields)
            all += (all.empty() ? "" : ", ") + std::string(one);
        return wrong(at, fmt::format("there is no field '{}'{} the fields are {}", field,
                                     hint.empty() ? ";" : hint, all));
    }

    static TextMatch match_of(const Word& value) {
        TextMatch match{value.text, false};
        if (!value.is_quoted && match.text.ends_with('*'))
            match = {match.text.substr(0, match.text.size() - 1), true};
        return match;
    }

    Outcome<void> take_match(std::vector<TextMatch>& matches, const Word& value) {
        TextMatch match = match_of(value);
        if (const auto star = match.text.find('*'); !value.is_quoted && star != std::string::npos)
            return wrong(value.at + star,
                         "* stands only at the end, for whatever follows; in quotes it is a star");
        if (std::ranges::find(matches, match) == matches.end()) matches.push_back(std::move(match));
        return {};
    }

    // As in the rules of a workflow: "mail.*" is also mail itself.
    Outcome<void> take_error(const Word& value) {
        BATON_TRY(take_match(search_.errors, value));
        if (!value.is_quoted && value.text.ends_with(".*"))
            search_.errors.push_back({value.text.substr(0, value.text.size() - 2), false});
        return {};
    }

    Outcome<void> take_status(const Word& value) {
        const auto add = [&](RunStatus status) {
            if (std::ranges::find(search_.statuses, status) == search_.statuses.end())
                search_.statuses.push_back(status);
        };
        if (const auto status = core::run_status_from(value.text)) {
            add(*status);
        } else if (value.text == "open" || value.text == "closed") {
            for (int number = 1; number <= static_cast<int>(RunStatus::compensated); ++number)
                if (core::is_closed(static_cast<RunStatus>(number)) == (value.text == "closed"))
                    add(static_cast<RunStatus>(number));
        } else {
            const auto hint = did_you_mean(value.text, statuses);
            std::string all;
            for (const std::string_view one : statuses)
                all += (all.empty() ? "" : ", ") + std::string(one);
            return wrong(value.at, fmt::format("no run is '{}'{} a status is one of {}", value.text,
                                               hint.empty() ? ";" : hint, all));
        }
        return {};
    }

    Outcome<void> take_time(std::optional<Time>& moment, std::string_view field, std::size_t at,
                            const Word& value) {
        if (moment)
            return wrong(at, fmt::format("'{}' is there twice; one moment is enough", field));
        if (const auto ago = parse_duration(value.text)) {
            moment = now_ - *ago;
        } else if (const auto day = from_rfc3339(value.text + "T00:00:00Z")) {
            moment = *day;
        } else if (const auto time = from_rfc3339(value.text)) {
            moment = *time;
        } else {
            return wrong(value.at, fmt::format("'{}' is no time; write how long ago, as 2d or "
                                               "1h30m, a day, as 2026-01-31, or a "
                                               "time, as 2026-01-31T12:00:00Z",
                                               value.text));
        }
        return {};
    }

    Outcome<void> take_ids(const Word& value) {
        for (std::size_t begin = 0; begin <= value.text.size();) {
            const std::size_t end = std::min(value.text.find(',', begin), value.text.size());
            // A quote is before the first of them.
            BATON_TRY(take_id(value.text.substr(begin, end - begin),
                              value.at + begin + (value.is_quoted ? 1 : 0)));
            begin = end + 1;
        }
        return {};
    }

    Outcome<void> take_id(const std::string& id, std::size_t at) {
        BATON_TRY(check_id(id, at));
        if (search_.id_prefixes.size() >= ids_max)
            return wrong(at, fmt::format("a query may name {} runs", ids_max));
        search_.id_prefixes.push_back(id);
        return {};
    }

    // Those it led to, however far down; the run itself is none of them.
    Outcome<void> take_root(const Word& value) {
        BATON_TRY(check_id(value.text, value.at + (value.is_quoted ? 1 : 0)));
        any_of(root_tag).push_back({value.text, value.text.size() < id_length});
        return {};
    }

    Outcome<void> check_id(const std::string& id, std::size_t at) const {
        if (id.find_first_not_of("0123456789abcdefABCDEF-") != std::string::npos ||
            id.size() > id_length)
            return wrong(
                at,
                fmt::format("'{}' is no id of a run; it has digits, a to f and dashes, 36 at most",
                            id));
        if (id.size() < id_prefix_min)
            return wrong(
                at, fmt::format(
                        "'{}' is too short for the beginning of an id; give at least {} characters",
                        id, id_prefix_min));
        return {};
    }

    Outcome<void> take_tag(std::string_view field, std::size_t at, const Word& value) {
        const auto name = field.substr(field.find('.') + 1);
        if (!core::is_tag_name(name))
            return wrong(at, fmt::format("'{}' needs a name of letters, digits, _, . and - behind "
                                         "its first point, 64 at most",
                                         field));
        return take_match(any_of(field), value);
    }

    std::vector<TextMatch>& any_of(std::string_view tag) {
        auto found = std::ranges::find(search_.tags, tag, &TagMatch::name);
        if (found == search_.tags.end())
            found = search_.tags.insert(found, TagMatch{std::string(tag), {}});
        return found->any_of;
    }

    std::string_view text_;
    Time now_;
    std::size_t at_ = 0;
    std::size_t conditions_ = 0;
    RunSearch search_;
};

} // namespace

Outcome<RunSearch> parse_run_query(std::string_view text, Time now) {
    return Reader(text, now).read();
}

} // namespace baton::orchestrator::runtime
