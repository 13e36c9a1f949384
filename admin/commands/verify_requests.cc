// The store's side of `verify`: what the command line asks for. Nobody types these.

#include <utility>

#include "admin/command_table.h"
#include "admin/commands/verify_wire.h"
#include "admin/report.h"

namespace mailstead::admin {
namespace {

Report judged(const std::vector<Judgement>& judgements) {
  Report report;
  report.json = encode_judgements(judgements);
  return report;
}

}  // namespace

// In the server's log this stands for all that follows.
Report begin_in_folder(const Request&, CommandContext&) {
  Report report;
  report.json = "0";
  return report;
}

Report judge_suspicions(const Request& request, CommandContext& context) {
  const auto asked = decode_judge_request(request.content);
  if (!asked) return failed(asked.error());
  if (asked->suspicions.size() > kJudgedAtOnce || asked->learnt.size() > kLearntAtOnce)
    return misused("too much in one request");
  if (auto learnt = context.store.learn_hashes(asked->learnt); !learnt) return failed(learnt.error());
  std::vector<Judgement> judgements;
  for (auto& judgement : context.store.judge(asked->suspicions, asked->mend)) {
    judgements.push_back(judgement ? std::move(*judgement)
                                   : Judgement{Judgement::Verdict::kAmiss, judgement.error().message});
  }
  return judged(judgements);
}

Report mend_database(const Request&, CommandContext& context) {
  auto judgement = context.store.mend_database();
  return judgement ? judged({*judgement}) : failed(judgement.error());
}

}  // namespace mailstead::admin
