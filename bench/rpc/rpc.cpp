// Calls a worker's task again and again, one call after the other, and says how long an answer took.
//   rpc URL TASK BODY COUNT     prints "| median | 90 % | 99 % | longest |" in microseconds
#include "../broker/client.h"

#include <algorithm>

namespace {

std::string request(const std::string &queue, const std::string &reply_to, const std::string &token, const std::string &body) {
  W header;
  header.u16(60).u16(0).u64(body.size()).u16(0x8000u | 0x0400u | 0x0200u).ss("application/json").ss(token).ss(reply_to);
  return frame(1, 1, method(60, 40).u16(0).ss("").ss(queue).u8(0).s) + frame(2, 1, header.s) + frame(3, 1, body);
}

// A delivery whose body holds the first characters of what came; ends at its last frame.
std::string next_answer(Conn &c) {
  std::string body;
  for (uint64_t want = 1; body.size() < want;) {
    FrameView f = c.next();
    if (f.type == 1) Conn::complain(f);
    if (f.type == 2) want = rd64(f.p + 4);
    if (f.type == 3) body.append(reinterpret_cast<const char *>(f.p), f.n);
  }
  return body;
}

} // namespace

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: rpc URL TASK BODY COUNT\n");
    return 2;
  }
  try {
    Conn c;
    if (!c.open(parse_url(argv[1]))) return 1;
    const std::string replies = c.declare("", false, true, false, true).first;
    c.consume(replies, true);
    const std::string queue = std::string("baton.task.") + argv[2];
    const int count = atoi(argv[4]);
    std::vector<double> times;
    for (int i = 0; i < count; ++i) {
      const auto began = std::chrono::steady_clock::now();
      c.send_all(request(queue, replies, std::to_string(i), argv[3]));
      const std::string answer = next_answer(c);
      const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - began;
      if (i == 0) fprintf(stderr, "first answer: %.100s\n", answer.c_str());
      if (i >= count / 10) times.push_back(took.count()); // the first ones warm up
    }
    std::sort(times.begin(), times.end());
    const auto at = [&](double part) { return times[std::min(times.size() - 1, size_t(part * double(times.size())))]; };
    printf("%.0f | %.0f | %.0f | %.0f |\n", at(0.5), at(0.9), at(0.99), at(1));
  } catch (const std::exception &problem) {
    fprintf(stderr, "%s\n", problem.what());
    return 1;
  }
}
