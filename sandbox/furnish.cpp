// Asked for through the targets' own calls, which refuse what is there already.
#include "sandbox/furnish.hpp"

#include "sandbox/target.hpp"

#include <utility>

namespace baton::sandbox {

namespace {

void perform(Room& room, const Target& target, std::string_view operation, std::string body) {
    for (const Route& route : target.routes) {
        if (route.operation != operation) continue;
        Request request;
        request.method = route.method;
        request.path = route.pattern;
        request.body = std::move(body);
        Call call{room.world, request, room.options, {}};
        route.perform(call);
        return;
    }
}

} // namespace

void furnish(Room& room) {
    if (!room.options.is_furnished) return;
    perform(room, redmine_target(), "redmine.create_project",
            R"({"project":{"name":"Operations","identifier":"ops"}})");
    perform(room, slack_target(), "slack.create_channel", "name=oncall");
}

} // namespace baton::sandbox
