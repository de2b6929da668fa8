#include "server/definitions_file.hpp"

#include "base/log.hpp"
#include "base/mailbox.hpp"
#include "base/named_file.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

namespace baton::server {

namespace {

Failure definitions_refused(const std::string& file, std::string_view why) {
    return Failure{make_error_code(boost::system::errc::invalid_argument),
                   fmt::format("'broker.definitions' (BATON_BROKER_DEFINITIONS): '{}': {}", file, why)};
}

// Answers in the order of the wishes.
std::vector<broker::core::Answer> ask_for(const std::vector<web::Definition>& wanted, broker::BrokerService& broker) {
    using Numbered = std::pair<std::size_t, broker::core::Answer>;
    auto box = std::make_shared<Mailbox<Numbered>>();
    for (std::size_t i = 0; i < wanted.size(); ++i)
        broker.administer(wanted[i].wish,
                          [box, i](broker::core::Answer answer) { box->put({i, std::move(answer)}); });
    std::vector<broker::core::Answer> answers(wanted.size());
    for (std::size_t missing = wanted.size(); missing > 0;)
        for (auto& [index, answer] : box->take()) {
            answers[index] = std::move(answer);
            --missing;
        }
    return answers;
}

} // namespace

Outcome<std::vector<web::Definition>> read_definitions_file(const std::string& file, const web::BrokerPort& port) {
    std::error_code unknown;
    if (std::filesystem::is_directory(file, unknown)) return definitions_refused(file, "is a folder; name a file of definitions");
    const auto content = read_named_file(file);
    if (!content)
        return definitions_refused(file, fmt::format("cannot be read: {}; name a file of definitions, or leave the setting out",
                                         content.error().detail));
    auto read = web::read_definitions(*content, port, std::nullopt);
    if (!read) return definitions_refused(file, read.error().detail);
    for (const auto& key : read->unknown_keys)
        log::warning("definitions", "nobody knows this key of the file; it is passed over", {{"file", file}, {"key", key}});
    return std::move(read->wanted);
}

bool names_users(const std::vector<web::Definition>& definitions) {
    return std::ranges::any_of(definitions, [](const web::Definition& definition) {
        return std::holds_alternative<broker::core::PutUser>(definition.wish);
    });
}

Outcome<void> bring_in(const std::vector<web::Definition>& definitions, broker::BrokerService& broker,
                       const std::string& file, const web::BrokerPort& port) {
    if (definitions.empty()) return boost::system::in_place_value;
    const auto known = broker.overview(web::definitions_wish(std::nullopt));
    const auto wanted = web::missing_in(definitions, known, port);
    std::string complaints;
    for (const auto& complaint : web::complaints_about(wanted, known)) complaints += "\n  " + complaint;
    if (!complaints.empty()) return definitions_refused(file, complaints);
    const auto answers = ask_for(wanted, broker);
    std::size_t news = 0;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (answers[i].code == amqp::ReplyCode::success) {
            ++news;
            continue;
        }
        if (web::may_be_passed_over(wanted[i], answers[i]))
            log::warning("definitions", "passed over", {{"place", wanted[i].place}, {"why", answers[i].text}});
        else
            complaints += fmt::format("\n  {}: {}", wanted[i].place, answers[i].text);
    }
    if (!complaints.empty()) return definitions_refused(file, complaints);
    if (news > 0) log::info("definitions", "brought in", {{"file", file}, {"new", news}});
    return boost::system::in_place_value;
}

} // namespace baton::server
