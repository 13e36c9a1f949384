// A control socket with one thread behind it: reads a line, writes what `answer` makes of it, closes.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>

namespace mailstead::admin_test {

class StubServer {
 public:
  using Answer = std::function<std::string(const std::string& line)>;

  // Without an answer it closes each connection at once, unread.
  StubServer(const std::string& data, Answer answer);
  StubServer(const StubServer&) = delete;
  StubServer& operator=(const StubServer&) = delete;
  // Leaves the socket file behind, as a killed server does.
  ~StubServer();

 private:
  void run();

  Answer answer_;
  int listener_ = -1;
  std::atomic<bool> accepting_ = false;
  std::thread thread_;
};

}  // namespace mailstead::admin_test
