// The parameters of a request's query, on routes of Baton's own. One that nobody reads was meant to do
// something, and a value that is not understood was meant to say something: both are refused by name.
// The routes of the broker ignore what they do not know, as RabbitMQ's do. Pure functions over values.
#pragma once

#include "base/result.hpp"
#include "web/http/http_server.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace baton::web {

// Every parameter is one of `known`, is there once, and has a value.
Outcome<void> check_query(const Request& request, std::span<const std::string> known);

struct NumberRange {
    std::uint64_t otherwise = 0; // when it is not there
    std::uint64_t min = 0;
    std::uint64_t max = 0;
};
Outcome<std::uint64_t> number_in(const Request& request, const std::string& key, const NumberRange& range);

Outcome<bool> flag_in(const Request& request, const std::string& key, bool otherwise = false);

// Why `given` is none of `known`: names what was probably meant, and all there are.
std::string no_such_word(std::string_view key, std::string_view given, std::span<const std::string_view> known);

// The version that an ETag of a run in If-Match names; nothing: none is named, or several are.
std::optional<std::uint64_t> version_in(std::string_view if_match);

} // namespace baton::web
