#include "broker/core/exchange.hpp"

#include "amqp/buffer.hpp"

#include <gtest/gtest.h>

namespace baton::broker::core {
namespace {

Exchange exchange_of(ExchangeType type) {
    Exchange::Identity identity;
    identity.name = "x";
    identity.kind.type = type;
    return Exchange(std::move(identity));
}

Binding binding_of(Exchange& source, Queue& queue, std::string key, amqp::FieldTable arguments,
                   BindingOrder order) {
    Binding binding;
    binding.order = order;
    binding.source = &source;
    binding.queue = &queue;
    binding.routing_key = std::move(key);
    binding.arguments = std::move(arguments);
    return binding;
}

std::size_t matches(Exchange& exchange, std::string_view key, const amqp::FieldTable& headers) {
    amqp::Buffer raw;
    amqp::Writer writer(raw);
    amqp::write_table(writer, headers);
    std::vector<Binding*> found;
    exchange.match({key, raw.view().subspan(4)}, found);
    return found.size();
}

TEST(Exchange, DirectWantsTheVeryKey) {
    Exchange exchange = exchange_of(ExchangeType::direct);
    Queue queue({}, {});
    exchange.add(binding_of(exchange, queue, "a", {}, 1));

    EXPECT_EQ(matches(exchange, "a", {}), 1U);
    EXPECT_EQ(matches(exchange, "b", {}), 0U);
    exchange.remove(1);
    EXPECT_EQ(matches(exchange, "a", {}), 0U);
    EXPECT_FALSE(exchange.has_bindings());
}

TEST(Exchange, FindsABindingByDestinationKeyAndArguments) {
    Exchange exchange = exchange_of(ExchangeType::fanout);
    Queue one({}, {});
    Queue two({}, {});
    exchange.add(binding_of(exchange, one, "k", {{"n", std::int32_t{5}}}, 1));

    EXPECT_NE(exchange.find(&one, nullptr, "k", {{"n", std::int64_t{5}}}), nullptr)
        << "numbers are compared by value";
    EXPECT_EQ(exchange.find(&one, nullptr, "k", {}), nullptr);
    EXPECT_EQ(exchange.find(&two, nullptr, "k", {{"n", std::int32_t{5}}}), nullptr);
}

TEST(Exchange, HeadersMatchAllOrAny) {
    Exchange exchange = exchange_of(ExchangeType::headers);
    Queue queue({}, {});
    exchange.add(binding_of(exchange, queue, "", {{"x-match", "all"}, {"a", "1"}, {"b", "2"}}, 1));
    EXPECT_EQ(matches(exchange, "", {{"a", "1"}, {"b", "2"}, {"c", "3"}}), 1U);
    EXPECT_EQ(matches(exchange, "", {{"a", "1"}}), 0U);
    exchange.remove(1);

    exchange.add(binding_of(exchange, queue, "", {{"x-match", "any"}, {"a", "1"}, {"b", "2"}}, 2));
    EXPECT_EQ(matches(exchange, "", {{"a", "9"}, {"b", "2"}}), 1U);
    EXPECT_EQ(matches(exchange, "", {{"a", "9"}}), 0U);
    exchange.remove(2);

    exchange.add(binding_of(exchange, queue, "", {{"a", amqp::Void{}}}, 3));
    EXPECT_EQ(matches(exchange, "", {{"a", std::int32_t{7}}}), 1U) << "presence is enough";
    exchange.remove(3);

    exchange.add(binding_of(exchange, queue, "", {{"x-id", "1"}}, 4));
    EXPECT_EQ(matches(exchange, "", {}), 1U) << "x- headers do not count";
    exchange.remove(4);

    exchange.add(
        binding_of(exchange, queue, "", {{"x-match", "all-with-x"}, {"x-id", "1"}}, 5));
    EXPECT_EQ(matches(exchange, "", {}), 0U);
    EXPECT_EQ(matches(exchange, "", {{"x-id", "1"}}), 1U);
}

TEST(Exchange, RefusesStrangeBindings) {
    EXPECT_TRUE(check_binding(ExchangeType::headers, "", {}));
    EXPECT_TRUE(check_binding(ExchangeType::headers, "", {{"x-match", "any-with-x"}}));
    EXPECT_TRUE(check_binding(ExchangeType::consistent_hash, "10", {}));
    EXPECT_FALSE(check_binding(ExchangeType::consistent_hash, "ten", {}));
    const auto checked = check_binding(ExchangeType::headers, "", {{"x-match", "foo"}});
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().detail, "Invalid x-match field value <<\"foo\">>; expected all, any, "
                                      "all-with-x, or any-with-x");
}

} // namespace
} // namespace baton::broker::core
