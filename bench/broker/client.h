// An AMQP 0-9-1 client on a raw socket for the benches: just enough of the
// protocol, encoded by hand, so that the generator costs little.
#pragma once
#include "common.h"

struct Url {
  std::string host = "127.0.0.1", user = "guest", pass = "guest", vhost = "/";
  int port = 5672;
};
inline Url parse_url(std::string u) {
  Url r;
  if (u.rfind("amqp://", 0) == 0) u = u.substr(7);
  if (auto at = u.rfind('@'); at != std::string::npos) {
    std::string c = u.substr(0, at);
    u = u.substr(at + 1);
    auto k = c.find(':');
    r.user = c.substr(0, k);
    r.pass = k == std::string::npos ? "" : c.substr(k + 1);
  }
  if (auto sl = u.find('/'); sl != std::string::npos) {
    std::string v = u.substr(sl + 1);
    u = u.substr(0, sl);
    r.vhost = v.empty() || v == "%2f" || v == "%2F" ? "/" : v;
  }
  if (auto k = u.find(':'); k != std::string::npos) {
    r.port = atoi(u.c_str() + k + 1);
    u = u.substr(0, k);
  }
  if (!u.empty()) r.host = u;
  return r;
}

// ---- encoding -----------------------------------------------------------------
struct W {
  std::string s;
  W &u8(unsigned v) { s.push_back(char(v)); return *this; }
  W &u16(unsigned v) { return u8(v >> 8).u8(v); }
  W &u32(uint32_t v) { return u16(v >> 16).u16(v & 0xffff); }
  W &u64(uint64_t v) { return u32(uint32_t(v >> 32)).u32(uint32_t(v)); }
  W &ss(const std::string &x) { u8(unsigned(x.size())); s += x; return *this; }
  W &ls(const std::string &x) { u32(uint32_t(x.size())); s += x; return *this; }
};
inline std::string frame(int type, int ch, const std::string &p) {
  W w;
  w.u8(unsigned(type)).u16(unsigned(ch)).u32(uint32_t(p.size()));
  w.s += p;
  w.u8(0xCE);
  return w.s;
}
inline W method(unsigned c, unsigned m) {
  W w;
  w.u16(c).u16(m);
  return w;
}
inline uint32_t rd32(const uint8_t *p) { return uint32_t(p[0]) << 24 | uint32_t(p[1]) << 16 | uint32_t(p[2]) << 8 | p[3]; }
inline uint64_t rd64(const uint8_t *p) { return uint64_t(rd32(p)) << 32 | rd32(p + 4); }
inline void wr64(char *p, uint64_t v) {
  for (int i = 7; i >= 0; --i, v >>= 8) p[i] = char(v);
}
constexpr uint32_t id(unsigned c, unsigned m) { return c << 16 | m; }

struct FrameView {
  uint8_t type = 0;
  uint16_t ch = 0;
  const uint8_t *p = nullptr;
  uint32_t n = 0;
};

struct Conn {
  int fd = -1;
  std::vector<uint8_t> in = std::vector<uint8_t>(1 << 18);
  size_t r = 0, w = 0;
  std::string out;
  size_t wo = 0;
  uint32_t frame_max = 131072;
  uint64_t skip_ack = 0;

  Conn() = default;
  Conn(const Conn &) = delete;
  Conn &operator=(const Conn &) = delete;
  ~Conn() {
    if (fd >= 0) close(fd);
  }

  bool parse(FrameView &f) {
    if (w - r < 8) return false;
    const uint8_t *p = in.data() + r;
    uint32_t n = rd32(p + 3);
    if (w - r < size_t(n) + 8) return false;
    f.type = p[0];
    f.ch = uint16_t(p[1] << 8 | p[2]);
    f.p = p + 7;
    f.n = n;
    if (p[7 + n] != 0xCE) throw std::runtime_error("frame end octet missing");
    r += size_t(n) + 8;
    return true;
  }
  // One recv; false at EAGAIN. Throws at end of stream.
  bool fill() {
    if (r == w) r = w = 0;
    if (in.size() - w < 65536) {
      if (r > 0) {
        memmove(in.data(), in.data() + r, w - r);
        w -= r;
        r = 0;
      }
      if (in.size() - w < 65536) in.resize(in.size() * 2);
    }
    ssize_t n = recv(fd, in.data() + w, in.size() - w, 0);
    if (n > 0) {
      w += size_t(n);
      return true;
    }
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    throw std::runtime_error("peer closed the connection");
  }
  bool pending() const { return wo < out.size(); }
  void flush_some() {
    while (wo < out.size()) {
      ssize_t n = send(fd, out.data() + wo, out.size() - wo, MSG_NOSIGNAL);
      if (n > 0) {
        wo += size_t(n);
        continue;
      }
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      throw std::runtime_error("send failed");
    }
    out.clear();
    wo = 0;
  }
  void send_all(const std::string &s) {
    out += s;
    while (pending()) {
      flush_some();
      if (pending()) {
        pollfd p{fd, POLLOUT, 0};
        poll(&p, 1, -1);
      }
    }
  }
  FrameView next(int timeout_ms = 30000) {
    FrameView f;
    while (!parse(f)) {
      pollfd p{fd, POLLIN, 0};
      if (poll(&p, 1, timeout_ms) == 0) throw std::runtime_error("timeout waiting for the broker");
      fill();
    }
    return f;
  }
  static void complain(const FrameView &f) {
    uint32_t m = rd32(f.p);
    if (m == id(10, 50) || m == id(20, 40)) {
      unsigned code = unsigned(f.p[4] << 8 | f.p[5]);
      throw std::runtime_error("broker closed: " + std::to_string(code) + " " +
                               std::string(reinterpret_cast<const char *>(f.p + 7), f.p[6]));
    }
  }
  std::string expect(uint32_t want) {
    for (;;) {
      FrameView f = next();
      if (f.type != 1) continue;
      uint32_t m = rd32(f.p);
      if (m == want) return std::string(reinterpret_cast<const char *>(f.p) + 4, f.n - 4);
      complain(f);
    }
  }
  bool open(const Url &u, bool quiet = false, bool channel = true) {
    fd = tcp_connect(u.host, u.port, quiet);
    if (fd < 0) return false;
    send_all(std::string("AMQP\0\0\x09\x01", 8));
    expect(id(10, 10));
    W caps, props;
    caps.ss("publisher_confirms").u8('t').u8(1);
    caps.ss("basic.nack").u8('t').u8(1);
    props.ss("product").u8('S').ls("baton-load");
    props.ss("capabilities").u8('F').ls(caps.s);
    send_all(frame(1, 0, method(10, 11).ls(props.s).ss("PLAIN").ls(std::string(1, '\0') + u.user + std::string(1, '\0') + u.pass).ss("en_US").s));
    std::string t = expect(id(10, 30));
    auto *p = reinterpret_cast<const uint8_t *>(t.data());
    unsigned chmax = unsigned(p[0] << 8 | p[1]);
    uint32_t fm = rd32(p + 2);
    frame_max = fm ? std::min<uint32_t>(fm, 131072) : 131072;
    send_all(frame(1, 0, method(10, 31).u16(chmax).u32(frame_max).u16(0).s) + frame(1, 0, method(10, 40).ss(u.vhost).ss("").u8(0).s));
    expect(id(10, 41));
    if (channel) {
      send_all(frame(1, 1, method(20, 10).ss("").s));
      expect(id(20, 11));
    }
    return true;
  }
  void shut() {
    send_all(frame(1, 0, method(10, 50).u16(200).ss("bye").u16(0).u16(0).s));
    expect(id(10, 51));
    close(fd);
    fd = -1;
  }
  // Returns {queue name, message count}
  std::pair<std::string, uint32_t> declare(const std::string &q, bool durable, bool exclusive = false, bool passive = false, bool autodel = false) {
    send_all(frame(1, 1, method(50, 10).u16(0).ss(q).u8((passive ? 1u : 0u) | (durable ? 2u : 0u) | (exclusive ? 4u : 0u) | (autodel ? 8u : 0u)).u32(0).s));
    std::string t = expect(id(50, 11));
    size_t n = uint8_t(t[0]);
    return {t.substr(1, n), rd32(reinterpret_cast<const uint8_t *>(t.data()) + 1 + n)};
  }
  void del_queue(const std::string &q) {
    send_all(frame(1, 1, method(50, 40).u16(0).ss(q).u8(0).s));
    expect(id(50, 41));
  }
  void exchange(const std::string &x, const std::string &type) {
    send_all(frame(1, 1, method(40, 10).u16(0).ss(x).ss(type).u8(0).u32(0).s));
    expect(id(40, 11));
  }
  void del_exchange(const std::string &x) {
    send_all(frame(1, 1, method(40, 20).u16(0).ss(x).u8(0).s));
    expect(id(40, 21));
  }
  void bind(const std::string &q, const std::string &x, const std::string &rk) {
    send_all(frame(1, 1, method(50, 20).u16(0).ss(q).ss(x).ss(rk).u8(0).u32(0).s));
    expect(id(50, 21));
  }
  void qos(unsigned n) {
    send_all(frame(1, 1, method(60, 10).u32(0).u16(n).u8(0).s));
    expect(id(60, 11));
  }
  void confirm_select() {
    send_all(frame(1, 1, method(85, 10).u8(0).s));
    expect(id(85, 11));
  }
  void consume(const std::string &q, bool no_ack) {
    send_all(frame(1, 1, method(60, 20).u16(0).ss(q).ss("c").u8(no_ack ? 2 : 0).u32(0).s));
    expect(id(60, 21));
  }
};

inline std::string publish_frames(const std::string &x, const std::string &rk, size_t body, bool persistent, uint32_t frame_max,
                           const std::string &corr = "", const std::string &reply = "") {
  std::string s = frame(1, 1, method(60, 40).u16(0).ss(x).ss(rk).u8(0).s);
  W h;
  unsigned flags = 0x1000u | (corr.empty() ? 0u : 0x0400u) | (reply.empty() ? 0u : 0x0200u);
  h.u16(60).u16(0).u64(body).u16(flags).u8(persistent ? 2 : 1);
  if (!corr.empty()) h.ss(corr);
  if (!reply.empty()) h.ss(reply);
  s += frame(2, 1, h.s);
  if (body + 8 > frame_max) throw std::runtime_error("body larger than one frame");
  s += frame(3, 1, std::string(body, 'x'));
  return s;
}
