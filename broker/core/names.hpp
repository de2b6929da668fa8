// What a name and the arguments beside it may be, said once for every door they enter by: methods,
// administration, definitions and policies. What is let in here can be said on the wire and written
// to the journal; the rest of the core relies on that.
#pragma once

#include "amqp/field_table.hpp"
#include "base/result.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace baton::broker::core {

// The wire says a name and a routing key as a short string.
inline constexpr std::size_t name_bytes_max = 255;

// Of a virtual host, user, exchange, queue, policy or parameter; `what` is "a queue" and the like.
// The failure is precondition_failed.
Outcome<void> check_name(std::string_view what, std::string_view name);
// Any bytes, but not too many.
Outcome<void> check_routing_key(std::string_view key);
// What people write beside names: descriptions, patterns, values of parameters. Text of at most so
// many bytes; what is longer would only be kept, written to the journal and sent on again and again.
inline constexpr std::size_t description_bytes_max = 4096;
inline constexpr std::size_t pattern_bytes_max = 4096;
inline constexpr std::size_t hash_bytes_max = 1024;
inline constexpr std::size_t parameter_bytes_max = 1 << 20;
inline constexpr std::size_t tags_max = 64;
Outcome<void> check_text(std::string_view what, std::string_view text, std::size_t bytes_max);
// Each is a name, and there are not too many.
Outcome<void> check_tags(std::string_view what, const std::vector<std::string>& tags);
// The names inside are short strings, too, and tables do not lie too deep in each other.
Outcome<void> check_arguments(std::string_view what, const amqp::FieldTable& arguments);

} // namespace baton::broker::core
