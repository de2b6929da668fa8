// Every function: an expression and what it gives. docs/expressions.md shows the same.
#include "tests/orchestrator/expression/support.hpp"

#include <gtest/gtest.h>

namespace baton::orchestrator::expression {
namespace {

using testing_support::result_of;

TEST(TextFunctions, SearchAndCut) {
    EXPECT_EQ(result_of("'a,b,,c'.split(',')"), R"(["a","b","","c"])");
    EXPECT_EQ(result_of("'a,b,c'.split(',', 2)"), R"(["a","b,c"])");
    EXPECT_EQ(result_of("'a,b,c'.split(',', 0)"), "[]");
    EXPECT_EQ(result_of("''.split(',')"), R"([""])");
    EXPECT_EQ(result_of("'a\u00fc\U0001f431'.split('')"), "[\"a\",\"\u00fc\",\"\U0001f431\"]");
    EXPECT_EQ(result_of("['a', 'b', 1, true].join('-')"), "a-b-1-true");
    EXPECT_EQ(result_of("['a', 'b'].join()"), "ab");
    EXPECT_EQ(result_of("[].join(',')"), "");
    EXPECT_EQ(result_of("['a', null].join(',')"),
              "error: join() takes strings and numbers, item 1 is null");
    EXPECT_EQ(result_of("'a b b'.replace('b', 'cc')"), "a cc cc");
    EXPECT_EQ(result_of("'a b b'.replace('b', 'c', 1)"), "a c b");
    EXPECT_EQ(result_of("'a'.replace('', 'b')"),
              "error: replace() cannot search for an empty text");
    EXPECT_EQ(result_of("'gr\u00fcn'.substring(2)"), "\u00fcn");
    EXPECT_EQ(result_of("'gr\u00fcn'.substring(1, 3)"), "r\u00fc");
    EXPECT_EQ(result_of("'abc'.substring(4)"),
              "error: position 4 is outside a text of 3 characters");
    EXPECT_EQ(result_of("'abc'.substring(2, 1)"), "error: substring() ends before it begins");
    EXPECT_EQ(result_of("'abc'.charAt(1) + 'abc'.charAt(3)"), "b");
    EXPECT_EQ(result_of("'gr\u00fcn n'.indexOf('n')"), "3");
    EXPECT_EQ(result_of("'banana'.indexOf('an', 2)"), "3");
    EXPECT_EQ(result_of("'banana'.lastIndexOf('an')"), "3");
    EXPECT_EQ(result_of("'banana'.indexOf('x')"), "-1");
    EXPECT_EQ(result_of("'banana'.indexOf('')"), "0");
    EXPECT_EQ(result_of("contains('abc', 'bc') && startsWith('abc', 'ab') && endsWith('abc', 'c')"),
              "true");
    EXPECT_EQ(result_of("''.contains('')"), "true");
    EXPECT_EQ(result_of("[1, 2].contains(2.0)"), "true");
    EXPECT_EQ(result_of("'abc'.contains(x)", R"({"x": 1})"),
              "error: no such overload: contains(string, int)");
}

TEST(TextFunctions, Change) {
    EXPECT_EQ(result_of("'\u00c4PFEL \u03a3 \u0416'.lower()"), "\u00e4pfel \u03c3 \u0436");
    EXPECT_EQ(result_of("'\u00e4pfel \u00df \u0151'.upper()"), "\u00c4PFEL \u00df \u0150");
    EXPECT_EQ(result_of("'\u00c4B'.lowerAscii() + '\u00e4b'.upperAscii()"), "\u00c4b\u00e4B");
    EXPECT_EQ(result_of("' \\t\u00a0a b\\n '.trim()"), "a b");
    EXPECT_EQ(result_of("'  '.trim()"), "");
    EXPECT_EQ(result_of("'a\u00fc'.reverse()"), "\u00fca");
    EXPECT_EQ(result_of("size('a\u00fc')"), "2");
}

TEST(TextFunctions, MatchRegularExpressions) {
    EXPECT_EQ(result_of("'abc123'.matches('^[a-z]+[0-9]{3}$')"), "true");
    EXPECT_EQ(result_of("'abc'.matches(p)", R"({"p": "b"})"), "true");
    EXPECT_EQ(result_of("'abc'.matches(p)", R"({"p": "("})"),
              "error: the regular expression is wrong: missing ): (");
    EXPECT_EQ(result_of("('" + std::string(200, 'a') + "').matches('(a*)*(a*)*(a*)*b')"), "false");
}

TEST(TextFunctions, MakeFingerprints) {
    EXPECT_EQ(result_of("base64('hello')"), "aGVsbG8=");
    EXPECT_EQ(result_of("base64(b'\\xff\\x00')"), "/wA=");
    EXPECT_EQ(result_of("string(base64Decode('aGVsbG8='))"), "hello");
    EXPECT_EQ(result_of("string(base64Decode('aGVsbG8'))"), "hello");
    EXPECT_EQ(result_of("base64Decode('a b')"), "error: the text is no base64");
    EXPECT_EQ(result_of("sha256('')"),
              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(result_of("sha256('abc')"),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(result_of("'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq'.sha256()"),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    EXPECT_EQ(result_of("uuid5('dns', 'www.example.com')"), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
    EXPECT_EQ(result_of("uuid5('6ba7b810-9dad-11d1-80b4-00c04fd430c8', 'www.example.com')"),
              "2ed6657d-e927-568b-95e1-2665a8aea6a2");
    EXPECT_EQ(result_of("uuid5('nothing', 'x')"),
              "error: the first argument of uuid5() is 'dns', 'url', 'oid', 'x500' or a UUID");
}

TEST(ListFunctions, TakeApart) {
    EXPECT_EQ(result_of("[3, 4].first() + [3, 4].last()"), "7");
    EXPECT_EQ(result_of("[].first()"), "error: first() of an empty list");
    EXPECT_EQ(result_of("[1, 2, 3, 4].slice(1, 3)"), "[2,3]");
    EXPECT_EQ(result_of("[1, 2].slice(1, 30)"), "[2]");
    EXPECT_EQ(result_of("[1, 2].slice(5)"), "[]");
    EXPECT_EQ(result_of("[1, 2].slice(-1)"), "error: positions of slice() are not negative");
    EXPECT_EQ(result_of("[1, 2, 1].indexOf(1) + [1, 2, 1].lastIndexOf(1)"), "2");
    EXPECT_EQ(result_of("[1, 2, 3].reverse()"), "[3,2,1]");
    EXPECT_EQ(result_of("size([1, 2]) + {'a': 1}.size() + size(b'abc')"), "6");
}

TEST(ListFunctions, PutTogether) {
    EXPECT_EQ(result_of("[[1], [2, [3]], 4].flatten()"), "[1,2,[3],4]");
    EXPECT_EQ(result_of("[[1], [2, [3]], 4].flatten(2)"), "[1,2,3,4]");
    EXPECT_EQ(
        result_of("[1, 2.0, 2, 'a', 1u, 'a', null, [1], [1.0], {'a': 1}, {'a': 1}].distinct()"),
        "[1,2,\"a\",null,[1],{\"a\":1}]");
    EXPECT_EQ(result_of("[3, 1.5, 2u].sort()"), "[1.5,2,3]");
    EXPECT_EQ(result_of("['b', 'a', 'B'].sort()"), R"(["B","a","b"])");
    EXPECT_EQ(result_of("['b', 1].sort()"), "error: no such overload: sort() of string and int");
    EXPECT_EQ(result_of("[].sort()"), "[]");
    EXPECT_EQ(result_of("[1, 2, 3].sum()"), "6");
    EXPECT_EQ(result_of("[1, 2.5].sum()"), "3.5");
    EXPECT_EQ(result_of("[].sum()"), "0");
    EXPECT_EQ(result_of("[duration('1m'), duration('1s')].sum()"), "61s");
    EXPECT_EQ(result_of("[9223372036854775807, 1].sum()"), "error: integer overflow");
    EXPECT_EQ(result_of("['a'].sum()"),
              "error: sum() takes numbers or durations, item 0 is a string");
    EXPECT_EQ(result_of("min([3, 1.5, 2]) + max(1.0, 2.0)"), "3.5");
    EXPECT_EQ(result_of("['b', 'a'].max()"), "b");
    EXPECT_EQ(result_of("min(1, 'a')"), "error: no such overload: min() of int and string");
    EXPECT_EQ(result_of("range(3)"), "[0,1,2]");
    EXPECT_EQ(result_of("range(2, 5)"), "[2,3,4]");
    EXPECT_EQ(result_of("range(10, 0, -4)"), "[10,6,2]");
    EXPECT_EQ(result_of("range(0)"), "[]");
    EXPECT_EQ(result_of("range(0, 5, 0)"), "error: the step of range() is 0");
}

TEST(MapFunctions, TakeApartAndMerge) {
    EXPECT_EQ(result_of("{'b': 1, 'a': 2}.keys()"), R"(["b","a"])");
    EXPECT_EQ(result_of("{'b': 1, 'a': 2}.values()"), "[1,2]");
    EXPECT_EQ(result_of("{'b': 1}.entries()"), R"([{"key":"b","value":1}])");
    EXPECT_EQ(result_of("merge({'a': 1, 'b': 2}, {'b': 3}, null, {'c': 4})"),
              R"({"a":1,"b":3,"c":4})");
    EXPECT_EQ(result_of("x.merge({'b': 3})", R"({"x": {"b": 1, "a": 2}})"), R"({"b":3,"a":2})");
    EXPECT_EQ(result_of("keys(m)", R"({"m": {"z": 1, "y": 2}})"), R"(["z","y"])");
}

TEST(Conversions, KeepToTheRangesOfTypes) {
    EXPECT_EQ(result_of("int('-42') + int(3.9) + int(-3.9) + int(5u)"), "-37");
    EXPECT_EQ(result_of("int('4 2')"), "error: '4 2' is no int");
    EXPECT_EQ(result_of("int('9223372036854775808')"), "error: '9223372036854775808' is no int");
    EXPECT_EQ(result_of("int(1e19)"), "error: 10000000000000000000 is out of the range of int");
    EXPECT_EQ(result_of("int(18446744073709551615u)"),
              "error: 18446744073709551615 is out of the range of int");
    EXPECT_EQ(result_of("uint(-1)"), "error: -1 is out of the range of uint");
    EXPECT_EQ(result_of("uint('7') + uint(1.9)"), "8");
    EXPECT_EQ(result_of("double('1.5') + double(1)"), "2.5");
    EXPECT_EQ(result_of("double('one')"), "error: 'one' is no double");
    EXPECT_EQ(result_of("string(1) + string(1.5) + string(true) + string(2u) + string(b'x')"),
              "11.5true2x");
    EXPECT_EQ(result_of("string(b'\\xff')"),
              "error: the bytes are no UTF-8; base64(..) makes them text");
    EXPECT_EQ(result_of("string(1e21) + ' ' + string(100000.0) + ' ' + string(0.1 + 0.2)"),
              "1e+21 100000 0.30000000000000004");
    EXPECT_EQ(result_of("bytes('\u00fc') == b'\\xc3\\xbc'"), "true");
    EXPECT_EQ(result_of("bool('true') && !bool('0')"), "true");
    EXPECT_EQ(result_of("bool('yes')"), "error: 'yes' is no bool");
    EXPECT_EQ(result_of("abs(-3) + abs(3)"), "6");
    EXPECT_EQ(result_of("[1.5.ceil(), 1.5.floor(), 2.5.round(), (-2.5).round(), round(3)]"),
              "[2,1,3,-3,3]");
    EXPECT_EQ(result_of("json({'a': [1, 'x', null]})"), R"({"a":[1,"x",null]})");
    EXPECT_EQ(result_of("json('a\"b')"), R"("a\"b")");
}

} // namespace
} // namespace baton::orchestrator::expression
