// How the process's open files are shared out: connections of AMQP and of HTTP each have a number of
// their own, so neither keeps the other out, and what is left belongs to the journal, the database and
// the threads.
#pragma once

#include <cstddef>

namespace baton::server {

struct DescriptorShares {
    std::size_t amqp = 0; // 0: as many as come
    std::size_t http = 0;
    std::size_t metrics = 0;
};

// `limit` is how many the process may have open, 0 without one.
DescriptorShares share_descriptors(std::size_t limit, std::size_t io_threads);

} // namespace baton::server
