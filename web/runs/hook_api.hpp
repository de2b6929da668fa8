// POST /baton/v1/hooks/HOOK: what others send to workflows that have an [[on]] with webhook. Nobody
// logs in here: who sent it shows a secret that the file names, and whoever does not is told
// nothing but that, neither what is wrong nor whether there is such a hook.
#pragma once

#include "web/api.hpp"
#include "web/http/http_server.hpp"

#include <boost/asio/awaitable.hpp>

#include <memory>
#include <optional>
#include <string_view>

namespace baton::web {

class HookApi {
public:
    explicit HookApi(std::shared_ptr<const ApiParts> parts) : parts_(std::move(parts)) {}

    static constexpr std::string_view pattern = "/baton/v1/hooks/{hook}";
    static bool is_hook(std::string_view path);
    // Before the body is read.
    std::optional<Response> admit(Request& request) const;
    boost::asio::awaitable<Response> answer(Request request);

private:
    std::shared_ptr<const ApiParts> parts_;
    std::size_t waiting_ = 0; // on the web's thread
};

} // namespace baton::web
