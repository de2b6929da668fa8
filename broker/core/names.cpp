// The checks of names.
#include "broker/core/names.hpp"

#include "amqp/buffer.hpp"
#include "amqp/errors.hpp"
#include "amqp/wire.hpp"

#include <fmt/format.h>

#include <array>

namespace baton::broker::core {

namespace {

Failure precondition(std::string detail) {
    return {amqp::ReplyCode::precondition_failed, std::move(detail)};
}

Failure too_long(std::string_view what, std::size_t bytes) {
    return precondition(fmt::format("the name of {} has {} bytes; {} are the most AMQP can say",
                                    what, bytes, name_bytes_max));
}

} // namespace

bool is_utf8(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const auto byte = [&](std::size_t ahead) -> unsigned {
            return at + ahead < text.size() ? static_cast<unsigned char>(text[at + ahead]) : 0U;
        };
        const unsigned lead = byte(0);
        const std::size_t more = lead < 0x80 ? 0 : lead >> 5 == 6 ? 1 : lead >> 4 == 14 ? 2 : 3;
        if (more == 3 && lead >> 3 != 30) return false;
        unsigned point = more == 0 ? lead : lead & (0x3FU >> more);
        for (std::size_t ahead = 1; ahead <= more; ++ahead) {
            if (byte(ahead) >> 6 != 2) return false;
            point = point << 6 | (byte(ahead) & 0x3FU);
        }
        constexpr std::array<unsigned, 4> smallest{0, 0x80, 0x800, 0x10000};
        if (point < smallest[more] || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000))
            return false;
        at += more + 1;
    }
    return true;
}

Outcome<void> check_name(std::string_view what, std::string_view name) {
    if (name.size() > name_bytes_max) return too_long(what, name.size());
    // Names that are no text could not be shown to anybody.
    if (!is_utf8(name)) return precondition(fmt::format("the name of {} is not UTF-8", what));
    return boost::system::in_place_value;
}

Outcome<void> check_routing_key(std::string_view key) {
    if (key.size() > name_bytes_max)
        return precondition(fmt::format("a routing key of {} bytes; {} are the most AMQP can say",
                                        key.size(), name_bytes_max));
    return boost::system::in_place_value;
}

Outcome<void> check_text(std::string_view what, std::string_view text, std::size_t bytes_max) {
    if (text.size() > bytes_max)
        return precondition(fmt::format("{} has {} bytes; at most {} are kept", what, text.size(),
                                        bytes_max));
    if (!is_utf8(text)) return precondition(fmt::format("{} is not UTF-8", what));
    return boost::system::in_place_value;
}

Outcome<void> check_tags(std::string_view what, const std::vector<std::string>& tags) {
    if (tags.size() > tags_max)
        return precondition(
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
        return precondition(fmt::format(
            "the arguments of {} cannot be said in AMQP: a name in them has more than {} bytes, or "
            "more than {} tables lie in each other",
            what, name_bytes_max, amqp::field_nesting_max));
    return boost::system::in_place_value;
}

} // namespace baton::broker::core
