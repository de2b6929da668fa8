// Errors as values. Result<T> carries a code that programs compare; Outcome<T> carries a Failure, a
// code plus a sentence for a person. (std::expected does not exist in this platform's C++20.)
#pragma once

#include <boost/system/error_code.hpp>
#include <boost/system/result.hpp>

#include <stdexcept>
#include <string>
#include <utility>

namespace baton {

using ErrorCode = boost::system::error_code;

template <typename T>
using Result = boost::system::result<T, ErrorCode>;
using Status = Result<void>;

// What went wrong, where, and what to do about it, in `detail`.
struct Failure {
    ErrorCode code;
    std::string detail;
};

[[noreturn]] inline void throw_exception_from_error(const Failure& failure,
                                                    const boost::source_location&) {
    throw std::runtime_error(failure.detail);
}

template <typename T>
using Outcome = boost::system::result<T, Failure>;

} // namespace baton

// Returns the error of a Result-like expression from the current function, or goes on.
#define BATON_TRY(expression)                                                                      \
    do {                                                                                           \
        if (auto baton_try_result = (expression); !baton_try_result)                               \
            return std::move(baton_try_result).error();                                            \
    } while (false)

#define BATON_CONCAT_(a, b) a##b
#define BATON_CONCAT(a, b) BATON_CONCAT_(a, b)

// BATON_ASSIGN(auto value, function()); declares `value` or returns the error.
#define BATON_ASSIGN(declaration, expression)                                                      \
    auto BATON_CONCAT(baton_result_, __LINE__) = (expression);                                     \
    if (!BATON_CONCAT(baton_result_, __LINE__))                                                    \
        return std::move(BATON_CONCAT(baton_result_, __LINE__)).error();                           \
    declaration = std::move(*BATON_CONCAT(baton_result_, __LINE__))
