// GET /baton/v1/events: one stream of what happens, as text/event-stream, for any number of topics.
// event_hub.hpp has the numbers, change_feed.hpp the way from the engine; here are the listeners
// and the loop that wakes them.
#include "base/random.hpp"
#include "orchestrator/core/status.hpp"
#include "web/http/replies.hpp"
#include "web/runs/run_api.hpp"
#include "web/v1/change_feed.hpp"
#include "web/v1/dead_count.hpp"
#include "web/v1/event_hub.hpp"
#include "web/v1/listing.hpp"
#include "web/v1/v1_api.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::web {

namespace asio = boost::asio;
namespace json = boost::json;
namespace runtime = orchestrator::runtime;
using boost::asio::awaitable;
using runtime::RunQueries;
using std::chrono::steady_clock;

namespace {

constexpr std::size_t listeners_max = 200;
constexpr std::size_t topics_max = 50;
// So a run is told of four times a second at most.
constexpr std::chrono::milliseconds tick_interval{250};
// What nobody tells of by itself is looked at so often, while somebody wants to know.
constexpr int ticks_between_looks = 8;
// Proxies close what is silent, and only a write finds out that nobody is there any more.
constexpr std::chrono::seconds comment_interval{15};
// Then a listener shows again who he is; Last-Event-ID lets him go on where he was.
constexpr std::chrono::minutes stream_length{15};
constexpr std::size_t jobs_seen = 20;
// What runs became at other servers of the database is looked at so often; of more than so many at
// once everybody loads anew.
constexpr int ticks_between_others = 2;
constexpr std::size_t others_max = 1'000;

class V1Events : public std::enable_shared_from_this<V1Events> {
public:
    explicit V1Events(std::shared_ptr<const ApiParts> parts)
        : parts_(std::move(parts)), hub_(random_name(6)) {}

    awaitable<Response> begin(Request request, Parameters) {
        std::set<std::string> topics;
        const std::string given = parameter(request, "topics");
        for (std::string_view rest = given; !rest.empty();) {
            const auto end = std::min(rest.find(','), rest.size());
            const std::string topic(rest.substr(0, end));
            rest.remove_prefix(std::min(end + 1, rest.size()));
            if (!is_topic(topic))
                co_return problem(400, "bad_request",
                                  "there is no topic '" + topic +
                                      "'; topics are runs, run:ID with a whole id, dead, "
                                      "workers and operations");
            topics.insert(topic);
        }
        if (topics.empty() || topics.size() > topics_max)
            co_return problem(
                400, "bad_request",
                fmt::format("'topics' must name 1 to {} topics, with commas between", topics_max));
        if (listeners_.size() >= listeners_max) {
            auto busy = problem(
                503, "busy", fmt::format("{} streams are open, as many as may be", listeners_max));
            busy.headers["Retry-After"] = "5";
            co_return busy;
        }
        co_return stream(std::move(topics), request.last_event_id,
                         co_await asio::this_coro::executor);
    }

private:
    struct Listener {
        Listener(std::set<std::string> wanted, const asio::any_io_executor& executor)
            : topics(std::move(wanted)), wake(executor) {}
        std::set<std::string> topics;
        std::uint64_t place = 0;
        steady_clock::time_point ends = steady_clock::now() + stream_length;
        asio::steady_timer wake;
    };
    using ListenerPtr = std::shared_ptr<Listener>;

    // Takes the listener off when its stream ends, however that is.
    struct Membership {
        Membership(std::shared_ptr<V1Events> events, ListenerPtr one)
            : events_(std::move(events)), listener(std::move(one)) {
            events_->listeners_.insert(listener);
        }
        Membership(const Membership&) = delete;
        Membership& operator=(const Membership&) = delete;
        ~Membership() { events_->listeners_.erase(listener); }
        std::shared_ptr<V1Events> events_;
        ListenerPtr listener;
    };

    Response stream(std::set<std::string> topics, const std::string& last_event_id,
                    asio::any_io_executor executor) {
        const auto listener = std::make_shared<Listener>(std::move(topics), executor);
        const auto place = hub_.place_of(last_event_id);
        listener->place = place.value_or(hub_.end());
        const auto member = std::make_shared<Membership>(shared_from_this(), listener);
        if (!is_running_) run_on(executor);
        Response response;
        response.content_type = "text/event-stream";
        response.headers["Cache-Control"] = "no-store";
        response.headers["X-Accel-Buffering"] = "no"; // a proxy that gathers would tell late
        // How long a browser waits before it comes back; then, where something was missed, what to
        // do.
        response.body = "retry: 2000\n\n" + (place ? std::string{} : hub_.resync(listener->place));
        response.more = [self = shared_from_this(), member] {
            return self->next(member->listener);
        };
        return response;
    }

    awaitable<std::string> next(ListenerPtr listener) {
        const auto comment_at = steady_clock::now() + comment_interval;
        while (steady_clock::now() < listener->ends) {
            std::string news = hub_.news(listener->place, listener->topics);
            if (!news.empty()) co_return news;
            if (steady_clock::now() >= comment_at) co_return ": still there\n\n";
            ErrorCode woken;
            listener->wake.expires_at(std::min(comment_at, listener->ends));
            co_await listener->wake.async_wait(asio::redirect_error(asio::use_awaitable, woken));
        }
        co_return std::string{};
    }

    void run_on(const asio::any_io_executor& executor) {
        is_running_ = true;
        parts_->changes->listen(true);
        asio::co_spawn(executor, run(shared_from_this()), [](const std::exception_ptr& failure) {
            if (failure) std::rethrow_exception(failure);
        });
    }

    // As long as somebody listens.
    awaitable<void> run(std::shared_ptr<V1Events> self) {
        asio::steady_timer timer(co_await asio::this_coro::executor);
        for (int ticks = 0; !listeners_.empty(); ++ticks) {
            take_changes();
            if (ticks % ticks_between_others == 0 && !parts_->node.empty())
                co_await look_at_others();
            if (ticks % ticks_between_looks == 0) co_await look_around();
            if (hub_.tick())
                for (const ListenerPtr& one : listeners_)
                    one->wake.cancel();
            ErrorCode ignored;
            timer.expires_after(tick_interval);
            co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        }
        self->parts_->changes->listen(false);
        self->parts_->changes->take();
        // What happens now nobody hears: who comes back with an older number loads anew.
        self->hub_.lose();
        self->hub_.tick();
        self->heads_.clear();
        self->is_running_ = false;
    }

    void take_changes() {
        const auto taken = parts_->changes->take();
        if (taken.has_lost) return hub_.lose();
        for (const auto& one : taken.changes)
            say_run(one.run_id, one.seq, one.status);
    }

    void say_run(const std::string& run_id, std::uint64_t seq, runtime::RunStatus status) {
        hub_.say("run", run_id,
                 json::serialize(json::object{{"run", run_id},
                                              {"seq", seq},
                                              {"status", orchestrator::core::word_of(status)}}));
    }

    // The engine here tells of its own partitions' runs alone.
    awaitable<void> look_at_others() {
        const auto look = [node = parts_->node, after = heads_](RunQueries& queries) {
            return queries.runs_elsewhere(node, after, others_max);
        };
        const auto found = co_await parts_->reader->ask(look);
        if (!found) co_return;
        heads_ = found->heads;
        if (!found->is_whole) hub_.lose();
        for (const auto& one : found->runs)
            say_run(one.run_id, one.version, one.status);
    }

    bool is_wanted(const std::string& topic) const {
        return std::ranges::any_of(
            listeners_, [&](const ListenerPtr& one) { return one->topics.contains(topic); });
    }

    // Says it where it is not what was seen last.
    void note(const std::string& topic, const json::object& seen) {
        std::string text = json::serialize(seen);
        std::string& before = seen_[topic];
        if (before == text) return;
        before = text;
        hub_.say(topic, {}, std::move(text));
    }

    awaitable<void> look_around() {
        if (is_wanted("dead")) co_await look_at_dead();
        if (is_wanted("operations")) co_await look_at_operations();
        if (is_wanted("workers") && parts_->workers) {
            const auto workers = co_await await_reply<std::vector<WorkerLook>>(
                std::chrono::seconds(1), [this](auto callback) { parts_->workers(callback); });
            std::string names;
            if (workers)
                for (const WorkerLook& one : *workers)
                    names += one.worker + "\n";
            if (workers)
                note("workers", json::object{{"workers", workers->size()},
                                             {"names", std::hash<std::string>{}(names)}});
        }
    }

    awaitable<void> look_at_dead() {
        const auto seen =
            co_await parts_->reader->ask([](RunQueries& queries) -> Outcome<json::object> {
                runtime::DeadLetterFilter filter;
                BATON_ASSIGN(const auto open, count_dead(queries, filter));
                filter.limit = 1;
                filter.state = std::nullopt;
                BATON_ASSIGN(const auto youngest, queries.dead_letters(filter));
                return json::object{{"open", open.count},
                                    {"youngest", youngest.empty() ? 0 : youngest.front().id}};
            });
        if (seen) note("dead", *seen);
    }

    awaitable<void> look_at_operations() {
        const auto seen =
            co_await parts_->reader->ask([](RunQueries& queries) -> Outcome<json::object> {
                json::object out;
                BATON_ASSIGN(const auto runs, queries.run_jobs(std::nullopt, jobs_seen));
                for (const auto& one : runs)
                    out[fmt::format("runs-{}", one.id)] =
                        one.done + one.refused + (one.closed_at ? 1 : 0);
                BATON_ASSIGN(const auto dead, queries.dead_jobs(std::nullopt, jobs_seen));
                for (const auto& one : dead)
                    out[fmt::format("dead-{}", one.id)] =
                        one.done + one.refused + (one.closed_at ? 1 : 0);
                return out;
            });
        if (seen) note("operations", *seen);
    }

    std::shared_ptr<const ApiParts> parts_;
    EventHub hub_;
    std::set<ListenerPtr> listeners_;
    std::map<std::string, std::string> seen_; // by topic
    std::map<runtime::Partition, std::uint64_t>
        heads_; // transitions that were told, of a shared store
    bool is_running_ = false;
};

} // namespace

void add_v1_event_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts) {
    if (!parts->changes) return;
    const auto self = std::make_shared<V1Events>(parts);
    routes.add("GET", "/baton/v1/events", Level::viewer,
               [self](Request request, Parameters parameters) {
                   return self->begin(std::move(request), std::move(parameters));
               },
               {"topics"});
}

} // namespace baton::web
