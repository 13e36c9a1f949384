#include "server/outgoing/reporter.h"

#include <algorithm>
#include <ctime>
#include <utility>
#include <vector>

namespace mailstead {

namespace {

constexpr std::size_t kMostUnderWay = 8;
constexpr std::int64_t kAgainAfter = 60;  // seconds
// Octets of a message that go back whole; of a longer one its header.
constexpr std::uint64_t kMostReturned = 512u << 10;
constexpr std::size_t kMostHeader = 64u << 10;

ReportKind kind_of(QueueReports report) {
  if (report == QueueReports::kFailure) return ReportKind::kFailure;
  return report == QueueReports::kDelay ? ReportKind::kDelay : ReportKind::kSuccess;
}

}  // namespace

struct Reporter::Owed {
  QueuedMessage message;
  QueueReports report = QueueReports::kNone;  // the one that is sent now
  std::vector<SettledReport> settles;
  std::string original;
  bool is_whole = false;
  bool is_there = false;
};

Reporter::Reporter(const Config& config, Log& log, StorageThread& storage, Signing& signing,
                   QueueSchedule& schedule)
    : config_(config), log_(log), storage_(storage), signing_(signing), schedule_(schedule) {}

void Reporter::pump() {
  const std::int64_t now = std::time(nullptr);
  // A clock that was set back is not waited for.
  if (now >= again_at_ || now < again_at_ - kAgainAfter) {
    for (const QueueRow message : std::exchange(failed_, {})) schedule_.release_report(message);
  }
  while (under_way_ < kMostUnderWay) {
    const auto message = schedule_.take_report();
    if (!message) return;
    load(*message);
  }
}

void Reporter::postpone(QueueRow message) {
  if (failed_.empty()) again_at_ = std::time(nullptr) + kAgainAfter;
  failed_.push_back(message);
}

void Reporter::load(QueueRow message) {
  ++under_way_;
  auto owed = std::make_shared<Owed>();
  const auto work = [owed, message](Store& store) {
    auto found = store.queued_message(message);
    if (!found) return;
    owed->message = *std::move(found);
    owed->is_there = true;
    // One kind at a time; the others follow.
    for (const QueueReports each : {QueueReports::kFailure, QueueReports::kSuccess, QueueReports::kDelay}) {
      for (const QueuedRecipient& recipient : owed->message.recipients) {
        if (has(recipient.due, each)) owed->settles.push_back({recipient.row, each});
      }
      owed->report = each;
      if (!owed->settles.empty()) break;
    }
    auto reader = store.open_queued(owed->message);
    if (!reader) return;  // a report without the message is better than none
    const Envelope& envelope = owed->message.envelope;
    // RFC 3461 4.3 leaves it to us where nothing was said; who has lost a message may want it back.
    // RFC 8689 5: what had to be kept secret goes nowhere else.
    owed->is_whole = owed->report == QueueReports::kFailure && !envelope.require_tls &&
                     envelope.returned != ReturnedContent::kHeaders && owed->message.size <= kMostReturned;
    const std::size_t wanted = owed->is_whole ? owed->message.size : kMostHeader;
    if (!(*reader)->read(0, wanted, owed->original)) owed->original.clear();
    if (owed->is_whole && owed->original.size() == owed->message.size) return;
    owed->is_whole = false;
    const std::size_t end = owed->original.find("\r\n\r\n");
    if (end != std::string::npos) owed->original.resize(end + 2);
  };
  const bool posted = storage_.post(work, [this, owed, message] {
    if (owed->is_there && !owed->settles.empty()) return send(owed);
    --under_way_;
    owed->is_there ? schedule_.release_report(message) : postpone(message);
  });
  if (posted) return;
  --under_way_;
  postpone(message);
}

void Reporter::send(std::shared_ptr<Owed> owed) {
  const QueuedMessage& message = owed->message;
  if (!message.envelope.reverse_path) return settle(owed);
  DeliveryReport report;
  report.kind = kind_of(owed->report);
  report.host = config_.hostname;
  report.id = storage_.store().new_id();
  report.now = std::time(nullptr);
  report.envelope = message.envelope;
  report.message_id = message.message_id;
  report.queue_id = message.id;
  report.received_at = message.received_at;
  report.tried_from = std::max(message.received_at, message.envelope.hold_until);
  report.tried_until = report.tried_from + config_.queue.expire.count();
  const auto& deliver_by = message.envelope.deliver_by;
  const bool is_returned = deliver_by && deliver_by->returns;
  const std::int64_t end = is_returned ? std::min(report.tried_until, deliver_by->at) : report.tried_until;
  report.original = std::move(owed->original);
  report.is_whole = owed->is_whole;
  report.is_ascii = storage_.store().directory()->resolve(*message.envelope.reverse_path).empty();
  for (const QueuedRecipient& recipient : message.recipients) {
    if (!has(recipient.due, owed->report)) continue;
    const QueueAttempt& last = recipient.last;
    const bool by_another = !last.host.empty();
    // What was refused at the last attempt was refused all the same.
    const bool is_given_up =
        report.kind == ReportKind::kFailure && last.at >= end && !last.reply.starts_with('5');
    report.recipients.push_back({recipient.recipient, last.status, last.host, last.reply, last.at,
                                 owed->report == QueueReports::kSuccess && by_another, recipient.attempts,
                                 is_given_up});
  }
  Delivery delivery;
  delivery.id = report.id;
  delivery.envelope.recipients = {Recipient(*message.envelope.reverse_path)};
  // RFC 3461 6.2: nobody is told of a report that is lost.
  delivery.envelope.recipients[0].notify = Notify{};
  delivery.envelope.require_tls = message.envelope.require_tls;
  delivery.rest = write_report(report);
  delivery.relaying = Relaying::kYes;
  delivery.settles = owed->settles;
  log_.info("report", {{"id", message.id},
                       {"report", report.id},
                       {"kind", report.kind == ReportKind::kFailure ? "failure"
                                : report.kind == ReportKind::kDelay ? "delay"
                                                                    : "success"},
                       {"to", message.envelope.reverse_path->text()}});
  const bool posted =
      signing_.deliver(std::move(delivery), config_.hostname,
                       [this, owed](const Result<Delivered>& result) { delivered(owed, result); });
  if (!posted) delivered(owed, Error{ErrorKind::kUnavailable, "too much waits to be delivered"});
}

void Reporter::delivered(const std::shared_ptr<Owed>& owed, const Result<Delivered>& result) {
  if (!result) {
    const ErrorKind kind = result.error().kind;
    log_.warning("report-failed", {{"id", owed->message.id}, {"why", result.error().message}});
    const bool too_late = std::time(nullptr) > owed->message.received_at + 2 * config_.queue.expire.count();
    // There is nobody to be told, or nobody who could be told in all this time.
    if (kind == ErrorKind::kNotFound || kind == ErrorKind::kInvalid || kind == ErrorKind::kTooLarge ||
        too_late)
      return settle(owed);
    --under_way_;
    postpone(owed->message.row);
    return;
  }
  --under_way_;
  schedule_.release_report(owed->message.row);
  pump();
}

void Reporter::settle(const std::shared_ptr<Owed>& owed) {
  auto outcome = std::make_shared<Result<void>>();
  const auto done = [this, owed, outcome] {
    --under_way_;
    if (!*outcome) return postpone(owed->message.row);
    schedule_.release_report(owed->message.row);
    pump();
  };
  const bool posted =
      storage_.post([owed, outcome](Store& store) { *outcome = store.settle_reports(owed->settles); }, done);
  if (posted) return;
  *outcome = Error{ErrorKind::kUnavailable, "too much waits"};
  done();
}

}  // namespace mailstead
