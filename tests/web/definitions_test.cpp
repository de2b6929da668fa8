// Definitions from JSON to wishes and from views to JSON, without a broker.
#include "web/broker/definitions.hpp"

#include "web/broker/broker_port.hpp"
#include "web/broker/broker_view.hpp"
#include "web/broker/field_json.hpp"
#include "web/http/replies.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace baton::web {
namespace {

namespace core = broker::core;
namespace json = boost::json;
using ::testing::HasSubstr;

BrokerPort some_port() {
    BrokerPort port;
    port.hash_password = [](std::string_view password) { return "hash of " + std::string(password); };
    port.is_hash_algorithm = [](std::string_view name) { return name == "sha256" || name == "rabbit_password_hashing_md5"; };
    port.hash_size = [](std::string_view name) { return name == "sha256" ? std::size_t{36} : std::size_t{20}; };
    port.password_matches = [](std::string_view password, std::string_view hash, std::string_view) {
        return hash == "hash of " + std::string(password);
    };
    port.sha256_algorithm = "sha256";
    port.own_user = "own";
    port.version = "1.0";
    return port;
}

std::vector<Definition> read(std::string_view text) {
    auto definitions = read_definitions(text, some_port(), std::nullopt);
    EXPECT_TRUE(definitions) << definitions.error().detail;
    return definitions ? std::move(definitions->wanted) : std::vector<Definition>{};
}

std::string complaint_about(std::string_view text) {
    const auto definitions = read_definitions(text, some_port(), std::nullopt);
    return definitions ? "" : definitions.error().detail;
}

} // namespace

TEST(Definitions, AskInAnOrderInWhichEverythingFindsWhatItNeeds) {
    const auto asked = read(R"({
        "bindings": [{"vhost": "v", "source": "e", "destination": "q", "destination_type": "queue", "routing_key": "k"}],
        "queues": [{"vhost": "v", "name": "q", "arguments": {"x-max-length": 5}}],
        "exchanges": [{"vhost": "v", "name": "e", "type": "topic"}],
        "permissions": [{"vhost": "v", "user": "u", "configure": "", "write": "", "read": ""}],
        "users": [{"name": "u", "password": "p", "tags": "a, b"}],
        "vhosts": [{"name": "v"}]})");

    ASSERT_EQ(asked.size(), 6U);
    EXPECT_TRUE(std::holds_alternative<core::PutVhost>(asked[0].wish));
    const auto& user = std::get<core::PutUser>(asked[1].wish).user;
    EXPECT_EQ(user.password_hash, "hash of p");
    EXPECT_THAT(user.tags, ::testing::ElementsAre("a", "b"));
    EXPECT_TRUE(std::holds_alternative<core::PutPermission>(asked[2].wish));
    EXPECT_EQ(std::get<core::DeclareExchange>(asked[3].wish).exchange.type, "topic");
    const auto& queue = std::get<core::DeclareQueue>(asked[4].wish);
    EXPECT_TRUE(queue.durable);
    EXPECT_EQ(queue.arguments.integer("x-max-length"), 5);
    EXPECT_TRUE(std::holds_alternative<core::Bind>(asked[5].wish));
    EXPECT_EQ(asked[4].place, "queues[0] 'q'");
}

TEST(Definitions, TakeWhatRabbitmqsCommandLineExportsAsPairs) {
    const auto asked = read(R"({
        "vhosts": [{"name": "v", "limits": [["max-queues", 7]], "metadata": {"description": "d", "tags": ["t"]}}],
        "parameters": [{"vhost": "v", "component": "operator_policy", "name": "cap",
                        "value": {"pattern": ".*", "definition": [["max-length", 5]], "priority": 2}}]})");

    ASSERT_EQ(asked.size(), 3U);
    EXPECT_EQ(std::get<core::PutVhost>(asked[0].wish).vhost.description, "d");
    EXPECT_EQ(std::get<core::PutVhostLimits>(asked[1].wish).limits.queues_max, 7);
    const auto& policy = std::get<core::PutPolicy>(asked[2].wish).policy;
    EXPECT_TRUE(policy.is_operator);
    EXPECT_EQ(policy.definition.integer("max-length"), 5);
}

TEST(Definitions, KeepTheHashesOfOldRabbitmqs) {
    const auto asked = read(R"({"rabbit_version": "3.5.7", "users": [{"name": "u", "password_hash": "nfszMMhInIllkD6vP353f43W6/E=", "tags": ""}]})");

    ASSERT_EQ(asked.size(), 1U);
    EXPECT_EQ(std::get<core::PutUser>(asked[0].wish).user.hash_algorithm, "rabbit_password_hashing_md5");
}

TEST(Definitions, NameThePlaceOfAMistake) {
    EXPECT_THAT(complaint_about("{\n \"queues\": x}"), HasSubstr("line 2"));
    EXPECT_EQ(complaint_about("[]"), "the definitions: must be a JSON object");
    EXPECT_EQ(complaint_about(R"({"queues": [5]})"), "queues[0]: must be an object");
    EXPECT_EQ(complaint_about(R"({"queues": [{"name": "q", "vhost": "/", "arguments": {"a": [1, 18446744073709551615]}}]})"),
              "queues[0] 'q': arguments.a[1]: the number is larger than 64 bits with a sign can hold");
    EXPECT_EQ(complaint_about(R"({"bindings": [{"vhost": "/", "source": "e", "destination": "q",
                                  "destination_type": "thing", "routing_key": ""}]})"),
              "bindings[0]: 'destination_type': must be queue or exchange");
}

TEST(Definitions, AskOnlyForWhatIsMissing) {
    core::Overview known;
    known.vhosts.push_back({"v", "described", {}});
    core::QueueView queue;
    queue.vhost = "v";
    queue.name = "there";
    known.queues.push_back(queue);
    core::PolicyPut policy{"v", "p", "x", "all", 1, {{"a", std::int32_t{1}}}, false};
    known.policies.push_back(policy);

    const auto asked = missing_in(read(R"({
        "vhosts": [{"name": "v"}],
        "queues": [{"vhost": "v", "name": "there", "durable": false}, {"vhost": "v", "name": "new"}],
        "policies": [{"vhost": "v", "name": "p", "pattern": "x", "priority": 1, "definition": {"a": 1}},
                     {"vhost": "v", "name": "p", "pattern": "x", "priority": 2, "definition": {"a": 1}}]})"),
                                  known, some_port());

    ASSERT_EQ(asked.size(), 2U);
    EXPECT_EQ(asked[0].place, "policies[1] 'p'");
    EXPECT_EQ(asked[1].place, "queues[1] 'new'");
}

TEST(Definitions, APlainPasswordThatIsSetAlreadyIsNotNew) {
    core::Overview known;
    known.users = {{"ada", "hash of p", "sha256", {"administrator"}}};
    const auto is_new = [&](std::string_view password, std::string_view tags) {
        return !missing_in(read(fmt::format(R"({{"users": [{{"name": "ada", "password": "{}", "tags": "{}"}}]}})", password, tags)),
                           known, some_port())
                    .empty();
    };
    EXPECT_FALSE(is_new("p", "administrator"));
    EXPECT_TRUE(is_new("other", "administrator"));
    EXPECT_TRUE(is_new("p", ""));
    EXPECT_TRUE(is_new("", "administrator")); // the password is taken away
}

TEST(Definitions, AKeyThatLooksLikeASectionIsAMistakeAndOthersAreNamed) {
    EXPECT_EQ(complaint_about(R"({"quues": []})"), "'quues': there is no such section; did you mean 'queues'?");
    EXPECT_EQ(complaint_about(R"({"topic-permissions": []})"),
              "'topic-permissions': there is no such section; did you mean 'topic_permissions'?");
    const auto read = read_definitions(R"({"rabbit_version": "4.1.0", "rabbitmq_version": "4.1.0", "explanation": "e",
        "rabbitmq_definition_format": "cluster", "original_cluster_name": "c", "product_name": "RabbitMQ",
        "product_version": "4.1.0", "original_vhost_name": "v", "metadata": {}, "shovels_of_tomorrow": [1],
        "vhosts": []})",
                                       some_port(), std::nullopt);
    ASSERT_TRUE(read) << read.error().detail;
    EXPECT_THAT(read->unknown_keys, ::testing::ElementsAre("shovels_of_tomorrow"));
}

TEST(Definitions, AHashNobodyCouldLogInWithIsRefused) {
    const auto with_hash = [](std::string_view hash) {
        return complaint_about(fmt::format(R"({{"users": [{{"name": "ada", "password_hash": "{}", "tags": ""}}]}})", hash));
    };
    EXPECT_EQ(with_hash("a hash!"), "users[0] 'ada': 'password_hash' is no base64");
    EXPECT_EQ(with_hash("nfszMMhInIllkD6vP353f43W6/E="),
              "users[0] 'ada': 'password_hash' has 20 bytes, where salt and digest of sha256 have 36; nobody could log in with it");
    EXPECT_EQ(with_hash("ex8ACaeNhOAcG8oNIBax+Tqq1VX8Byi3wrH2rN2wFRQCGhLc"), "");
    EXPECT_EQ(with_hash(""), ""); // a user without a password
}

TEST(Definitions, WhatTheBrokerWouldRefuseIsFoundBeforeItIsAsked) {
    core::Overview known;
    known.vhosts.push_back({"/", "", {}});
    known.users = {{"ada", "h", "sha256", {}}};
    core::ExchangeView headers;
    headers.vhost = "/";
    headers.name = "h";
    headers.type = "headers";
    known.exchanges = {headers};
    const auto complaints = [&](std::string_view text) { return complaints_about(read(text), known); };
    using ::testing::ElementsAre;
    using ::testing::StartsWith;

    EXPECT_THAT(complaints(R"({
        "vhosts": [{"name": "v"}, {"name": ""}],
        "users": [{"name": "bob", "password": "p", "tags": ""}, {"name": "", "tags": ""}],
        "permissions": [{"user": "bob", "vhost": "v", "configure": ".*", "write": "", "read": ""},
                        {"user": "eve", "vhost": "v", "configure": "", "write": "", "read": ""},
                        {"user": "ada", "vhost": "w", "configure": "", "write": "", "read": ""},
                        {"user": "ada", "vhost": "/", "configure": "", "write": "(", "read": ""}],
        "topic_permissions": [{"user": "ada", "vhost": "/", "exchange": "e", "write": "", "read": "["}],
        "parameters": [{"vhost": "/", "component": "shovel", "name": "", "value": 1},
                       {"vhost": "/", "component": "c", "name": "n", "value": 1}],
        "policies": [{"vhost": "/", "name": "p", "pattern": "x", "definition": {"max-length": "many"}}],
        "exchanges": [{"vhost": "v", "name": "e", "type": "topic"}, {"vhost": "v", "name": "f", "type": "round"}],
        "queues": [{"vhost": "v", "name": "q", "arguments": {"x-max-length": 5}},
                   {"vhost": "v", "name": "r", "arguments": {"x-max-length": -5}},
                   {"vhost": "w", "name": "s"}, {"vhost": "v", "name": ""}, {"vhost": "v", "name": "amq.x"}],
        "bindings": [{"vhost": "/", "source": "h", "destination": "q", "destination_type": "queue", "routing_key": "",
                      "arguments": {"x-match": "some"}},
                     {"vhost": "v", "source": "elsewhere", "destination": "q", "destination_type": "queue",
                      "routing_key": ""}]})"),
                ElementsAre("vhosts[1]: a virtual host needs a name", "users[1]: a user needs a name",
                            "permissions[1]: no user 'eve'", "permissions[2]: no vhost 'w'",
                            StartsWith("permissions[3]: "), StartsWith("topic_permissions[0]: "),
                            "parameters[0]: a parameter needs a name", "parameters[1] 'n': component c not found",
                            StartsWith("policies[0] 'p': "),
                            StartsWith("exchanges[1] 'f': "), StartsWith("queues[1] 'r': "),
                            "queues[2] 's': no vhost 'w'", "queues[3]: a queue needs a name",
                            "queues[4] 'amq.x': queue name 'amq.x' contains reserved prefix 'amq.*'",
                            StartsWith("bindings[0]: ")));
}

TEST(Definitions, AreWrittenWithoutWhatBelongsToOneConnectionOrToBaton) {
    core::Overview overview;
    overview.users = {{"own", "h", "sha256", {}}, {"ada", "h", "sha256", {"administrator"}}};
    overview.permissions = {{"/", "own", "", "", ""}};
    core::QueueView exclusive;
    exclusive.vhost = "/";
    exclusive.name = "mine";
    exclusive.exclusive = true;
    overview.queues = {exclusive};
    overview.bindings = {{"/", "e", core::DestinationKind::queue, "mine", "", {}}};
    core::ExchangeView predeclared;
    predeclared.name = "amq.topic";
    overview.exchanges = {predeclared};

    const auto written = definitions_json(overview, some_port(), std::nullopt);

    EXPECT_EQ(written.at("users").as_array().size(), 1U);
    for (const char* section : {"permissions", "queues", "bindings", "exchanges"})
        EXPECT_TRUE(written.at(section).as_array().empty()) << section;
}

TEST(FieldJson, KeepsWhatJsonKnowsAndShowsTheRest) {
    amqp::FieldTable table{{"text", "ä"},
                           {"bytes", amqp::ByteArray{"\xFF"}},
                           {"time", amqp::Timestamp{5}},
                           {"none", amqp::Void{}},
                           {"broken", std::string("a\xFF")},
                           {"list", amqp::FieldArray{{true, std::int8_t{-1}}}}};

    EXPECT_EQ(json::value(to_json(table)),
              json::parse("{\"text\":\"ä\",\"bytes\":\"/w==\",\"time\":5,\"none\":null,\"broken\":\"a\xEF\xBF\xBD\","
                          "\"list\":[true,-1]}"));
    const auto back = to_table(json::parse(R"({"a": {"b": [1.5, null]}})").as_object(), "x");
    ASSERT_TRUE(back);
    EXPECT_EQ(json::serialize(to_json(*back)), R"({"a":{"b":[1.5E0,null]}})");
}

TEST(Bindings, AreCalledByKeyAndFingerprintOfTheirArguments) {
    core::BindingView binding{"/", "e", core::DestinationKind::queue, "q", "", {}};
    EXPECT_EQ(properties_key(binding), "~");
    binding.routing_key = "a.#/b";
    EXPECT_EQ(properties_key(binding), "a.%23%2Fb");
    binding.arguments = {{"x", std::int32_t{1}}};
    EXPECT_THAT(properties_key(binding), ::testing::MatchesRegex("a\\.%23%2Fb~[0-9a-f]{8}"));
}

TEST(Login, ReachesWhatItsTagsAllow) {
    const auto with = [](std::vector<std::string> tags) { return Login{"u", std::move(tags)}; };

    EXPECT_FALSE(reaches(with({}), Level::management));
    EXPECT_FALSE(reaches(with({"impersonator"}), Level::management));
    EXPECT_TRUE(reaches(with({"management"}), Level::management));
    EXPECT_FALSE(reaches(with({"management"}), Level::policymaker));
    EXPECT_TRUE(reaches(with({"policymaker"}), Level::policymaker));
    EXPECT_FALSE(reaches(with({"policymaker"}), Level::monitoring));
    EXPECT_TRUE(reaches(with({"monitoring"}), Level::monitoring));
    EXPECT_FALSE(reaches(with({"monitoring"}), Level::administrator));
    EXPECT_TRUE(reaches(with({"administrator"}), Level::policymaker));
}

} // namespace baton::web
