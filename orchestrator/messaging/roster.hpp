// Who works: what workers announce about themselves, kept until they say goodbye or have not been heard for a while. In
// memory only, since they say it again. Bounded, whoever announces whatever. Pure; belongs to the executor of Messaging.
#pragma once

#include "base/clock.hpp"
#include "contract/announcement.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace baton::orchestrator::messaging {

struct KnownTask {
    std::string task;
    std::string queue;
    std::string route;                // "mail.create.eu"; the queue itself if it is none of ours
    // JSON Schemas; null: not said. Shared, since all processes of a worker say the same.
    std::shared_ptr<const std::string> parameters;
    std::shared_ptr<const std::string> result;
};

struct KnownWorker {
    std::string worker;               // "mail@host:4711"
    std::string version;
    std::string host;
    std::uint32_t concurrency = 0;    // 0: not said
    Time first_heard;
    Time last_heard;
    Duration every{};
    std::vector<KnownTask> tasks;     // by name
};

struct RosterLimits {
    std::size_t workers = 2'000;
    std::size_t tasks_per_worker = 500;
    std::size_t schema_bytes = 32 * 1024 * 1024; // each different schema counted once
};

class Roster {
public:
    explicit Roster(RosterLimits limits = {}) : limits_(limits) {}

    // False: there is no place for more. A schema without a place is left out.
    bool take(contract::Announcement about, Time now);
    void leave(std::string_view worker);
    // Forgets who has not been heard for too long, and whoever has been silent for a moment and of whose routes
    // `is_deserted` says that nobody consumes them.
    void expire(Time now, const std::function<bool(const std::string& route)>& is_deserted = {});

    // By name.
    std::vector<KnownWorker> list() const;

private:
    using Text = std::shared_ptr<const std::string>;
    Text shared(std::string text);
    void sweep();

    RosterLimits limits_;
    std::map<std::string, KnownWorker, std::less<>> workers_;
    std::map<std::string, std::weak_ptr<const std::string>, std::less<>> schemas_; // by their text
    std::size_t schema_bytes_ = 0;
};

} // namespace baton::orchestrator::messaging
