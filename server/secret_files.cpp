// Secrets from files and the environment.
#include "server/secret_files.hpp"

#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <vector>

extern char** environ;

namespace baton::server {
namespace {

namespace fs = std::filesystem;

constexpr const char* variable_prefix = "BATON_SECRET_";
constexpr std::size_t secret_bytes_max = 64 * 1024;

// A file is what somebody wrote with an editor: its last line ends, and the secret does not.
std::optional<std::string> read_file(const fs::path& path) {
    std::error_code error;
    if (!fs::is_regular_file(path, error) || fs::file_size(path, error) > secret_bytes_max) return std::nullopt;
    std::ifstream in(path, std::ios::binary);
    if (!in) return std::nullopt;
    std::stringstream text;
    text << in.rdbuf();
    std::string value = text.str();
    while (!value.empty() && (value.back() == '\n' || value.back() == '\r'))
        value.pop_back();
    return value;
}

std::vector<fs::path> folders(const std::string& folder) {
    std::vector<fs::path> all;
    if (!folder.empty()) all.emplace_back(folder);
    if (const char* credentials = std::getenv("CREDENTIALS_DIRECTORY")) all.emplace_back(credentials);
    return all;
}

std::string variable_of(const std::string& name) {
    std::string variable = variable_prefix;
    for (const char c : name)
        variable += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return variable;
}

std::optional<std::string> find(const std::string& folder, const std::string& name) {
    for (const fs::path& one : folders(folder))
        if (auto value = read_file(one / name)) return value;
    if (const char* value = std::getenv(variable_of(name).c_str())) return value;
    return std::nullopt;
}

std::vector<std::string> all(const std::string& folder) {
    std::vector<std::string> values;
    for (const fs::path& one : folders(folder)) {
        std::error_code error;
        for (fs::directory_iterator entry(one, error), end; !error && entry != end; entry.increment(error))
            if (auto value = read_file(entry->path())) values.push_back(std::move(*value));
    }
    for (char** variable = environ; *variable != nullptr; ++variable) {
        const std::string_view text{*variable};
        if (!text.starts_with(variable_prefix)) continue;
        if (const auto equals = text.find('='); equals != std::string_view::npos) values.emplace_back(text.substr(equals + 1));
    }
    return values;
}

} // namespace

orchestrator::messaging::SecretSource secret_files(const std::string& folder) {
    return {[folder](const std::string& name) { return find(folder, name); }, [folder] { return all(folder); }};
}

} // namespace baton::server
