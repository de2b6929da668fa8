// The places to die at, as `baton_with_fail_points` has them. Any thread may pass one.
#include "base/fail_point.hpp"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>
#include <string_view>

namespace baton {
namespace {

struct Chosen {
    std::string name;
    std::atomic<long> passes{0}; // that are left
};

Chosen& chosen() {
    static Chosen* const one = [] {
        auto* made = new Chosen; // never freed: threads may pass until the very end
        const char* text = std::getenv("TEST_FAIL_POINT");
        if (text == nullptr) return made;
        const std::string_view words = text;
        const auto colon = words.rfind(':');
        made->name = words.substr(0, colon);
        made->passes =
            colon == std::string_view::npos ? 1 : std::strtol(text + colon + 1, nullptr, 10);
        return made;
    }();
    return *one;
}

} // namespace

void fail_point(const char* name) {
    Chosen& one = chosen();
    if (one.name == name && --one.passes == 0) std::raise(SIGKILL);
}

} // namespace baton
