// What the real servers of tests have in common: they run as a user of their own, in a folder of their own, on a free
// port, from a copy of data that was initialised once a machine, and die with the process that started them.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace baton::testing {

using Arguments = std::vector<std::string>;

struct Account {
    uid_t uid = 0;
    gid_t gid = 0;
    bool is_other = false; // the programs must change to it before they start
};

// As whom the server runs: we ourselves, unless we are root; then `user`, whom `package` makes.
Account account_of_server(const char* user, std::string_view package);

// Starts a program as the server's user, output into `log`. It dies with the thread that started it.
pid_t spawn(const Account& account, const Arguments& arguments, const std::filesystem::path& log);
// The same and waits for its end; throws with the log if it failed.
void run(const Account& account, const Arguments& arguments, const std::filesystem::path& log);

// "/tmp/NAME-XXXXXX" of that user.
std::filesystem::path make_folder(const Account& account, const std::string& name);

// The folder of an initialised server nobody has started, made by `initialise` once a machine and user. `mark` is a file that
// is in it.
std::filesystem::path initialised_data(const Account& account, const std::string& name, const std::string& mark,
                                       const std::function<void(const std::filesystem::path& data)>& initialise);

std::string text_of(const std::filesystem::path& file);

// Below the range from which the kernel takes ports for outgoing connections, so that the port is
// still free when the server is started again.
int free_port();

} // namespace baton::testing
