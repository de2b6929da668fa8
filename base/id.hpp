// Strong ids: two ids of different things never mix by accident.
//   struct QueueTag; using QueueId = NumberId<QueueTag>;
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>

namespace baton {

template <typename Tag, typename Number = std::uint64_t>
struct NumberId {
    Number value{};
    constexpr auto operator<=>(const NumberId&) const = default;
};

template <typename Tag>
struct TextId {
    std::string value;
    auto operator<=>(const TextId&) const = default;
};

} // namespace baton

template <typename Tag, typename Number>
struct std::hash<baton::NumberId<Tag, Number>> {
    std::size_t operator()(baton::NumberId<Tag, Number> id) const noexcept {
        return std::hash<Number>{}(id.value);
    }
};

template <typename Tag>
struct std::hash<baton::TextId<Tag>> {
    std::size_t operator()(const baton::TextId<Tag>& id) const noexcept {
        return std::hash<std::string>{}(id.value);
    }
};
