#include "broker/broker_service.hpp"

#include "base/guess_throttle.hpp"
#include "base/log.hpp"
#include "base/metrics.hpp"
#include "base/random.hpp"
#include "broker/journal/journal_thread.hpp"
#include "broker/journal/posix_file.hpp"
#include "broker/journal/record_codec.hpp"
#include "broker/machine.hpp"
#include "broker/net/listener.hpp"
#include "broker/net/passwords.hpp"
#include "broker/runtime/kept_work.hpp"
#include "net/io_threads.hpp"
#include "net/wakeup.hpp"

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <malloc.h>
#include <utility>

namespace baton::broker {

namespace asio = baton::net::asio;

namespace {

core::PutPermission all_rights(const UserOption& user) {
    return {{.vhost = "/", .user = user.name, .configure = ".*", .write = ".*", .read = ".*"}};
}

// A question to another thread and its answer. The mailbox closes when the question is thrown away
// unanswered, so nobody waits for a thread that has ended.
template <typename Answer>
class Question {
public:
    explicit Question(std::shared_ptr<Mailbox<Answer>> box) : box_(std::move(box)) {}
    Question(const Question&) = delete;
    Question& operator=(const Question&) = delete;
    ~Question() { box_->close(); }
    void answer(Answer answer) const { box_->put(std::move(answer)); }

private:
    std::shared_ptr<Mailbox<Answer>> box_;
};

// Calls `ask(question)`, which hands the question on, and waits.
template <typename Answer, typename Ask>
std::optional<Answer> wait_for_answer(Ask&& ask) {
    auto box = std::make_shared<Mailbox<Answer>>();
    ask(std::make_shared<Question<Answer>>(box));
    std::vector<Answer> answers = box->take();
    if (answers.empty()) return std::nullopt;
    return std::move(answers.front());
}

Outcome<net::Listener::Endpoint> parse_endpoint(const std::string& text) {
    const std::size_t colon = text.rfind(':');
    const Failure wrong{boost::system::errc::make_error_code(boost::system::errc::invalid_argument),
                        fmt::format("'{}' is not an address to listen on; write host:port, for "
                                    "example 127.0.0.1:5672",
                                    text)};
    if (colon == std::string::npos) return wrong;
    std::string host = text.substr(0, colon);
    if (host == "localhost") host = "127.0.0.1";
    if (host.size() > 2 && host.front() == '[' && host.back() == ']')
        host = host.substr(1, host.size() - 2);
    std::uint16_t port = 0;
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data() + colon + 1, end, port);
    if (parsed.ec != std::errc{} || parsed.ptr != end) return wrong;
    ErrorCode error;
    const auto address = asio::ip::make_address(host, error);
    if (error) return wrong;
    return net::Listener::Endpoint(address, port);
}

// Where nobody shares them out: descriptors that stay for the journal and whatever else the process
// has.
constexpr std::size_t descriptors_kept = 128;

std::size_t usual_connections_max() {
    const std::size_t all = raise_descriptor_limit();
    return all == 0 ? 0 : std::max<std::size_t>(all - std::min(descriptors_kept, all / 2), 1);
}

// The journal, the database and what else there is want processors, too.
unsigned usual_io_threads() {
    const unsigned processors = processor_limit();
    return processors < 4 ? 1 : std::min(processors / 2, 8U);
}

void end_process(const Failure& failure) {
    log::error("broker",
               "the journal cannot be written; the process ends before it says anything "
               "that is not true",
               {{"why", failure.detail}});
    std::_Exit(74);
}

} // namespace

bool Identity::has_tag(std::string_view tag) const {
    return std::ranges::find(tags, tag) != tags.end();
}

class BrokerService::Inside {
public:
    explicit Inside(Options options)
        : options_(std::move(options)),
          held_(memory_high(), memory_low(), options_.net.unfinished_patience),
          threads_("broker-io", thread_count(options_.io_threads),
                   processor_limit() > 1 ? options_.net.spins : Duration::zero()),
          core_(core_options(), clock_, core_sinks()),
          alarm_(threads_.context(0)),
          stop_limit_(threads_.context(0)),
          memory_timer_(threads_.context(0)),
          mqtt_timer_(threads_.context(0)),
          kept_timer_(threads_.context(0)) {
        if (options_.has_mqtt())
            mqtt_ = std::make_unique<mqtt::Sessions>(options_.mqtt, [this] { wake_mqtt(); });
        make_lanes();
    }

    ~Inside() { stop(); }

    Outcome<void> open() {
        if (options_.net.connections_max == 0)
            options_.net.connections_max = usual_connections_max();
        BATON_TRY(recover());
        return on_core_thread<Outcome<void>>([this](runtime::CoreLoop&) -> Outcome<void> {
            // Not earlier: what the thread reports belongs behind the end of the recovery.
            journal_thread_ = std::make_unique<journal::JournalThread>(
                std::move(journal_), std::move(pages_), *directory_, journal_listener());
            core_.finish_recovery(last_record_);
            watch_memory();
            put_users();
            if (mqtt_)
                core_.batch([this](core::Broker& broker, Time now, core::Turn& turn) { mqtt_->begin({broker, now, turn}); });
            return boost::system::in_place_value;
        });
    }

    Outcome<void> listen() {
        wait_for_mqtt();
        return on_core_thread<Outcome<void>>(
            [this](runtime::CoreLoop&) { return open_listeners(); });
    }

    void stop();

    // On the core's thread.
    net::LoginVerdict verify(const net::Login& login, bool is_loopback) {
        const Time now = SystemClock{}.now();
        if (!guesses_.may_try(login.user, login.from, now)) return net::LoginVerdict::paused;
        const auto found = core_.broker().find_user(login.user);
        if (found && login.password && takes_pass(login.user, *login.password, is_loopback, now)) return net::LoginVerdict::welcome;
        // An unknown user costs the same time as a wrong password.
        const bool matches =
            !login.password ||
            net::password_matches(*login.password, found ? found->password_hash : dummy_hash_,
                                  found ? found->hash_algorithm
                                        : std::string(net::sha256_algorithm));
        if (!found || !matches) {
            const auto failures = guesses_.failed(login.user, login.from, now);
            log::warning("broker", "a log-in was refused",
                         {{"user", login.user}, {"from", login.from}, {"failures", failures}});
            return net::LoginVerdict::refused;
        }
        guesses_.succeeded(login.user, login.from);
        if (!may_come(login.user, is_loopback)) return net::LoginVerdict::only_from_loopback;
        return net::LoginVerdict::welcome;
    }

    // On the core's thread, like the passes.
    std::string make_pass(const std::string& user) {
        const Time now = SystemClock{}.now();
        std::erase_if(passes_, [now](const Pass& pass) { return pass.until <= now; });
        passes_.push_back({user, random_name(pass_length), now + pass_lasts});
        return passes_.back().word;
    }

    bool takes_pass(const std::string& user, const std::string& word, bool is_loopback, Time now) {
        const auto found = std::ranges::find_if(passes_, [&](const Pass& pass) {
            return pass.user == user && pass.word == word && pass.until > now;
        });
        if (!is_loopback || found == passes_.end()) return false;
        passes_.erase(found);
        return true;
    }

    bool may_come(const std::string& user, bool is_loopback) const {
        const auto& local = options_.loopback_users;
        return is_loopback || std::ranges::find(local, user) == local.end();
    }

    Duration login_pause(const std::string& user, const std::string& address) const {
        return guesses_.pause_left(user, address, SystemClock{}.now());
    }

    // The same for a client of AMQP, which is counted.
    net::LoginVerdict judge(const net::Login& login, bool is_loopback) {
        const auto verdict = verify(login, is_loopback);
        (verdict == net::LoginVerdict::welcome ? logins_succeeded : logins_failed).add();
        return verdict;
    }
    Counter logins_succeeded;
    Counter logins_failed;

    // Runs `work` between two turns and waits for what it returns; nothing when the loop has ended.
    template <typename Answer>
    std::optional<Answer> ask_core(std::function<Answer(runtime::CoreLoop&)> work) {
        return wait_for_answer<Answer>([&](std::shared_ptr<Question<Answer>> question) {
            core_.post([work = std::move(work), question](runtime::CoreLoop& core) {
                question->answer(work(core));
            });
        });
    }

    void post(std::function<void(runtime::CoreLoop&)> work) { core_.post(std::move(work)); }
    void count_traffic(core::TrafficList counted, std::size_t lane, std::function<void(core::TrafficList)> reply);

    std::optional<std::vector<JournalFile>> hold_journal() {
        using Files = std::vector<JournalFile>;
        if (!journal_thread_) return std::nullopt;
        (void)ask_core<bool>([this](runtime::CoreLoop&) {
            write_kept();
            return true;
        });
        return wait_for_answer<Files>([&](const std::shared_ptr<Question<Files>>& question) {
            journal_thread_->hold([question](const std::vector<journal::Journal::FilePart>& parts) {
                Files files;
                for (const auto& part : parts) files.push_back({part.name, part.bytes});
                question->answer(std::move(files));
            });
        });
    }
    void release_journal() {
        if (journal_thread_) journal_thread_->release();
    }

    std::optional<core::Answer> administer(core::AdministrationRequest wish) {
        using Asked = std::shared_ptr<Question<core::Answer>>;
        return wait_for_answer<core::Answer>([&](const Asked& question) {
            auto shared = std::make_shared<core::AdministrationRequest>(std::move(wish));
            core_.post([this, shared, question](runtime::CoreLoop& core) {
                administer_in(core, std::move(*shared), [question](const core::Answer& answer) {
                    question->answer(answer);
                });
            });
        });
    }

    // On the core's thread. A virtual host that was deleted took with it the rights of the server's own
    // user, whom nobody else can give them again.
    void administer_in(runtime::CoreLoop& core, core::AdministrationRequest wish,
                       std::function<void(const core::Answer&)> reply) {
        const auto* vhost = std::get_if<core::PutVhost>(&wish);
        const bool is_default = vhost != nullptr && vhost->vhost.name == "/";
        core.administer(std::move(wish), std::move(reply));
        if (!is_default) return;
        for (const UserOption& user : options_.users)
            if (user.is_own) core.administer(all_rights(user), [](const core::Answer&) {});
    }

    const std::vector<BoundAddress>& endpoints() const { return endpoints_; }
    void tell_mqtt(std::function<void(std::optional<MqttView>)> reply) {
        core_.post([this, reply = std::move(reply)](runtime::CoreLoop&) {
            if (!mqtt_) return reply(std::nullopt);
            reply(MqttView{mqtt_->view(), mqtt_->retained(), mqtt_->retained_bytes(), mqtt_->takeovers()});
        });
    }
    void end_mqtt_session(std::string vhost, std::string client_id, std::function<void(bool)> reply) {
        core_.post([this, vhost = std::move(vhost), client_id = std::move(client_id),
                    reply = std::move(reply)](runtime::CoreLoop& loop) {
            bool was_there = false;
            if (mqtt_)
                loop.batch([&](core::Broker& broker, Time now, core::Turn& turn) {
                    was_there = mqtt_->remove({broker, now, turn}, vhost, client_id);
                });
            reply(was_there);
        });
    }

    const MetricList& metrics() const { return journal_thread_->metrics().all; }
    std::uint64_t definitions_version() const { return definitions_version_.load(); }

    InsideDoor inside_door() {
        const net::Surroundings& around = lanes_.front()->around;
        return {around.connections.executor(), [this, &around]() -> std::unique_ptr<baton::net::PipeEnd> {
                    if (takes_nobody_) return nullptr;
                    return net::connect_inside(around);
                }};
    }

private:
    using Verdict = baton::net::Awaitable<std::optional<net::LoginVerdict>>;

    // What an I/O thread has of its own: the way of its connections to the core and back.
    struct Lane {
        // On the core's own thread.
        explicit Lane(Inside& inside);
        // On another one.
        Lane(Inside& inside, asio::io_context& context, std::size_t number);

        runtime::Inlet inlet;
        net::Connections connections;
        net::Surroundings around;
        // From the core to another thread.
        Mailbox<core::Command> commands;
        std::vector<core::Command> gathered; // for the mailbox, on the core's thread
    };

    // The core's thread is the first. It is an I/O thread, too, when there is only one.
    static std::size_t thread_count(unsigned io_threads) {
        if (io_threads == 0) io_threads = usual_io_threads();
        return io_threads == 1
                   ? 1
                   : 1 + std::min<std::size_t>(io_threads, net::Connections::threads_max);
    }
    bool is_alone() const { return threads_.size() == 1; }
    template <typename Judge>
    net::Surroundings surroundings(Lane& lane, Judge judge) {
        return {options_.net,     options_.core.message_bytes_max, lane.inlet, lane.connections,
                std::move(judge), options_.tls.login_from, mqtt_.get()};
    }
    void make_lanes();
    void hand_out(std::span<core::Command> commands);
    Verdict ask_core_to_judge(asio::any_io_executor executor, net::Login login, bool is_loopback);
    std::size_t connections() const;
    void drop_connections(bool all);

    std::uint64_t memory_high() const {
        return options_.memory_high != 0 ? options_.memory_high : memory_limit() / 5 * 2;
    }
    std::uint64_t memory_low() const { return memory_high() / 10 * 9; }
    core::Options core_options() {
        core::Options core = options_.core;
        core.seed = entropy_seed();
        core.channel_max = options_.net.channel_max;
        const std::uint64_t high = memory_high();
        core.stored_bytes_high = high;
        core.stored_bytes_low = memory_low();
        // To page what is transient costs a write, so it waits until memory asks for it.
        core.page_all_above = high / 8;
        core.page_above = std::min(core.page_above, high / 8);
        for (const UserOption& user : options_.users)
            if (user.is_own) core.own_user = user.name;
        // The server's own user is none that people could log in with.
        const bool has_users = !std::ranges::all_of(options_.users, &UserOption::is_own);
        if (has_users || !options_.adds_first_user)
            core.first_user.clear();
        else if (core.first_user_password_hash.empty())
            core.first_user_password_hash = net::hash_password(core.first_user);
        return core;
    }

    runtime::CoreSinks core_sinks() {
        return {
            .commands = [this](std::span<core::Command> commands) { hand_out(commands); },
            .journal = [this](runtime::JournalWork work) { keep_or_write(std::move(work)); },
            .alarm = [this](std::optional<Time> due) { set_alarm(due); },
            .wake = [this] { asio::post(threads_.context(0), [this] { core_.run_posted(); }); },
            .shortage = [this](const core::Shortage& shortage) { log_shortage(shortage); },
            .emptied =
                [this](std::span<const core::EmptiedQueue> queues) {
                    if (!options_.on_queue_emptied) return;
                    for (const core::EmptiedQueue& one : queues)
                        options_.on_queue_emptied(one.vhost, one.queue);
                },
            .defined = [this](std::uint64_t version) { definitions_version_.store(version); },
            .outside_memory =
                [this](std::uint64_t core) {
                    held_.set_core(core);
                    return held_.bytes();
                }};
    }

    template <typename Answer, typename Work>
    Answer on_core_thread(Work work) {
        auto answer = ask_core<Answer>(std::function<Answer(runtime::CoreLoop&)>(std::move(work)));
        if (answer) return std::move(*answer);
        return Failure{
            boost::system::errc::make_error_code(boost::system::errc::operation_canceled),
            "the broker has stopped"};
    }

    void keep_or_write(runtime::JournalWork work);
    void write_kept();

    Outcome<void> recover();
    journal::JournalListener journal_listener();
    void put_users();
    void put_user(const UserOption& wanted, const core::Overview& known);
    void put_permissions(const UserOption& wanted, const core::Overview& known);
    Outcome<void> open_listeners();
    Outcome<void> listen_on(const std::string& address, net::Listener::Speech speech);
    void set_alarm(std::optional<Time> due);
    void watch_memory();
    void wake_mqtt();
    void run_mqtt();
    void wait_for_mqtt();
    void log_shortage(const core::Shortage& shortage);
    void say_goodbye();

    Options options_;
    SystemClock clock_;
    const std::string dummy_hash_ = net::hash_password("nobody");
    std::optional<journal::DataFolderLock> lock_;
    std::unique_ptr<journal::Directory> directory_;
    std::unique_ptr<journal::Directory> pages_directory_;
    std::unique_ptr<journal::Journal> journal_; // until its thread has it
    std::unique_ptr<journal::Pages> pages_;     // likewise
    std::unique_ptr<journal::JournalThread> journal_thread_;
    runtime::KeptWork kept_;
    std::atomic<std::uint64_t> definitions_version_{0};
    core::RecordNumber last_record_ = 0;
    std::vector<BoundAddress> endpoints_;
    bool is_stopped_ = false;

    net::HeldMemory held_;

    // The threads end before what runs on them goes.
    baton::net::IoThreads threads_;
    runtime::CoreLoop core_;
    std::unique_ptr<mqtt::Sessions> mqtt_; // on the core's thread; null: nobody speaks MQTT
    bool mqtt_is_woken_ = false;
    std::vector<std::unique_ptr<Lane>> lanes_;
    asio::steady_timer alarm_;
    asio::steady_timer stop_limit_;
    asio::steady_timer memory_timer_;
    asio::steady_timer mqtt_timer_;
    asio::steady_timer kept_timer_;
    bool kept_timer_runs_ = false;
    bool says_goodbye_ = false;
    std::atomic<bool> takes_nobody_{false}; // says_goodbye_, for other threads
    GuessThrottle guesses_; // on the core's thread
    struct Pass {
        std::string user;
        std::string word;
        Time until;
    };
    static constexpr std::size_t pass_length = 32;
    static constexpr std::chrono::seconds pass_lasts{20}; // longer than a connection of this machine takes to log in
    std::vector<Pass> passes_; // on the core's thread
    bool says_shortage_ = false;          // its end is to be said, too
    Time said_shortage_ = Time::min();
    std::unique_ptr<net::Certificates> certificates_;
    std::vector<std::unique_ptr<net::Listener>> listeners_;
};

// --- I/O threads ---------------------------------------------------------------------------------

BrokerService::Inside::Lane::Lane(Inside& inside)
    : inlet(inside.core_),
      connections(inside.threads_.context(0).get_executor(), inlet, inside.options_.net, inside.held_, 0),
      around(inside.surroundings(*this, [&inside](net::Login login, bool is_loopback) -> Verdict {
          co_return inside.judge(login, is_loopback);
      })) {}

BrokerService::Inside::Lane::Lane(Inside& inside, asio::io_context& context, std::size_t number)
    : inlet(inside.core_, inside.options_.net.inlet_bytes_max,
            [this, &context] { asio::post(context, [this] { connections.resume(); }); }),
      connections(context.get_executor(), inlet, inside.options_.net, inside.held_, number),
      around(inside.surroundings(*this,
                                 [&inside, &context](net::Login login, bool is_loopback) {
                                     return inside.ask_core_to_judge(context.get_executor(),
                                                                     std::move(login), is_loopback);
                                 })),
      commands([this, &context] {
          asio::post(context, [this] {
              std::vector<core::Command> all = commands.take_now();
              connections.send(all);
          });
      }) {}

void BrokerService::Inside::make_lanes() {
    if (is_alone()) lanes_.push_back(std::make_unique<Lane>(*this));
    for (std::size_t thread = 1; thread < threads_.size(); ++thread)
        lanes_.push_back(std::make_unique<Lane>(*this, threads_.context(thread), thread - 1));
    for (const auto& lane : lanes_)
        lane->connections.when_empty([this] {
            asio::post(threads_.context(0), [this] {
                if (connections() == 0) stop_limit_.cancel();
            });
        });
}

void BrokerService::Inside::hand_out(std::span<core::Command> commands) {
    if (mqtt_)
        for (core::Command& command : commands)
            if (net::Connections::thread_of(command.connection) == mqtt::Sessions::own_thread)
                mqtt_->take(command, clock_.now());
    if (is_alone()) return lanes_.front()->connections.send(commands);
    for (core::Command& command : commands) {
        if (net::Connections::thread_of(command.connection) == mqtt::Sessions::own_thread) continue;
        lanes_[net::Connections::thread_of(command.connection)]->gathered.push_back(
            std::move(command));
    }
    for (const auto& lane : lanes_)
        lane->commands.put_all(std::exchange(lane->gathered, {}));
}

namespace {

// A login that the core's thread looks at while a coroutine of another thread waits.
struct LoginQuestion {
    explicit LoginQuestion(const asio::any_io_executor& place) : answered(place) {}
    baton::net::Wakeup answered;
    std::optional<net::LoginVerdict> verdict;
};

// Brings the verdict to the thread that waits; none when the core ended without looking at it.
class LoginAnswer {
public:
    LoginAnswer(asio::any_io_executor place, std::shared_ptr<LoginQuestion> question)
        : place_(std::move(place)), question_(std::move(question)) {}
    LoginAnswer(const LoginAnswer&) = delete;
    LoginAnswer& operator=(const LoginAnswer&) = delete;
    ~LoginAnswer() {
        asio::post(place_, [question = std::move(question_), verdict = verdict_] {
            question->verdict = verdict;
            question->answered.set();
        });
    }
    void set(net::LoginVerdict verdict) { verdict_ = verdict; }

private:
    asio::any_io_executor place_;
    std::shared_ptr<LoginQuestion> question_;
    std::optional<net::LoginVerdict> verdict_;
};

} // namespace

BrokerService::Inside::Verdict
BrokerService::Inside::ask_core_to_judge(asio::any_io_executor executor, net::Login login,
                                         bool is_loopback) {
    // Shared, because the connection may end before the answer comes.
    auto question = std::make_shared<LoginQuestion>(executor);
    core_.post([this, answer = std::make_shared<LoginAnswer>(std::move(executor), question),
                login = std::move(login),
                is_loopback](runtime::CoreLoop&) { answer->set(judge(login, is_loopback)); });
    co_await question->answered.wait();
    co_return question->verdict;
}

std::size_t BrokerService::Inside::connections() const {
    std::size_t sum = 0;
    for (const auto& lane : lanes_)
        sum += lane->connections.size();
    return sum;
}

// From one thread to the next, since only it knows what its connections read and wrote.
void BrokerService::Inside::count_traffic(core::TrafficList counted, std::size_t lane, std::function<void(core::TrafficList)> reply) {
    if (lane == lanes_.size()) return reply(std::move(counted));
    asio::post(lanes_[lane]->connections.executor(), [this, counted = std::move(counted), lane, reply = std::move(reply)]() mutable {
        lanes_[lane]->connections.count_traffic(counted);
        count_traffic(std::move(counted), lane + 1, std::move(reply));
    });
}

void BrokerService::Inside::drop_connections(bool all) {
    for (const auto& lane : lanes_)
        asio::dispatch(lane->connections.executor(),
                       [&connections = lane->connections, all] { connections.drop(all); });
}

// --- Starting and stopping -----------------------------------------------------------------------

Outcome<void> BrokerService::Inside::recover() {
    BATON_ASSIGN(lock_, journal::DataFolderLock::take(options_.data_folder));
    BATON_ASSIGN(directory_, journal::open_posix_directory(options_.data_folder + "/journal"));
    const Time began = clock_.now();
    journal::JournalOptions journal_options = options_.journal;
    journal_options.prepares_segments = false;
    journal::RecoveryReport report;
    const auto visit = [this](const journal::RecordView& view) -> Outcome<void> {
        auto record = journal::decode_record_without_content(view.type, view.payload);
        if (!record)
            return Failure{record.error(),
                           fmt::format("record {} of kind {} cannot be read: {}", view.number,
                                       view.type, record.error().message())};
        core_.replay(std::move(*record), view.number);
        return {};
    };
    BATON_ASSIGN(journal_, journal::Journal::open(*directory_, journal_options, visit, report));
    if (core_.broker().ended_in_order()) BATON_TRY(journal::mark_beginning(*journal_, *directory_));
    BATON_ASSIGN(pages_directory_, journal::open_posix_directory(options_.data_folder + "/pages"));
    BATON_ASSIGN(pages_, journal::Pages::open(*pages_directory_));
    last_record_ = journal_->next_record() - 1;
    if (!report.cut.empty()) log::warning("broker", report.cut);
    for (const std::string& place : report.salvaged)
        log::warning("broker", "salvaged: " + place);
    if (report.records > 0)
        log::info("broker", "recovered",
                  {{"records", report.records},
                   {"segments", report.segments},
                   {"millis", (clock_.now() - began).count() / 1000}});
    return {};
}

// Nobody is held up by records that only the server's own publisher waits for, or nobody at all: they go
// with those that somebody is held up by, or after a moment. That saves a sync, and a thread that is woken,
// in most hops of a run.
void BrokerService::Inside::keep_or_write(runtime::JournalWork work) {
    // Another life would have to do again what is lost with a crash in between.
    constexpr Duration pause = std::chrono::milliseconds(10);
    constexpr std::size_t records_max = 1000;
    const bool is_urgent = work.is_urgent;
    kept_.add(std::move(work));
    if (is_urgent || kept_.records() >= records_max || says_goodbye_) return write_kept();
    if (std::exchange(kept_timer_runs_, true)) return;
    kept_timer_.expires_after(pause);
    kept_timer_.async_wait([this](const ErrorCode&) {
        kept_timer_runs_ = false;
        write_kept();
    });
}

void BrokerService::Inside::write_kept() {
    auto work = kept_.take();
    if (!work) return;
    journal_thread_->put({.turn = work->turn,
                          .first_record = work->first_record,
                          .records = std::move(work->records),
                          .needs_sync = work->needs_sync,
                          .forget_below = work->forget_below,
                          .pages_out = std::move(work->pages_out),
                          .loads = std::move(work->loads),
                          .pages_gone = std::move(work->pages_gone)});
}

// On the journal thread; what concerns the core is posted to it.
journal::JournalListener BrokerService::Inside::journal_listener() {
    auto post = [this](auto work) { asio::post(threads_.context(0), std::move(work)); };
    return {
        .durable_up_to =
            [this, post](core::TurnNumber turn) {
                post([this, turn] { core_.durable_up_to(turn); });
            },
        .segment_sealed =
            [this, post](const journal::SealedSegment& segment) {
                post([this, sealed = core::SegmentSealed{segment.first_record, segment.last_record,
                                                         segment.bytes}] { core_.apply(sealed); });
            },
        .loaded =
            [this, post](core::BlockId block, std::vector<core::MessageRef> recorded,
                         std::vector<core::MessageRef> paged) {
                post([this, loaded = core::Loaded{block, std::move(recorded),
                                                  std::move(paged)}]() mutable {
                    core_.apply(std::move(loaded));
                });
            },
        .disk_full =
            [this, post](bool full) {
                if (full)
                    log::error("broker", "no space for the journal: publishers wait",
                               {{"folder", options_.data_folder}});
                else
                    log::info("broker", "there is space for the journal again");
                post([this, full] { core_.apply(core::AlarmChanged{core::Alarm::disk, full}); });
            },
        .lags =
            [this, post] {
                post([this] {
                    core_.apply(core::AlarmChanged{core::Alarm::journal, journal_thread_->lags()});
                });
            },
        .failed = options_.on_disk_failure ? options_.on_disk_failure : end_process};
}

// Users of the configuration replace those of the same name in the journal.
void BrokerService::Inside::put_users() {
    if (options_.users.empty()) return;
    const core::Overview known = core_.broker().overview({.queues = false,
                                                          .exchanges = false,
                                                          .bindings = false,
                                                          .connections = false,
                                                          .channels = false,
                                                          .consumers = false,
                                                          .vhost = std::nullopt,
                                                          .policies = false,
                                                          .name = std::nullopt,
                                                          .name_prefix = {}});
    for (const UserOption& wanted : options_.users)
        put_user(wanted, known);
}

void BrokerService::Inside::put_user(const UserOption& wanted, const core::Overview& known) {
    const auto ignore = [](const core::Answer&) {};
    const auto user = std::ranges::find(known.users, wanted.name, &core::UserPut::name);
    const bool has_hash = !wanted.password_hash.empty();
    const bool is_known = user != known.users.end() && user->tags == wanted.tags &&
                          (has_hash ? user->password_hash == wanted.password_hash
                                    : net::password_matches(wanted.password, user->password_hash,
                                                            user->hash_algorithm));
    if (!is_known)
        core_.administer(
            core::PutUser{{.name = wanted.name,
                           .password_hash = has_hash ? wanted.password_hash
                                                     : net::hash_password(wanted.password),
                           .hash_algorithm = has_hash ? wanted.hash_algorithm
                                                      : std::string(net::sha256_algorithm),
                           .tags = wanted.tags}},
            ignore);
    put_permissions(wanted, known);
}

void BrokerService::Inside::put_permissions(const UserOption& wanted, const core::Overview& known) {
    const auto complain = [user = wanted.name](const core::Answer& answer) {
        if (answer.text.empty()) return;
        log::error("broker", "a permission of the configuration was refused",
                   {{"user", user}, {"reason", answer.text}});
    };
    const std::vector<PermissionOption> all_of_the_first{
        {.vhost = "/", .configure = ".*", .write = ".*", .read = ".*"}};
    const auto& permissions = wanted.permissions ? *wanted.permissions : all_of_the_first;
    for (const PermissionOption& one : permissions) {
        const core::PermissionPut put{one.vhost, wanted.name, one.configure, one.write, one.read};
        const bool may = std::ranges::any_of(known.permissions, [&](const core::PermissionPut& given) {
            return given.vhost == put.vhost && given.user == put.user && given.configure == put.configure &&
                   given.write == put.write && given.read == put.read;
        });
        if (may) continue;
        if (std::ranges::find(known.vhosts, one.vhost, &core::VhostPut::name) == known.vhosts.end())
            core_.administer(core::PutVhost{{.name = one.vhost, .description = {}, .tags = {}}}, complain);
        core_.administer(core::PutPermission{put}, complain);
    }
    if (!wanted.permissions) return;
    for (const core::PermissionPut& given : known.permissions)
        if (given.user == wanted.name &&
            std::ranges::find(permissions, given.vhost, &PermissionOption::vhost) == permissions.end())
            core_.administer(core::RemovePermission{{.vhost = given.vhost, .user = given.user}}, complain);
}

Outcome<void> BrokerService::Inside::open_listeners() {
    if (!options_.tls_listen.empty() || !options_.web_socket_tls_listen.empty() || !options_.mqtt_tls_listen.empty() ||
        !options_.mqtt_web_socket_tls_listen.empty()) {
        BATON_ASSIGN(certificates_, net::Certificates::open(options_.tls));
    }
    for (const std::string& address : options_.listen)
        BATON_TRY(listen_on(address, {}));
    for (const std::string& address : options_.tls_listen)
        BATON_TRY(listen_on(address, {.certificates = certificates_.get()}));
    const auto listen_further = [&](const std::vector<std::string>& addresses, net::Listener::Speech speech) -> Outcome<void> {
        for (const std::string& address : addresses) {
            const auto listening = listen_on(address, speech);
            if (!listening && options_.further_must_listen) return listening.error();
            if (!listening)
                log::warning("broker", "goes on without this address", {{"why", listening.error().detail}});
        }
        return {};
    };
    net::Certificates* const tls = certificates_.get();
    BATON_TRY(listen_further(options_.web_socket_listen, {.web_socket = &options_.web_socket}));
    BATON_TRY(listen_further(options_.web_socket_tls_listen, {.certificates = tls, .web_socket = &options_.web_socket}));
    BATON_TRY(listen_further(options_.mqtt_listen, {.is_mqtt = true}));
    BATON_TRY(listen_further(options_.mqtt_tls_listen, {.certificates = tls, .is_mqtt = true}));
    BATON_TRY(listen_further(options_.mqtt_web_socket_listen, {.web_socket = &options_.mqtt_web_socket, .is_mqtt = true}));
    BATON_TRY(listen_further(options_.mqtt_web_socket_tls_listen,
                             {.certificates = tls, .web_socket = &options_.mqtt_web_socket, .is_mqtt = true}));
    for (const auto& listener : listeners_)
        listener->start();
    for (const BoundAddress& bound : endpoints_)
        log::info("broker", "listening",
                  {{"address", bound.host},
                   {"port", bound.port},
                   {"protocol", fmt::format("{}{}", bound.is_mqtt ? "mqtt" : "amqp", bound.has_tls ? "s" : "")},
                   {"in", bound.is_web_socket ? "WebSocket" : "TCP"}});
    return {};
}

Outcome<void> BrokerService::Inside::listen_on(const std::string& address, net::Listener::Speech speech) {
    BATON_ASSIGN(const net::Listener::Endpoint wanted, parse_endpoint(address));
    net::Listener::Threads threads;
    for (const auto& lane : lanes_)
        threads.push_back(&lane->around);
    BATON_ASSIGN(auto listener, net::Listener::open(threads_.context(0).get_executor(), wanted,
                                                    std::move(threads), speech));
    const net::Listener::Endpoint bound = listener->endpoint();
    endpoints_.push_back({bound.address().to_string(), bound.port(), speech.certificates != nullptr,
                          speech.web_socket != nullptr, speech.is_mqtt});
    listeners_.push_back(std::move(listener));
    return {};
}

void BrokerService::Inside::set_alarm(std::optional<Time> due) {
    // Whoever waits for a timer would wait for the end, too.
    if (!due || says_goodbye_) {
        alarm_.cancel();
        return;
    }
    alarm_.expires_after(std::max(Duration::zero(), *due - clock_.now()));
    alarm_.async_wait([this](const ErrorCode& error) {
        if (!error) core_.tick();
    });
}

// On the core's thread, from inside a turn or while one is handed out.
void BrokerService::Inside::wake_mqtt() {
    if (!std::exchange(mqtt_is_woken_, true)) asio::post(threads_.context(0), [this] { run_mqtt(); });
}

void BrokerService::Inside::run_mqtt() {
    mqtt_is_woken_ = false;
    if (says_goodbye_) return;
    core_.batch([this](core::Broker& broker, Time now, core::Turn& turn) {
        mqtt_->acknowledge({broker, now, turn});
        mqtt_->tick({broker, now, turn});
    });
    const auto due = mqtt_->next_deadline();
    if (!due) {
        mqtt_timer_.cancel();
        return;
    }
    mqtt_timer_.expires_after(std::max(Duration::zero(), *due - clock_.now()));
    mqtt_timer_.async_wait([this](const ErrorCode& error) {
        if (!error) run_mqtt();
    });
}

// Who subscribes at once finds all retained messages there.
void BrokerService::Inside::wait_for_mqtt() {
    constexpr auto pause = std::chrono::milliseconds(10);
    constexpr int tries_max = 3000;
    if (!mqtt_) return;
    for (int tries = 0; tries < tries_max; ++tries) {
        const auto begun = ask_core<bool>(std::function<bool(runtime::CoreLoop&)>(
            [this](runtime::CoreLoop& core) { return mqtt_->has_begun(core.broker()); }));
        if (!begun || *begun) return;
        std::this_thread::sleep_for(pause);
    }
    log::warning("broker", "MQTT: the retained messages of the last life are not all here yet; clients come in all the same");
}

// The allocator keeps what a burst has left behind for the next one. When none has come for a
// while, the system gets it back.
void BrokerService::Inside::watch_memory() {
    // Each thread has a heap of its own, so what one leaves unused another one cannot take; where there is
    // little memory that must not wait.
    const std::uint64_t memory = memory_limit();
    const bool is_little = memory < std::uint64_t{2} << 30;
    const Duration pause = std::min<Duration>(is_little ? std::chrono::seconds(2) : std::chrono::seconds(10), options_.net.unfinished_patience);
    const std::size_t unused_max = std::clamp<std::uint64_t>(memory / 32, 8U << 20, 64U << 20);
    memory_timer_.expires_after(pause);
    memory_timer_.async_wait([this, unused_max, is_little](const ErrorCode& error) {
        // A timer that had just come when it was cancelled comes without an error.
        if (error || says_goodbye_) return;
        const struct mallinfo2 heap = ::mallinfo2();
        if (heap.fordblks > unused_max && (is_little || heap.fordblks > heap.uordblks)) (void)::malloc_trim(0);
        if (held_.watch(std::chrono::steady_clock::now())) held_.ask_for_relief();
        watch_memory();
    });
}

// Whoever asks why nothing is published any more finds it here. A broker at its limit comes and goes;
// a line a minute says that.
void BrokerService::Inside::log_shortage(const core::Shortage& shortage) {
    constexpr Duration pause = std::chrono::minutes(1);
    if (shortage.reason == nullptr) {
        if (std::exchange(says_shortage_, false))
            log::info("broker", "publishers go on", {{"memory", shortage.memory}});
        return;
    }
    const Time now = clock_.now();
    if (said_shortage_ != Time::min() && now - said_shortage_ < pause) return;
    said_shortage_ = now;
    says_shortage_ = true;
    log::warning("broker", "publishers wait, consumers go on",
                 {{"why", shortage.reason},
                  {"memory", shortage.memory},
                  {"watermark", shortage.watermark}});
}

// On the core's thread: everything that keeps the event loop busy comes to an end.
void BrokerService::Inside::say_goodbye() {
    says_goodbye_ = true;
    takes_nobody_ = true;
    for (const auto& listener : listeners_)
        listener->close();
    core_.apply(core::Stopping{});
    alarm_.cancel();
    memory_timer_.cancel();
    mqtt_timer_.cancel();
    write_kept();
    drop_connections(false);
    if (connections() == 0) return;
    stop_limit_.expires_after(options_.stop_limit);
    stop_limit_.async_wait([this](const ErrorCode& error) {
        if (!error) drop_connections(true);
    });
}

void BrokerService::Inside::stop() {
    if (std::exchange(is_stopped_, true)) return;
    if (journal_thread_) asio::post(threads_.context(0), [this] { say_goodbye(); });
    core_.close();
    threads_.drain();
    if (!journal_thread_) return;
    write_kept();
    journal_thread_->stop();
}

BrokerService::BrokerService(std::unique_ptr<Inside> inside) : inside_(std::move(inside)) {}
BrokerService::~BrokerService() = default;

Outcome<std::unique_ptr<BrokerService>> BrokerService::start(Options options) {
    BATON_ASSIGN(auto service, open(std::move(options)));
    BATON_TRY(service->listen());
    return service;
}

Outcome<std::unique_ptr<BrokerService>> BrokerService::open(Options options) {
    auto inside = std::make_unique<Inside>(std::move(options));
    BATON_TRY(inside->open());
    return std::unique_ptr<BrokerService>(new BrokerService(std::move(inside)));
}

Outcome<void> BrokerService::listen() {
    return inside_->listen();
}

void BrokerService::stop() {
    inside_->stop();
}

std::uint64_t BrokerService::definitions_version() const {
    return inside_->definitions_version();
}

BrokerService::InsideDoor BrokerService::inside_door() {
    return inside_->inside_door();
}

const std::vector<BoundAddress>& BrokerService::endpoints() const {
    return inside_->endpoints();
}

std::optional<Identity> BrokerService::authenticate(const std::string& user,
                                                    const std::string& password,
                                                    bool remote_is_loopback,
                                                    const std::string& address) const {
    const auto answer = inside_->ask_core<std::optional<Identity>>(
        [this, &user, &password, &address,
         remote_is_loopback](runtime::CoreLoop& core) -> std::optional<Identity> {
            if (inside_->verify({user, password, address}, remote_is_loopback) != net::LoginVerdict::welcome)
                return std::nullopt;
            const auto found = core.broker().find_user(user);
            return Identity{found->name, found->tags};
        });
    return answer.value_or(std::nullopt);
}

Duration BrokerService::login_pause(const std::string& user, const std::string& address) const {
    const auto answer = inside_->ask_core<Duration>([this, &user, &address](runtime::CoreLoop&) {
        return inside_->login_pause(user, address);
    });
    return answer.value_or(Duration::zero());
}

std::optional<KnownIdentity> BrokerService::identify(const std::string& user, bool remote_is_loopback) const {
    const auto answer = inside_->ask_core<std::optional<KnownIdentity>>(
        [this, &user, remote_is_loopback](runtime::CoreLoop& core) -> std::optional<KnownIdentity> {
            const auto found = core.broker().find_user(user);
            if (!found || !inside_->may_come(user, remote_is_loopback)) return std::nullopt;
            return KnownIdentity{{found->name, found->tags}, found->password_hash};
        });
    return answer.value_or(std::nullopt);
}

std::string BrokerService::pass_for(const std::string& user) {
    const auto answer = inside_->ask_core<std::string>([this, &user](runtime::CoreLoop&) { return inside_->make_pass(user); });
    return answer.value_or(std::string{});
}

void BrokerService::mqtt(std::function<void(std::optional<MqttView>)> reply) const {
    inside_->tell_mqtt(std::move(reply));
}

void BrokerService::end_mqtt_session(std::string vhost, std::string client_id, std::function<void(bool)> reply) {
    inside_->end_mqtt_session(std::move(vhost), std::move(client_id), std::move(reply));
}

const MetricList& BrokerService::metrics() const {
    return inside_->metrics();
}

LoginCounts BrokerService::login_counts() const {
    return {inside_->logins_succeeded.value(), inside_->logins_failed.value()};
}

core::Overview BrokerService::overview(const core::OverviewWish& wish) const {
    auto answer = inside_->ask_core<core::Overview>(
        [&wish](runtime::CoreLoop& core) { return core.broker().overview(wish); });
    return answer ? std::move(*answer) : core::Overview{};
}

Outcome<std::vector<JournalFile>> BrokerService::hold_journal() {
    if (auto files = inside_->hold_journal()) return std::move(*files);
    return Failure{boost::system::errc::make_error_code(boost::system::errc::operation_canceled),
                   "the broker has stopped"};
}

void BrokerService::release_journal() {
    inside_->release_journal();
}

core::Answer BrokerService::administer(core::AdministrationRequest wish) {
    auto answer = inside_->administer(std::move(wish));
    if (answer) return std::move(*answer);
    return {.request = {}, .code = amqp::ReplyCode::connection_forced, .text = "stopped"};
}

void BrokerService::overview(core::OverviewWish wish,
                             std::function<void(core::Overview)> reply) const {
    inside_->post([wish = std::move(wish), reply = std::move(reply)](runtime::CoreLoop& core) {
        reply(core.broker().overview(wish));
    });
}

void BrokerService::count_traffic(std::function<void(core::TrafficList)> reply) const {
    inside_->count_traffic({}, 0, std::move(reply));
}

void BrokerService::administer(core::AdministrationRequest wish,
                               std::function<void(core::Answer)> reply) {
    auto shared = std::make_shared<core::AdministrationRequest>(std::move(wish));
    inside_->post([inside = inside_.get(), shared, reply = std::move(reply)](runtime::CoreLoop& core) mutable {
        inside->administer_in(core, std::move(*shared), std::move(reply));
    });
}

} // namespace baton::broker
