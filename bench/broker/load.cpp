// load: load generator for an AMQP 0-9-1 broker. Raw sockets, one thread, one
// poll loop that drives producer and consumers, so it takes at most one core.
#include "client.h"

namespace {

// ---- global options --------------------------------------------------------------
Url url;
int broker = 0;
int runs = 3;
double secs = 5;
std::string start_cmd, data_dir, log_file = "/dev/null";
int uniq = 0;
std::string name(const std::string &p) { return "bench." + p + "." + std::to_string(getpid()) + "." + std::to_string(uniq++); }

// ---- S1 S2 S3 S5 S6: a producer, queues, a consumer per queue -----------------------
struct Pipe {
  size_t body = 16;
  bool durable = false, persistent = false, manual_ack = false;
  unsigned prefetch = 0;
  uint64_t confirm_window = 0; // 0: no confirms
  uint64_t inflight = 0;       // published and not yet delivered, 0: unbounded
  uint64_t max_msgs = 3000000;
  size_t batch_bytes = 65536;  // 1: one send() a message
  double rate = 0;             // paced publishing, msgs/s
  std::string xtype;           // "", fanout, topic
  int queues = 1, bindings = 0;
};

struct Confirms {
  uint64_t next = 1, low = 1; // tags published / lowest unconfirmed
  uint64_t nacks = 0;
  std::vector<uint64_t> sent = std::vector<uint64_t>(1 << 20); // send time by tag, 0 when confirmed
  Hist lat;
  uint64_t out() const { return open; }
  uint64_t open = 0;
  void publish(uint64_t t) {
    sent[next & (sent.size() - 1)] = t;
    ++next;
    ++open;
  }
  void one(uint64_t tag, uint64_t t) {
    uint64_t &s = sent[tag & (sent.size() - 1)];
    if (!s) return;
    lat.add(t - s);
    s = 0;
    --open;
  }
  void ack(uint64_t tag, bool multiple, uint64_t t) {
    if (multiple)
      for (; low <= tag; ++low) one(low, t);
    else
      one(tag, t);
    while (low < next && sent[low & (sent.size() - 1)] == 0) ++low;
  }
  void frames(Conn &c) {
    FrameView f;
    uint64_t t = now_ns();
    while (c.parse(f)) {
      if (f.type != 1) continue;
      uint32_t m = rd32(f.p);
      if (m == id(60, 80)) ack(rd64(f.p + 4), f.p[12] & 1, t);
      else if (m == id(60, 120)) {
        ++nacks;
        ack(rd64(f.p + 4), f.p[12] & 1, t);
      } else
        Conn::complain(f);
    }
  }
};

struct Consumer {
  Conn c;
  std::string queue;
  uint64_t got = 0, last_seq = 0, disorder = 0, redelivered = 0;
  uint64_t tag = 0;
  uint64_t left = 0; // body bytes still to come
  bool first = false;
  // Parses all buffered frames; acks are appended to c.out.
  void frames(bool ack, Hist *lat, uint64_t t) {
    FrameView f;
    while (c.parse(f)) {
      if (f.type == 3) {
        if (first && f.n >= 16) {
          uint64_t seq = rd64(f.p), ts = rd64(f.p + 8);
          if (seq <= last_seq) ++disorder;
          last_seq = seq;
          if (lat) lat->add(t > ts ? t - ts : 0);
        }
        first = false;
        left -= f.n;
        if (left == 0) done(ack);
      } else if (f.type == 2) {
        left = rd64(f.p + 4);
        first = true;
        if (left == 0) done(ack);
      } else if (f.type == 1) {
        if (rd32(f.p) == id(60, 60)) {
          const uint8_t *p = f.p + 4;
          p += 1 + *p;
          tag = rd64(p);
          redelivered += p[8] & 1;
        } else
          Conn::complain(f);
      }
    }
  }
  void done(bool ack) {
    ++got;
    if (!ack) return;
    static const std::string t = frame(1, 1, method(60, 80).u64(0).u8(0).s);
    size_t o = c.out.size();
    c.out += t;
    wr64(&c.out[o + 11], tag);
  }
};

std::string topic_pattern(int i) {
  std::string n = std::to_string(i);
  switch (i % 4) {
  case 0: return "s" + n + ".dev.temp";
  case 1: return "s" + n + ".*.temp";
  case 2: return "s" + n + ".#";
  default: return "*.d" + n + ".hum";
  }
}
std::string topic_key(int i) { // matches exactly the i-th pattern
  std::string n = std::to_string(i);
  switch (i % 4) {
  case 0: case 1: return "s" + n + ".dev.temp";
  case 2: return "s" + n + ".dev.temp.x";
  default: return "s" + n + ".d" + n + ".hum";
  }
}

Row pipe_run(const Pipe &P, double run_secs) {
  Conn prod;
  prod.open(url);
  std::vector<std::unique_ptr<Consumer>> cons;
  std::string x = P.xtype.empty() ? "" : name(P.xtype);
  if (!x.empty()) prod.exchange(x, P.xtype);
  for (int i = 0; i < P.queues; ++i) {
    auto k = std::make_unique<Consumer>();
    k->queue = name("q");
    k->c.open(url);
    k->c.declare(k->queue, P.durable);
    if (P.xtype == "fanout") k->c.bind(k->queue, x, "");
    cons.push_back(std::move(k));
  }
  for (int i = 0; i < P.bindings; ++i) prod.bind(cons[size_t(i % P.queues)]->queue, x, topic_pattern(i));
  for (auto &k : cons) {
    if (P.prefetch) k->c.qos(P.prefetch);
    k->c.consume(k->queue, !P.manual_ack);
    set_nonblock(k->c.fd, true);
  }
  Confirms cf;
  if (P.confirm_window) prod.confirm_select();
  set_nonblock(prod.fd, true);

  std::vector<std::string> tmpl; // one a routing key
  std::vector<size_t> body_at;
  int keys = P.bindings ? P.bindings : 1;
  for (int i = 0; i < keys; ++i) {
    std::string rk = P.bindings ? topic_key(i) : P.xtype == "fanout" ? "" : cons[0]->queue;
    tmpl.push_back(publish_frames(x, rk, P.body, P.persistent, prod.frame_max));
    body_at.push_back(tmpl.back().size() - 1 - P.body);
  }
  uint64_t fan = P.xtype == "fanout" ? uint64_t(P.queues) : 1;

  Hist lat;
  uint64_t sent = 0, got = 0, last_progress = 0, pub_end = 0;
  Meter meter(broker);
  uint64_t t0 = now_ns(), deadline = t0 + uint64_t(run_secs * 1e9);
  std::vector<pollfd> pf(1 + cons.size());
  bool stop = false;
  uint64_t t = t0;
  last_progress = t0;
  for (;;) {
    t = now_ns();
    if (!stop && (t >= deadline || sent >= P.max_msgs)) {
      stop = true;
      pub_end = t;
    }
    uint64_t allow = 0;
    if (!stop && !prod.pending()) {
      allow = P.max_msgs - sent;
      if (P.confirm_window) allow = std::min(allow, P.confirm_window - std::min(P.confirm_window, cf.out()));
      if (P.inflight) {
        uint64_t fly = sent - std::min(sent, got / fan);
        allow = std::min(allow, P.inflight - std::min(P.inflight, fly));
      }
      if (P.rate > 0) {
        uint64_t due = uint64_t(double(t - t0) / 1e9 * P.rate) + 1;
        allow = std::min(allow, due - std::min(due, sent));
      }
    }
    if (allow) {
      size_t budget = std::max<size_t>(P.batch_bytes, 1);
      while (allow && prod.out.size() < budget) {
        size_t k = size_t(sent) % tmpl.size();
        size_t o = prod.out.size();
        prod.out += tmpl[k];
        ++sent;
        if (P.body >= 16) {
          wr64(&prod.out[o + body_at[k]], sent);
          wr64(&prod.out[o + body_at[k] + 8], t);
        }
        if (P.confirm_window) cf.publish(t);
        --allow;
      }
      prod.flush_some();
    }
    bool more = !stop && !prod.pending() && allow > 0;
    pf[0] = {prod.fd, short(POLLIN | (prod.pending() ? POLLOUT : 0)), 0};
    for (size_t i = 0; i < cons.size(); ++i) pf[i + 1] = {cons[i]->c.fd, short(POLLIN | (cons[i]->c.pending() ? POLLOUT : 0)), 0};
    timespec ts{0, 100000000};
    if (more || (!stop && !prod.pending() && !P.confirm_window && !P.inflight && P.rate <= 0)) ts.tv_nsec = 0;
    else if (P.rate > 0 && !stop) {
      uint64_t next = t0 + uint64_t(double(sent) / P.rate * 1e9), n = now_ns();
      ts.tv_nsec = next > n ? long(std::min<uint64_t>(next - n, 100000000)) : 0;
    }
    int ready = ppoll(pf.data(), nfds_t(pf.size()), &ts, nullptr);
    if (ready > 0) {
      t = now_ns();
      uint64_t before = got;
      if (pf[0].revents & (POLLIN | POLLHUP | POLLERR)) {
        prod.fill();
        cf.frames(prod);
      }
      if (pf[0].revents & POLLOUT) prod.flush_some();
      got = 0;
      for (size_t i = 0; i < cons.size(); ++i) {
        auto &k = *cons[i];
        if (pf[i + 1].revents & (POLLIN | POLLHUP | POLLERR)) {
          k.c.fill();
          k.frames(P.manual_ack, &lat, t);
        }
        if (k.c.pending()) k.c.flush_some();
        got += k.got;
      }
      if (got != before) last_progress = t;
    }
    if (stop && !prod.pending() && got >= sent * fan && cf.out() == 0) break;
    if (now_ns() - last_progress > 30000000000ull) {
      fprintf(stderr, "LOST: sent %lu x %lu, got %lu, unconfirmed %lu\n", sent, fan, got, cf.out());
      break;
    }
  }
  uint64_t t1 = std::max(last_progress, t0 + 1);
  if (P.confirm_window) t1 = now_ns();
  for (auto &k : cons) k->c.send_all("");
  sleep_ms(200); // let the broker finish the work these messages caused
  Row r;
  meter.into(r, double(sent));
  double s = double(t1 - t0) / 1e9;
  r["msgs_s"] = double(got) / double(fan) / s;
  r["pub_s"] = double(sent) / (double(pub_end - t0) / 1e9);
  if (fan > 1) r["deliveries_s"] = double(got) / s;
  if (fan > 1) r["cpu_us_per_delivery"] = r["cpu_us"] * double(sent) / double(got);
  r["broker_cores"] = r["cpu_us"] * double(sent) / 1e6 / s;
  r["p50"] = lat.us(0.5);
  r["p99"] = lat.us(0.99);
  if (P.confirm_window) {
    r["c50"] = cf.lat.us(0.5);
    r["c99"] = cf.lat.us(0.99);
    if (cf.nacks) r["NACKS"] = double(cf.nacks);
  }
  r["sent"] = double(sent);
  uint64_t dis = 0, red = 0;
  for (auto &k : cons) dis += k->disorder, red += k->redelivered;
  if (dis) r["OUT_OF_ORDER"] = double(dis);
  if (red) r["REDELIVERED"] = double(red);
  if (got != sent * fan) r["LOST"] = double(sent * fan) - double(got);
  for (auto &k : cons) {
    set_nonblock(k->c.fd, false);
    k->c.del_queue(k->queue);
    k->c.shut();
  }
  set_nonblock(prod.fd, false);
  if (!x.empty()) prod.del_exchange(x);
  prod.shut();
  return r;
}

// ---- S1p: publishing alone, then consuming alone ------------------------------------
// Transient 16 B, no confirms; the declare-ok behind the last publish on the same
// channel says that the broker has taken them all.
void scenario_alone(uint64_t n) {
  std::vector<Row> pub, con;
  for (int i = 0; i < runs; ++i) {
    BenchLock l;
    std::string q = name("alone");
    Conn c;
    c.open(url);
    c.declare(q, false);
    std::string t = publish_frames("", q, 16, false, c.frame_max), batch;
    while (batch.size() < 65536) batch += t;
    uint64_t per = batch.size() / t.size();
    {
      Meter m(broker);
      uint64_t t0 = now_ns();
      for (uint64_t k = 0; k < n; k += per) c.send_all(batch);
      uint64_t total = (n + per - 1) / per * per, have = c.declare(q, false, false, true).second;
      double s = double(now_ns() - t0) / 1e9;
      sleep_ms(200);
      Row r;
      m.into(r, double(total));
      r["msgs_s"] = double(total) / s;
      if (have != total) r["count_differs"] = double(have) - double(total);
      pub.push_back(r);
      dump("S1p publish", i, r);
      n = total;
    }
    Consumer k;
    k.c.open(url);
    Meter m(broker);
    uint64_t t0 = now_ns();
    k.c.consume(q, true);
    k.frames(false, nullptr, 0);
    while (k.got < n) {
      k.c.fill();
      k.frames(false, nullptr, 0);
    }
    double s = double(now_ns() - t0) / 1e9;
    sleep_ms(200);
    Row r;
    m.into(r, double(n));
    r["msgs_s"] = double(n) / s;
    con.push_back(r);
    dump("S1p consume", i, r);
    k.c.shut();
    c.del_queue(q);
    c.shut();
  }
  table_row("S1p transient 16 B, publish only", median(pub));
  table_row("S1p same queue, consume only, auto-ack", median(con));
}

// ---- S4: sequential request and reply -------------------------------------------------
Row rpc_run(double run_secs, bool direct, bool spin) {
  Conn cl, sv;
  cl.open(url);
  sv.open(url);
  std::string q = name("rpc");
  sv.declare(q, false);
  sv.consume(q, true);
  std::string rq = "amq.rabbitmq.reply-to";
  if (!direct) rq = cl.declare("", false, true, false, true).first;
  cl.consume(rq, true);
  set_nonblock(cl.fd, true);
  set_nonblock(sv.fd, true);
  // Reads one delivery; returns reply_to and correlation_id of its header.
  auto get = [&](Conn &c, std::string &corr, std::string &reply) {
    uint64_t left = 1;
    for (;;) {
      FrameView f;
      while (!c.parse(f)) {
        if (!spin) {
          pollfd p{c.fd, POLLIN, 0};
          if (poll(&p, 1, 30000) == 0) throw std::runtime_error("rpc timeout");
        }
        c.fill();
      }
      if (f.type == 1 && rd32(f.p) != id(60, 60)) Conn::complain(f);
      if (f.type == 2) {
        left = rd64(f.p + 4);
        unsigned flags = unsigned(f.p[12] << 8 | f.p[13]);
        const uint8_t *p = f.p + 14;
        if (flags & 0x1000) ++p;
        if (flags & 0x0400) {
          corr.assign(reinterpret_cast<const char *>(p + 1), *p);
          p += 1 + *p;
        }
        if (flags & 0x0200) reply.assign(reinterpret_cast<const char *>(p + 1), *p);
      }
      if (f.type == 3) {
        left -= f.n;
        if (!left) return;
      }
    }
  };
  auto once = [&](uint64_t n) {
    std::string corr, reply;
    cl.send_all(publish_frames("", q, 16, false, cl.frame_max, std::to_string(n), rq));
    get(sv, corr, reply);
    sv.send_all(publish_frames("", reply, 16, false, sv.frame_max, corr));
    std::string back, none;
    get(cl, back, none);
    if (back != std::to_string(n)) throw std::runtime_error("wrong correlation id");
  };
  for (uint64_t i = 0; i < 500; ++i) once(i);
  Hist h;
  Meter meter(broker);
  uint64_t t0 = now_ns(), end = t0 + uint64_t(run_secs * 1e9), n = 0;
  for (uint64_t a = t0; a < end; ++n) {
    once(1000 + n);
    uint64_t b = now_ns();
    h.add(b - a);
    a = b;
  }
  double s = double(now_ns() - t0) / 1e9;
  Row r;
  r["msgs_s"] = double(n) / s;
  meter.into(r, double(n));
  r["p50"] = h.us(0.5);
  r["p99"] = h.us(0.99);
  r["p999"] = h.us(0.999);
  set_nonblock(sv.fd, false);
  set_nonblock(cl.fd, false);
  sv.del_queue(q);
  sv.shut();
  cl.shut();
  return r;
}

// ---- S7: backlog, drain, restart ------------------------------------------------------
double du_mib(const std::string &dir) {
  if (dir.empty()) return -1;
  FILE *p = popen(("du -sm '" + dir + "' 2>/dev/null").c_str(), "r");
  double v = -1;
  if (p) {
    if (fscanf(p, "%lf", &v) != 1) v = -1;
    pclose(p);
  }
  return v;
}
// Publishes n messages with confirms, no consumer.
Row backlog_publish(const std::string &q, uint64_t n, size_t body, uint64_t window) {
  Conn c;
  c.open(url);
  c.declare(q, true);
  c.confirm_select();
  set_nonblock(c.fd, true);
  Confirms cf;
  std::string t = publish_frames("", q, body, true, c.frame_max);
  size_t at = t.size() - 1 - body;
  Meter meter(broker);
  uint64_t t0 = now_ns(), sent = 0;
  while (sent < n || cf.out()) {
    uint64_t allow = c.pending() ? 0 : std::min(n - sent, window - std::min(window, cf.out()));
    if (allow) {
      uint64_t ts = now_ns();
      for (; allow && c.out.size() < 65536; --allow) {
        size_t o = c.out.size();
        c.out += t;
        ++sent;
        wr64(&c.out[o + at], sent);
        wr64(&c.out[o + at + 8], ts);
        cf.publish(ts);
      }
      c.flush_some();
    }
    bool more = allow && !c.pending();
    pollfd p{c.fd, short(POLLIN | (c.pending() ? POLLOUT : 0)), 0};
    int k = poll(&p, 1, more ? 0 : 30000);
    if (k == 0 && !more) throw std::runtime_error("no confirm for 30 s");
    if (p.revents & POLLOUT) c.flush_some();
    if (p.revents & (POLLIN | POLLHUP | POLLERR)) {
      c.fill();
      cf.frames(c);
    }
  }
  double s = double(now_ns() - t0) / 1e9;
  Row r;
  r["msgs_s"] = double(n) / s;
  sleep_ms(200);
  meter.into(r, double(n));
  r["c50"] = cf.lat.us(0.5);
  r["c99"] = cf.lat.us(0.99);
  if (cf.nacks) r["NACKS"] = double(cf.nacks);
  set_nonblock(c.fd, false);
  c.shut();
  return r;
}
// Consumes at least n messages with manual ack; got says how many it acked.
Row drain(const std::string &q, uint64_t n, unsigned prefetch, uint64_t &got, double *first_ms = nullptr) {
  Consumer k;
  k.c.open(url);
  k.c.qos(prefetch);
  Meter meter(broker);
  uint64_t t0 = now_ns(), tf = 0;
  k.c.consume(q, false);
  set_nonblock(k.c.fd, true);
  auto take = [&] {
    k.frames(true, nullptr, 0);
    if (!tf && k.got) tf = now_ns();
  };
  take();
  while (k.got < n) {
    if (k.c.pending()) k.c.flush_some();
    pollfd p{k.c.fd, short(POLLIN | (k.c.pending() ? POLLOUT : 0)), 0};
    if (poll(&p, 1, 10000) == 0) {
      fprintf(stderr, "drain stalled at %lu of %lu\n", k.got, n);
      break;
    }
    if (p.revents & (POLLIN | POLLHUP | POLLERR)) {
      k.c.fill();
      take();
    }
  }
  k.c.send_all("");
  double s = double(now_ns() - t0) / 1e9;
  Row r;
  r["msgs_s"] = double(k.got) / s;
  sleep_ms(200);
  meter.into(r, double(k.got ? k.got : 1));
  if (k.disorder) r["OUT_OF_ORDER"] = double(k.disorder);
  if (k.redelivered) r["REDELIVERED"] = double(k.redelivered);
  if (k.got < n) r["LOST"] = double(n - k.got);
  got = k.got;
  if (first_ms && tf) *first_ms = double(tf - t0) / 1e6;
  set_nonblock(k.c.fd, false);
  try {
    k.c.shut();
  } catch (std::exception &) {
  } // prefetched deliveries may be in flight
  return r;
}
double wait_ready(double limit_s) { // until connection.open-ok, seconds
  uint64_t t0 = now_ns();
  for (;;) {
    try {
      Conn c;
      if (c.open(url, true)) {
        double s = double(now_ns() - t0) / 1e9;
        c.shut();
        return s;
      }
    } catch (std::exception &) {
    }
    if (double(now_ns() - t0) / 1e9 > limit_s) throw std::runtime_error("broker does not come up");
    sleep_ms(2);
  }
}
void scenario_backlog(uint64_t n) {
  std::vector<Row> pub, dr, rest;
  for (int i = 0; i < runs; ++i) {
    std::string q = name("backlog");
    double rss0 = tree_mib(broker, "VmRSS"), du0 = du_mib(data_dir);
    {
      BenchLock l;
      pub.push_back(backlog_publish(q, n, 100, 5000));
    }
    sleep_ms(2000);
    pub.back()["rss_before"] = rss0;
    pub.back()["rss_after"] = tree_mib(broker, "VmRSS");
    pub.back()["rss_anon_after"] = tree_mib(broker, "RssAnon");
    if (!data_dir.empty()) pub.back()["disk_mib"] = du_mib(data_dir) - du0;
    dump("S7 publish", i, pub.back());
    uint64_t gone = 0;
    {
      BenchLock l;
      dr.push_back(drain(q, n / 2, 1000, gone));
    }
    dump("S7 drain", i, dr.back());
    sleep_ms(1000);
    Row r;
    uint64_t have = 0, left = n - gone, again = 0;
    if (!start_cmd.empty()) {
      BenchLock l;
      r["stop_s"] = stop_broker(broker);
      uint64_t t0 = now_ns();
      broker = spawn_broker(start_cmd, log_file);
      r["start_s"] = wait_ready(300);
      Conn c;
      c.open(url);
      uint64_t tw = now_ns();
      do {
        have = c.declare(q, true, false, true).second;
        if (have >= left) break;
        sleep_ms(5);
      } while (now_ns() - tw < 20000000000ull);
      r["all_ready_s"] = double(now_ns() - t0) / 1e9;
      r["rss"] = tree_mib(broker, "VmRSS");
      r["rss_anon"] = tree_mib(broker, "RssAnon");
      double ms = 0;
      Row d = drain(q, have ? have : left, 1000, again, &ms);
      r["first_msg_ms"] = ms;
      r["msgs_s"] = d["msgs_s"];
      r["cpu_us"] = d["cpu_us"];
      if (again < left) r["LOST"] = double(left - again);
      if (have != left) r["count_differs"] = double(have) - double(left);
      dump("S7 restart", i, r);
      rest.push_back(r);
      c.shut();
    }
    Conn c;
    c.open(url);
    c.del_queue(q);
    c.shut();
    sleep_ms(500);
  }
  std::string m = num(double(n) / 1e6) + " M x 100 B persistent";
  table_row("S7 backlog publish " + m + ", confirms window 5000", median(pub));
  table_row("S7 drain half, ack, prefetch 1000", median(dr));
  if (!rest.empty()) table_row("S7 restart with " + num(double(n / 2) / 1e6) + " M queued, then drain", median(rest));
}

// ---- S8: idle connections and churn -----------------------------------------------------
void scenario_conns() {
  std::vector<Row> idle, churn1, churn4;
  for (int i = 0; i < runs; ++i) {
    BenchLock l;
    Row r;
    if (!start_cmd.empty()) { // a heap grown by earlier work would hide the cost
      stop_broker(broker);
      broker = spawn_broker(start_cmd, log_file);
      wait_ready(300);
      sleep_ms(1000);
    }
    double a = tree_mib(broker, "VmRSS"), aa = tree_mib(broker, "RssAnon"), cpu0 = tree_cpu_us(broker);
    std::vector<std::unique_ptr<Conn>> cs;
    uint64_t t0 = now_ns();
    for (int k = 0; k < 1000; ++k) {
      cs.push_back(std::make_unique<Conn>());
      cs.back()->in.resize(1 << 16);
      cs.back()->open(url);
    }
    r["opens_s"] = 1000.0 / (double(now_ns() - t0) / 1e9);
    r["open_cpu_us"] = (tree_cpu_us(broker) - cpu0) / 1000;
    sleep_ms(1500);
    r["rss_kib_per_conn"] = (tree_mib(broker, "VmRSS") - a) * 1024 / 1000;
    r["anon_kib_per_conn"] = (tree_mib(broker, "RssAnon") - aa) * 1024 / 1000;
    r["rss_before_mib"] = a;
    double ci = tree_cpu_us(broker);
    sleep_ms(2000);
    r["idle_cpu_pct_1000_conns"] = (tree_cpu_us(broker) - ci) / 2e6 * 100;
    for (auto &c : cs) c->shut();
    sleep_ms(1000);
    dump("S8 idle", i, r);
    idle.push_back(r);
  }
  for (int threads : {1, 4})
    for (int i = 0; i < runs; ++i) {
      BenchLock l;
      std::vector<std::thread> ts;
      std::vector<uint64_t> n(size_t(threads), 0);
      Hist h;
      Meter meter(broker);
      uint64_t t0 = now_ns(), end = t0 + uint64_t(3e9);
      for (int k = 0; k < threads; ++k)
        ts.emplace_back([&, k] {
          while (now_ns() < end) {
            uint64_t a = now_ns();
            Conn c;
            c.in.resize(1 << 16);
            c.open(url);
            c.shut();
            ++n[size_t(k)];
            if (threads == 1) h.add(now_ns() - a);
          }
        });
      for (auto &x : ts) x.join();
      double s = double(now_ns() - t0) / 1e9, all = 0;
      for (auto v : n) all += double(v);
      Row r;
      r["msgs_s"] = all / s;
      meter.into(r, all);
      r["p50"] = h.us(0.5);
      r["p99"] = h.us(0.99);
      dump("S8 churn " + std::to_string(threads), i, r);
      (threads == 1 ? churn1 : churn4).push_back(r);
      sleep_ms(500);
    }
  table_row("S8 1000 idle connections, 1 channel each", median(idle));
  table_row("S8 connection churn, 1 at a time (msgs = connections)", median(churn1));
  table_row("S8 connection churn, 4 at a time", median(churn4));
}

// ---- S9: start -----------------------------------------------------------------------------
void scenario_start() {
  if (start_cmd.empty()) return;
  std::vector<Row> v;
  for (int i = 0; i < runs; ++i) {
    Row r;
    BenchLock l;
    r["stop_s"] = stop_broker(broker);
    broker = spawn_broker(start_cmd, log_file);
    r["start_s"] = wait_ready(300);
    r["start_cpu_s"] = tree_cpu_us(broker) / 1e6;
    sleep_ms(3000);
    r["rss_idle_mib"] = tree_mib(broker, "VmRSS");
    r["anon_idle_mib"] = tree_mib(broker, "RssAnon");
    double c = tree_cpu_us(broker);
    sleep_ms(3000);
    r["idle_cpu_pct"] = (tree_cpu_us(broker) - c) / 3e6 * 100;
    r["threads"] = 0;
    for (auto &p : tree(broker)) r["threads"] += status_kib(p.pid, "Threads");
    dump("S9", i, r);
    v.push_back(r);
  }
  table_row("S9 start to open-ok (warm page cache), idle", median(v));
}

void pipe_scenario(const std::string &label, const Pipe &p) {
  std::vector<Row> v;
  {
    BenchLock l;
    Pipe w = p;
    w.max_msgs = std::min<uint64_t>(p.max_msgs, 50000);
    pipe_run(w, 0.3); // warm-up, not counted
  }
  for (int i = 0; i < runs; ++i) {
    BenchLock l;
    v.push_back(pipe_run(p, secs));
    dump(label, i, v.back());
  }
  table_row(label, median(v));
}

} // namespace

int main(int argc, char **argv) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  own_priority();
  signal(SIGPIPE, SIG_IGN);
  std::string which = "all";
  uint64_t backlog = 2000000, limit = 3000000;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string k = argv[i], v = argv[i + 1];
    if (k == "--url") url = parse_url(v);
    else if (k == "--pid") broker = atoi(v.c_str());
    else if (k == "--runs") runs = atoi(v.c_str());
    else if (k == "--secs") secs = atof(v.c_str());
    else if (k == "--only") which = v;
    else if (k == "--start") start_cmd = v;
    else if (k == "--data") data_dir = v;
    else if (k == "--log") log_file = v;
    else if (k == "--backlog") backlog = strtoull(v.c_str(), nullptr, 10);
    else if (k == "--limit") limit = strtoull(v.c_str(), nullptr, 10);
    else {
      fprintf(stderr, "unknown option %s\n", k.c_str());
      return 2;
    }
  }
  rlimit rl;
  getrlimit(RLIMIT_NOFILE, &rl);
  rl.rlim_cur = rl.rlim_max;
  setrlimit(RLIMIT_NOFILE, &rl);
  auto on = [&](const char *s) { return which == "all" || ("," + which + ",").find("," + std::string(s) + ",") != std::string::npos; };
  table_head();
  int failed = 0;
  auto guard = [&](const char *s, const std::function<void()> &f) {
    if (!on(s)) return;
    try {
      f();
    } catch (std::exception &e) {
      ++failed;
      printf("| %s | failed: %s |\n", s, e.what());
      fflush(stdout);
    }
  };
  bool adopt = broker == 0 && !start_cmd.empty();
  if (adopt) {
    broker = spawn_broker(start_cmd, log_file);
    wait_ready(120);
    sleep_ms(1000);
  }
  Pipe p;
  p.max_msgs = limit;
  guard("s1", [&] { pipe_scenario("S1 transient 16 B, auto-ack, unbounded", p); });
  Pipe b = p;
  b.inflight = 10000;
  guard("s1b", [&] { pipe_scenario("S1b same, at most 10 k in flight", b); });
  Pipe u = b;
  u.batch_bytes = 1;
  guard("s1u", [&] { pipe_scenario("S1u same as S1b, one send() a message", u); });
  Pipe l = p;
  l.rate = 10000;
  guard("s1l", [&] { pipe_scenario("S1l paced 10 k msgs/s, end-to-end latency", l); });
  guard("s1p", [&] { scenario_alone(limit); });
  Pipe s2 = p;
  s2.body = 1024;
  s2.max_msgs = limit / 3;
  s2.manual_ack = true;
  s2.prefetch = 100;
  guard("s2", [&] { pipe_scenario("S2 transient 1 KiB, ack, prefetch 100, unbounded", s2); });
  Pipe s2b = s2;
  s2b.inflight = 10000;
  guard("s2b", [&] { pipe_scenario("S2b same, at most 10 k in flight", s2b); });
  Pipe s3 = s2;
  s3.durable = s3.persistent = true;
  s3.prefetch = 200;
  s3.confirm_window = 1000;
  guard("s3", [&] { pipe_scenario("S3 persistent 1 KiB, confirms window 1000, ack, prefetch 200", s3); });
  Pipe s3o = s3;
  s3o.confirm_window = 1;
  guard("s3s", [&] { pipe_scenario("S3s same, confirms window 1 (sequential)", s3o); });
  auto rpc = [&](const std::string &label, bool direct, bool spin) {
    std::vector<Row> v;
    for (int i = 0; i < runs; ++i) {
      BenchLock lk;
      v.push_back(rpc_run(std::min(secs, 4.0), direct, spin));
      dump(label, i, v.back());
    }
    table_row(label, median(v));
  };
  guard("s4", [&] { rpc("S4 RPC round trip, reply queue", false, false); });
  guard("s4d", [&] { rpc("S4d RPC round trip, direct reply-to", true, false); });
  guard("s4s", [&] { rpc("S4s RPC, reply queue, client busy-polls", false, true); });
  Pipe s5 = p;
  s5.xtype = "fanout";
  s5.queues = 10;
  s5.max_msgs = limit / 6;
  guard("s5", [&] { pipe_scenario("S5 fanout 1 to 10 queues, 16 B, auto-ack, unbounded", s5); });
  Pipe s5b = s5;
  s5b.inflight = 2000;
  guard("s5b", [&] { pipe_scenario("S5b same, at most 2 k in flight", s5b); });
  Pipe s6 = p;
  s6.xtype = "topic";
  s6.queues = 10;
  s6.bindings = 1000;
  s6.inflight = 10000;
  guard("s6", [&] { pipe_scenario("S6 topic, 1000 bindings over 10 queues, 16 B, 10 k in flight", s6); });
  guard("s7", [&] { scenario_backlog(backlog); });
  guard("s8", [&] { scenario_conns(); });
  guard("s9", [&] { scenario_start(); });
  if (adopt) stop_broker(broker);
  else if (!start_cmd.empty()) fprintf(stderr, "broker pid now %d\n", broker);
  return failed ? 1 : 0;
}
