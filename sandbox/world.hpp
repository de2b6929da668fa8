// Everything the sandbox remembers: mailboxes, mails, Redmine's users, Slack's members and so on, as
// collections of JSON objects by key. With a file, each change is appended to it as one line of JSON
// before the change is answered, so that even a killed process finds its world again.
//
//   {"c":"mailboxes","k":"ada@example.org","v":{...}}     put
//   {"c":"mailboxes","k":"ada@example.org"}               erase
//
// Lives on the sandbox's thread.
#pragma once

#include "base/result.hpp"

#include <boost/json/object.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace baton::sandbox {

// Short keys first, so that numbers without leading zeros come in their order.
struct ByLengthThenText {
    using is_transparent = void;
    bool operator()(std::string_view a, std::string_view b) const {
        return a.size() != b.size() ? a.size() < b.size() : a < b;
    }
};

using Collection = std::map<std::string, boost::json::object, ByLengthThenText>;

class World {
public:
    World() = default;
    World(World&& other) noexcept;
    World& operator=(World&&) = delete;
    ~World();

    // Reads what an earlier sandbox wrote there; a torn last line is forgotten. Fails if the file
    // can neither be read nor made, or holds something else.
    static Outcome<World> open(const std::string& path);

    const boost::json::object* find(std::string_view collection, std::string_view key) const;
    const Collection& all(std::string_view collection) const;
    void put(std::string_view collection, std::string_view key, boost::json::object value);
    // Whether there was something to erase.
    bool erase(std::string_view collection, std::string_view key);
    void clear();

    // One more than the largest id ever used in the collection since it was opened.
    std::int64_t next_id(std::string_view collection);

    // How often an operation was asked for and how it ended; not kept in the file.
    void count(std::string_view operation, std::string_view outcome);

    // {"label":…,"counts":{…},"calls":{…},<collection>:[…],…}
    boost::json::object snapshot() const;

private:
    bool replay(std::string_view line);
    void append(const boost::json::object& line);
    Status write_compacted(const std::string& path) const;

    std::map<std::string, Collection, std::less<>> collections_;
    std::map<std::string, std::int64_t, std::less<>> last_ids_;
    std::map<std::string, std::map<std::string, std::int64_t>, std::less<>> calls_;
    int file_ = -1;
};

} // namespace baton::sandbox
