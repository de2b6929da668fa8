// Sources are compiled in batches (docs/decisions/0063): what stands in an unnamed namespace of one
// file is seen by the next nine. Two of one name are an error of the compiler. One that hides a
// function of a header is none: the next file calls the wrong one and nobody hears of it. This test
// does.
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace filesystem = std::filesystem;

struct NamedAt {
    std::string name, file;
    int line = 0;
    std::string space;       // the named namespaces around it
    bool is_unnamed = false; // in an unnamed one
};

bool is_letter(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
}

// The name that a line at the left edge declares: code is formatted, so whatever stands there is at
// namespace scope. By hand: the regular expressions of the library take minutes for the whole tree.
std::string declared_by(std::string_view line) {
    for (const std::string_view other :
         {"using ", "namespace ", "typedef ", "friend ", "template", "extern ", "TEST",
          "INSTANTIATE", "MATCHER", "RC_", "return ", "static_assert"})
        if (line.starts_with(other)) return {};
    for (const std::string_view type : {"struct ", "class ", "enum class ", "enum "})
        if (line.starts_with(type)) {
            line.remove_prefix(type.size());
            std::size_t end = 0;
            while (end < line.size() && is_letter(line[end]))
                ++end;
            const std::string_view rest = line.substr(end);
            return rest.starts_with("::") || rest.starts_with(";")
                       ? std::string()
                       : std::string(line.substr(0, end));
        }
    std::size_t end = line.find_first_of("(={;[");
    if (end == std::string_view::npos) return {};
    while (end > 0 && line[end - 1] == ' ')
        --end;
    std::size_t begin = end;
    while (begin > 0 && is_letter(line[begin - 1]))
        --begin;
    // A type comes before it, and no class whose member it is.
    if (begin == 0 || begin == end ||
        std::string_view(" *&>").find(line[begin - 1]) == std::string_view::npos)
        return {};
    return std::string(line.substr(begin, end - begin));
}

std::vector<NamedAt> names_in(const std::string& text, const std::string& file) {
    std::vector<NamedAt> names;
    std::vector<std::string> around;
    std::istringstream in(text);
    int number = 0;
    bool is_raw = false; // inside a raw string
    for (std::string line; std::getline(in, line);) {
        ++number;
        if (is_raw) {
            is_raw = line.find(")\"") == std::string::npos;
            continue;
        }
        if (const auto raw = line.find("R\"(");
            raw != std::string::npos && line.find(")\"", raw) == std::string::npos)
            is_raw = true;
        if (line.starts_with("namespace ") && line.ends_with("{")) {
            const std::string space = line.substr(10, line.size() - 11);
            around.push_back(space.substr(0, space.find(' ')));
            continue;
        }
        if (line.starts_with("} // namespace")) {
            if (!around.empty()) around.pop_back();
            continue;
        }
        if (line.empty() ||
            std::string_view(" }#/*\t)\"").find(line.front()) != std::string_view::npos)
            continue;
        const std::string name = declared_by(line);
        if (name.empty() || name == "operator" || name == "const") continue;
        NamedAt one{name, file, number, {}, std::ranges::find(around, "") != around.end()};
        for (const auto& space : around)
            if (!space.empty()) one.space += space + "::";
        names.push_back(std::move(one));
    }
    return names;
}

std::string text_of_file(const filesystem::path& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
}

// What is compiled together, more or less: a folder of the product, each folder of tests by itself.
std::string_view folder_of(std::string_view file) {
    return file.substr(0, file.starts_with("tests/") ? file.rfind('/') : file.find('/'));
}

// Each name of an unnamed namespace that a header declares in that namespace or one around it; or,
// in the same folder, in one inside it: a using-directive of the next file makes that the same.
std::vector<std::string> hidden(const std::map<std::string, std::string>& files) {
    std::multimap<std::string, NamedAt> declared;
    std::vector<NamedAt> local;
    for (const auto& [file, text] : files)
        for (auto& one : names_in(text, file)) {
            if (one.is_unnamed && file.ends_with(".cpp")) local.push_back(one);
            if (!one.is_unnamed && file.ends_with(".hpp")) declared.emplace(one.name, one);
        }
    std::vector<std::string> found;
    for (const NamedAt& one : local)
        for (auto [at, end] = declared.equal_range(one.name); at != end; ++at)
            if (one.space.starts_with(at->second.space) ||
                (at->second.space.starts_with(one.space) &&
                 folder_of(at->second.file) == folder_of(one.file))) {
                found.push_back(one.file + ":" + std::to_string(one.line) + ": '" + one.name +
                                "' hides the one of " + at->second.file +
                                " from the files that are compiled behind this one; give it a name "
                                "that says more");
                break;
            }
    return found;
}

TEST(HiddenNames, NoFileHidesWhatAHeaderDeclares) {
    const filesystem::path root = BATON_SOURCE_DIR;
    std::map<std::string, std::string> files;
    for (const char* room : {"amqp", "base", "broker", "cli", "contract", "db", "net",
                             "orchestrator", "sandbox", "server", "tests", "web", "workers"})
        for (const auto& entry : filesystem::recursive_directory_iterator(root / room)) {
            const auto extension = entry.path().extension();
            const std::string path = filesystem::relative(entry.path(), root).generic_string();
            if ((extension == ".hpp" || extension == ".cpp") &&
                path.find("node_modules") == std::string::npos)
                files[path] = text_of_file(entry.path());
        }
    ASSERT_GT(files.size(), 500U);

    for (const auto& fault : hidden(files))
        ADD_FAILURE() << fault;
}

TEST(HiddenNames, OneThatIsHiddenIsFound) {
    const std::string header = "namespace baton::web {\nResponse problem(unsigned status,\n        "
                               "         std::string reason);\n"
                               "constexpr int page_size_max = 5;\n} // namespace baton::web\n";
    const auto source = [](std::string_view line) {
        return "namespace baton::web {\nnamespace {\n\n" + std::string(line) +
               "\n\n} // namespace\n} // namespace baton::web\n";
    };

    EXPECT_EQ(
        hidden({{"a.hpp", header}, {"b.cpp", source("Response problem(int status) {\n}")}}).size(),
        1U);
    EXPECT_EQ(
        hidden({{"a.hpp", header}, {"b.cpp", source("constexpr std::size_t page_size_max = 500;")}})
            .size(),
        1U);
    EXPECT_EQ(hidden({{"a.hpp", header}, {"b.cpp", source("struct problem {\n};")}}).size(), 1U);
    // By way of a `using namespace slack`, and of a namespace that nobody opens from another
    // folder.
    const std::string inner = "namespace baton::web::slack {\nReply create_group(Call& call);\n} "
                              "// namespace baton::web::slack\n";
    const std::string outer = source("Reply create_group(Call& call) {\n}");
    EXPECT_EQ(hidden({{"web/a.hpp", inner}, {"web/b.cpp", outer}}).size(), 1U);
    EXPECT_EQ(hidden({{"cli/a.hpp", inner}, {"web/b.cpp", outer}}).size(), 0U);
    EXPECT_EQ(
        hidden({{"a.hpp", header}, {"b.cpp", source("Response trouble(int status) {\n}")}}).size(),
        0U);
}

} // namespace
