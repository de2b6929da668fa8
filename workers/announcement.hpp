// What a worker of ours says about one of its handlers on baton.announce. Pure.
#pragma once

#include "contract/announcement.hpp"
#include "workers/handler.hpp"

#include <cstdint>
#include <string_view>

namespace baton::workers {

// `worker` is the process, "mail@host:4711"; what is not known is left out.
contract::Announcement announcement_of(const Handler& handler, std::string_view worker, std::string_view queue,
                                       std::uint32_t concurrency);

} // namespace baton::workers
