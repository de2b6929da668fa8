// What every answer of Slack means: each row of the tables in workers/slack/README.md is made to happen, when the
// worker looks and when it writes, before and after Slack has done it. The tables there are what came out;
// BATON_UPDATE_TABLES=1 writes them anew.
#include "faulty_proxy.hpp"
#include "readme_table.hpp"
#include "support.hpp"

#include "workers/slack/refusal.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace baton::workers::test {
namespace {

namespace json = boost::json;
using Kind = Misbehaviour::Kind;

struct SlackRow {
    std::string what;
    Misbehaviour fault;
    bool can_follow_the_effect = false;
};

Misbehaviour saying(const std::string& word) {
    return {.status = 200, .headers = of_type("application/json"), .body = json::serialize(json::object{{"ok", false}, {"error", word}})};
}

std::vector<SlackRow> slack_rows() {
    const std::string page = "<html><body>a page</body></html>";
    Misbehaviour limited = saying("ratelimited");
    limited.headers["Retry-After"] = "7";
    return {
        {"`ok: false` with `ratelimited` and `Retry-After`", limited},
        {"`ok: false` with a word that is not below", saying("word_of_the_future")},
        {"429", {.status = 429}},
        {"429 with `Retry-After`", {.status = 429, .headers = {{"Retry-After", "7"}}}},
        {"503 with `Retry-After`", {.status = 503, .headers = {{"Retry-After", "7"}}}, true},
        {"401, 403 without a word", {.status = 403}},
        {"404 without a word", {.status = 404}},
        {"other 4xx without a word", {.status = 400, .headers = of_type("text/plain"), .body = "no"}},
        {"3xx", {.status = 302, .headers = {{"Location", "https://elsewhere.example/"}}}},
        {"2xx with a page (a log-in)", {.status = 200, .headers = of_type("text/html"), .body = page}},
        {"2xx with JSON that is not Slack's", {.status = 200, .headers = of_type("application/json"), .body = R"({"status":"up"})"}, true},
        {"2xx with half a JSON text", {.status = 200, .headers = of_type("application/json"), .body = R"({"ok":tr)"}, true},
        {"408", {.status = 408}, true},
        {"500", {.status = 500}, true},
        {"502", {.status = 502}, true},
        {"503", {.status = 503}, true},
        {"504", {.status = 504}, true},
        {"no HTTP", {.kind = Kind::noise}, true},
        {"the connection ends without an answer", {.kind = Kind::drop, .times = 2}, true},
        {"the answer ends in its middle", {.kind = Kind::half}, true},
        {"no answer in time", {.kind = Kind::silence}, true},
    };
}

// What was no attempt is not counted.
int next_after(const Answer& answer) { return !answer && !answer.error().is_attempt ? 1 : 2; }

// As the README says it.
std::string slack_words(const Answer& answer) { return answer ? "done, once" : test::in_words(answer.error()); }

class SlackErrorsTest : public WithSandbox {
protected:
    SlackErrorsTest() : proxy_(settings_.slack.url) {
        settings_.slack.url = proxy_.url();
        settings_.slack.limits.total = std::chrono::milliseconds(400);
    }

    // Posts with the fault in the way of `call`.
    Answer post(Misbehaviour fault, const std::string& call, bool is_after, const std::string& text, int attempt = 1) {
        attempt_ = attempt;
        fault.call = call;
        fault.is_after = is_after;
        proxy_.heal();
        proxy_.add(fault);
        Answer answer = perform("slack.post", fmt::format(R"({{"channel":"#general","text":"{}"}})", text), "key " + text);
        proxy_.heal();
        if (!answer) {
            EXPECT_EQ(answer.error().detail.find(settings_.slack.token), std::string::npos);
            EXPECT_NE(answer.error().detail.find("Slack"), std::string::npos) << answer.error().detail;
        }
        return answer;
    }
    // As the worker's library is told.
    bool holds_alone(const std::string& word) const {
        const auto handlers = handlers_of("slack", settings_);
        const auto& types = handlers->front().own_troubles;
        return std::find(types.begin(), types.end(), word) != types.end();
    }
    std::size_t posts_saying(const std::string& text) {
        std::size_t found = 0;
        const json::object all = state();
        if (!all.contains("slack_messages")) return 0;
        for (const json::value& one : all.at("slack_messages").as_array()) found += one.at("text") == json::value(text) ? 1 : 0;
        return found;
    }

    FaultyProxy proxy_;
};

TEST_F(SlackErrorsTest, EveryAnswerMeansWhatTheReadmeSays) {
    std::string table = "| Slack, or what is in front of it, answers | while looking | to a post | to a post that it has done |\n"
                        "|---|---|---|---|\n";
    int number = 0;
    for (const SlackRow& row : slack_rows()) {
        SCOPED_TRACE(row.what);
        const std::string text = fmt::format("m{}", ++number);
        // The second attempt looks first.
        const Answer looking = post(row.fault, "GET /conversations.history", false, text, 2);
        EXPECT_FALSE(looking);
        EXPECT_EQ(posts_saying(text), 0U);
        const Answer writing = post(row.fault, "POST /chat.postMessage", false, text);
        const bool was_done = row.fault.kind == Kind::half;
        EXPECT_EQ(posts_saying(text), was_done ? 1U : 0U);
        EXPECT_EQ(writing.has_value(), was_done);
        std::string after = "–";
        if (row.can_follow_the_effect) {
            const std::string other = text + "x";
            const Answer done = post(row.fault, "POST /chat.postMessage", true, other);
            after = slack_words(done);
            EXPECT_EQ(posts_saying(other), 1U);
            post({.times = 0}, "", false, other, next_after(done));
            EXPECT_EQ(posts_saying(other), 1U);
        }
        // Whatever it was, it passes.
        EXPECT_TRUE(post({.times = 0}, "", false, text, next_after(writing)));
        EXPECT_EQ(posts_saying(text), 1U);
        table += fmt::format("| {} | {} | {} | {} |\n", row.what, slack_words(looking), slack_words(writing), after);
    }
    expect_table("slack", "answers", table);
}

TEST_F(SlackErrorsTest, EveryWordMeansWhatTheReadmeSays) {
    std::string table = "| word | what follows | what to do |\n|---|---|---|\n";
    for (const slack::Word& word : slack::known_words()) {
        SCOPED_TRACE(word.word);
        const std::string text(word.word);
        const Answer answer = post(saying(text), "POST /chat.postMessage", false, text);
        ASSERT_FALSE(answer);
        EXPECT_EQ(answer.error().type, text);
        EXPECT_EQ(posts_saying(text), 0U);
        std::string how = answer.error().retryable ? "again, after a look" : "for good";
        if (word.meaning == slack::Meaning::not_now) how = "no attempt: later";
        if (word.meaning == slack::Meaning::configuration) how = "no attempt: the worker's configuration";
        if (word.meaning == slack::Meaning::right) how = "no attempt: a right; holds this task type only";
        EXPECT_EQ(answer.error().is_attempt, word.meaning == slack::Meaning::for_good || word.meaning == slack::Meaning::again);
        EXPECT_EQ(holds_alone(text), word.meaning == slack::Meaning::right);
        table += fmt::format("| `{}` | {} | {} |\n", text, how, word.advice);
    }
    expect_table("slack", "words", table);
}

TEST_F(SlackErrorsTest, ScimSaysItByStatus) {
    settings_.slack.mode = slack::Mode::scim;
    FaultyProxy scim(settings_.slack.scim_url);
    settings_.slack.scim_url = scim.url();
    const std::string body = R"({"schemas":["urn:ietf:params:scim:api:messages:2.0:Error"],"detail":"because"})";
    std::string table = "| SCIM answers | while looking | to a new account | to one that it has made |\n|---|---|---|---|\n";
    int number = 0;
    const std::vector<SlackRow> scim_rows = {
        {"400", {.status = 400, .headers = of_type("application/json"), .body = body}},
        {"401, 403", {.status = 403, .headers = of_type("application/json"), .body = body}},
        {"404", {.status = 404, .headers = of_type("application/json"), .body = body}},
        {"409", {.status = 409, .headers = of_type("application/json"), .body = body}, true},
        {"429 with `Retry-After`", {.status = 429, .headers = {{"Retry-After", "7"}}}},
        {"500", {.status = 500}, true},
        {"503", {.status = 503}, true},
        {"2xx with a page (a log-in)", {.status = 200, .headers = of_type("text/html"), .body = "<html>"}, true},
        {"the connection ends without an answer", {.kind = Kind::drop, .times = 2}, true},
        {"no answer in time", {.kind = Kind::silence}, true},
    };
    const auto invite = [&](Misbehaviour fault, const std::string& call, bool is_after, const std::string& name) {
        fault.call = call;
        fault.is_after = is_after;
        scim.heal();
        scim.add(fault);
        Answer answer = perform("slack.invite", fmt::format(R"({{"email":"{}@example.org","channels":["general"]}})", name));
        scim.heal();
        return answer;
    };
    for (const SlackRow& row : scim_rows) {
        SCOPED_TRACE(row.what);
        const std::string name = fmt::format("u{}", ++number);
        const Answer looking = invite(row.fault, "GET /Users", false, name);
        EXPECT_FALSE(looking);
        const std::size_t before = count("slack_users");
        const Answer writing = invite(row.fault, "POST /Users", false, name);
        EXPECT_FALSE(writing);
        EXPECT_EQ(count("slack_users"), before);
        std::string after = "–";
        if (row.can_follow_the_effect) {
            after = slack_words(invite(row.fault, "POST /Users", true, name + "x"));
            EXPECT_EQ(count("slack_users"), before + 1);
        }
        table += fmt::format("| {} | {} | {} | {} |\n", row.what, slack_words(looking), slack_words(writing), after);
    }
    expect_table("slack", "scim", table);
}

TEST_F(SlackErrorsTest, AMissingScopeIsNamedWithWhatIsThere) {
    Misbehaviour fault = saying("");
    fault.body = R"({"ok":false,"error":"missing_scope","needed":"chat:write","provided":"users:read,channels:read"})";

    const Answer answer = post(fault, "POST /chat.postMessage", false, "m");

    ASSERT_FALSE(answer);
    EXPECT_NE(answer.error().detail.find("needs chat:write (the token has users:read,channels:read)"), std::string::npos) << answer.error().detail;
    EXPECT_EQ(json::parse(answer.error().data).at("needed"), "chat:write");
}

} // namespace
} // namespace baton::workers::test
