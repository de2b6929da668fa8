// "did you mean": the nearest of some known names.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace baton {

// The candidate that a typing mistake turns into `name`: at most one edit for names up to four
// letters, two up to eight, three above; swapping two neighbours is one edit, and letter case alone
// costs nothing. The first of equally near candidates wins. Nothing if none is near.
std::optional<std::string_view> suggest(std::string_view name,
                                        std::span<const std::string_view> candidates);

// "; did you mean 'split'?" or "", to be put behind a message.
std::string did_you_mean(std::string_view name, std::span<const std::string_view> candidates);

} // namespace baton
