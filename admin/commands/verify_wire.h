// What `verify` says to the store's side, as JSON: in Request::content and Report::json.
//
//     verify judge    content {"mend", "suspicions": [{"of", "mailbox", "row", "path"}, …],
//                              "learnt": [{"row", "size", "hash"}, …]}
//                     json [{"verdict", "text"}, …], one for each suspicion
//     verify mend     json {"verdict", "text"}: the database itself
//
// Paths and hashes are base64. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/result.h"
#include "storage/check/check.h"

namespace mailstead::admin {

inline constexpr std::size_t kJudgedAtOnce = 16;    // each may be a message that is read whole
inline constexpr std::size_t kLearntAtOnce = 1024;  // hashes

struct JudgeRequest {
  Mend mend = Mend::kNo;
  std::vector<Suspicion> suspicions;
  std::vector<LearntHash> learnt;
};

std::string encode_judge_request(const JudgeRequest& request);
Result<JudgeRequest> decode_judge_request(std::string_view json);
std::string encode_judgements(const std::vector<Judgement>& judgements);
Result<std::vector<Judgement>> decode_judgements(std::string_view json);

}  // namespace mailstead::admin
