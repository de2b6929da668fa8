#include "cli/variables.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::cli {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

TEST(Variables, AMistypedOneIsFoundAndComparedWithTheKnownOnes) {
    EXPECT_THAT(unknown_variables({{"BATON_BROKR_LISTEN", "x"},
                                   {"BATON_DB_URL_FIEL", "x"},
                                   {"BATON_REDMINE_KYE", "x"},
                                   {"BATON_HTTP_PORT", "8080"},
                                   {"PATH", "x"},
                                   {"BATONS", "x"}}),
                UnorderedElementsAre(Pair("BATON_BROKR_LISTEN", "did you mean 'BATON_BROKER_LISTEN'?"),
                                     Pair("BATON_DB_URL_FIEL", "did you mean 'BATON_DB_URL_FILE'?"),
                                     Pair("BATON_REDMINE_KYE", "did you mean 'BATON_REDMINE_KEY'?"),
                                     Pair("BATON_HTTP_PORT", HasSubstr("list all"))));
}

TEST(Variables, ThoseOfServerWorkersAndVerbsAreKnown) {
    EXPECT_THAT(unknown_variables({{"BATON_CONFIG", "x"},
                                   {"BATON_BROKER_USERS", "x"},
                                   {"BATON_BROKER_USERS_FILE", "x"},
                                   {"BATON_BROKER_URL_FILE", "x"},
                                   {"BATON_BROKER_TLS_KEY_PASSWORD_FILE", "x"},
                                   {"BATON_DATA", "x"},
                                   {"BATON_MAIL_DB_URL_FILE", "x"},
                                   {"BATON_SMTP_SECURITY", "x"},
                                   {"BATON_SLACK_CHANNELS", "x"},
                                   {"BATON_WORKER_THREADS", "x"},
                                   {"BATON_WORKER_FILE", "x"},
                                   {"BATON_HTTP_TIMEOUT", "x"},
                                   {"BATON_URL", "x"},
                                   {"BATON_PASSWORD_FILE", "x"},
                                   {"BATON_AMQP", "x"},
                                   {"BATON_SANDBOX_LISTEN", "x"}}),
                IsEmpty());
    // Only some settings may come from a file.
    EXPECT_THAT(unknown_variables({{"BATON_DATA_FILE", "x"}}), ::testing::SizeIs(1));
}

TEST(Variables, ThoseOfContainersAndTestsAreNobodysMistake) {
    EXPECT_THAT(unknown_variables({{"BATON_SERVICE_HOST", "10.0.0.1"},
                                   {"BATON_BROKER_SERVICE_PORT", "5672"},
                                   {"BATON_SERVICE_PORT_AMQP", "5672"},
                                   {"BATON_PORT", "tcp://10.0.0.1:5672"},
                                   {"BATON_PORT_5672_TCP", "tcp://10.0.0.1:5672"},
                                   {"BATON_PORT_5672_TCP_ADDR", "10.0.0.1"},
                                   {"BATON_TEST_RABBITMQ", "1"},
                                   {"BATON_EXE", "x"}}),
                IsEmpty());
}

} // namespace baton::cli
