// What an administrator asks of the server itself under /baton/v1: who did what, and how much the
// log says.
#include "base/log.hpp"
#include "web/http/members.hpp"
#include "web/http/query.hpp"
#include "web/http/replies.hpp"
#include "web/runs/run_api.hpp"
#include "web/v1/listing.hpp"
#include "web/v1/v1_api.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace baton::web {

namespace json = boost::json;
using boost::asio::awaitable;
using orchestrator::runtime::RunQueries;

namespace {

struct LevelWord {
    std::string_view word;
    log::Level level;
};
constexpr std::array<LevelWord, 4> log_levels{{{"debug", log::Level::debug},
                                               {"info", log::Level::info},
                                               {"warning", log::Level::warning},
                                               {"error", log::Level::error}}};

std::string_view log_level_now() {
    for (const LevelWord& one : log_levels)
        if (log::is_enabled(one.level)) return one.word;
    return "off";
}

// Beyond so many pieces of the log without a fitting line the page ends, and says where it goes on.
constexpr int pieces_max = 32;

class V1Admin {
public:
    explicit V1Admin(std::shared_ptr<const ApiParts> parts) : parts_(std::move(parts)) {}

    static void add_routes(Routes& routes, const std::shared_ptr<V1Admin>& self) {
        const RouteAdder<V1Admin> add(routes, self);
        add("GET", "/baton/v1/audit", Level::admin, &V1Admin::audit,
            {"actor", "action", "target", "limit", "after", "count"});
        add("GET", "/baton/v1/settings/log-level", Level::admin, &V1Admin::tell_level);
        add("PUT", "/baton/v1/settings/log-level", Level::admin, &V1Admin::set_level);
    }

private:
    awaitable<Response> audit(Request request, Parameters) {
        const auto wish = page_wish(request);
        if (!wish) co_return problem(400, "bad_request", wish.error().detail);
        if (!parts_->read_audit)
            co_return problem(404, "not_found", "this server keeps no audit log");
        json::array items;
        std::string from = wish->after;
        std::optional<std::string> next;
        for (int piece = 0; piece < pieces_max; ++piece) {
            // On a reader's thread: the disk may be slow.
            const auto page = co_await parts_->reader->ask(
                [read = parts_->read_audit, from](RunQueries&) { return read(from); });
            if (!page && page.error().code == boost::system::errc::invalid_argument)
                co_return problem(400, "bad_request", page.error().detail);
            if (!page) co_return problem_of(page.error());
            for (const std::string& line : page->lines)
                if (auto one = fitting(line, request)) items.push_back(std::move(*one));
            from = page->next;
            next = from.empty() ? std::nullopt : std::optional(from);
            // A piece is given whole, so that nothing of it is told twice or left out.
            if (!next || items.size() >= wish->limit) break;
        }
        co_return reply(200, page_json(std::move(items), next, {}));
    }

    static std::optional<json::object> fitting(const std::string& line, const Request& request) {
        auto read = parse_json(line);
        if (!read || !read->is_object()) return std::nullopt;
        for (const char* member : {"actor", "action", "target"}) {
            const std::string wanted = parameter(request, member);
            if (!wanted.empty() &&
                text_member(read->get_object(), member).find(wanted) == std::string::npos)
                return std::nullopt;
        }
        return std::move(read->get_object());
    }

    awaitable<Response> tell_level(Request, Parameters) {
        co_return reply(200, json::object{{"level", log_level_now()}});
    }

    awaitable<Response> set_level(Request request, Parameters) {
        const auto body = body_of(request);
        if (!body) co_return problem(400, "bad_request", body.error().detail);
        if (const auto known = check_members(*body, {"level"}); !known)
            co_return problem(400, "bad_request", known.error().detail);
        const std::string wanted = text_member(*body, "level");
        for (const LevelWord& one : log_levels) {
            if (one.word != wanted) continue;
            log::set_level(one.level);
            log::warning("web", "the log's level was changed",
                         {{"level", wanted}, {"by", request.login.user}});
            co_return reply(200, json::object{{"level", one.word}});
        }
        co_return problem(400, "bad_request", "'level' must be debug, info, warning or error");
    }

    std::shared_ptr<const ApiParts> parts_;
};

} // namespace

void add_v1_admin_routes(Routes& routes, const std::shared_ptr<const ApiParts>& parts) {
    V1Admin::add_routes(routes, std::make_shared<V1Admin>(parts));
}

} // namespace baton::web
