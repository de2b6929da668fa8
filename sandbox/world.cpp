// The sandbox's memory and its file.
#include "sandbox/world.hpp"

#include "base/log.hpp"
#include "base/named_file.hpp"

#include <boost/json.hpp>

#include <fmt/format.h>

#include <cerrno>
#include <charconv>
#include <fstream>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

namespace baton::sandbox {

namespace json = boost::json;

namespace {

Failure file_failure(std::string_view what, const std::string& path) {
    const ErrorCode code{errno, boost::system::system_category()};
    return {code, fmt::format("the sandbox cannot {} its file {}: {}", what, path, code.message())};
}

bool write_all(int file, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(file, text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return true;
}

} // namespace

World::World(World&& other) noexcept
    : collections_(std::move(other.collections_)),
      last_ids_(std::move(other.last_ids_)),
      calls_(std::move(other.calls_)),
      file_(std::exchange(other.file_, -1)) {}

World::~World() {
    if (file_ >= 0) ::close(file_);
}

Outcome<World> World::open(const std::string& path) {
    World world;
    // A file that is not there yet is made.
    if (const auto checked = check_named_file(path, named_file_bytes_max);
        !checked && checked.error().code != boost::system::errc::no_such_file_or_directory)
        return Failure{make_error_code(boost::system::errc::invalid_argument),
                       fmt::format("the sandbox's file '{}' cannot be read: {}", path, checked.error().detail)};
    std::ifstream in(path);
    std::string line;
    std::size_t number = 0;
    std::size_t bad_line = 0;
    while (std::getline(in, line)) {
        ++number;
        if (bad_line != 0)
            return Failure{make_error_code(boost::system::errc::invalid_argument),
                           fmt::format("{}:{}: this is not a line of a sandbox's file; name "
                                       "another file, or remove this one to start afresh",
                                       path, bad_line)};
        if (!line.empty() && !world.replay(line)) bad_line = number;
    }
    // Only the last line can have been torn by a kill; a file of one bad line is somebody else's.
    if (bad_line == 1)
        return Failure{make_error_code(boost::system::errc::invalid_argument),
                       fmt::format("{} is not a sandbox's file; name another one", path)};
    in.close();
    const Status compacted = world.write_compacted(path);
    if (!compacted) return Failure{compacted.error(), file_failure("write", path).detail};
    world.file_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    if (world.file_ < 0) return file_failure("open", path);
    return world;
}

Status World::write_compacted(const std::string& path) const {
    const std::string fresh = path + ".new";
    const auto last_error = [] { return ErrorCode{errno, boost::system::system_category()}; };
    const int file = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) return last_error();
    std::string text;
    for (const auto& [collection, records] : collections_)
        for (const auto& [key, value] : records)
            text += json::serialize(json::object{{"c", collection}, {"k", key}, {"v", value}}) + "\n";
    const bool written = write_all(file, text);
    const ErrorCode problem = last_error();
    ::close(file);
    if (!written) return problem;
    if (::rename(fresh.c_str(), path.c_str()) != 0) return last_error();
    return {};
}

bool World::replay(std::string_view line) {
    ErrorCode code;
    const json::value value = json::parse(line, code);
    if (code || !value.is_object()) return false;
    const json::object& entry = value.get_object();
    const json::value* collection = entry.if_contains("c");
    const json::value* key = entry.if_contains("k");
    const json::value* content = entry.if_contains("v");
    if (!collection || !collection->is_string() || !key || !key->is_string()) return false;
    if (content && !content->is_object()) return false;
    if (content)
        put(collection->get_string(), key->get_string(), content->get_object());
    else
        erase(collection->get_string(), key->get_string());
    return true;
}

void World::append(const json::object& line) {
    if (file_ < 0) return;
    if (!write_all(file_, json::serialize(line) + "\n"))
        log::warning("sandbox", "cannot write the file; this change lives in memory only");
}

const json::object* World::find(std::string_view collection, std::string_view key) const {
    const Collection& records = all(collection);
    const auto found = records.find(key);
    return found == records.end() ? nullptr : &found->second;
}

const Collection& World::all(std::string_view collection) const {
    static const Collection empty;
    const auto found = collections_.find(collection);
    return found == collections_.end() ? empty : found->second;
}

void World::put(std::string_view collection, std::string_view key, json::object value) {
    std::int64_t id = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
    if (error == std::errc{} && end == key.data() + key.size()) {
        std::int64_t& last = last_ids_[std::string(collection)];
        last = std::max(last, id);
    }
    append({{"c", collection}, {"k", key}, {"v", value}});
    collections_[std::string(collection)].insert_or_assign(std::string(key), std::move(value));
}

bool World::erase(std::string_view collection, std::string_view key) {
    const auto found = collections_.find(collection);
    if (found == collections_.end()) return false;
    const auto record = found->second.find(key);
    if (record == found->second.end()) return false;
    append({{"c", collection}, {"k", key}});
    found->second.erase(record);
    return true;
}

void World::clear() {
    std::vector<std::pair<std::string, std::string>> keys;
    for (const auto& [collection, records] : collections_)
        for (const auto& [key, value] : records) keys.emplace_back(collection, key);
    for (const auto& [collection, key] : keys) erase(collection, key);
    calls_.clear();
}

std::int64_t World::next_id(std::string_view collection) {
    return ++last_ids_[std::string(collection)];
}

void World::count(std::string_view operation, std::string_view outcome) {
    ++calls_[std::string(operation)][std::string(outcome)];
}

json::object World::snapshot() const {
    json::object state;
    state["label"] = "Baton sandbox: a stand-in, not the real systems";
    json::object counts;
    for (const auto& [name, records] : collections_) counts[name] = records.size();
    state["counts"] = std::move(counts);
    json::object calls;
    for (const auto& [operation, outcomes] : calls_) {
        json::object one;
        for (const auto& [outcome, number] : outcomes) one[outcome] = number;
        calls[operation] = std::move(one);
    }
    state["calls"] = std::move(calls);
    for (const auto& [name, records] : collections_) {
        json::array list;
        for (const auto& [key, value] : records) list.push_back(value);
        state[name] = std::move(list);
    }
    return state;
}

} // namespace baton::sandbox
