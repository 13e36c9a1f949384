#include "server/http/http_driver.h"

#include <memory>
#include <utility>

namespace mailstead {

Answered HttpDriver::answer_ask() {
  enum class Answering { kAtOnce, kLater, kDone };
  const auto state = std::make_shared<Answering>(Answering::kAtOnce);
  const auto self = std::static_pointer_cast<HttpDriver>(shared_from_this());
  pages_.answer(session_.request(), site_, peer_, [self, state](const HttpReply& reply) {
    self->session_.answer(reply);
    if (std::exchange(*state, Answering::kDone) == Answering::kLater) self->resume();
  });
  if (*state == Answering::kDone) return Answered::kNow;
  *state = Answering::kLater;
  return Answered::kLater;
}

}  // namespace mailstead
