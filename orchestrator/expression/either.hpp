// A value or what went wrong instead, with the names of boost::system::result. Unlike that one in
// Boost 1.81 it gives its error by reference, so `for (auto& d : result.error().all)` is safe.
#pragma once

#include "base/assert.hpp"

#include <utility>
#include <variant>

namespace baton::orchestrator::expression {

template <typename T, typename E>
class [[nodiscard]] Either {
public:
    Either(T value) : content_(std::in_place_index<0>, std::move(value)) {}
    Either(E error) : content_(std::in_place_index<1>, std::move(error)) {}

    bool has_value() const { return content_.index() == 0; }
    bool has_error() const { return !has_value(); }
    explicit operator bool() const { return has_value(); }

    // Asking for what is not there ends the process: ask has_value() before.
    T& value() & {
        BATON_ASSERT(has_value(), "value() of a failure");
        return *std::get_if<0>(&content_);
    }
    const T& value() const& {
        BATON_ASSERT(has_value(), "value() of a failure");
        return *std::get_if<0>(&content_);
    }
    T value() && { return std::move(value()); }

    E& error() & {
        BATON_ASSERT(has_error(), "error() of a success");
        return *std::get_if<1>(&content_);
    }
    const E& error() const& {
        BATON_ASSERT(has_error(), "error() of a success");
        return *std::get_if<1>(&content_);
    }
    E error() && { return std::move(error()); }

    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T operator*() && { return std::move(value()); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

private:
    std::variant<T, E> content_;
};

} // namespace baton::orchestrator::expression
