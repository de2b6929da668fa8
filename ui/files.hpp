// The files of the built page, as ui/dist has them. They lie in the executable; any thread.
#pragma once

#include <span>
#include <string_view>

namespace baton::ui {

struct File {
    std::string_view path; // as a browser asks for it: "/assets/main-1a2b3c.js"
    std::string_view gzip;
};

std::span<const File> files();

} // namespace baton::ui
