// soak: lets a broker work for long and watches it. Persistent messages with confirms, transient ones,
// RPC, connections and queues that come and go, and a slow consumer behind a deep backlog; every
// message carries its number, so what is missing, repeated or out of order shows. Samples the broker's
// memory and descriptors and prints a table and the trend. Exit code 0: nothing missing, nothing out
// of order, memory and descriptors flat.
#include "client.h"

namespace {

struct Options {
  Url url;
  int pid = 0;
  double minutes = 5, rate = 0;
  uint64_t depth = 200000;
};
Options options;
std::atomic<bool> ending{false}, failed{false};
std::atomic<uint64_t> persistent_in{0}, persistent_out{0}, transient_in{0}, transient_out{0}, rpcs{0}, churned{0},
    backlog_in{0}, backlog_out{0};
std::atomic<double> pace{0}; // messages a second of each of the two pipes; 0: as fast as it goes

void complain(const std::string &text) {
  fprintf(stderr, "soak: %s\n", text.c_str());
  failed = true;
}

std::string numbered(const std::string &queue, uint64_t number, size_t size, bool persistent) {
  std::string s = publish_frames("", queue, size, persistent, 131072);
  wr64(&s[s.size() - 1 - size], number);
  return s;
}

// How many messages are due at `rate` a second; keeps count.
struct Pacer {
  uint64_t since = now_ns();
  double rate = -1, sent = 0;
  uint64_t due(double wanted) {
    if (wanted != rate) rate = wanted, since = now_ns(), sent = 0;
    if (rate <= 0) return 200;
    double n = std::floor(double(now_ns() - since) * 1e-9 * rate - sent);
    return n < 1 ? 0 : uint64_t(std::min(n, 2000.0));
  }
  void did(uint64_t n) { sent += double(n); }
};

// Publishes 1, 2, 3 … as long as no more than `window` are on their way to the consumer.
void produce(const std::string &queue, size_t size, bool persistent, uint64_t window, std::atomic<uint64_t> &in,
             const std::atomic<uint64_t> &out, std::function<double()> rate, const std::atomic<bool> &stop) {
  Conn c;
  c.open(options.url);
  if (persistent) c.confirm_select();
  set_nonblock(c.fd, true);
  uint64_t number = 0, confirmed = 0, since = 0;
  Pacer pacer;
  while (!(stop && confirmed == number)) {
    uint64_t n = stop ? 0 : pacer.due(rate());
    if (number - out >= window || (persistent && number - confirmed >= 2000)) n = 0;
    for (uint64_t i = 0; i < n; ++i) c.out += numbered(queue, ++number, size, persistent);
    pacer.did(n);
    if (!persistent) confirmed = number;
    in = confirmed;
    pollfd p{c.fd, short(POLLIN | (n || c.pending() ? POLLOUT : 0)), 0};
    poll(&p, 1, 2);
    if (c.pending()) c.flush_some();
    if (p.revents & POLLIN) c.fill();
    FrameView f;
    while (c.parse(f)) {
      if (f.type != 1) continue;
      if (rd32(f.p) == id(60, 80)) confirmed = std::max(confirmed, rd64(f.p + 4));
      else if (rd32(f.p) == id(60, 120)) complain(queue + ": a publish was refused");
      else Conn::complain(f);
    }
    if (stop && !since) since = now_ns();
    if (stop && now_ns() - since > 60'000'000'000ull) return complain(queue + ": confirms are missing");
  }
  while (c.pending()) c.flush_some();
  in = number;
}

// Takes what comes, in order, nothing missing, until `in` is complete. `keep` messages stay behind.
void consume(const std::string &queue, unsigned prefetch, std::atomic<uint64_t> &out, const std::atomic<uint64_t> &in,
             const std::atomic<bool> &complete, std::function<uint64_t()> keep) {
  Conn c;
  c.open(options.url);
  c.qos(prefetch);
  c.consume(queue, false);
  set_nonblock(c.fd, true);
  uint64_t last = 0, tag = 0, acked = 0, quiet_since = now_ns();
  bool starts = false, again = false;
  while (!(complete && last >= in)) {
    pollfd p{c.fd, POLLIN, 0};
    if (poll(&p, 1, 10) > 0 && c.fill()) quiet_since = now_ns();
    FrameView f;
    while (c.parse(f)) {
      if (f.type == 1 && rd32(f.p) == id(60, 60)) {
        const uint8_t *at = f.p + 4;
        at += 1 + *at;
        tag = rd64(at);
        again = at[8];
      } else if (f.type == 2) {
        starts = true;
      } else if (f.type == 3 && starts) {
        starts = false;
        uint64_t number = rd64(f.p);
        if (number != last + 1) complain(queue + ": " + std::to_string(number) + " came after " + std::to_string(last));
        if (again) complain(queue + ": redelivered, though nobody returned it");
        last = number;
      } else if (f.type == 1) {
        Conn::complain(f);
      }
    }
    uint64_t stay = keep();
    // Acknowledging is what draws more, so holding it back makes the backlog.
    if (tag > acked && (in > last + stay || stay == 0 || complete)) {
      c.out += frame(1, 1, method(60, 80).u64(tag).u8(1).s);
      acked = tag;
    }
    if (c.pending()) c.flush_some();
    out = last;
    if (complete && now_ns() - quiet_since > 60'000'000'000ull)
      return complain(queue + ": " + std::to_string(in - last) + " messages are missing");
  }
}

void rpc_server() {
  Conn c;
  c.open(options.url);
  c.consume("soak.rpc", true);
  set_nonblock(c.fd, true);
  std::string reply_to, correlation;
  while (!ending) {
    pollfd p{c.fd, POLLIN, 0};
    if (poll(&p, 1, 50) > 0) c.fill();
    FrameView f;
    while (c.parse(f))
      if (f.type == 2) { // flags, delivery mode, correlation id, reply-to
        const uint8_t *at = f.p + 15;
        correlation.assign(reinterpret_cast<const char *>(at + 1), *at);
        at += 1 + *at;
        reply_to.assign(reinterpret_cast<const char *>(at + 1), *at);
      } else if (f.type == 3) {
        c.out += publish_frames("", reply_to, 8, false, 131072, correlation);
      }
    if (c.pending()) c.flush_some();
  }
}

void rpc_client() {
  Conn c;
  c.open(options.url);
  std::string mine = c.declare("", false, true).first;
  c.consume(mine, true);
  while (!ending) {
    std::string correlation = std::to_string(rpcs + 1);
    c.send_all(publish_frames("", "soak.rpc", 8, false, 131072, correlation, mine));
    for (;;) {
      FrameView f = c.next();
      if (f.type == 1) Conn::complain(f);
      if (f.type == 2 && std::string(reinterpret_cast<const char *>(f.p + 16), f.p[15]) != correlation)
        complain("rpc: an answer to another question");
      if (f.type == 3) break;
    }
    ++rpcs;
    sleep_ms(5);
  }
}

// Connections and queues come and go; every third client just disappears.
void churn() {
  for (uint64_t n = 0; !ending; ++n) {
    Conn c;
    c.open(options.url);
    std::string q = "soak.churn." + std::to_string(n);
    bool durable = n % 2, exclusive = n % 3 == 0;
    c.declare(q, durable, exclusive);
    c.confirm_select();
    std::string all;
    for (uint64_t i = 1; i <= 20; ++i) all += numbered(q, i, 300, durable);
    c.send_all(all);
    for (uint64_t confirmed = 0; confirmed < 20;) {
      FrameView f = c.next();
      Conn::complain(f);
      if (f.type == 1 && rd32(f.p) == id(60, 80)) confirmed = std::max(confirmed, rd64(f.p + 4));
    }
    for (unsigned ch = 2; ch < 6; ++ch) {
      c.send_all(frame(1, int(ch), method(20, 10).ss("").s));
      c.expect(id(20, 11));
    }
    if (c.declare(q, durable, exclusive, true).second != 20) complain("churn: a queue lost messages");
    if (!exclusive) c.del_queue(q);
    if (n % 3 != 0) c.shut();
    ++churned;
    sleep_ms(40);
  }
}

double descriptors(int pid) {
  double n = 0;
  if (DIR *d = opendir(("/proc/" + std::to_string(pid) + "/fd").c_str())) {
    while (readdir(d)) ++n;
    closedir(d);
  }
  return n - 2;
}

struct Sample {
  double seconds, rss, anon, fds;
};

// The slope of the second half in MiB an hour: the first half fills caches and the backlog.
double slope_per_hour(const std::vector<Sample> &samples) {
  size_t from = samples.size() / 2;
  double n = 0, sx = 0, sy = 0, sxx = 0, sxy = 0;
  for (size_t i = from; i < samples.size(); ++i) {
    double x = samples[i].seconds / 3600, y = samples[i].anon;
    ++n, sx += x, sy += y, sxx += x * x, sxy += x * y;
  }
  double d = n * sxx - sx * sx;
  return d > 0 ? (n * sxy - sx * sy) / d : 0;
}

bool watch(double seconds) {
  std::vector<Sample> samples;
  uint64_t start = now_ns(), p0 = persistent_out, t0 = transient_out, last = start;
  printf("| s | RSS MiB | anonymous MiB | descriptors | persistent msgs/s | transient msgs/s | backlog | rpcs | clients that came and went |\n");
  printf("|---|---|---|---|---|---|---|---|---|\n");
  while (double(now_ns() - start) * 1e-9 < seconds && !failed) {
    sleep_ms(10000);
    uint64_t t = now_ns(), p = persistent_out, r = transient_out;
    double dt = double(t - last) * 1e-9;
    Sample s{double(t - start) * 1e-9, tree_mib(options.pid, "VmRSS"), tree_mib(options.pid, "RssAnon"),
             descriptors(options.pid)};
    if (s.rss == 0) complain("the broker is gone");
    samples.push_back(s);
    printf("| %.0f | %.1f | %.1f | %.0f | %.0f | %.0f | %llu | %llu | %llu |\n", s.seconds, s.rss, s.anon, s.fds,
           double(p - p0) / dt, double(r - t0) / dt, static_cast<unsigned long long>(backlog_in - backlog_out),
           static_cast<unsigned long long>(rpcs), static_cast<unsigned long long>(churned));
    fflush(stdout);
    p0 = p, t0 = r, last = t;
  }
  if (samples.size() < 4) return !failed;
  double slope = slope_per_hour(samples), grown = samples.back().anon - samples[samples.size() / 2].anon;
  double fds = samples.back().fds - samples[samples.size() / 2].fds;
  // What comes and goes takes some MiB and descriptors more or less at any moment.
  bool flat = grown < 8 + 0.1 * samples.back().anon && fds < 20;
  printf("\nsecond half: anonymous memory %+.1f MiB (slope %+.1f MiB an hour), descriptors %+.0f: %s\n", grown, slope, fds,
         flat ? "flat" : "GROWING");
  return flat;
}

void run(std::function<void()> work) {
  try {
    work();
  } catch (const std::exception &e) {
    complain(e.what());
  }
}

} // namespace

int main(int argc, char **argv) {
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string k = argv[i], v = argv[i + 1];
    if (k == "--url") options.url = parse_url(v);
    else if (k == "--pid") options.pid = atoi(v.c_str());
    else if (k == "--minutes") options.minutes = atof(v.c_str());
    else if (k == "--rate") options.rate = atof(v.c_str());
    else if (k == "--depth") options.depth = uint64_t(atoll(v.c_str()));
    else return fprintf(stderr, "unknown option %s\n", k.c_str()), 2;
  }
  {
    Conn c;
    c.open(options.url);
    for (const char *q : {"soak.persistent", "soak.backlog"}) c.declare(q, true);
    for (const char *q : {"soak.transient", "soak.rpc"}) c.declare(q, false);
    c.shut();
  }
  std::atomic<bool> stop{false}, persistent_done{false}, transient_done{false}, backlog_done{false};
  auto rate = [] { return pace.load(); };
  auto none = [] { return uint64_t(0); };
  std::vector<std::thread> producers, others;
  auto start = [](std::vector<std::thread> &list, std::function<void()> work) { list.emplace_back([work] { run(work); }); };
  start(others, [&] { consume("soak.persistent", 500, persistent_out, persistent_in, persistent_done, none); });
  start(others, [&] { consume("soak.transient", 500, transient_out, transient_in, transient_done, none); });
  start(producers, [&] { produce("soak.persistent", 200, true, 20000, persistent_in, persistent_out, rate, stop); persistent_done = true; });
  start(producers, [&] { produce("soak.transient", 200, false, 20000, transient_in, transient_out, rate, stop); transient_done = true; });

  if (options.rate == 0) { // half of what goes
    sleep_ms(2000);
    uint64_t p = persistent_out, t = transient_out, from = now_ns();
    sleep_ms(10000);
    options.rate = double(persistent_out - p + transient_out - t) / (double(now_ns() - from) * 1e-9) / 2;
    printf("it takes %.0f msgs/s; going on at half of that\n\n", options.rate * 2);
  }
  pace = options.rate / 2;
  // The backlog grows to its depth in a tenth of the time and then stays.
  double growth = double(options.depth) / std::max(options.minutes * 6, 20.0) + 500;
  std::atomic<bool> backlog_stop{false};
  start(others, [&] { consume("soak.backlog", 50, backlog_out, backlog_in, backlog_done, [] { return options.depth; }); });
  start(producers, [&] {
    produce("soak.backlog", 1024, true, options.depth + 5000, backlog_in, backlog_out,
            [&] { return backlog_in < options.depth ? growth : 500.0; }, backlog_stop);
    backlog_done = true;
  });
  start(others, [] { rpc_server(); });
  start(others, [] { rpc_client(); });
  start(others, [] { churn(); });

  bool flat = watch(options.minutes * 60);
  stop = backlog_stop = true;
  for (auto &t : producers) t.join();
  ending = true;
  persistent_done = transient_done = backlog_done = true;
  for (auto &t : others) t.join();
  printf("%llu persistent, %llu transient and %llu backlog messages, %llu rpcs, %llu clients: %s\n",
         static_cast<unsigned long long>(persistent_out), static_cast<unsigned long long>(transient_out),
         static_cast<unsigned long long>(backlog_out), static_cast<unsigned long long>(rpcs),
         static_cast<unsigned long long>(churned), failed ? "FAILED" : "nothing missing, nothing out of order");
  return failed || !flat;
}
