#include "server/look_up.h"

#include <uv.h>

#include "server/resolver.h"

namespace mailstead {

std::vector<dns::Answer> look_up(const std::vector<ListenAddress>& servers,
                                 const std::vector<admin::DnsQuestion>& questions) {
  std::vector<dns::Answer> answers(questions.size());
  uv_loop_t loop;
  uv_loop_init(&loop);
  {
    Config::Resolver settings;
    settings.servers = servers;
    Resolver resolver(&loop, settings);
    std::vector<Resolver::Question> asked;
    std::size_t open = questions.size();
    for (std::size_t i = 0; i < questions.size(); ++i) {
      asked.push_back(resolver.ask(questions[i].name, questions[i].type, [&, i](const dns::Answer& answer) {
        answers[i] = answer;
        if (--open == 0) uv_stop(&loop);
      }));
    }
    if (open > 0) uv_run(&loop, UV_RUN_DEFAULT);
    resolver.stop();
    uv_run(&loop, UV_RUN_DEFAULT);
  }
  uv_loop_close(&loop);
  return answers;
}

}  // namespace mailstead
