// The checks of names.
#include "broker/core/names.hpp"

#include "amqp/buffer.hpp"
#include "amqp/errors.hpp"
#include "amqp/wire.hpp"
#include "base/utf8.hpp"

#include <fmt/format.h>


namespace baton::broker::core {

namespace {

Failure name_precondition(std::string detail) {
    return {amqp::ReplyCode::precondition_failed, std::move(detail)};
}

Failure too_long(std::string_view what, std::size_t bytes) {
    return name_precondition(fmt::format("the name of {} has {} bytes; {} are the most AMQP can say",
                                    what, bytes, name_bytes_max));
}

} // namespace

Outcome<void> check_name(std::string_view what, std::string_view name) {
    if (name.size() > name_bytes_max) return too_long(what, name.size());
    // Names that are no text could not be shown to anybody.
    if (!is_utf8(name)) return name_precondition(fmt::format("the name of {} is not UTF-8", what));
    return boost::system::in_place_value;
}

Outcome<void> check_routing_key(std::string_view key) {
    if (key.size() > name_bytes_max)
        return name_precondition(fmt::format("a routing key of {} bytes; {} are the most AMQP can say",
                                        key.size(), name_bytes_max));
    return boost::system::in_place_value;
}

Outcome<void> check_text(std::string_view what, std::string_view text, std::size_t bytes_max) {
    if (text.size() > bytes_max)
        return name_precondition(fmt::format("{} has {} bytes; at most {} are kept", what, text.size(),
                                        bytes_max));
    if (!is_utf8(text)) return name_precondition(fmt::format("{} is not UTF-8", what));
    return boost::system::in_place_value;
}

Outcome<void> check_tags(std::string_view what, const std::vector<std::string>& tags) {
    if (tags.size() > tags_max)
        return name_precondition(
            fmt::format("{} has {} tags; at most {} are kept", what, tags.size(), tags_max));
    for (const std::string& tag : tags) BATON_TRY(check_name("a tag", tag));
    return boost::system::in_place_value;
}

Outcome<void> check_arguments(std::string_view what, const amqp::FieldTable& arguments) {
    if (arguments.empty()) return boost::system::in_place_value;
    // Said and read again: then the journal can do both as well.
    amqp::Buffer said;
    amqp::Writer writer(said);
    amqp::write_table(writer, arguments);
    constexpr std::size_t length_bytes = 4;
    if (!writer.status() || !amqp::check_table(said.view().subspan(length_bytes)))
        return name_precondition(fmt::format(
            "the arguments of {} cannot be said in AMQP: a name in them has more than {} bytes, or "
            "more than {} tables lie in each other",
            what, name_bytes_max, amqp::field_nesting_max));
    return boost::system::in_place_value;
}

} // namespace baton::broker::core
