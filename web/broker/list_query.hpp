// What a GET may ask of its answer, in RabbitMQ's words, for every list and object of the broker:
//   page, page_size            a part of the list in an envelope: filtered_count, item_count, page, …
//   name, use_regex=true       only entries whose name contains this, or matches it; without regard
//                              to case
//   sort, sort_reverse=true    by a field; "message_stats.publish" looks inside
//   columns                    only these fields, separated by commas
//   disable_stats=true         without rates and counts of messages; enable_queue_totals=true keeps
//                              the three counts of queues
#pragma once

#include "web/http/http_server.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace baton::web {

// 200, or 400 when the parameters make no sense.
Response list_reply(const Request& request, boost::json::array list);
Response object_reply(const Request& request, boost::json::object object);

} // namespace baton::web
