#include "bench/flush_time.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "bench/give_up.h"

namespace mailstead::bench {

std::vector<float> flush_times(const std::string& folder, std::size_t count, std::size_t size, double pause) {
  const std::string path = folder + "/flush-time";
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) give_up(path + ": " + std::strerror(errno));
  const std::string octets(size, 'x');
  std::vector<float> times;
  for (std::size_t i = 0; i < count; ++i) {
    std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(pause));
    const auto begin = std::chrono::steady_clock::now();
    if (::write(fd, octets.data(), size) != static_cast<ssize_t>(size) || ::fdatasync(fd) != 0)
      give_up(path + ": " + std::strerror(errno));
    times.push_back(
        std::chrono::duration<float, std::milli>(std::chrono::steady_clock::now() - begin).count());
  }
  ::close(fd);
  ::unlink(path.c_str());
  return times;
}

}  // namespace mailstead::bench
