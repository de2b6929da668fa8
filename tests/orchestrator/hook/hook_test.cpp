// Who may start runs by a webhook, and what a delivery is to the trigger: the services' own
// examples, and what somebody tries who does not know the secret.
#include "orchestrator/core/fingerprint.hpp"
#include "orchestrator/core/trigger_input.hpp"
#include "orchestrator/expression/template.hpp"
#include "orchestrator/hook/delivery.hpp"
#include "orchestrator/hook/sender.hpp"

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace baton::orchestrator::hook {
namespace {

using namespace std::chrono_literals;
using core::WebhookTrigger;
using testing::HasSubstr;
using Scheme = WebhookTrigger::Scheme;

const std::vector<std::string> github_secret{"It's a Secret to Everybody"};
constexpr const char* github_signature =
    "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

WebhookTrigger github() {
    WebhookTrigger trigger;
    trigger.path = "github";
    trigger.header = "X-Hub-Signature-256";
    trigger.prefix = "sha256=";
    return trigger;
}

std::string said(const WebhookTrigger& trigger, const std::vector<std::string>& secrets,
                 const Headers& headers, std::string_view body, std::int64_t now = 0) {
    return complaint_about_sender(trigger, secrets, headers, body,
                                  time_from_micros(now * 1'000'000));
}

TEST(Sender, GithubsExampleFitsAndNothingElse) {
    const Headers good{{"x-hub-signature-256", github_signature}};
    EXPECT_EQ(said(github(), github_secret, good, "Hello, World!"), "");
    EXPECT_EQ(said(github(), github_secret, good, "Hello, World"), "its signature does not fit");
    EXPECT_EQ(said(github(), {"another"}, good, "Hello, World!"), "its signature does not fit");
    EXPECT_EQ(said(github(), {"another", github_secret.front()}, good, "Hello, World!"), "")
        << "while it is changed";
    EXPECT_EQ(said(github(), {}, good, "Hello, World!"), "its signature does not fit");
    EXPECT_THAT(said(github(), github_secret, {}, "Hello, World!"),
                HasSubstr("no header X-Hub-Signature-256"));
    for (const std::string wrong :
         {"", "sha256=", "sha1=757107",
          "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
          "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e1",
          "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e170",
          "sha256=, sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"})
        EXPECT_NE(said(github(), github_secret, {{"x-hub-signature-256", wrong}}, "Hello, World!"),
                  "")
            << wrong;
    const Headers capitals{
        {"x-hub-signature-256",
         "sha256=757107EA0EB2509FC211221CCE984B8A37570B6D7586C22C46F4379C8B043E17"}};
    EXPECT_EQ(said(github(), github_secret, capitals, "Hello, World!"), "");
}

TEST(Sender, AnEmptySecretFitsNothing) {
    const std::string forged = "sha256=" + core::to_hex(core::hmac_sha256("", "{}"));
    EXPECT_NE(said(github(), {""}, {{"x-hub-signature-256", forged}}, "{}"), "");
    WebhookTrigger bearer;
    bearer.scheme = Scheme::bearer;
    EXPECT_NE(said(bearer, {""}, {{"authorization", "Bearer "}}, "{}"), "");
    EXPECT_NE(said(bearer, {}, {{"authorization", "Bearer "}}, "{}"), "");
}

TEST(Sender, SlacksExampleFitsAtItsTime) {
    WebhookTrigger slack;
    slack.scheme = Scheme::slack;
    const std::vector<std::string> secret{"8f742231b10e8888abcd99yyyzzz85a5"};
    const std::string body = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain="
                             "testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id="
                             "U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&"
                             "response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%"
                             "2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id="
                             "398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
    Headers headers{{"x-slack-signature",
                     "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"},
                    {"x-slack-request-timestamp", "1531420618"}};
    EXPECT_EQ(said(slack, secret, headers, body, 1531420618 + 299), "");
    EXPECT_EQ(said(slack, secret, headers, body, 1531420618 - 299), "");
    EXPECT_THAT(said(slack, secret, headers, body, 1531420618 + 301), HasSubstr("301 s away"));
    EXPECT_THAT(said(slack, secret, headers, body, 1531420618 - 301), HasSubstr("301 s away"));
    headers["x-slack-request-timestamp"] = "1531420619"; // a fresher one is not what was signed
    EXPECT_EQ(said(slack, secret, headers, body, 1531420618), "its signature does not fit");
    for (const char* wrong : {"", "x", "-1", "1531420618x", " 1531420618", "99999999999999999999",
                              "9223372036854775807"}) {
        headers["x-slack-request-timestamp"] = wrong;
        EXPECT_EQ(said(slack, secret, headers, body, 1531420618), "its timestamp is none") << wrong;
    }
}

TEST(Sender, StripesHeaderMayHaveSeveralSignaturesAndOneTime) {
    WebhookTrigger stripe;
    stripe.scheme = Scheme::stripe;
    const std::vector<std::string> secret{"whsec_test"};
    const std::string body = R"({"id":"evt_1"})";
    const std::string good = core::to_hex(core::hmac_sha256("whsec_test", "1700000000." + body));
    const auto says = [&](const std::string& header) {
        return said(stripe, secret, {{"stripe-signature", header}}, body, 1700000000);
    };
    EXPECT_EQ(says("t=1700000000,v1=" + good + ",v0=aa"), "");
    EXPECT_EQ(says("t=1700000000,v1=00,v1=" + good), "");
    EXPECT_EQ(says("t=1700000000, v1=" + good), "");
    EXPECT_NE(says("t=1700000000,v0=" + good), "");
    EXPECT_NE(says("v1=" + good), "");
    EXPECT_EQ(says("t=1600000000,t=1700000000,v1=" + good), "it has two timestamps");
    EXPECT_NE(says("t=1700000001,v1=" + good), "");
    EXPECT_NE(says(std::string(8192, ',') + "t=1700000000"), "");
}

TEST(Sender, ABearerShowsTheSecretItself) {
    WebhookTrigger bearer;
    bearer.scheme = Scheme::bearer;
    EXPECT_EQ(said(bearer, {"hunter2"}, {{"authorization", "Bearer hunter2"}}, ""), "");
    EXPECT_EQ(said(bearer, {"hunter2"}, {{"authorization", "bearer hunter2"}}, ""), "");
    for (const char* wrong : {"Bearer hunter", "Bearer hunter22", "Bearer  hunter2",
                              "Basic hunter2", "hunter2", "Bearer", ""})
        EXPECT_NE(said(bearer, {"hunter2"}, {{"authorization", wrong}}, ""), "") << wrong;
}

TEST(Sender, WhatShowsWhoAsksStaysOutOfRuns) {
    const Headers all{{"authorization", "Bearer x"},
                      {"cookie", "a=b"},
                      {"x-hub-signature-256", "y"},
                      {"x-github-event", "push"}};
    EXPECT_EQ(public_headers(github(), all), (Headers{{"x-github-event", "push"}}));
}

core::Trigger trigger(WebhookTrigger hook) {
    core::Trigger made;
    made.name = hook.path;
    made.kind = std::move(hook);
    return made;
}

expression::Program program(const char* text) {
    return *expression::compile(text);
}

TEST(Delivery, ABodyIsWhatItsTypeSays) {
    core::Workflow workflow;
    core::Trigger hook = trigger(github());
    hook.input = *expression::Template::compile(boost::json::parse(
        R"({"what":"${event.body}","kind":"${event.headers['x-github-event']}"})"));
    const auto input = [&](const char* type, const char* body) {
        const auto event =
            event_of(hook, {{{"content-type", type}, {"x-github-event", "push"}}, {}, body});
        if (!event) return event.error().detail;
        const auto made = core::trigger_input(workflow, hook, *event);
        return made ? std::string(made->text()) : made.error().detail;
    };
    EXPECT_EQ(input("application/json; charset=utf-8", R"({"a":[1]})"),
              R"({"what":{"a":[1]},"kind":"push"})");
    EXPECT_EQ(input("application/x-www-form-urlencoded", "text=a+b%21&empty=&%C3%BC=%ff"),
              "{\"what\":{\"text\":\"a b!\",\"empty\":\"\",\"ü\":\"\uFFFD\"},\"kind\":\"push\"}");
    EXPECT_EQ(input("text/plain", "{}"), R"({"what":"{}","kind":"push"})");
    EXPECT_THAT(input("application/json", "{"), HasSubstr("the body is no JSON"));
    EXPECT_THAT(input("application/json", std::string(100'000, '[').c_str()),
                HasSubstr("the body is no JSON"));
}

TEST(Delivery, ItIsNamedByWhatIsSignedOrByItsId) {
    core::Workflow workflow;
    const auto key = [&](const WebhookTrigger& hook, const char* body) {
        const core::Trigger one = trigger(hook);
        const auto event = event_of(one, {{{"content-type", "application/json"}}, {}, body});
        const auto made = start_key(workflow, one, *event, body);
        return !made ? made.error().detail : made->value_or("none");
    };
    WebhookTrigger hook = github();
    // Whoever saw a delivery cannot make it count again: nothing that is not signed is part of its
    // name.
    EXPECT_EQ(key(hook, "{}"), "webhook/github/" + core::to_hex(core::sha256("{}")));
    EXPECT_NE(key(hook, "{}"), key(hook, "{} "));
    hook.id = program("event.body.id");
    EXPECT_EQ(key(hook, R"({"id":7})"), "webhook/github/id/7");
    EXPECT_THAT(key(hook, "{}"), HasSubstr("id: "));
    EXPECT_THAT(key(hook, R"({"id":""})"), HasSubstr("1 to 500 bytes"));
    hook.id.reset();
    hook.scheme = Scheme::bearer;
    EXPECT_EQ(key(hook, "{}"), "none");
}

TEST(Delivery, WhenSaysWhichAreMeant) {
    core::Workflow workflow;
    core::Trigger hook = trigger(github());
    const auto event = event_of(hook, {{{"x-github-event", "push"}}, {}, ""});
    EXPECT_TRUE(*core::is_meant(workflow, hook, *event));
    hook.when = program("event.headers['x-github-event'] == 'ping'");
    EXPECT_FALSE(*core::is_meant(workflow, hook, *event));
    hook.when = program("event.headers['x-other'] == 'ping'");
    EXPECT_FALSE(core::is_meant(workflow, hook, *event));
}

} // namespace
} // namespace baton::orchestrator::hook
