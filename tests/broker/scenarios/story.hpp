// A story for the broker core, told line by line. `ch=2` is channel 1 of connection 2, `ch=2.3` its
// channel 3; both are opened silently when they are first named, as user guest of vhost "/".
//
//   queue NAME [durable exclusive auto-delete passive nowait] [x-argument=value]…
//   exchange NAME TYPE [durable auto-delete internal passive] [x-argument=value]…
//   bind QUEUE SOURCE KEY [argument=value]…     unbind …     bind-exchange TARGET SOURCE KEY
//   publish key=K [exchange=X mandatory immediate persistent ttl= priority= reply-to= user-id=
//           message-id= correlation-id= timestamp= cc=a,b bcc=a,b headers…] "body" [times=N]
//   consume QUEUE [tag= no-ack exclusive nowait priority= offset= since=SECONDS]      cancel TAG
//   get QUEUE [no-ack]       ack TAG [multiple]    nack TAG [multiple drop]    reject TAG [drop]
//   recover   qos N [global size=]   confirm   tx-select tx-commit tx-rollback
//   purge QUEUE   delete-queue QUEUE [if-unused if-empty]   delete-exchange NAME [if-unused]
//   open   close   close-ok   disconnect   lost   connect [user= vhost=]
//   wait SECONDS (moves the clock and ticks)   written BYTES   alarm memory|disk|journal on|off
//   hold (what waits for the journal stays there) and flush   stop   restart (replays the records)
//   seal (a segment)   put-user NAME [tag=]   put-vhost NAME   permit USER CONFIGURE WRITE READ
//   remove-user NAME   close-client N "reason"   close-clients [user= vhost=] "reason"
//   put-policy NAME PATTERN [operator vhost= apply-to= priority=] setting=value…
//   remove-policy NAME [operator vhost=]   parameter COMPONENT NAME "json"
//   limit-vhost NAME [connections= queues=]   limit-user NAME [connections= channels=]
//   admin queue|exchange|bind|unbind|bind-exchange|unbind-exchange|purge|delete-queue|
//         delete-exchange … as above, without a client; transient instead of durable
//   state (the queues after the turn, with the policies that hold)
#pragma once

#include "broker/core/broker.hpp"
#include "print.hpp"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace baton::broker::core {

class Story {
public:
    // `options` replaces the limits of a story; names and users are the story's.
    explicit Story(Options options = {});

    // One event, in the turn that is being made.
    void tell(std::string_view line);
    // Ends the turn: what came out, line by line.
    std::vector<std::string> finish();

    // An event as it is, in the turn that is being made. Its channel was opened by a line before.
    void apply(Event event);

    Broker& broker() { return *broker_; }
    // A broker made from the records so far, as after a crash.
    std::unique_ptr<Broker> recovered() const;
    // Everything durable in a broker of this story as text, for comparing two.
    std::string durable_state(const Broker& broker) const;
    // What left memory comes back with the end of the turn. Unless it is held back: then with this.
    void hold_loads(bool hold) { holding_loads_ = hold; }
    void bring_loads();
    Time now() const { return now_; }

private:
    struct Words;

    void start();
    ConnectionId connection_of(const Words& words);
    std::pair<ConnectionId, ChannelNumber> channel_of(const Words& words);
    void ensure_open(ConnectionId connection, ChannelNumber channel);
    void open_connection(ConnectionId connection, std::string user, std::string vhost);
    void send(const Words& words, amqp::Method method);
    void publish(const Words& words);
    void silently(Event event);
    bool tell_topology(const Words& words);
    bool tell_basic(const Words& words);
    bool tell_channel(const Words& words);
    bool tell_house(const Words& words);
    bool tell_administration(const Words& words);
    bool tell_policies(const Words& words);
    void tell_topology_request(const Words& words);
    void ask(AdministrationRequest wish);
    void keep_records();
    void keep_pages();
    void finish_turn(std::vector<std::string>& lines);
    void show_state();

    Options options_;
    std::unique_ptr<Broker> broker_;
    Printer printer_;
    Turn turn_;
    Time now_ = time_from_micros(1'000'000'000'000'000);
    std::set<ConnectionId> connections_;
    std::set<std::pair<ConnectionId, ChannelNumber>> channels_;
    std::map<RecordNumber, Record> records_;
    RecordNumber last_record_ = 0;
    RecordNumber sealed_up_to_ = 0;
    std::map<BlockId, std::vector<MessageRef>> pages_;
    std::vector<Load> loads_;
    bool holding_loads_ = false;
    bool holding_ = false;
    bool shows_state_ = false;
    std::vector<std::string> extra_lines_;
};

} // namespace baton::broker::core
