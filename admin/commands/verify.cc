// verify: looks through the data folder beside the server (storage/check/checker.h), and has the store look
// again at what it suspects.

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <random>
#include <utility>

#include "admin/commands/verify_wire.h"
#include "admin/progress.h"
#include "admin/request.h"
#include "admin/text.h"
#include "admin/transfer/store_access.h"
#include "admin/transfer/transfer.h"
#include "admin/value.h"
#include "storage/check/checker.h"

namespace mailstead::admin {
namespace {

using Verdict = Judgement::Verdict;

constexpr std::uint64_t kSample = 10'000;  // messages that are read whole unless all are
constexpr std::size_t kMostFindingsKept = 10'000;
constexpr std::size_t kMostFindingsTold = 200;
constexpr const char* kVerdictWords[] = {"sound", "noted", "amiss", "mended"};

class Verification {
 public:
  explicit Verification(const CommandLine& line)
      : line_(line), mend_(has_flag(line.request, "repair") ? Mend::kYes : Mend::kNo) {}

  Report run();

 private:
  Result<void> check_all();
  Result<void> check_database();
  Result<void> check_mailbox(const Checker::Mailbox& mailbox, Progress& progress);
  Result<void> mend_database();
  Result<void> judge();
  Result<void> ask(const JudgeRequest& request);
  void add(const Judgement& judgement);
  void add_amiss(std::string text) { add({Verdict::kAmiss, std::move(text)}); }
  void add_noted(std::string text) { add({Verdict::kNoted, std::move(text)}); }
  std::uint64_t count_of(Verdict verdict) const { return counts_[static_cast<std::size_t>(verdict)]; }
  std::string sentences(const Result<void>& ended) const;
  Report report(const Result<void>& ended) const;

  const CommandLine& line_;
  const Mend mend_;
  std::unique_ptr<StoreAccess> store_;
  std::unique_ptr<Checker> checker_;
  Checker::Options options_;
  Checker::Found found_;
  std::size_t mailboxes_ = 0;
  std::uint64_t messages_ = 0;
  std::uint64_t queued_ = 0;
  std::vector<Judgement> findings_;
  std::uint64_t counts_[4] = {};
};

Report Verification::run() {
  Request begin;
  begin.command = "folder begin";
  begin.arguments = {mend_ == Mend::kYes ? "verify --repair" : "verify"};
  auto store = StoreAccess::open(line_, begin);
  if (!store) return failed(store.error());
  store_ = std::move(*store);
  auto checker = Checker::open(line_.data);
  if (!checker) return failed(checker.error());
  checker_ = std::move(*checker);
  const Interruption interruption;
  return report(check_all());
}

Result<void> Verification::check_all() {
  auto mailboxes = checker_->mailboxes();
  if (!mailboxes) return mailboxes.error();
  std::uint64_t messages = 0;
  for (const Checker::Mailbox& mailbox : *mailboxes) messages += mailbox.messages;
  options_.seed = std::random_device()();
  if (!has_flag(line_.request, "all")) options_.read_one_in = std::max<std::uint64_t>(1, messages / kSample);
  Progress progress("Checking", messages, speech_of(line_));
  progress.show(0, "the database");
  if (auto done = check_database(); !done) return done;
  for (const Checker::Mailbox& mailbox : *mailboxes) {
    if (auto done = check_mailbox(mailbox, progress); !done) return done;
    ++mailboxes_;
  }
  messages_ = found_.rows;
  if (auto done = checker_->check_totals(found_); !done) return done;
  if (auto done = checker_->check_queue(found_); !done) return done;
  queued_ = found_.rows - messages_;
  if (auto done = judge(); !done) return done;
  auto folders = checker_->check_folders();
  if (!folders) return folders.error();
  for (std::string& finding : *folders) add_noted(std::move(finding));
  return {};
}

Result<void> Verification::check_database() {
  auto findings = checker_->check_database();
  if (!findings) return findings.error();
  if (!findings->empty() && mend_ == Mend::kYes) {
    if (auto done = mend_database(); !done) return done;
    findings = checker_->check_database();
    if (!findings) return findings.error();
  }
  for (const std::string& finding : *findings) add_amiss("the database is damaged: " + finding);
  return {};
}

Result<void> Verification::mend_database() {
  Request request;
  request.command = "verify mend";
  auto answer = store_->ask(request);
  if (!answer) return answer.error();
  auto judgements = decode_judgements(answer->json);
  if (!judgements) return judgements.error();
  for (const Judgement& judgement : *judgements) add(judgement);
  return {};
}

Result<void> Verification::check_mailbox(const Checker::Mailbox& mailbox, Progress& progress) {
  while (true) {
    if (Interruption::happened()) return Error{ErrorKind::kUnavailable, "interrupted"};
    auto more = checker_->check_messages(mailbox, options_, found_);
    if (!more) return more.error();
    progress.show(found_.rows,
                  fmt::format("{}, {} read", counted(found_.rows, "message"), size_text(found_.octets)));
    if (auto done = judge(); !done) return done;
    if (!*more) break;
  }
  // The mailbox was removed meanwhile, or its folder is not there: that is told of by the folders.
  static_cast<void>(checker_->check_files(mailbox, found_));
  return judge();
}

// The store looks again at what is suspected, a few at a time.
Result<void> Verification::judge() {
  std::vector<Suspicion> suspicions = std::exchange(found_.suspicions, {});
  std::vector<LearntHash> learnt = std::exchange(found_.learnt, {});
  while (!suspicions.empty() || !learnt.empty()) {
    JudgeRequest request{mend_, {}, {}};
    const std::size_t judged = std::min(suspicions.size(), kJudgedAtOnce);
    const std::size_t told = std::min(learnt.size(), kLearntAtOnce);
    std::move(suspicions.end() - static_cast<std::ptrdiff_t>(judged), suspicions.end(),
              std::back_inserter(request.suspicions));
    std::move(learnt.end() - static_cast<std::ptrdiff_t>(told), learnt.end(),
              std::back_inserter(request.learnt));
    suspicions.resize(suspicions.size() - judged);
    learnt.resize(learnt.size() - told);
    if (auto done = ask(request); !done) return done;
  }
  return {};
}

Result<void> Verification::ask(const JudgeRequest& judged) {
  Request request;
  request.command = "verify judge";
  request.content = encode_judge_request(judged);
  auto answer = store_->ask(request);
  if (!answer) return answer.error();
  auto judgements = decode_judgements(answer->json);
  if (!judgements) return judgements.error();
  for (const Judgement& judgement : *judgements) add(judgement);
  return {};
}

void Verification::add(const Judgement& judgement) {
  ++counts_[static_cast<std::size_t>(judgement.verdict)];
  if (judgement.verdict != Verdict::kSound && findings_.size() < kMostFindingsKept)
    findings_.push_back(judgement);
}

std::string Verification::sentences(const Result<void>& ended) const {
  std::string text =
      fmt::format("Checked the database, {} with {} and {} in the queue; read {} whole ({}){}.\n",
                  mailboxes_ == 1 ? "1 mailbox" : fmt::format("{} mailboxes", mailboxes_),
                  counted(messages_, "message"), queued_, counted(found_.files, "message"),
                  size_text(found_.octets), options_.read_one_in > 1 ? "; --all reads all of them" : "");
  for (const auto& [verdict, title] :
       {std::pair{Verdict::kMended, "Mended"}, {Verdict::kAmiss, "Wrong"}, {Verdict::kNoted, "Noted"}}) {
    std::size_t told = 0;
    for (const Judgement& finding : findings_) {
      if (finding.verdict != verdict) continue;
      if (told++ == 0) text += fmt::format("{}:\n", title);
      if (told <= kMostFindingsTold) text += fmt::format("  {}\n", printable(finding.text));
    }
    if (count_of(verdict) > kMostFindingsTold && told > 0)
      text += fmt::format("  and {} more\n", count_of(verdict) - std::min(told, kMostFindingsTold));
  }
  if (!ended) {
    text += fmt::format("Stopped: {}.\n", printable(ended.error().message));
  } else if (count_of(Verdict::kAmiss) == 0) {
    text += findings_.empty() ? "Nothing is wrong.\n" : "Nothing else is wrong.\n";
  } else if (mend_ == Mend::kNo) {
    text += "`mailstead verify --repair` mends what can be mended; it deletes no mail.\n";
  }
  return text;
}

Report Verification::report(const Result<void>& ended) const {
  Value::Array findings;
  for (const Judgement& finding : findings_) {
    findings.push_back(Value::Object{{"verdict", kVerdictWords[static_cast<std::size_t>(finding.verdict)]},
                                     {"text", finding.text}});
  }
  Report report = done(sentences(ended), Value::Object{{"mailboxes", mailboxes_},
                                                       {"messages", messages_},
                                                       {"queued", queued_},
                                                       {"read", found_.files},
                                                       {"octets", found_.octets},
                                                       {"amiss", count_of(Verdict::kAmiss)},
                                                       {"mended", count_of(Verdict::kMended)},
                                                       {"noted", count_of(Verdict::kNoted)},
                                                       {"findings", std::move(findings)},
                                                       {"complete", ended.has_value()}});
  if (!ended) report.error = ended.error().message;
  if (ended && count_of(Verdict::kAmiss) > 0)
    report.error =
        fmt::format("{} wrong", count_of(Verdict::kAmiss) == 1 ? "one thing is" : "some things are");
  report.exit_code = report.error.empty() ? 0 : 1;
  return report;
}

}  // namespace

Report verify(const CommandLine& line) {
  return Verification(line).run();
}

}  // namespace mailstead::admin
