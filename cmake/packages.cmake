# The libraries Baton stands on. All come from Debian 12; nothing is downloaded here.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)

# 1.74, Debian's default, has no boost::system::result, no per-operation cancellation and no
# awaitable operators; 1.81 (libboost1.81-dev) has all three, and Boost.URL.
find_package(Boost 1.81 REQUIRED COMPONENTS json url)
find_package(OpenSSL REQUIRED)
find_package(CURL REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(GTest REQUIRED)
pkg_check_modules(RE2 REQUIRED IMPORTED_TARGET re2)
pkg_check_modules(LIBPQXX REQUIRED IMPORTED_TARGET libpqxx)
pkg_check_modules(LIBPQ REQUIRED IMPORTED_TARGET libpq)
pkg_check_modules(LIBMARIADB REQUIRED IMPORTED_TARGET libmariadb)
find_package(CLI11 REQUIRED)

add_library(baton_boost INTERFACE)
target_link_libraries(baton_boost INTERFACE Boost::headers Threads::Threads)
target_compile_definitions(baton_boost INTERFACE
    BOOST_ASIO_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED BOOST_BEAST_USE_STD_STRING_VIEW)

find_package(tomlplusplus REQUIRED)
