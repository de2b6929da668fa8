// One word of `baton ctl`: how it is called, what it takes, what it does. The words are listed in
// groups, one function per file.
#pragma once

#include "cli/ctl/arguments.hpp"
#include "cli/ctl/columns.hpp"
#include "cli/ctl/work.hpp"

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace baton::cli::ctl {

struct Word {
    std::string_view name;
    std::string_view usage;   // behind the name: "[--vhost <vhost>] <username> <conf> <write> <read>"
    std::string_view summary; // one line
    std::string_view example; // behind "baton ctl "; lines
    std::size_t values_min = 0;
    std::size_t values_max = 0;
    std::vector<std::string_view> options; // its own, beside the general ones
    void (*run)(Work& work) = nullptr;
    std::span<const Column> columns = {}; // that it can list, if its arguments are columns
};

inline constexpr std::size_t any_number = 1000;

std::vector<Word> words_of_lists();
std::vector<Word> words_of_users();
std::vector<Word> words_of_policies();
std::vector<Word> words_of_topology();
std::vector<Word> words_of_server();

} // namespace baton::cli::ctl
