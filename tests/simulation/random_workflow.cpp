// The maker writes what mostly holds together; the loader has the last word, and what it refuses is
// thrown away.
#include "tests/simulation/random_workflow.hpp"

#include "orchestrator/definition/loader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace baton::test {

namespace definition = orchestrator::definition;

namespace {

class Maker {
public:
    explicit Maker(Random& random) : random_(random) {}

    std::string make() {
        out_ = "workflow = \"w\"\n";
        out_ += fmt::format("on_failure = \"{}\"\n",
                            any({"fail", "continue", "compensate", "compensate", "pause"}));
        if (chance(50)) out_ += "on_cancel = \"compensate\"\n";
        if (chance(15)) out_ += "timeout = \"4m\"\n";
        if (chance(25))
            out_ +=
                fmt::format("concurrency = {{ key = \"'all'\", limit = {}, on_limit = \"{}\" }}\n",
                            1 + below(2), any({"queue", "queue", "replace"}));
        has_limit_ = chance(25);
        if (has_limit_)
            out_ +=
                "[limits.l]\n" + (chance(70) ? fmt::format("max_concurrent = {}\n", 1 + below(2))
                                             : std::string{"rate = \"1/s\"\n"});
        out_ += "[input]\nn = \"integer\"\nyes = \"boolean\"\nno = \"boolean\"\nlist = "
                "\"array\"\nnone = \"array\"\n"
                "maybe = \"boolean\"\n";
        out_ += fmt::format("[defaults]\nretry = {{ max_attempts = {}, initial_interval = \"2s\", "
                            "jitter = 0.2 }}\n",
                            1 + below(3));
        left_ = 4 + static_cast<int>(below(9));
        const Names top = steps("step", 0, {}, {}, true);
        for (const char* table : {"on_error", "finally"})
            if (chance(15)) {
                is_at_end_ = true;
                left_ = 1 + static_cast<int>(below(2));
                (void)steps(table, 2, {}, {}, true);
                is_at_end_ = false;
            }
        if (chance(60) && !top.empty()) {
            const std::string& read = pick(top);
            out_ += fmt::format("[output]\ngiven = \"${{default({}, null)}}\"\nresults = "
                                "\"${{default({}.results, [])}}\"\n",
                                read, read);
        }
        return out_;
    }

private:
    using Names = std::vector<std::string>;

    // What is around the steps of a list.
    struct Around {
        Names names; // that may be read
        std::string item;
        bool is_repeated = false;
        bool is_loop = false;
    };

    std::uint64_t below(std::uint64_t bound) { return random_.below(bound); }
    bool chance(std::uint64_t percent) { return below(100) < percent; }
    std::string_view any(std::vector<std::string_view> words) { return words[below(words.size())]; }
    const std::string& pick(const Names& names) { return names[below(names.size())]; }
    std::string new_id() { return fmt::format("s{}", ++ids_); }

    // A condition over what may be read; now and then one that has no value.
    std::string condition(const Around& around) {
        if (chance(4)) return "input.maybe";
        if (around.names.empty() || chance(40))
            return std::string{any({"input.yes", "input.no", "input.n > 2"})};
        const std::string& read = pick(around.names);
        return std::string{chance(50) ? "default(" + read + ".ok, true)"
                                      : "default(" + read + ".n, 0) > 3"};
    }

    std::string value(const Around& around) {
        if (chance(2)) return "${input.maybe}";
        if (!around.item.empty() && chance(60)) return "${" + around.item + "}";
        if (around.is_repeated && chance(50)) return "${index}";
        if (around.names.empty()) return "${input.n}";
        return "${default(" + pick(around.names) + ".n, 0)}";
    }

    // The siblings of one list, in the order of the file; gives their names.
    Names steps(const std::string& table, int depth, Around around, std::string first_id,
                bool is_row) {
        const std::size_t count = 1 + below(depth == 0 ? 5 : 3);
        Names siblings;
        bool is_in_order = is_row; // every one begins after all before it
        for (std::size_t i = 0; i < count; ++i) {
            const std::string id = i == 0 && !first_id.empty() ? first_id : new_id();
            const bool must_be_task = i == 0 && !first_id.empty();
            std::string order;
            if (!siblings.empty() && !must_be_task && chance(is_row ? 25 : 15)) {
                order = after(siblings);
                is_in_order = false;
            }
            Around here = around;
            if (is_in_order) here.names.insert(here.names.end(), siblings.begin(), siblings.end());
            // Who is sent for stands behind the sender.
            Names targets;
            step(table, id, depth, here, order, must_be_task, is_row, targets);
            for (const std::string& target : targets) {
                Names none;
                step(table, target, depth, here, "", true, false, none);
                siblings.push_back(target);
            }
            siblings.push_back(id);
            if (--left_ <= 0) break;
        }
        return siblings;
    }

    std::string after(const Names& siblings) {
        if (chance(30)) return "after = []\n";
        Names some;
        for (const std::string& one : siblings)
            if (chance(70)) some.push_back(one);
        if (some.empty()) some.push_back(siblings.front());
        std::string text = "after = [";
        for (const std::string& one : some)
            text += (text.back() == '[' ? "\"" : ", \"") + one + "\"";
        text += "]\n";
        if (chance(60)) {
            const bool counts = chance(30);
            const std::string_view join = any({"all", "any", "any", "done"});
            text += counts ? fmt::format("join = {}\n", 1 + below(some.size()))
                           : fmt::format("join = \"{}\"\n", join);
            if ((counts || join == "any") && chance(60)) text += "cancel_rest = true\n";
        }
        return text;
    }

    void step(const std::string& table, const std::string& id, int depth, const Around& around,
              const std::string& order, bool must_be_task, bool may_send, Names& targets) {
        out_ += fmt::format("[[{}]]\nid = \"{}\"\n{}", table, id, order);
        if (chance(15)) out_ += fmt::format("when = \"{}\"\n", condition(around));
        const std::uint64_t dice = must_be_task ? 0 : below(100);
        const bool may_nest = depth < 3 && left_ > 1;
        if (dice < 45) return task(id, around, must_be_task ? 0 : 20, may_send, targets);
        if (dice < 82 && may_nest) return block(table, id, depth, around, may_send, targets);
        if (dice < 88 && may_send) return switches(around, targets);
        if (dice < 91) return line("set = { ok = true, n = \"" + value(around) + "\" }");
        if (dice < 93) return line(fmt::format("wait = \"{}s\"", 1 + below(20)));
        if (dice < 95) return line("wait_until = \"timestamp('2027-01-15T08:00:30Z')\"");
        if (dice < 97 && !is_at_end_) return line("end = { output = { why = \"enough\" } }");
        if (dice < 99) return waits(around);
        if (chance(70))
            return line("fail = { error = \"worker.soft\", message = \"as it is written\" }");
        task(id, around, 20, may_send, targets);
    }

    // For what comes from outside.
    void waits(const Around& around) {
        const std::uint64_t dice = below(3);
        if (dice == 0) line("first_of = { ack = { signal = \"ack\" }, late = { wait = \"20s\" } }");
        if (dice == 1 && !around.is_repeated && !is_at_end_)
            line("approval = { title = \"May it go on?\" }");
        if (dice == 2 || (dice == 1 && (around.is_repeated || is_at_end_)))
            line("signal = \"ack\"");
        if (dice != 0 && chance(40)) line("timeout = \"30s\"");
    }

    void line(const std::string& text) { out_ += text + "\n"; }

    void switches(const Around& around, Names& targets) {
        targets = {new_id()};
        if (chance(50)) targets.push_back(new_id());
        out_ += fmt::format("switch = [ {{ when = \"{}\", go = \"{}\" }}", condition(around),
                            targets.front());
        if (targets.size() > 1)
            out_ += fmt::format(", {{ go = [\"{}\"{}] }}", targets[1],
                                chance(40) ? ", \"" + targets[0] + "\"" : std::string{});
        out_ += " ]\n";
    }

    // The lines by which it is repeated. `decides` is the step whose result ends a loop.
    bool repetition(const std::string& id, const std::string& decides, const Around& around,
                    Around& inside) {
        inside.is_repeated = true;
        if (chance(60)) {
            std::string list = chance(20) ? "input.none" : "input.list";
            if (!around.names.empty() && chance(30))
                list = "default(" + pick(around.names) + ".list, [])";
            inside.item = "i_" + id;
            out_ += fmt::format("for_each = \"{}\"\nas = \"{}\"\nmax_parallel = {}\n", list,
                                inside.item, 1 + below(3));
            if (chance(15)) line("tolerate = 1");
            if (chance(12)) line("enough = \"50%\"");
            if (chance(10)) line(std::string{"fail_fast = "} + (chance(50) ? "true" : "false"));
            return false;
        }
        if (chance(65))
            out_ += fmt::format("until = \"default({}.stop, true)\"\n", decides);
        else
            out_ += fmt::format("while = \"index < {}\"\n", below(4));
        out_ += fmt::format("max_iterations = {}\n", 2 + below(3));
        if (chance(30)) out_ += fmt::format("every = \"{}s\"\n", 1 + below(5));
        return true;
    }

    void task(const std::string& id, const Around& around, std::uint64_t repeats, bool may_send,
              Names& targets) {
        Around inside = around;
        const bool is_repeated = chance(repeats);
        if (is_repeated) (void)repetition(id, id, around, inside);
        out_ += fmt::format("task = \"t.{}\"\n", id);
        if (has_limit_ && chance(50)) line("limit = \"l\"");
        if (chance(15)) out_ += fmt::format("priority = {}\n", below(10));
        out_ += fmt::format("with = {{ n = \"{}\" }}\n", value(inside));
        if (chance(20))
            out_ += fmt::format("retry = {{ max_attempts = {}, initial_interval = \"3s\" }}\n",
                                1 + below(3));
        if (chance(30))
            line(std::string{
                any({"timeout = \"20s\"", "timeout = \"20s\"", "timeout = { heartbeat = \"15s\" }",
                     "timeout = { schedule_to_close = \"2m\" }",
                     "timeout = { schedule_to_start = \"1m\" }"})});
        if (chance(10)) line("on_timeout = \"continue\"");
        catches(may_send && !is_repeated, targets);
        if (!is_at_end_ && chance(45)) compensate(id, chance(40));
        if (chance(20))
            line(std::string{
                any({"verify = { task = \"t.look\", done = \"result.ok\" }",
                     "verify = { task = \"t.look\", done = \"result.n > 3\", output = { ok = true, "
                     "n = 5 } }",
                     "verify = { task = \"t.look\", with = { a = 1 }, done = \"result.nothing\" }",
                     "verify = { task = \"t.look\", done = \"!result.stop\", retry = { "
                     "max_attempts = 2 }, "
                     "timeout = \"5s\" }"})});
        if (chance(8)) line("cache = { key = \"string(size('a'))\", max_age = \"1h\" }");
        if (chance(10))
            line(
                "output = { ok = \"${result.ok}\", n = \"${result.n}\", undo = \"${result.undo}\", "
                "stop = \"${result.stop}\", list = \"${result.list}\" }");
        else if (chance(2))
            line("output = { n = \"${result.nothing}\" }");
    }

    void catches(bool may_go, Names& targets) {
        if (!chance(25)) return;
        if (may_go && chance(35)) {
            targets = {new_id()};
            return line("catch = [ { error = \"*\", go = \"" + targets.front() + "\" } ]");
        }
        line(std::string{
            any({"catch = [ { error = \"*\", continue = true } ]",
                 "catch = [ { error = \"worker.soft\", output = { ok = true, n = 7 } } ]",
                 "catch = [ { error = \"baton.*\", continue = true } ]",
                 "catch = [ { error = \"*\", output = { why = \"${error.data.nothing}\" } } ]"})});
    }

    void compensate(const std::string& id, bool has_when) {
        out_ += fmt::format(
            "compensate = {{ task = \"undo.{}\", with = {{ n = \"${{default({}.n, 0)}}\" }}", id,
            id);
        if (chance(25)) out_ += ", on = \"attempted\"";
        if (has_when) out_ += fmt::format(", when = \"default({}.undo, true)\"", id);
        out_ += " }\n";
    }

    void block(const std::string& table, const std::string& id, int depth, const Around& around,
               bool may_send, Names& targets) {
        Around inside = around;
        const bool is_row = chance(55);
        const bool is_repeated = chance(45);
        std::string first;
        if (is_repeated) {
            first = new_id();
            inside.is_loop = repetition(id, first, around, inside);
        }
        if (chance(12)) out_ += fmt::format("timeout = \"{}s\"\n", 10 + below(60));
        if (chance(8)) line("on_timeout = \"continue\"");
        catches(may_send && !is_repeated, targets);
        if (!is_at_end_ && chance(12)) compensate(id, false);
        if (chance(6)) line("output = { ok = true, n = 4 }");
        --left_;
        steps(table + (is_row ? ".do" : ".parallel"), depth + 1, inside, first, is_row);
    }

    Random& random_;
    std::string out_;
    int ids_ = 0;
    int left_ = 0;
    bool has_limit_ = false;
    bool is_at_end_ = false; // of [[on_error]] and [[finally]]
};

} // namespace

RandomWorkflow random_workflow(Random& random) {
    while (true) {
        std::string source = Maker(random).make();
        const auto loaded = definition::load(source, "w.toml");
        if (loaded) return {std::move(source), loaded.workflow};
    }
}

} // namespace baton::test
