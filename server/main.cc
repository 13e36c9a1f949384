// The program: the command line, and `serve` behind it.
#include <cstdio>
#include <utility>

#include "admin/cli.h"
#include "server/log.h"
#include "server/net/network.h"
#include "server/outside.h"
#include "server/server.h"

namespace mailstead {
namespace {

int serve(const ServeRequest& request) {
  Log log(request.config.log.level, request.config.log.format);
  Server server(request, log);
  const Result<void> served = server.run();
  if (served.has_value()) return 0;
  // For a person, not for the log: one line, without time and level.
  std::fprintf(stderr, "mailstead: %s\n", served.error().message.c_str());
  return 1;
}

}  // namespace
}  // namespace mailstead

int main(int argc, char** argv) {
  return mailstead::run_cli(argc, argv, {mailstead::serve, mailstead::go_outside});
}
