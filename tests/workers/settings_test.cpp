// Variables become settings, and what is wrong with them is said in a sentence.
#include "workers/run_workers.hpp"
#include "workers/settings.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <map>

namespace baton::workers {
namespace {

Lookup from(std::map<std::string, std::string> variables) {
    return [variables = std::move(variables)](std::string_view name) -> std::optional<std::string> {
        const auto found = variables.find(std::string(name));
        return found == variables.end() ? std::nullopt : std::optional(found->second);
    };
}

TEST(Settings, VariablesAreTakenOverWhatIsThere) {
    Settings settings;
    settings.redmine.url = "http://old";
    settings.threads = 9;

    const auto applied = apply_variables(from({{"BATON_REDMINE_URL", "https://redmine.example.org/"},
                                     {"BATON_SLACK_CHANNELS", "general, dev"},
                                     {"BATON_WORKER_PREFETCH", "20"},
                                     {"BATON_SMTP_SECURITY", "none"}}),
                               settings);

    ASSERT_TRUE(applied) << applied.error().detail;
    EXPECT_EQ(settings.redmine.url, "https://redmine.example.org");
    EXPECT_EQ(settings.slack.channels, (std::vector<std::string>{"general", "dev"}));
    EXPECT_EQ(settings.prefetch, 20);
    EXPECT_EQ(settings.threads, 9U);
    EXPECT_EQ(settings.mail.security, mail::Security::none);
}

TEST(Settings, SecretsComeFromFilesToo) {
    const std::string path = ::testing::TempDir() + "redmine_key";
    std::ofstream(path) << "abc123\n";
    Settings settings;

    ASSERT_TRUE(apply_variables(from({{"BATON_REDMINE_KEY_FILE", path}}), settings));

    EXPECT_EQ(settings.redmine.key, "abc123");
}

TEST(Settings, EmptySecretFileIsAsIfItWereNotNamed) {
    const std::string path = ::testing::TempDir() + "empty_secret";
    std::ofstream(path) << "";
    Settings settings;
    settings.redmine.url = "https://redmine.example.org";

    ASSERT_TRUE(apply_variables(from({{"BATON_REDMINE_KEY_FILE", path}, {"BATON_SMTP_PASSWORD_FILE", path}}), settings));

    EXPECT_EQ(settings.redmine.key, "");
    const auto handlers = handlers_of("redmine", settings);
    ASSERT_FALSE(handlers);
    EXPECT_NE(handlers.error().detail.find("BATON_REDMINE_KEY_FILE"), std::string::npos) << handlers.error().detail;
}

TEST(Settings, FolderIsNoSecretFile) {
    Settings settings;

    const auto applied = apply_variables(from({{"BATON_REDMINE_KEY_FILE", ::testing::TempDir()}}), settings);

    ASSERT_FALSE(applied);
    EXPECT_NE(applied.error().detail.find("BATON_REDMINE_KEY_FILE"), std::string::npos);
}

TEST(Settings, AllComplaintsComeAtOnceAndNameTheVariable) {
    Settings settings;

    const auto applied = apply_variables(from({{"BATON_REDMINE_URL", "redmine.example.org"},
                                     {"BATON_SMTP_URL", "http://mail"},
                                     {"BATON_WORKER_THREADS", "many"},
                                     {"BATON_SLACK_MODE", "magic"},
                                     {"BATON_SLACK_TOKEN_FILE", "/does/not/exist"}}),
                               settings);

    ASSERT_FALSE(applied);
    for (const char* name : {"BATON_REDMINE_URL", "BATON_SMTP_URL", "BATON_WORKER_THREADS",
                             "BATON_SLACK_MODE", "BATON_SLACK_TOKEN_FILE"})
        EXPECT_NE(applied.error().detail.find(name), std::string::npos) << applied.error().detail;
}

TEST(Settings, WorkerWithoutItsSettingsSaysWhatIsMissing) {
    for (const auto& [worker, variable] :
         std::map<std::string, std::string>{{"mail", "BATON_MAILCOW_URL"},
                                            {"redmine", "BATON_REDMINE_URL"},
                                            {"slack", "BATON_SLACK_TOKEN"}}) {
        const auto handlers = handlers_of(worker, {});
        ASSERT_FALSE(handlers);
        EXPECT_NE(handlers.error().detail.find(variable), std::string::npos) << handlers.error().detail;
    }
    EXPECT_NE(handlers_of("fax", {}).error().detail.find("mail, redmine, slack"), std::string::npos);
}

TEST(Settings, MailOffersWhatIsConfigured) {
    Settings settings;
    settings.mail.smtp_url = "smtp://mail:25";
    settings.mail.from = "baton@example.org";
    ASSERT_EQ(handlers_of("mail", settings)->size(), 1U);

    settings.mail.database_url = "postgresql://mail";
    EXPECT_EQ(handlers_of("mail", settings)->size(), 13U);

    settings.mail.mailcow_url = "https://mail";
    EXPECT_NE(handlers_of("mail", settings).error().detail.find("one place"), std::string::npos);
}

TEST(Settings, RunWorkersRefusesBeforeItConnects) {
    EXPECT_FALSE(run_workers({"redmine"}, {}, "amqp://127.0.0.1:1", {}));
    EXPECT_FALSE(run_workers({}, {}, "amqp://127.0.0.1:1", {}));
    Settings settings;
    settings.redmine.url = "http://127.0.0.1:1";
    settings.redmine.key = "k";
    EXPECT_FALSE(run_workers({"redmine"}, settings, "http://nonsense", {}));
}

} // namespace
} // namespace baton::workers
