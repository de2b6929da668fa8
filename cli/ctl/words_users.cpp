// Users, virtual hosts and permissions.
#include "base/percent.hpp"
#include "cli/ctl/columns.hpp"
#include "cli/ctl/word.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace baton::cli::ctl {

namespace json = boost::json;

namespace {

std::string user_path(const std::string& user) { return "/api/users/" + percent_encoded(user); }

// A line of standard input; from a terminal after a question, and without showing it.
std::optional<std::string> read_password() {
    termios before{};
    const bool is_terminal = isatty(STDIN_FILENO) == 1 && tcgetattr(STDIN_FILENO, &before) == 0;
    if (is_terminal) {
        termios silent = before;
        silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
        fmt::print(stderr, "Password: ");
    }
    std::string line;
    int c = EOF;
    while ((c = std::getchar()) != EOF && c != '\n') line += static_cast<char>(c);
    if (is_terminal) {
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
        fmt::print(stderr, "\n");
    }
    if (line.ends_with('\r')) line.pop_back();
    if (line.empty()) return std::nullopt;
    return line;
}

// The argument at `index`, or a line of standard input if there is none.
std::optional<std::string> password_at(Work& work, std::size_t index) {
    const auto& values = work.arguments().values;
    auto password = values.size() > index ? std::optional(values[index]) : read_password();
    if (password && !password->empty()) return password;
    work.fail(ctl_data, "the password must not be empty; give it as an argument or as a line on standard input");
    return std::nullopt;
}

// The user as the server shows it; nothing after having said that there is none.
std::optional<json::value> existing_user(Work& work, const std::string& name) {
    const auto answer = work.ask(work.api().get(user_path(name)));
    if (!answer) return std::nullopt;
    if (answer->is_good()) return answer->body;
    if (answer->status == 404)
        work.fail(ctl_no_user, fmt::format("User \"{}\" does not exist", name));
    else
        work.fail_as(*answer);
    return std::nullopt;
}

std::string joined(std::span<const std::string> words) {
    std::string text;
    for (const auto& word : words) text += (text.empty() ? "" : ", ") + word;
    return text;
}

json::array tags_from(std::span<const std::string> words) { return json::array(words.begin(), words.end()); }

// --- Users ------------------------------------------------------------------------------------------

void add_user(Work& work) {
    const auto& name = work.value(0);
    const auto password = password_at(work, 1);
    if (!password) return;
    work.remark(fmt::format("Adding user \"{}\" ...", name));
    const auto known = work.ask(work.api().get(user_path(name)));
    if (!known) return;
    if (known->is_good()) return work.fail(ctl_software, fmt::format("User \"{}\" already exists", name));
    if (known->status != 404) return work.fail_as(*known);
    if (!work.put(user_path(name), json::object{{"password", *password}, {"tags", ""}})) return;
    work.remark("Done. Don't forget to grant the user permissions to some virtual hosts! See 'baton ctl help "
                "set_permissions' to learn more.");
}

void change_password(Work& work) {
    const auto& name = work.value(0);
    const auto password = password_at(work, 1);
    if (!password) return;
    work.remark(fmt::format("Changing password for user \"{}\" ...", name));
    const auto user = existing_user(work, name);
    if (user) work.put(user_path(name), json::object{{"password", *password}, {"tags", user->at("tags")}});
}

void clear_password(Work& work) {
    const auto& name = work.value(0);
    work.remark(fmt::format("Clearing password for user \"{}\" ...", name));
    const auto user = existing_user(work, name);
    if (user) work.put(user_path(name), json::object{{"password_hash", ""}, {"tags", user->at("tags")}});
}

void set_user_tags(Work& work) {
    const auto& name = work.value(0);
    const auto tags = std::span(work.arguments().values).subspan(1);
    work.remark(fmt::format("Setting tags for user \"{}\" to [{}] ...", name, joined(tags)));
    const auto user = existing_user(work, name);
    if (!user) return;
    work.put(user_path(name), json::object{{"password_hash", user->at("password_hash")},
                                           {"hashing_algorithm", user->at("hashing_algorithm")},
                                           {"tags", tags_from(tags)}});
}

void delete_user(Work& work) {
    const auto& name = work.value(0);
    work.remark(fmt::format("Deleting user \"{}\" ...", name));
    if (existing_user(work, name)) work.remove(user_path(name));
}

void list_users(Work& work) {
    const auto list = work.get("/api/users");
    if (!list) return;
    work.remark("Listing users ...");
    print_rows(work, {{"user", "name"}, {"tags", "tags"}}, list->as_array());
}

// Who may log in but administer nothing is refused by the API in other words than who may not.
void authenticate_user(Work& work) {
    const auto& name = work.value(0);
    const auto password = password_at(work, 1);
    if (!password) return;
    work.remark(fmt::format("Authenticating user \"{}\" ...", name));
    auto api = work.api_as(name, *password);
    const auto answer = work.ask(api.get("/api/whoami"));
    if (!answer) return;
    const auto* body = answer->body.if_object();
    const bool is_known = answer->status == 401 && body != nullptr && body->contains("error") &&
                          body->at("error") == "not_authorised";
    if (answer->is_good() || is_known) return work.remark("Success");
    work.fail(ctl_data, fmt::format("Error: failed to authenticate user \"{0}\"\nuser '{0}' - invalid credentials", name));
}

// --- Virtual hosts ----------------------------------------------------------------------------------

constexpr Column vhost_columns[] = {
    {"name", "name"}, {"tracing", "tracing"}, {"description", "description"}, {"tags", "tags"},
    {"default_queue_type", ""}, {"cluster_state", ""},
};

void list_vhosts(Work& work) {
    const auto columns = chosen_columns(work, vhost_columns, {"name"});
    if (!columns) return;
    const auto list = work.get("/api/vhosts");
    if (!list) return;
    work.remark("Listing vhosts ...");
    print_rows(work, *columns, list->as_array());
}

void add_vhost(Work& work) {
    work.remark(fmt::format("Adding vhost \"{}\" ...", work.value(0)));
    json::object body;
    if (work.arguments().has("description")) body["description"] = work.arguments().option("description");
    if (work.arguments().has("tags")) body["tags"] = work.arguments().option("tags");
    work.put("/api/vhosts/" + percent_encoded(work.value(0)) + "?grant=false", body);
}

void delete_vhost(Work& work) {
    const auto& name = work.value(0);
    work.remark(fmt::format("Deleting vhost \"{}\" ...", name));
    const auto answer = work.ask(work.api().remove("/api/vhosts/" + percent_encoded(name)));
    if (!answer || answer->is_good()) return;
    if (answer->status == 404) return work.fail(ctl_data, fmt::format("Virtual host '{}' does not exist", name));
    work.fail_as(*answer);
}

void set_vhost_tags(Work& work) {
    const auto& name = work.value(0);
    const auto tags = std::span(work.arguments().values).subspan(1);
    work.remark(fmt::format("Setting tags for vhost \"{}\" to [{}] ...", name, joined(tags)));
    const auto path = "/api/vhosts/" + percent_encoded(name);
    const auto known = work.ask(work.api().get(path));
    if (!known) return;
    if (known->status == 404) return work.fail(ctl_data, fmt::format("Virtual host '{}' does not exist", name));
    if (!known->is_good()) return work.fail_as(*known);
    work.put(path, json::object{{"description", known->body.at("description")}, {"tags", tags_from(tags)}});
}

// --- Permissions ------------------------------------------------------------------------------------

std::string permission_path(const Work& work, std::string_view kind) {
    return work.in_vhost(kind) + "/" + percent_encoded(work.value(0));
}

void set_permissions(Work& work) {
    work.remark(fmt::format("Setting permissions for user \"{}\" in vhost \"{}\" ...", work.value(0),
                            work.arguments().vhost()));
    if (!work.has_vhost() || !existing_user(work, work.value(0))) return;
    work.put(permission_path(work, "permissions"),
             json::object{{"configure", work.value(1)}, {"write", work.value(2)}, {"read", work.value(3)}});
}

// Done also when there was nothing to take away.
void remove_quietly(Work& work, const std::string& path) {
    const auto answer = work.ask(work.api().remove(path));
    if (answer && !answer->is_good() && answer->status != 404) work.fail_as(*answer);
}

void clear_permissions(Work& work) {
    work.remark(fmt::format("Clearing permissions for user \"{}\" in vhost \"{}\" ...", work.value(0),
                            work.arguments().vhost()));
    if (work.has_vhost() && existing_user(work, work.value(0))) remove_quietly(work, permission_path(work, "permissions"));
}

void list_permissions(Work& work) {
    work.remark(fmt::format("Listing permissions for vhost \"{}\" ...", work.arguments().vhost()));
    if (!work.has_vhost()) return;
    const auto list = work.get(work.in_vhost("vhosts") + "/permissions");
    if (list)
        print_rows(work, {{"user", "user"}, {"configure", "configure"}, {"write", "write"}, {"read", "read"}},
                   list->as_array());
}

void list_user_permissions(Work& work) {
    work.remark(fmt::format("Listing permissions for user \"{}\" ...", work.value(0)));
    if (!existing_user(work, work.value(0))) return;
    const auto list = work.get(user_path(work.value(0)) + "/permissions");
    if (list)
        print_rows(work, {{"vhost", "vhost"}, {"configure", "configure"}, {"write", "write"}, {"read", "read"}},
                   list->as_array());
}

void set_topic_permissions(Work& work) {
    work.remark(fmt::format("Setting topic permissions on \"{}\" for user \"{}\" in vhost \"{}\" ...", work.value(1),
                            work.value(0), work.arguments().vhost()));
    if (!work.has_vhost() || !existing_user(work, work.value(0))) return;
    work.put(permission_path(work, "topic-permissions"),
             json::object{{"exchange", work.value(1)}, {"write", work.value(2)}, {"read", work.value(3)}});
}

void clear_topic_permissions(Work& work) {
    const bool of_one = work.arguments().values.size() > 1;
    work.remark(fmt::format("Clearing topic permissions{} for user \"{}\" in vhost \"{}\" ...",
                            of_one ? fmt::format(" on \"{}\"", work.value(1)) : "", work.value(0),
                            work.arguments().vhost()));
    if (!work.has_vhost() || !existing_user(work, work.value(0))) return;
    remove_quietly(work, permission_path(work, "topic-permissions") +
                             (of_one ? "?exchange=" + percent_encoded(work.value(1)) : std::string{}));
}

void list_topic_permissions(Work& work) {
    work.remark(fmt::format("Listing topic permissions for vhost \"{}\" ...", work.arguments().vhost()));
    if (!work.has_vhost()) return;
    const auto list = work.get(work.in_vhost("vhosts") + "/topic-permissions");
    if (list)
        print_rows(work, {{"user", "user"}, {"exchange", "exchange"}, {"write", "write"}, {"read", "read"}},
                   list->as_array());
}

void list_user_topic_permissions(Work& work) {
    work.remark(fmt::format("Listing topic permissions for user \"{}\" ...", work.value(0)));
    if (!existing_user(work, work.value(0))) return;
    const auto list = work.get(user_path(work.value(0)) + "/topic-permissions");
    if (list)
        print_rows(work, {{"vhost", "vhost"}, {"exchange", "exchange"}, {"write", "write"}, {"read", "read"}},
                   list->as_array());
}

} // namespace

std::vector<Word> words_of_users() {
    return {
        {"add_user", "<username> [<password>]", "Creates a new user, without permissions",
         "add_user ada secret\nadd_user ada < password.txt", 1, 2, {}, add_user},
        {"change_password", "<username> [<password>]", "Changes the user password",
         "change_password ada\nchange_password ada < password.txt", 1, 2, {}, change_password},
        {"clear_password", "<username>", "Disables password login for a user", "clear_password ada", 1, 1, {},
         clear_password},
        {"delete_user", "<username>", "Removes a user", "delete_user guest", 1, 1, {}, delete_user},
        {"set_user_tags", "<username> <tag> [...]",
         "Sets user tags: administrator, monitoring, policymaker, management; none takes all away",
         "set_user_tags ada administrator\nset_user_tags ada", 1, any_number, {}, set_user_tags},
        {"list_users", "", "Lists user names and tags", "list_users\nlist_users --formatter json", 0, 0, {}, list_users},
        {"authenticate_user", "<username> [<password>]", "Checks a user's password; code 65 if it is wrong",
         "authenticate_user ada < password.txt", 1, 2, {}, authenticate_user},
        {"add_vhost", "<vhost> [--description <text>] [--tags \"<tag>,...\"]", "Creates a virtual host",
         "add_vhost shop --description orders", 1, 1, {"description", "tags"}, add_vhost},
        {"delete_vhost", "<vhost>", "Deletes a virtual host with all it holds", "delete_vhost shop", 1, 1, {},
         delete_vhost},
        {"list_vhosts", "[<column> ...]", "Lists virtual hosts", "list_vhosts name description tags", 0, any_number, {},
         list_vhosts, vhost_columns},
        {"set_vhost_tags", "<vhost> <tag> [...]", "Sets virtual host tags", "set_vhost_tags shop production", 1,
         any_number, {}, set_vhost_tags},
        {"set_permissions", "[--vhost <vhost>] <username> <conf> <write> <read>", "Sets user permissions for a vhost",
         "set_permissions ada '.*' '.*' '.*'\nset_permissions -p shop robot '^robot\\.' '.*' '^robot\\.'", 4, 4,
         {"vhost"}, set_permissions},
        {"clear_permissions", "[--vhost <vhost>] <username>", "Revokes user permissions for a vhost",
         "clear_permissions -p shop robot", 1, 1, {"vhost"}, clear_permissions},
        {"list_permissions", "[--vhost <vhost>]", "Lists user permissions in a virtual host",
         "list_permissions -p shop", 0, 0, {"vhost"}, list_permissions},
        {"list_user_permissions", "<username>", "Lists permissions of a user across all virtual hosts",
         "list_user_permissions ada", 1, 1, {}, list_user_permissions},
        {"set_topic_permissions", "[--vhost <vhost>] <username> <exchange> <write> <read>",
         "Sets user topic permissions for an exchange", "set_topic_permissions -p shop robot amq.topic '^robot\\.' '.*'",
         4, 4, {"vhost"}, set_topic_permissions},
        {"clear_topic_permissions", "[--vhost <vhost>] <username> [<exchange>]",
         "Clears user topic permissions for a vhost or exchange", "clear_topic_permissions -p shop robot amq.topic", 1,
         2, {"vhost"}, clear_topic_permissions},
        {"list_topic_permissions", "[--vhost <vhost>]", "Lists topic permissions in a virtual host",
         "list_topic_permissions -p shop", 0, 0, {"vhost"}, list_topic_permissions},
        {"list_user_topic_permissions", "<username>", "Lists user topic permissions", "list_user_topic_permissions ada",
         1, 1, {}, list_user_topic_permissions},
    };
}

} // namespace baton::cli::ctl
