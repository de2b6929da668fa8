// The page's files by themselves: which paths it answers, with what.
#include "ui/files.hpp"
#include "web/http/page.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>

namespace baton::web {
namespace {

Request asked(std::string path, bool accepts_gzip = true) {
    Request request;
    request.method = "GET";
    request.path = std::move(path);
    request.accepts_gzip = accepts_gzip;
    return request;
}

TEST(Page, ItsRouterHasThesePathsAndTheApiTheOthers) {
    for (const char* path :
         {"/", "/runs", "/runs/01a2", "/broker/queues/%2F/q", "/admin/users", "/workflows/x"})
        EXPECT_TRUE(is_page_path(path)) << path;
    for (const char* path : {"/api/runs", "/metrics", "/baton/v1/runs", "/run", "/runsx",
                             "/index.html", "/favicon.ico"})
        EXPECT_FALSE(is_page_path(path)) << path;
}

TEST(Page, EachFileIsThereAndCanBeUnpacked) {
    ASSERT_FALSE(ui::files().empty());
    for (const ui::File& file : ui::files()) {
        const auto plain = unpacked(file.gzip);
        ASSERT_TRUE(plain) << file.path;
        // The tail of a gzip file: the length of what is in it.
        std::uint32_t length = 0;
        for (int at = 0; at < 4; ++at)
            length |= std::uint32_t{static_cast<unsigned char>(
                          file.gzip[file.gzip.size() - 4 + static_cast<std::size_t>(at)])}
                      << (8 * at);
        EXPECT_EQ(plain->size(), length) << file.path;
    }
}

TEST(Page, WhatIsNoGzipIsNotUnpacked) {
    EXPECT_FALSE(unpacked(""));
    EXPECT_FALSE(unpacked("hello, this is no gzip file"));
    const std::string whole(ui::files().front().gzip);
    EXPECT_FALSE(unpacked(std::string_view(whole).substr(0, whole.size() / 2)));
}

TEST(Page, TheIndexMayNotBeKeptAndMayLoadNothingForeign) {
    const auto answer = Page().answer(asked("/runs/01a2"));

    ASSERT_TRUE(answer);
    EXPECT_EQ(answer->status, 200U);
    EXPECT_EQ(answer->headers.at("Content-Encoding"), "gzip");
    EXPECT_EQ(answer->headers.at("Cache-Control"), "no-cache");
    EXPECT_NE(answer->headers.at("Content-Security-Policy").find("default-src 'none'"),
              std::string::npos);
}

TEST(Page, ClientsThatReadNoGzipGetItPlain) {
    const auto answer = Page().answer(asked("/", false));

    ASSERT_TRUE(answer);
    EXPECT_FALSE(answer->headers.contains("Content-Encoding"));
    EXPECT_TRUE(answer->body.starts_with("<!doctype html>"));
}

TEST(Page, WhatTheBrowserHasIsNotSentAgain) {
    Request request = asked("/");
    request.if_none_match = Page().answer(request)->headers.at("ETag");

    const auto answer = Page().answer(request);

    EXPECT_EQ(answer->status, 304U);
    EXPECT_TRUE(answer->body.empty());
}

TEST(Page, AFolderIsServedInsteadAndNothingBesideIt) {
    const auto folder =
        std::filesystem::temp_directory_path() / ("baton-page-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder / "assets");
    std::ofstream(folder / "index.html") << "<!doctype html>mine";
    std::ofstream(folder / "assets" / "a.js") << "1";
    const Page page(folder.string());

    EXPECT_EQ(page.answer(asked("/"))->body, "<!doctype html>mine");
    EXPECT_EQ(page.answer(asked("/assets/a.js"))->body, "1");
    EXPECT_EQ(page.answer(asked("/assets/b.js"))->status, 404U);
    EXPECT_FALSE(page.answer(asked("/assets/../../etc/passwd")));
    std::filesystem::remove_all(folder);
}

} // namespace
} // namespace baton::web
