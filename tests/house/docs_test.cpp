// What the documents name must be there: files and folders, options and verbs of the command line, functions and
// words of the code. A failure says document:line and the name; mend the sentence, or the code that it promises.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

const fs::path repository = BATON_SOURCE_DIR;

// Names that stand for others, or are not ours, each with its reason.
const std::map<std::string, std::string>& strangers() {
    static const std::map<std::string, std::string> table{
        {"x/y.cpp", "any file"},
        {"tests/x/y_test.cpp", "its test"},
        {"cancel_after", "Boost's, of a later release"},
        {"snake_case", "a way of writing"},
        {"BrokerQueue", "a name that is not wanted"},
        {"PascalCase", "a way of writing"},
        {"consumer_timeout", "RabbitMQ's"},
    };
    return table;
}

bool is_private_name(const std::string& name) {
    static const std::set<std::string> names{".git", "build", "dist", "baton-data", "node_modules", "__pycache__", "secrets"};
    return names.contains(name) || name.ends_with(".egg-info");
}

std::string text_of(const fs::path& file) {
    std::ifstream in(file);
    std::stringstream content;
    content << in.rdbuf();
    return content.str();
}

// What there is: paths, their last parts, and the words and options of everything that is no document.
struct House {
    std::set<std::string> paths;
    std::set<std::string> names;
    std::set<std::string, std::less<>> words;
    std::set<std::string> options;
    std::set<std::string> verbs;
};

void read_words(const std::string& text, House& house) {
    const auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t begin = at;
        const bool is_option = text.compare(at, 2, "--") == 0;
        if (is_option) at += 2;
        while (at < text.size() && (is_word(text[at]) || (is_option && text[at] == '-')))
            ++at;
        if (is_option && at > begin + 2) house.options.insert(text.substr(begin, at - begin));
        if (!is_option && at > begin) house.words.insert(text.substr(begin, at - begin));
        if (at == begin) ++at;
    }
    for (const std::string before : {"add_subcommand(", "{\""})
        for (auto at = text.find(before); at != std::string::npos; at = text.find(before, at + 1)) {
            auto begin = at + before.size();
            if (before.back() == '(') begin = std::min(text.find_first_not_of(" \n\"", begin), text.size());
            const auto end = text.find_first_not_of("abcdefghijklmnopqrstuvwxyz-", begin);
            if (end != std::string::npos && end > begin && text[end] == '"') house.verbs.insert(text.substr(begin, end - begin));
        }
}

const House& house() {
    static const House all = [] {
        House made;
        static const std::set<std::string> read{".cpp", ".hpp", ".h", ".in", ".txt", ".cmake", ".toml", ".py", ".mjs", ".ts",
                                                ".sql", ".pml", ".yaml", ".service", ".conf", ".env", ""};
        for (auto at = fs::recursive_directory_iterator(repository); at != fs::recursive_directory_iterator(); ++at) {
            if (is_private_name(at->path().filename().string())) {
                at.disable_recursion_pending();
                continue;
            }
            const auto path = fs::relative(at->path(), repository);
            made.paths.insert(path.generic_string());
            made.names.insert(path.filename().string());
            // Neither counts what a document says, nor what the house test names because it is not there.
            if (!at->is_regular_file() || *path.begin() == "docs" || path.generic_string().starts_with("tests/house/")) continue;
            if (read.contains(path.extension().string()) && fs::file_size(at->path()) < 1'000'000)
                read_words(text_of(at->path()), made);
        }
        return made;
    }();
    return all;
}

// `broker/net`, `tests/broker/scenarios/*.txt`, `orchestrator/core/{a,b}.hpp`: the part before a wildcard counts.
bool is_there(std::string path) {
    if (path.ends_with('/')) path.pop_back();
    if (const auto wild = path.find_first_of("*{<"); wild != std::string::npos) {
        path.resize(wild);
        path.resize(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
    }
    const auto& paths = house().paths;
    if (paths.contains(path)) return true;
    const auto longer = paths.lower_bound(path + "."); // a module without its endings
    return longer != paths.end() && longer->starts_with(path + ".");
}

// Why a name is wrong; empty: it is not, or is no name of ours.
std::string fault_of(const std::string& name) {
    static const std::regex path(R"([a-z_]+(/[\w.*{}<>,-]+)+/?)"), file(R"([\w-]+\.(cpp|hpp|md|py|pml|sql|mjs|ts))"),
        call(R"((?:\w+::)*(\w+)\(.*\))"), word(R"([A-Z][a-z]+([A-Z][a-z]+)+|[a-z]+(_[a-z]+)+)"), verb(R"(baton ([a-z][a-z-]*).*)"),
        option(R"((^|[^\w-])(--[a-z][a-z0-9-]*))");
    std::smatch found;
    if (std::regex_match(name, path) && house().paths.contains(name.substr(0, name.find('/'))))
        return is_there(name) ? "" : "there is no such file or folder";
    if (std::regex_match(name, file)) return house().names.contains(name) ? "" : "there is no such file";
    if (name.starts_with("baton ") || name.starts_with("scripts/") || name.starts_with("--")) {
        for (std::sregex_iterator one(name.begin(), name.end(), option); one != std::sregex_iterator(); ++one)
            if (!house().options.contains((*one)[2])) return "nothing takes " + (*one)[2].str();
        if (std::regex_match(name, found, verb) && !house().verbs.contains(found[1])) return "there is no such verb";
        return "";
    }
    if (std::regex_match(name, found, call)) return house().words.contains(found[1].str()) ? "" : "there is no such function";
    if (std::regex_match(name, word)) return house().words.contains(name) ? "" : "the code has no such word";
    return "";
}

TEST(Documents, NameWhatIsThere) {
    std::vector<fs::path> documents{repository / "README.md"};
    // Decisions speak of their day.
    for (const auto& entry : fs::directory_iterator(repository / "docs"))
        if (entry.path().extension() == ".md") documents.push_back(entry.path());
    int seen = 0;
    for (const auto& document : documents) {
        std::ifstream in(document);
        int number = 0;
        bool is_block = false;
        for (std::string line; std::getline(in, line);) {
            ++number;
            if (line.starts_with("```")) is_block = !is_block;
            if (is_block) continue;
            for (auto at = line.find('`'); at != std::string::npos;) {
                const auto end = line.find('`', at + 1);
                if (end == std::string::npos) break;
                const std::string name = line.substr(at + 1, end - at - 1);
                at = line.find('`', end + 1);
                if (strangers().contains(name)) continue;
                ++seen;
                EXPECT_EQ(fault_of(name), "") << fs::relative(document, repository).string() << ":" << number << ": `" << name << "`";
            }
        }
    }
    EXPECT_GT(seen, 1000);
}

TEST(Documents, AWrongNameIsFound) {
    for (const char* name : {"broker/nowhere.cpp", "nowhere.hpp", "baton nowhere", "baton serve --nowhere", "go_nowhere()",
                             "NowhereToGo", "tests/nowhere/*.txt"})
        EXPECT_NE(fault_of(name), "") << name;
}

} // namespace
