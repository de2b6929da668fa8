// Reads zone files (RFC 8536): a list of moments at which the offset changed, and behind it a rule for
// all later years, in the words of POSIX: CET-1CEST,M3.5.0,M10.5.0/3
#include "base/time_zone.hpp"

#include "base/named_file.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace baton {

namespace {

constexpr const char* folder = "/usr/share/zoneinfo";
constexpr std::size_t file_bytes_max = 1 << 20;
constexpr std::size_t zone_name_bytes_max = 64;
constexpr std::int64_t seconds_per_day = 86'400;

// A day of the year on which the clock changes, and the second of it, in the time that ends.
struct Change {
    enum class Form { weekday_of_month, day_without_leap_day, day } form = Form::day;
    std::int64_t month = 1;
    std::int64_t week = 1; // 5: the last
    std::int64_t day = 0;  // of the week, or of the year
    std::int64_t second = 2 * 3600;
};

struct Rule {
    std::int64_t standard = 0;
    std::int64_t summer = 0;
    bool has_summer = false;
    Change begin, end;
};

struct Zone {
    std::vector<std::int64_t> moments;  // ascending
    std::vector<std::int64_t> offsets;  // from each of them on
    std::int64_t first = 0;             // before all of them
    std::optional<Rule> rule;           // after all of them
};

// --- The rule ---------------------------------------------------------------------------------------

// Takes pieces from the front of a text; what is wrong stays wrong.
class Scanner {
public:
    explicit Scanner(std::string_view text) : rest_(text) {}

    bool is_good() const { return is_good_; }
    bool at_end() const { return rest_.empty(); }
    bool accept(char wanted) {
        if (!rest_.starts_with(wanted)) return false;
        rest_.remove_prefix(1);
        return true;
    }
    void expect(char wanted) { is_good_ = accept(wanted) && is_good_; }

    // "CET" or "<+0130>".
    void name() {
        const bool is_quoted = accept('<');
        const auto end = is_quoted ? rest_.find('>') : rest_.find_first_of("+-,0123456789");
        is_good_ = is_good_ && end != 0 && (!is_quoted || end != std::string_view::npos);
        rest_.remove_prefix(std::min(end, rest_.size()));
        if (is_quoted) expect('>');
    }
    std::int64_t number() {
        std::int64_t value = 0;
        std::size_t digits = 0;
        for (; !rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9' && digits < 6; ++digits) {
            value = value * 10 + (rest_[0] - '0');
            rest_.remove_prefix(1);
        }
        is_good_ = is_good_ && digits > 0;
        return value;
    }
    // "2", "-3:30", "+1:00:00", in seconds.
    std::int64_t hours() {
        const bool is_negative = accept('-');
        if (!is_negative) accept('+');
        std::int64_t seconds = number() * 3600;
        if (accept(':')) seconds += number() * 60;
        if (accept(':')) seconds += number();
        return is_negative ? -seconds : seconds;
    }
    Change change() {
        Change made;
        if (accept('M')) {
            made.form = Change::Form::weekday_of_month;
            made.month = number();
            expect('.');
            made.week = number();
            expect('.');
            made.day = number();
            is_good_ = is_good_ && made.month >= 1 && made.month <= 12 && made.week >= 1 && made.week <= 5 && made.day <= 6;
        } else {
            made.form = accept('J') ? Change::Form::day_without_leap_day : Change::Form::day;
            made.day = number();
        }
        if (accept('/')) made.second = hours();
        return made;
    }

private:
    std::string_view rest_;
    bool is_good_ = true;
};

std::optional<Rule> rule_from(std::string_view text) {
    Scanner scanner(text);
    Rule rule;
    scanner.name();
    rule.standard = -scanner.hours(); // POSIX counts to the west
    if (!scanner.at_end()) {
        rule.has_summer = true;
        scanner.name();
        rule.summer = rule.standard + 3600;
        if (!scanner.accept(',')) {
            rule.summer = -scanner.hours();
            scanner.expect(',');
        }
        rule.begin = scanner.change();
        scanner.expect(',');
        rule.end = scanner.change();
    }
    if (!scanner.is_good() || !scanner.at_end()) return std::nullopt;
    return rule;
}

// Seconds since 1970 of the change in that year, as a clock shows them that ignores zones.
std::int64_t local_second(const Change& change, std::chrono::year year) {
    namespace chrono = std::chrono;
    chrono::sys_days day = chrono::sys_days{year / chrono::January / 1};
    switch (change.form) {
    case Change::Form::weekday_of_month: {
        const chrono::month month{static_cast<unsigned>(change.month)};
        const chrono::weekday weekday{static_cast<unsigned>(change.day)};
        day = change.week == 5 ? chrono::sys_days{year / month / weekday[chrono::last]}
                               : chrono::sys_days{year / month / weekday[static_cast<unsigned>(change.week)]};
        break;
    }
    case Change::Form::day_without_leap_day:
        day += chrono::days{change.day - 1 + (year.is_leap() && change.day >= 60 ? 1 : 0)};
        break;
    case Change::Form::day: day += chrono::days{change.day}; break;
    }
    return day.time_since_epoch().count() * seconds_per_day + change.second;
}

std::int64_t offset_by(const Rule& rule, std::int64_t moment) {
    if (!rule.has_summer) return rule.standard;
    const auto days = std::chrono::floor<std::chrono::days>(std::chrono::sys_seconds{std::chrono::seconds{moment + rule.standard}});
    const auto year = std::chrono::year_month_day{days}.year();
    const std::int64_t begin = local_second(rule.begin, year) - rule.standard;
    const std::int64_t end = local_second(rule.end, year) - rule.summer;
    const bool is_summer = begin < end ? moment >= begin && moment < end : moment >= begin || moment < end;
    return is_summer ? rule.summer : rule.standard;
}

// --- The file ---------------------------------------------------------------------------------------

// Big-endian and signed.
std::int64_t integer_at(std::string_view bytes, std::size_t at, std::size_t size) {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
    if (size == 4) return static_cast<std::int32_t>(static_cast<std::uint32_t>(value));
    return static_cast<std::int64_t>(value);
}

struct Header {
    static constexpr std::size_t bytes = 44;
    std::int64_t utc_count, standard_count, leap_count, moment_count, type_count, letter_count;

    static std::optional<Header> at_begin_of(std::string_view file) {
        if (file.size() < bytes || !file.starts_with("TZif") || file[4] < '2') return std::nullopt;
        const auto count = [&](std::size_t index) { return integer_at(file, 20 + index * 4, 4); };
        const Header header{count(0), count(1), count(2), count(3), count(4), count(5)};
        for (std::size_t i = 0; i < 6; ++i)
            if (count(i) < 0 || count(i) > static_cast<std::int64_t>(file_bytes_max)) return std::nullopt;
        return header;
    }
    std::size_t body_bytes(std::int64_t time_bytes) const {
        return static_cast<std::size_t>(moment_count * (time_bytes + 1) + type_count * 6 + letter_count +
                                        leap_count * (time_bytes + 4) + standard_count + utc_count);
    }
};

std::optional<Zone> zone_from(std::string_view file) {
    // A first part for programs that know 32 bits only, then the same with 64.
    const auto old = Header::at_begin_of(file);
    if (!old || file.size() < Header::bytes + old->body_bytes(4)) return std::nullopt;
    file.remove_prefix(Header::bytes + old->body_bytes(4));
    const auto header = Header::at_begin_of(file);
    if (!header || header->type_count < 1) return std::nullopt;
    file.remove_prefix(Header::bytes);
    if (file.size() < header->body_bytes(8)) return std::nullopt;
    const auto moments = static_cast<std::size_t>(header->moment_count);
    const std::string_view types = file.substr(moments * 9);
    const auto offset_of = [&](std::size_t type) { return integer_at(types, type * 6, 4); };
    Zone zone;
    zone.first = offset_of(0);
    for (std::size_t i = 0; i < moments; ++i) {
        const auto type = static_cast<unsigned char>(file[moments * 8 + i]);
        if (type >= header->type_count) return std::nullopt;
        zone.moments.push_back(integer_at(file, i * 8, 8));
        zone.offsets.push_back(offset_of(type));
    }
    if (!std::is_sorted(zone.moments.begin(), zone.moments.end())) return std::nullopt;
    std::string_view rule = file.substr(header->body_bytes(8));
    if (rule.size() > 2 && rule.front() == '\n' && rule.back() == '\n')
        zone.rule = rule_from(rule.substr(1, rule.size() - 2));
    return zone;
}

// Letters that zones have, and no way out of the folder. Below "right" clocks count leap seconds.
bool is_name(std::string_view name) {
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
               c == '+' || c == '/';
    };
    return !name.empty() && name.size() <= zone_name_bytes_max && std::all_of(name.begin(), name.end(), fits) &&
           name.front() != '/' && name.back() != '/' && name.find("//") == std::string_view::npos &&
           !name.starts_with("right/");
}

std::optional<Zone> read_zone(std::string_view name) {
    const std::string path = std::string(folder) + "/" + std::string(name);
    const auto bytes = read_named_file(path, file_bytes_max);
    return bytes ? zone_from(*bytes) : std::nullopt;
}

} // namespace

std::optional<std::int64_t> zone_offset(std::string_view name, std::int64_t moment) {
    // As many as there are files: what is no zone is not kept.
    thread_local std::map<std::string, Zone, std::less<>> zones;
    auto found = zones.find(name);
    if (found == zones.end()) {
        auto zone = is_name(name) ? read_zone(name) : std::nullopt;
        if (!zone) return std::nullopt;
        found = zones.emplace(std::string(name), std::move(*zone)).first;
    }
    const Zone& zone = found->second;
    const auto next = std::upper_bound(zone.moments.begin(), zone.moments.end(), moment);
    if (next == zone.moments.end() && zone.rule) return offset_by(*zone.rule, moment);
    if (next == zone.moments.begin()) return zone.first;
    return zone.offsets[static_cast<std::size_t>(next - zone.moments.begin()) - 1];
}

bool has_zones() {
    std::error_code error;
    return std::filesystem::is_directory(folder, error);
}

} // namespace baton
