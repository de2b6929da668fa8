// Any bytes as a task and as a report: never a crash, and what was understood says the same again.
#include "base/assert.hpp"
#include "contract/task_message.hpp"

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace baton;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    // The first line is the report's type.
    const std::size_t end = text.find('\n');
    const std::string_view type = text.substr(0, end);
    const std::string_view body = end == std::string_view::npos ? "" : text.substr(end + 1);
    amqp::Properties properties;
    properties.type = std::string(type);
    const contract::TaskReport report = contract::decode_report(properties, body);
    const contract::Message again = contract::encode(report);
    BATON_ASSERT(contract::kind_of(contract::decode_report(again.properties, again.body).report) ==
                     contract::kind_of(report.report),
                 "a report changes its kind when it is sent again");
    properties.expiration = std::string(type);
    properties.headers = amqp::FieldTable{{"baton-attempt", type}, {"baton-deadline", type}};
    if (const auto task = contract::decode_task("x", properties, body))
        static_cast<void>(contract::encode(*task));
    return 0;
}
