// Policies: what may be one, which of them holds, and what they say together.
#include "broker/core/policy.hpp"
#include "broker/core/queue_settings.hpp"

#include <gtest/gtest.h>

#include <array>

namespace baton::broker::core {
namespace {

using amqp::FieldTable;
using amqp::FieldValue;

PolicyPut policy(std::string name, std::string pattern, FieldTable definition,
                 std::int32_t priority = 0, std::string apply_to = "all") {
    return {"/", std::move(name), std::move(pattern), std::move(apply_to), priority,
            std::move(definition), false};
}

PolicyPut operator_policy(std::string name, std::string pattern, FieldTable definition) {
    PolicyPut put = policy(std::move(name), std::move(pattern), std::move(definition));
    put.is_operator = true;
    return put;
}

// The complaint without what stands in front of each, or "fine".
std::string policy_complaint(const PolicyPut& put) {
    const auto checked = check_policy(put);
    if (checked) return "fine";
    constexpr std::string_view prefix = "Validation failed\n\n";
    EXPECT_TRUE(checked.error().detail.starts_with(prefix));
    EXPECT_TRUE(checked.error().detail.ends_with('\n'));
    return checked.error().detail.substr(prefix.size(),
                                         checked.error().detail.size() - prefix.size() - 1);
}

FieldValue number(std::int64_t value) { return FieldValue(value); }

TEST(Policy, EverySettingIsCheckedWithTheTextAdministratorsKnow) {
    struct Row {
        std::string_view setting;
        FieldValue good;
        FieldValue bad;
        std::string_view text;
    };
    const std::array rows{
        Row{"message-ttl", number(0), FieldValue("a"), "<<\"a\">> is not a valid message TTL"},
        Row{"expires", number(1), number(0), "0 is not a valid queue expiry"},
        Row{"max-length", number(0), number(-1), "-1 is not a valid maximum length"},
        Row{"max-length-bytes", number(7), number(-1),
            "-1 is not a valid maximum length in bytes"},
        Row{"max-in-memory-length", number(7), number(-1),
            "-1 is not a valid maximum memory in bytes"},
        Row{"overflow", FieldValue("reject-publish"), number(4),
            "4 is not a valid overflow value"},
        Row{"dead-letter-exchange", FieldValue(""), number(4),
            "4 is not a valid dead letter exchange name"},
        Row{"dead-letter-routing-key", FieldValue("k"), number(4),
            "4 is not a valid dead letter routing key"},
        Row{"dead-letter-strategy", FieldValue("at-least-once"), FieldValue("x"),
            "<<\"x\">> is not a valid dead letter strategy"},
        Row{"delivery-limit", number(3), number(-1), "-1 is not a valid delivery limit"},
        Row{"consumer-timeout", number(3), number(0), "0 is not a valid consumer timeout"},
        Row{"queue-mode", FieldValue("lazy"), FieldValue("x"),
            "<<\"x\">> is not a valid queue-mode value"},
        Row{"queue-version", number(2), number(3), "3 is not a valid queue-version value"},
        Row{"alternate-exchange", FieldValue("x"), number(3),
            "3 is not a valid alternate exchange name"},
        Row{"max-age", FieldValue("12h"), FieldValue("3x"), "<<\"3x\">> is not a valid max age"},
        Row{"stream-max-segment-size-bytes", number(9), number(-1),
            "-1 is not a valid segment size"},
        Row{"queue-leader-locator", FieldValue("balanced"), FieldValue("x"),
            "<<\"x\">> is not a valid queue leader locator value"},
        Row{"initial-cluster-size", number(0), FieldValue("x"),
            "<<\"x\">> is not a valid cluster size"},
        Row{"ha-mode", FieldValue("all"), FieldValue("x"),
            "<<\"x\">> is not a valid ha-mode value"},
        Row{"queue-master-locator", FieldValue("min-masters"), FieldValue("x"),
            "<<\"x\">> invalid queue-master-locator value"},
    };
    for (const Row& row : rows) {
        const auto with = [&](const FieldValue& value) {
            FieldTable definition;
            definition.set(row.setting, value);
            return policy_complaint(policy("p", ".*", definition));
        };
        EXPECT_EQ(with(row.good), "fine") << row.setting;
        EXPECT_EQ(with(row.bad), row.text);
    }
}

TEST(Policy, UnknownSettingsAreNamedTogether) {
    EXPECT_EQ(policy_complaint(policy("p", ".*",
                               {{"zoo", true}, {"message-ttl", 5}, {"max-lenght", "3"}})),
              "[{<<\"max-lenght\">>,<<\"3\">>},{<<\"zoo\">>,true}] are not recognised policy "
              "settings");
    EXPECT_EQ(policy_complaint(policy("p", ".*", {})), "no policy provided");
    EXPECT_EQ(policy_complaint(policy("p", "(", {{"max-length", 1}})),
              "pattern should be regular expression but is invalid: missing ): (");
}

TEST(Policy, OperatorsMaySetLimitsOnly) {
    for (const char* limit : {"expires", "message-ttl", "max-length", "max-length-bytes",
                              "max-in-memory-length", "max-in-memory-bytes", "delivery-limit"})
        EXPECT_EQ(policy_complaint(operator_policy("o", ".*", {{limit, 5}})), "fine") << limit;
    EXPECT_EQ(policy_complaint(operator_policy("o", ".*", {{"overflow", "drop-head"}})),
              "[{<<\"overflow\">>,<<\"drop-head\">>}] are not recognised policy settings");
}

TEST(Policy, TheHighestPriorityHoldsAndThenTheName) {
    Policies policies;
    policies.put(policy("b", "^a", {{"max-length", 1}}));
    policies.put(policy("a", "^a", {{"max-length", 2}}));
    EXPECT_EQ(policies.match(PolicyTarget::classic_queue, "abc")->name, "a");

    policies.put(policy("c", "b", {{"max-length", 3}}, 1));
    EXPECT_EQ(policies.match(PolicyTarget::classic_queue, "abc")->name, "c");
    EXPECT_EQ(policies.match(PolicyTarget::classic_queue, "ac")->name, "a");
    EXPECT_EQ(policies.match(PolicyTarget::classic_queue, "x"), nullptr);

    policies.put(policy("c", "b", {{"max-length", 3}}, -1));
    EXPECT_EQ(policies.match(PolicyTarget::classic_queue, "abc")->name, "a");
    policies.remove({"/", "a", false});
    policies.remove({"/", "b", true}); // there is no operator policy of that name
    EXPECT_EQ(policies.match(PolicyTarget::classic_queue, "abc")->name, "b");
}

TEST(Policy, WhatIsLikeIsShared) {
    Policies policies;
    policies.put(policy("p", ".*", {{"max-length", 1}}));

    EXPECT_EQ(policies.match(PolicyTarget::classic_queue, "a"),
              policies.match(PolicyTarget::quorum_queue, "b"));
}

TEST(Policy, ItIsForTheKindItNamesAndKnowsItsSettings) {
    const auto holds = [](std::string apply_to, FieldTable definition) {
        Policies policies;
        policies.put(policy("p", ".*", std::move(definition), 0, std::move(apply_to)));
        std::string kinds;
        if (policies.match(PolicyTarget::exchange, "n")) kinds += 'e';
        if (policies.match(PolicyTarget::classic_queue, "n")) kinds += 'c';
        if (policies.match(PolicyTarget::quorum_queue, "n")) kinds += 'q';
        if (policies.match(PolicyTarget::stream, "n")) kinds += 's';
        return kinds;
    };
    EXPECT_EQ(holds("all", {{"max-length-bytes", 1}}), "ecqs");
    EXPECT_EQ(holds("queues", {{"max-length-bytes", 1}}), "cqs");
    EXPECT_EQ(holds("exchanges", {{"max-length-bytes", 1}}), "e");
    EXPECT_EQ(holds("classic_queues", {{"max-length-bytes", 1}}), "c");
    EXPECT_EQ(holds("quorum_queues", {{"max-length-bytes", 1}}), "q");
    EXPECT_EQ(holds("streams", {{"max-length-bytes", 1}}), "s");
    EXPECT_EQ(holds("queues", {{"max-length", 1}}), "cq");
    EXPECT_EQ(holds("queues", {{"delivery-limit", 1}}), "q");
    EXPECT_EQ(holds("queues", {{"queue-mode", "lazy"}}), "c");
    EXPECT_EQ(holds("queues", {{"max-age", "1h"}}), "s");
    EXPECT_EQ(holds("queues", {{"max-length-bytes", 1}, {"max-age", "1h"}}), "s");
}

TEST(Policy, AnOperatorsNumberOnlyMakesSmaller) {
    Policies policies;
    policies.put(policy("p", ".*", {{"max-length", 5}, {"overflow", "reject-publish"}}));
    policies.put(operator_policy("o", ".*", {{"max-length", 9}, {"expires", 100}}));

    const auto applied = policies.match(PolicyTarget::classic_queue, "q");

    EXPECT_EQ(applied->name, "p");
    EXPECT_EQ(applied->operator_name, "o");
    EXPECT_EQ(amqp::to_text(applied->definition),
              "{max-length=5, overflow=reject-publish, expires=100}");
    policies.put(operator_policy("o", ".*", {{"max-length", 2}}));
    EXPECT_EQ(policies.match(PolicyTarget::classic_queue, "q")->definition.integer("max-length"),
              2);
}

TEST(Policy, ArgumentsGoFirstButForLargerNumbers) {
    const FieldTable arguments{{"x-max-length", 5},
                               {"x-overflow", "drop-head"},
                               {"x-max-age", "2h"},
                               {"x-message-ttl", std::int8_t{100}}};
    const AppliedPolicy applied{"p", "",
                                {{"max-length", std::int64_t{3}},
                                 {"overflow", "reject-publish"},
                                 {"max-age", "90m"},
                                 {"message-ttl", 5'000'000'000},
                                 {"expires", 500'000'000'000},
                                 {"dead-letter-exchange", "dlx"}}};

    const FieldTable together = arguments_under(arguments, applied);

    EXPECT_EQ(together.integer("x-max-length"), 3);
    EXPECT_EQ(together.text("x-overflow"), "drop-head");
    EXPECT_EQ(together.text("x-max-age"), "90m");
    EXPECT_EQ(together.integer("x-message-ttl"), 100);
    EXPECT_EQ(together.text("x-dead-letter-exchange"), "dlx");
    const QueueSettings settings = settings_from_checked(together, 20);
    EXPECT_EQ(settings.length_max, 3U);
    EXPECT_EQ(settings.expires_millis, 315'360'000'000);
}

TEST(Policy, APatternThatCameBrokenMatchesNothing) {
    Policies policies;
    policies.put(policy("p", "(", {{"max-length", 5}}));

    EXPECT_EQ(policies.match(PolicyTarget::classic_queue, "("), nullptr);
}

} // namespace
} // namespace baton::broker::core
