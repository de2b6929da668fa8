// The texts behind the codes of the wire format and of reply codes.
#include "amqp/errors.hpp"

#include <string>

namespace baton::amqp {

namespace {

const char* text_of(Errc code) {
    switch (code) {
    case Errc::frame_too_large:
        return "frame is larger than negotiated";
    case Errc::bad_frame_end:
        return "frame does not end with 0xCE";
    case Errc::unknown_frame_type:
        return "unknown frame type";
    case Errc::bad_protocol_header:
        return "not the protocol header of AMQP 0-9-1";
    case Errc::truncated:
        return "a value reaches past the end of its frame";
    case Errc::trailing_bytes:
        return "bytes follow the last value";
    case Errc::unknown_field_type:
        return "unknown field type";
    case Errc::nesting_too_deep:
        return "tables are nested too deep";
    case Errc::bad_property_flags:
        return "bad property flags";
    case Errc::bad_content_header:
        return "bad content header";
    case Errc::short_string_too_long:
        return "short string is longer than 255 bytes";
    case Errc::value_too_large:
        return "value is too large to be encoded";
    case Errc::unknown_class:
        return "unknown class";
    case Errc::unknown_method:
        return "unknown method";
    case Errc::unexpected_method:
        return "this method has no place here";
    case Errc::unexpected_frame:
        return "this frame has no place here";
    }
    return "unknown error";
}

class Category final : public boost::system::error_category {
public:
    const char* name() const noexcept override { return "amqp"; }
    std::string message(int code) const override { return text_of(static_cast<Errc>(code)); }
};

class ReplyCategory final : public boost::system::error_category {
public:
    const char* name() const noexcept override { return "amqp.reply"; }
    std::string message(int code) const override {
        return std::to_string(code) + " " + std::string(name_of(static_cast<ReplyCode>(code)));
    }
};

ReplyCode reply_code_of(Errc code) {
    switch (code) {
    case Errc::frame_too_large:
    case Errc::bad_frame_end:
    case Errc::unknown_frame_type:
    case Errc::bad_protocol_header:
        return ReplyCode::frame_error;
    case Errc::truncated:
    case Errc::trailing_bytes:
    case Errc::unknown_field_type:
    case Errc::nesting_too_deep:
    case Errc::bad_property_flags:
    case Errc::bad_content_header:
    case Errc::short_string_too_long:
    case Errc::value_too_large:
        return ReplyCode::syntax_error;
    case Errc::unknown_class:
    case Errc::unexpected_method:
        return ReplyCode::command_invalid;
    case Errc::unknown_method:
        return ReplyCode::not_implemented;
    case Errc::unexpected_frame:
        return ReplyCode::unexpected_frame;
    }
    return ReplyCode::internal_error;
}

} // namespace

std::string_view name_of(ReplyCode code) {
    switch (code) {
    case ReplyCode::success:
        return "SUCCESS";
    case ReplyCode::content_too_large:
        return "CONTENT_TOO_LARGE";
    case ReplyCode::no_route:
        return "NO_ROUTE";
    case ReplyCode::no_consumers:
        return "NO_CONSUMERS";
    case ReplyCode::connection_forced:
        return "CONNECTION_FORCED";
    case ReplyCode::invalid_path:
        return "INVALID_PATH";
    case ReplyCode::access_refused:
        return "ACCESS_REFUSED";
    case ReplyCode::not_found:
        return "NOT_FOUND";
    case ReplyCode::resource_locked:
        return "RESOURCE_LOCKED";
    case ReplyCode::precondition_failed:
        return "PRECONDITION_FAILED";
    case ReplyCode::frame_error:
        return "FRAME_ERROR";
    case ReplyCode::syntax_error:
        return "SYNTAX_ERROR";
    case ReplyCode::command_invalid:
        return "COMMAND_INVALID";
    case ReplyCode::channel_error:
        return "CHANNEL_ERROR";
    case ReplyCode::unexpected_frame:
        return "UNEXPECTED_FRAME";
    case ReplyCode::resource_error:
        return "RESOURCE_ERROR";
    case ReplyCode::not_allowed:
        return "NOT_ALLOWED";
    case ReplyCode::not_implemented:
        return "NOT_IMPLEMENTED";
    case ReplyCode::internal_error:
        return "INTERNAL_ERROR";
    }
    return "UNKNOWN";
}

const boost::system::error_category& category() {
    static const Category instance;
    return instance;
}

ErrorCode make_error_code(Errc code) {
    return {static_cast<int>(code), category()};
}

const boost::system::error_category& reply_category() {
    static const ReplyCategory instance;
    return instance;
}

ErrorCode make_error_code(ReplyCode code) {
    return {static_cast<int>(code), reply_category()};
}

ReplyCode reply_code_for(const ErrorCode& error) {
    if (error.category() == reply_category()) return static_cast<ReplyCode>(error.value());
    if (error.category() == category()) return reply_code_of(static_cast<Errc>(error.value()));
    return ReplyCode::internal_error;
}

} // namespace baton::amqp
