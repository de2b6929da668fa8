// The memory of a trigger as its row keeps it. Members that nobody here knows are ignored and
// missing ones are empty, so that servers of different versions understand each other.
#include "orchestrator/schedule/schedule.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/system/errc.hpp>

#include <array>
#include <utility>

namespace baton::orchestrator::schedule {

namespace {

namespace json = boost::json;

constexpr std::array<std::pair<const char*, std::string Memory::*>, 6> texts{
    {{"spec", &Memory::spec},
     {"paused_by", &Memory::paused_by},
     {"pause_reason", &Memory::pause_reason},
     {"last_run", &Memory::last_run},
     {"cancelled", &Memory::cancelled},
     {"note", &Memory::note}}};
constexpr std::array<std::pair<const char*, std::uint64_t Memory::*>, 4> counts{
    {{"started", &Memory::started},
     {"skipped", &Memory::skipped},
     {"missed", &Memory::missed},
     {"failed", &Memory::failed}}};
constexpr std::array<std::pair<const char*, Time Memory::*>, 4> time_fields{
    {{"cursor", &Memory::cursor},
     {"last_at", &Memory::last_at},
     {"noted_at", &Memory::noted_at},
     {"cancelled_at", &Memory::cancelled_at}}};

json::array array_of(const Fire& fire) {
    return {micros_of(fire.nominal), static_cast<int>(fire.why), fire.actor};
}

std::int64_t number_in(const json::value& value) {
    ErrorCode error;
    const auto number = value.to_number<std::int64_t>(error);
    return error ? 0 : number;
}

std::int64_t number_of(const json::object& from, std::string_view name) {
    const auto* value = from.if_contains(name);
    return value == nullptr ? 0 : number_in(*value);
}

std::optional<Fire> fire_from(const json::value& value) {
    const auto* parts = value.if_array();
    if (parts == nullptr || parts->size() != 3 || !(*parts)[2].is_string()) return std::nullopt;
    const auto why = number_in((*parts)[1]);
    if (why < 0 || why > static_cast<int>(Fire::Why::by_hand)) return std::nullopt;
    return Fire{time_from_micros(number_in((*parts)[0])), static_cast<Fire::Why>(why),
                std::string((*parts)[2].get_string())};
}

} // namespace

std::string to_json(const Memory& memory) {
    json::object out;
    for (const auto& [name, member] : texts)
        if (!(memory.*member).empty()) out[name] = memory.*member;
    for (const auto& [name, member] : counts)
        if (memory.*member != 0) out[name] = memory.*member;
    for (const auto& [name, member] : time_fields)
        if (micros_of(memory.*member) != 0) out[name] = micros_of(memory.*member);
    if (memory.is_gone) out["gone"] = true;
    if (memory.paused_at) out["paused_at"] = micros_of(*memory.paused_at);
    if (memory.last) out["last"] = array_of(*memory.last);
    if (!memory.waiting.empty()) {
        json::array waiting;
        for (const Fire& fire : memory.waiting)
            waiting.emplace_back(array_of(fire));
        out["waiting"] = std::move(waiting);
    }
    return json::serialize(out);
}

Outcome<Memory> memory_from_json(std::string_view text) {
    ErrorCode error;
    const json::value whole = json::parse(text, error);
    const auto* from = whole.if_object();
    if (error || from == nullptr)
        return Failure{make_error_code(boost::system::errc::invalid_argument),
                       "a trigger's row is no JSON object"};
    Memory memory;
    for (const auto& [name, member] : texts)
        if (const auto* value = from->if_contains(name); value != nullptr && value->is_string())
            memory.*member = std::string(value->get_string());
    for (const auto& [name, member] : counts)
        memory.*member = static_cast<std::uint64_t>(number_of(*from, name));
    for (const auto& [name, member] : time_fields)
        memory.*member = time_from_micros(number_of(*from, name));
    memory.is_gone = from->contains("gone");
    if (from->contains("paused_at"))
        memory.paused_at = time_from_micros(number_of(*from, "paused_at"));
    if (const auto* last = from->if_contains("last")) memory.last = fire_from(*last);
    if (const auto* waiting = from->if_contains("waiting");
        waiting != nullptr && waiting->is_array())
        for (const json::value& one : waiting->get_array())
            if (auto fire = fire_from(one)) memory.waiting.push_back(std::move(*fire));
    return memory;
}

} // namespace baton::orchestrator::schedule
