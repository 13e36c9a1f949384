#include "admin/outside.h"

#include <utility>

namespace mailstead::admin {

LookUp look_up_by(GoOutside go_outside, std::chrono::milliseconds patience) {
  return [go = std::move(go_outside), patience](const std::vector<ListenAddress>& servers,
                                                const std::vector<DnsQuestion>& questions) {
    std::vector<dns::Answer> answers(questions.size());
    go({servers, patience, {}, {}}, [&](Outside& outside) {
      for (std::size_t i = 0; i < questions.size(); ++i)
        outside.ask(questions[i], [&answers, i](const dns::Answer& answer) { answers[i] = answer; });
    });
    return answers;
  };
}

}  // namespace mailstead::admin
