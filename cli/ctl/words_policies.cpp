// Policies, operator policies, limits and parameters.
#include "base/percent.hpp"
#include "base/printable.hpp"
#include "cli/ctl/columns.hpp"
#include "cli/ctl/word.hpp"
#include "cli/output.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include <charconv>

namespace baton::cli::ctl {

namespace json = boost::json;

namespace {

// The argument at `index` as JSON; nothing after having complained.
std::optional<json::value> json_at(Work& work, std::size_t index) {
    ErrorCode error;
    auto value = json::parse(work.value(index), error);
    if (!error) return value;
    work.fail(ctl_data, fmt::format("JSON decoding error. Reason: {}: {}", error.message(), work.value(index)));
    return std::nullopt;
}

std::optional<json::object> object_at(Work& work, std::size_t index) {
    auto value = json_at(work, index);
    if (!value) return std::nullopt;
    if (value->is_object()) return std::move(value->as_object());
    work.fail(ctl_data, fmt::format("a JSON object is expected: {}", work.value(index)));
    return std::nullopt;
}

// What RabbitMQ says for a policy or parameter that is not there.
void remove_parameter(Work& work, const std::string& path) {
    const auto answer = work.ask(work.api().remove(path));
    if (!answer || answer->is_good()) return;
    if (answer->status == 404) return work.fail(ctl_data, "Parameter does not exist");
    work.fail_as(*answer);
}

// --- Policies ---------------------------------------------------------------------------------------

void put_policy(Work& work, std::string_view kind, std::string_view what) {
    const auto definition = object_at(work, 2);
    if (!definition) return;
    const auto priority = work.arguments().option("priority", "0");
    std::int32_t number = 0;
    const auto [end, error] = std::from_chars(priority.data(), priority.data() + priority.size(), number);
    if (error != std::errc{} || end != priority.data() + priority.size())
        return work.fail_usage("--priority must be a whole number");
    work.remark(fmt::format("Setting {} \"{}\" for pattern \"{}\" to \"{}\" with priority \"{}\" for vhost \"{}\" ...",
                            what, work.value(0), work.value(1), work.value(2), number, work.arguments().vhost()));
    work.put(work.in_vhost(kind) + "/" + percent_encoded(work.value(0)),
             json::object{{"pattern", work.value(1)},
                          {"definition", *definition},
                          {"priority", number},
                          {"apply-to", work.arguments().option("apply-to", "all")}});
}

void list_policies_of(Work& work, std::string_view kind, std::string_view what) {
    const auto list = work.get(work.in_vhost(kind));
    if (!list) return;
    work.remark(fmt::format("Listing {} for vhost \"{}\" ...", what, work.arguments().vhost()));
    print_rows(work,
               {{"vhost", "vhost"},
                {"name", "name"},
                {"pattern", "pattern"},
                {"apply-to", "apply-to"},
                {"definition", "definition"},
                {"priority", "priority"}},
               list->as_array());
}

void set_policy(Work& work) { put_policy(work, "policies", "policy"); }
void set_operator_policy(Work& work) { put_policy(work, "operator-policies", "operator policy override"); }
void list_policies(Work& work) { list_policies_of(work, "policies", "policies"); }
void list_operator_policies(Work& work) { list_policies_of(work, "operator-policies", "operator policy overrides"); }

void clear_policy(Work& work) {
    work.remark(fmt::format("Clearing policy \"{}\" on vhost \"{}\" ...", work.value(0), work.arguments().vhost()));
    remove_parameter(work, work.in_vhost("policies") + "/" + percent_encoded(work.value(0)));
}

void clear_operator_policy(Work& work) {
    work.remark(
        fmt::format("Clearing operator policy \"{}\" on vhost \"{}\" ...", work.value(0), work.arguments().vhost()));
    remove_parameter(work, work.in_vhost("operator-policies") + "/" + percent_encoded(work.value(0)));
}

// --- Limits -----------------------------------------------------------------------------------------

// Sets each limit of the object in turn.
void put_limits(Work& work, const std::string& path, const json::object& limits) {
    for (const auto& entry : limits)
        if (!work.put(path + "/" + percent_encoded(entry.key()), json::object{{"value", entry.value()}})) return;
}

void clear_limits(Work& work, const std::string& path, std::initializer_list<const char*> names) {
    for (const char* name : names)
        if (!work.remove(path + "/" + name)) return;
}

// Of one: {"max-connections":64}; of all: a table.
void print_limits(Work& work, const json::value& list, const char* owner, bool of_all) {
    if (of_all) return print_rows(work, {{owner, owner}, {"limits", "value"}}, list.as_array());
    for (const auto& entry : list.as_array()) fmt::print("{}\n", printable_json(json::serialize(entry.at("value"))));
}

void set_vhost_limits(Work& work) {
    const auto limits = object_at(work, 0);
    if (!limits) return;
    work.remark(
        fmt::format("Setting vhost limits to \"{}\" for vhost \"{}\" ...", work.value(0), work.arguments().vhost()));
    put_limits(work, work.in_vhost("vhost-limits"), *limits);
}

void clear_vhost_limits(Work& work) {
    work.remark(fmt::format("Clearing vhost \"{}\" limits ...", work.arguments().vhost()));
    clear_limits(work, work.in_vhost("vhost-limits"), {"max-connections", "max-queues"});
}

void list_vhost_limits(Work& work) {
    const bool of_all = work.arguments().has("global");
    const auto list = work.get(of_all ? "/api/vhost-limits" : work.in_vhost("vhost-limits"));
    if (!list) return;
    work.remark(of_all ? "Listing limits for all vhosts ..."
                       : fmt::format("Listing limits for vhost \"{}\" ...", work.arguments().vhost()));
    print_limits(work, *list, "vhost", of_all);
}

bool has_user(Work& work, const std::string& name) {
    const auto answer = work.ask(work.api().get("/api/users/" + percent_encoded(name)));
    if (!answer) return false;
    if (answer->status == 404) work.fail(ctl_no_user, fmt::format("User \"{}\" does not exist", name));
    else if (!answer->is_good()) work.fail_as(*answer);
    return answer->is_good();
}

std::string user_limits_path(const Work& work) { return "/api/user-limits/" + percent_encoded(work.value(0)); }

void set_user_limits(Work& work) {
    const auto limits = object_at(work, 1);
    if (!limits) return;
    work.remark(fmt::format("Setting user limits to \"{}\" for user \"{}\" ...", work.value(1), work.value(0)));
    if (has_user(work, work.value(0))) put_limits(work, user_limits_path(work), *limits);
}

void clear_user_limits(Work& work) {
    const auto& which = work.value(1);
    work.remark(fmt::format("Clearing \"{}\" limit for user \"{}\" ...", which, work.value(0)));
    if (!has_user(work, work.value(0))) return;
    if (which == "all") return clear_limits(work, user_limits_path(work), {"max-connections", "max-channels"});
    work.remove(user_limits_path(work) + "/" + percent_encoded(which));
}

void list_user_limits(Work& work) {
    const auto user = work.arguments().option("user");
    const bool of_all = user.empty() || work.arguments().has("global");
    const auto list = work.get(of_all ? "/api/user-limits" : "/api/user-limits/" + percent_encoded(user));
    if (!list) return;
    work.remark(of_all ? "Listing limits for all users ..." : fmt::format("Listing limits for user \"{}\" ...", user));
    print_limits(work, *list, "user", of_all);
}

// --- Parameters -------------------------------------------------------------------------------------

std::string parameter_path(const Work& work) {
    return fmt::format("/api/parameters/{}/{}/{}", percent_encoded(work.value(0)), percent_encoded(work.arguments().vhost()),
                       percent_encoded(work.value(1)));
}

void set_parameter(Work& work) {
    const auto value = json_at(work, 2);
    if (!value) return;
    work.remark(fmt::format("Setting runtime parameter \"{}\" for component \"{}\" to \"{}\" in vhost \"{}\" ...",
                            work.value(1), work.value(0), work.value(2), work.arguments().vhost()));
    work.put(parameter_path(work), json::object{{"value", *value}});
}

void clear_parameter(Work& work) {
    work.remark(fmt::format("Clearing runtime parameter \"{}\" for component \"{}\" on vhost \"{}\" ...",
                            work.value(1), work.value(0), work.arguments().vhost()));
    remove_parameter(work, parameter_path(work));
}

void list_parameters(Work& work) {
    if (!work.has_vhost()) return;
    const auto list = work.get("/api/parameters");
    if (!list) return;
    json::array here;
    for (const auto& parameter : list->as_array())
        if (member(parameter, "vhost") == work.arguments().vhost()) here.push_back(parameter);
    work.remark(fmt::format("Listing runtime parameters for vhost \"{}\" ...", work.arguments().vhost()));
    print_rows(work, {{"component", "component"}, {"name", "name"}, {"value", "value"}}, here);
}

void set_global_parameter(Work& work) {
    const auto value = json_at(work, 1);
    if (!value) return;
    work.remark(fmt::format("Setting global runtime parameter \"{}\" to \"{}\" ...", work.value(0), work.value(1)));
    work.put("/api/global-parameters/" + percent_encoded(work.value(0)), json::object{{"value", *value}});
}

void clear_global_parameter(Work& work) {
    work.remark(fmt::format("Clearing global runtime parameter \"{}\" ...", work.value(0)));
    remove_parameter(work, "/api/global-parameters/" + percent_encoded(work.value(0)));
}

void list_global_parameters(Work& work) {
    const auto list = work.get("/api/global-parameters");
    if (!list) return;
    work.remark("Listing global runtime parameters ...");
    print_rows(work, {{"name", "name"}, {"value", "value"}}, list->as_array());
}

} // namespace

std::vector<Word> words_of_policies() {
    const std::vector<std::string_view> policy_options{"vhost", "priority", "apply-to"};
    constexpr std::string_view policy_usage =
        "[--vhost <vhost>] [--priority <priority>] [--apply-to <queues|exchanges|all|...>] <name> <pattern> <definition>";
    return {
        {"set_policy", policy_usage, "Sets or updates a policy",
         "set_policy expire '^tmp\\.' '{\"message-ttl\":60000}' --apply-to queues --priority 1", 3, 3, policy_options,
         set_policy},
        {"clear_policy", "[--vhost <vhost>] <name>", "Clears (removes) a policy", "clear_policy expire", 1, 1,
         {"vhost"}, clear_policy},
        {"list_policies", "[--vhost <vhost>]", "Lists all policies in a virtual host", "list_policies -p shop", 0, 0,
         {"vhost"}, list_policies},
        {"set_operator_policy", policy_usage, "Sets a policy that limits what other policies may do",
         "set_operator_policy cap '.*' '{\"max-length\":100000}' --apply-to queues", 3, 3, policy_options,
         set_operator_policy},
        {"clear_operator_policy", "[--vhost <vhost>] <name>", "Clears an operator policy", "clear_operator_policy cap",
         1, 1, {"vhost"}, clear_operator_policy},
        {"list_operator_policies", "[--vhost <vhost>]", "Lists operator policies in a virtual host",
         "list_operator_policies", 0, 0, {"vhost"}, list_operator_policies},
        {"set_vhost_limits", "[--vhost <vhost>] <definition>", "Sets virtual host limits: max-connections, max-queues",
         "set_vhost_limits -p shop '{\"max-connections\": 64, \"max-queues\": 100}'", 1, 1, {"vhost"},
         set_vhost_limits},
        {"clear_vhost_limits", "[--vhost <vhost>]", "Clears virtual host limits", "clear_vhost_limits -p shop", 0, 0,
         {"vhost"}, clear_vhost_limits},
        {"list_vhost_limits", "[--vhost <vhost>] [--global]", "Displays configured virtual host limits",
         "list_vhost_limits --global", 0, 0, {"vhost", "global"}, list_vhost_limits},
        {"set_user_limits", "<username> <definition>", "Sets user limits: max-connections, max-channels",
         "set_user_limits ada '{\"max-connections\": 10}'", 2, 2, {}, set_user_limits},
        {"clear_user_limits", "<username> <limit>|all", "Clears user limits",
         "clear_user_limits ada max-connections\nclear_user_limits ada all", 2, 2, {}, clear_user_limits},
        {"list_user_limits", "[--user <username>] [--global]", "Displays configured user limits",
         "list_user_limits --user ada\nlist_user_limits --global", 0, 0, {"user", "global"}, list_user_limits},
        {"set_parameter", "[--vhost <vhost>] <component> <name> <value>", "Sets a runtime parameter",
         "set_parameter mine settings '{\"a\": 1}'", 3, 3, {"vhost"}, set_parameter},
        {"clear_parameter", "[--vhost <vhost>] <component> <name>", "Clears a runtime parameter",
         "clear_parameter mine settings", 2, 2, {"vhost"}, clear_parameter},
        {"list_parameters", "[--vhost <vhost>]", "Lists runtime parameters for a virtual host", "list_parameters", 0, 0,
         {"vhost"}, list_parameters},
        {"set_global_parameter", "<name> <value>", "Sets a runtime parameter of the whole broker",
         "set_global_parameter mine '{\"a\": 1}'", 2, 2, {}, set_global_parameter},
        {"clear_global_parameter", "<name>", "Clears a global runtime parameter", "clear_global_parameter mine", 1, 1,
         {}, clear_global_parameter},
        {"list_global_parameters", "", "Lists global runtime parameters", "list_global_parameters", 0, 0, {},
         list_global_parameters},
    };
}

} // namespace baton::cli::ctl
