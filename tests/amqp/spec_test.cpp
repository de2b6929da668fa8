// Compares our field lists with the specification's own tables.
#include "amqp/method_codec.hpp"
#include "amqp/methods.hpp"
#include "tests/amqp/spec_facts.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>

namespace baton::amqp {
namespace {

// Writes down the types of a field list in the specification's words.
struct TypeNames {
    std::string names;

    void add(const char* type) { names += names.empty() ? type : std::string(" ") + type; }
    void operator()(const char*, bool) { add("bit"); }
    void operator()(const char*, std::uint8_t) { add("octet"); }
    void operator()(const char*, std::uint16_t) { add("short"); }
    void operator()(const char*, std::uint32_t) { add("long"); }
    void operator()(const char*, std::uint64_t) { add("longlong"); }
    void operator()(const char*, const std::string&) { add("shortstr"); }
    void operator()(const char*, const LongString&) { add("longstr"); }
    void operator()(const char*, const SecretString&) { add("longstr"); }
    void operator()(const char*, const FieldTable&) { add("table"); }
    void operator()(const char*, const ReservedShort&) { add("short"); }
    void operator()(const char*, const ReservedShortString&) { add("shortstr"); }
    void operator()(const char*, const ReservedLongString&) { add("longstr"); }
    void operator()(const char*, const ReservedBit&) { add("bit"); }
};

struct Ours {
    MethodId id;
    std::string fields;
};

template <std::size_t... Index>
std::map<std::string_view, Ours> our_methods(std::index_sequence<Index...>) {
    std::map<std::string_view, Ours> all;
    const auto add = [&all](const auto& method) {
        TypeNames types;
        method.each_field(method, types);
        all[method.name] = {method.id, types.names};
    };
    (add(std::variant_alternative_t<Index, Method>{}), ...);
    return all;
}

TEST(Specification, EveryMethodHasItsNumbersAndFields) {
    const auto ours = our_methods(std::make_index_sequence<std::variant_size_v<Method>>());

    for (const MethodFact& fact : method_facts) {
        SCOPED_TRACE(fact.name);
        const auto found = ours.find(fact.name);
        ASSERT_NE(found, ours.end());
        EXPECT_EQ(found->second.id, (MethodId{fact.class_id, fact.method_id}));
        EXPECT_EQ(found->second.fields, fact.fields);
    }
    EXPECT_EQ(ours.size(), std::size(method_facts));
}

TEST(Specification, NamesOfMethodIdsAreFound) {
    for (const MethodFact& fact : method_facts)
        EXPECT_EQ(name_of(MethodId{fact.class_id, fact.method_id}), fact.name);
    EXPECT_EQ(name_of(MethodId{50, 99}), "class 50 method 99");
}

TEST(Specification, EveryReplyCodeHasItsWord) {
    for (const ReplyFact& fact : reply_facts)
        EXPECT_EQ(name_of(static_cast<ReplyCode>(fact.code)), fact.name);
    EXPECT_EQ(name_of(static_cast<ReplyCode>(999)), "UNKNOWN");
}

TEST(Specification, OnlyFourMethodsCarryContent) {
    int carriers = 0;
    for (const MethodFact& fact : method_facts)
        carriers += carries_content({fact.class_id, fact.method_id}) ? 1 : 0;
    EXPECT_EQ(carriers, 4);
}

} // namespace
} // namespace baton::amqp
