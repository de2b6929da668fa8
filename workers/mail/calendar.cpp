// Lines of at most 75 bytes, texts with backslashes, times in UTC.
#include "workers/mail/calendar.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace baton::workers::mail {

namespace {

std::string moment(Time time) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    const auto day = std::chrono::floor<std::chrono::days>(seconds);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(seconds - day);
    return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                       static_cast<unsigned>(date.day()), clock.hours().count(), clock.minutes().count(),
                       clock.seconds().count());
}

std::string escaped_text(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '\r') continue;
        if (c == '\n') {
            out += "\\n";
            continue;
        }
        if (c == '\\' || c == ';' || c == ',') out += '\\';
        out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
    }
    return out;
}

// A parameter's value: quotes cannot be said in it.
std::string quoted_parameter(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) out += static_cast<unsigned char>(c) < 0x20 || c == '"' || c == 0x7F ? ' ' : c;
    return out + '"';
}

std::string folded(std::string_view line) {
    std::string out;
    std::size_t room = 75;
    while (line.size() > room) {
        std::size_t size = room;
        while (size > 1 && (static_cast<unsigned char>(line[size]) & 0xC0) == 0x80) --size;
        out += fmt::format("{}\r\n ", line.substr(0, size));
        line.remove_prefix(size);
        room = 74;
    }
    return out + std::string(line) + "\r\n";
}

std::string person(std::string_view property, std::string_view parameters, const Person& one) {
    const std::string name = one.name.empty() ? "" : ";CN=" + quoted_parameter(one.name);
    return folded(fmt::format("{}{}{}:mailto:{}", property, name, parameters, one.address));
}

std::optional<int> two_digits(std::string_view text, std::size_t at, std::size_t count) {
    int value = 0;
    if (text.size() < at + count) return std::nullopt;
    const char* end = text.data() + at + count;
    const auto [stop, error] = std::from_chars(text.data() + at, end, value);
    return error == std::errc{} && stop == end && value >= 0 ? std::optional(value) : std::nullopt;
}

} // namespace

std::optional<Time> moment_in(std::string_view text) {
    const auto year = two_digits(text, 0, 4), month = two_digits(text, 5, 2), day = two_digits(text, 8, 2);
    const auto hour = two_digits(text, 11, 2), minute = two_digits(text, 14, 2), second = two_digits(text, 17, 2);
    if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
    if (text[4] != '-' || text[7] != '-' || (text[10] != 'T' && text[10] != ' ') || text[13] != ':' || text[16] != ':')
        return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                           std::chrono::day(static_cast<unsigned>(*day))};
    if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
    std::string_view zone = text.substr(19);
    if (zone.starts_with('.')) zone = zone.substr(std::min(zone.find_first_not_of("0123456789", 1), zone.size()));
    std::chrono::minutes offset{0};
    if (zone != "Z" && zone != "z") {
        const auto hours = two_digits(zone, 1, 2), minutes = two_digits(zone, 4, 2);
        if (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':' || !hours || !minutes) return std::nullopt;
        offset = std::chrono::minutes(*hours * 60 + *minutes) * (zone[0] == '-' ? -1 : 1);
    }
    return Time{std::chrono::sys_days(date) + std::chrono::hours(*hour) + std::chrono::minutes(*minute) +
                std::chrono::seconds(*second) - offset};
}

std::string to_calendar(const Invitation& invitation, Time now) {
    std::string out = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Baton//mail//EN\r\n";
    out += fmt::format("METHOD:{}\r\nBEGIN:VEVENT\r\n", invitation.method);
    out += folded("UID:" + escaped_text(invitation.uid));
    out += fmt::format("DTSTAMP:{}\r\nDTSTART:{}\r\nDTEND:{}\r\nSEQUENCE:{}\r\n", moment(now), moment(invitation.start),
                       moment(invitation.end), invitation.sequence);
    out += folded("SUMMARY:" + escaped_text(invitation.summary));
    if (!invitation.location.empty()) out += folded("LOCATION:" + escaped_text(invitation.location));
    if (!invitation.description.empty()) out += folded("DESCRIPTION:" + escaped_text(invitation.description));
    out += fmt::format("STATUS:{}\r\n", invitation.method == "CANCEL" ? "CANCELLED" : "CONFIRMED");
    out += person("ORGANIZER", "", invitation.organizer);
    for (const Person& one : invitation.attendees)
        out += person("ATTENDEE", ";ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE", one);
    return out + "END:VEVENT\r\nEND:VCALENDAR\r\n";
}

} // namespace baton::workers::mail
