#include "cli/output.hpp"

#include "base/json_text.hpp"
#include "base/named_file.hpp"
#include "base/printable.hpp"
#include "cli/terminal.hpp"
#include "orchestrator/definition/catalog.hpp"

#include <boost/json/array.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <ctime>

namespace baton::cli {

namespace json = boost::json;

namespace {

void append_pretty(std::string& out, const json::value& value, std::size_t depth) {
    const auto indent = [&](std::size_t level) { out.append(level * 2, ' '); };
    if (const auto* object = value.if_object(); object != nullptr && !object->empty()) {
        out += "{\n";
        std::size_t left = object->size();
        for (const auto& entry : *object) {
            indent(depth + 1);
            out += write_json(json::value(entry.key()));
            out += ": ";
            append_pretty(out, entry.value(), depth + 1);
            out += --left > 0 ? ",\n" : "\n";
        }
        indent(depth);
        out += '}';
    } else if (const auto* array = value.if_array(); array != nullptr && !array->empty()) {
        out += "[\n";
        std::size_t left = array->size();
        for (const auto& item : *array) {
            indent(depth + 1);
            append_pretty(out, item, depth + 1);
            out += --left > 0 ? ",\n" : "\n";
        }
        indent(depth);
        out += ']';
    } else {
        out += write_json(value);
    }
}

// The parts of an RFC 3339 time in UTC, as this program writes it.
bool scan_time(std::string_view text, std::tm& parts, int& micros) {
    const std::string copy(text);
    micros = 0;
    return std::sscanf(copy.c_str(), "%d-%d-%dT%d:%d:%d.%dZ", &parts.tm_year, &parts.tm_mon, &parts.tm_mday,
                       &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &micros) >= 6;
}

Failure refused(const std::string& path, std::string_view why) {
    return {make_error_code(boost::system::errc::invalid_argument), fmt::format("cannot read '{}': {}", path, why)};
}

} // namespace

void complain(std::string_view text) {
    fmt::print(stderr, "{} {}\n", paint(Colour::red, "baton:", stderr), printable(text, LineEnds::kept));
}

int exit_code_for(const Failure& failure) {
    const bool is_settings = failure.code == make_error_code(boost::system::errc::invalid_argument);
    return is_settings ? exit_wrong_usage : exit_unreachable;
}

std::optional<json::value> expect(Session& session, const Outcome<Answer>& answer) {
    if (!answer) {
        complain(answer.error().detail);
        session.exit_code = exit_code_for(answer.error());
        return std::nullopt;
    }
    // Decided, and neither done yet nor forgotten: whoever asks again would do it twice.
    if (answer->status == 202 && !member(answer->body, "reason").empty()) {
        complain("the server takes its time: " + answer->reason());
        session.exit_code = exit_unreachable;
        return std::nullopt;
    }
    if (answer->is_good()) return answer->body;
    complain(answer->reason());
    const bool wrong_request = answer->status == 400 || answer->status == 404 || answer->status == 422;
    if (answer->status == 503)
        session.exit_code = exit_unreachable;
    else
        session.exit_code = wrong_request ? exit_wrong_usage : exit_failed;
    return std::nullopt;
}

std::string pretty(const json::value& value) {
    std::string out;
    append_pretty(out, value, 0);
    return out;
}

void print_json(const json::value& value) { fmt::print("{}\n", printable_json(pretty(value))); }

std::string member(const json::value& object, std::string_view key) {
    const auto* as_object = object.if_object();
    const auto* found = as_object == nullptr ? nullptr : as_object->if_contains(key);
    if (found == nullptr || found->is_null()) return {};
    return printable(found->is_string() ? std::string(found->as_string()) : write_json(*found));
}

std::int64_t micros_from(std::string_view rfc3339) {
    std::tm parts{};
    int micros = 0;
    if (!scan_time(rfc3339, parts, micros)) return 0;
    parts.tm_year -= 1900;
    parts.tm_mon -= 1;
    return static_cast<std::int64_t>(timegm(&parts)) * 1'000'000 + micros;
}

std::string local_time(std::string_view rfc3339) {
    const auto micros = micros_from(rfc3339);
    if (micros == 0) return std::string(rfc3339);
    return fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::localtime(static_cast<std::time_t>(micros / 1'000'000)));
}

std::string duration_text(std::int64_t micros) {
    const double seconds = static_cast<double>(micros) / 1e6;
    if (seconds < 60) return fmt::format("{:.2f} s", seconds);
    const auto whole = micros / 1'000'000;
    if (whole < 3600) return fmt::format("{} m {} s", whole / 60, whole % 60);
    return fmt::format("{} h {} m", whole / 3600, whole / 60 % 60);
}

Outcome<std::string> read_workflow(const std::string& path) {
    BATON_ASSIGN(auto source, read_file(path));
    return orchestrator::definition::bundled(std::move(source), path).source;
}

Outcome<std::string> read_file(const std::string& path) {
    if (path == "-") {
        std::string text;
        std::array<char, 65536> buffer{};
        for (std::size_t got = 0; (got = std::fread(buffer.data(), 1, buffer.size(), stdin)) > 0;) {
            if (text.size() + got > named_file_bytes_max) return refused("standard input", "it is larger than 64 MiB");
            text.append(buffer.data(), got);
        }
        return text;
    }
    auto text = read_named_file(path);
    if (!text) {
        const bool is_of_a_kind = text.error().detail == "it is no regular file";
        return refused(path, text.error().detail + (is_of_a_kind ? "; give a file, or - for standard input" : ""));
    }
    return text;
}

} // namespace baton::cli
