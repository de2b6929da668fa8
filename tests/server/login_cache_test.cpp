// What LoginCache remembers of log-ins, and when it does not.
#include "server/login_cache.hpp"

#include <gtest/gtest.h>

namespace baton::server {
namespace {

class Logins : public testing::Test {
protected:
    std::optional<web::Login> find(const std::string& password,
                                   const std::string& address = "10.0.0.1",
                                   bool is_loopback = false) {
        return cache.find({user, password, is_loopback, address}, version);
    }
    void keep(const std::string& password, const std::string& address = "10.0.0.1") {
        (void)cache.find({user, password, false, address}, version);
        cache.keep({user, password, false, address}, version, {user, {"baton-viewer"}});
    }

    std::string user = "ada";
    std::uint64_t version = 3;
    LoginCache cache{{.hash = [](const std::string& password) { return "#" + password; },
                      .matches = [](const std::string& password,
                                    const std::string& hash) { return hash == "#" + password; }}};
};

TEST_F(Logins, AJudgedOneIsKnownByItsUserPasswordAndAddress) {
    EXPECT_FALSE(find("secret"));
    keep("secret");

    const auto known = find("secret");
    ASSERT_TRUE(known);
    EXPECT_EQ(known->user, "ada");
    EXPECT_EQ(known->tags, std::vector<std::string>{"baton-viewer"});
    EXPECT_FALSE(find("Secret"));
    EXPECT_FALSE(find("secret", "10.0.0.2"));
    EXPECT_FALSE(find("secret", "10.0.0.1", true));
    user = "bob";
    EXPECT_FALSE(find("secret"));
}

TEST_F(Logins, AnyChangeOfTheDefinitionsForgetsThem) {
    keep("secret");
    ++version;
    EXPECT_FALSE(find("secret"));
    --version;
    EXPECT_FALSE(find("secret"));
}

TEST_F(Logins, AVerdictThatIsOlderThanTheDefinitionsIsNotKept) {
    (void)find("secret"); // asked under version 3, and meanwhile somebody else under 4
    (void)cache.find({user, "other", false, "10.0.0.1"}, 4);
    cache.keep({user, "secret", false, "10.0.0.1"}, 3, {user, {}});
    version = 4;
    EXPECT_FALSE(find("secret"));
}

TEST_F(Logins, AWrongPasswordEndsWhatWasKnownFromThatAddressAlone) {
    keep("secret");
    keep("secret", "10.0.0.2");
    const std::string guess = "guess", address = "10.0.0.1";
    cache.forget({user, guess, false, address});
    EXPECT_FALSE(find("secret"));
    EXPECT_TRUE(find("secret", "10.0.0.2"));
}

TEST_F(Logins, ThereAreNeverMoreThanSo) {
    for (std::size_t i = 0; i < 2 * LoginCache::entries_max + 5; ++i)
        keep("secret", std::to_string(i));
    std::size_t known = 0;
    for (std::size_t i = 0; i < 2 * LoginCache::entries_max + 5; ++i)
        known += find("secret", std::to_string(i)) ? 1 : 0;
    EXPECT_GT(known, 0u);
    EXPECT_LE(known, LoginCache::entries_max);
}

} // namespace
} // namespace baton::server
