#include "server/outgoing/tls_reporter.h"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <random>
#include <utility>

namespace mailstead {

namespace {

constexpr std::int64_t kWriteEvery = 60;   // seconds
constexpr std::int64_t kLookEvery = 3600;  // seconds: what could not be told is tried again
constexpr std::int64_t kMostDelay = 4 * 3600;
constexpr std::size_t kMostKinds = 2000;  // of counts between two writes
constexpr std::size_t kMaxHttpsReply = 64 * 1024;
constexpr std::size_t kMaxReason = 200;  // octets

std::int64_t random_delay() {
  std::mt19937 source{std::random_device{}()};
  return std::uniform_int_distribution<std::int64_t>(0, kMostDelay)(source);
}

// RFC 1952; empty: it could not be done.
std::string gzip(const std::string& text) {
  z_stream work{};
  constexpr int kGzipWindow = 15 + 16;
  if (deflateInit2(&work, Z_BEST_COMPRESSION, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    return {};
  std::string zipped(deflateBound(&work, static_cast<uLong>(text.size())), '\0');
  work.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  work.avail_in = static_cast<uInt>(text.size());
  work.next_out = reinterpret_cast<Bytef*>(zipped.data());
  work.avail_out = static_cast<uInt>(zipped.size());
  const bool done = deflate(&work, Z_FINISH) == Z_STREAM_END;
  zipped.resize(done ? work.total_out : 0);
  deflateEnd(&work);
  return zipped;
}

}  // namespace

struct TlsReporter::Job {
  DueTlsReport due;
  std::vector<std::string> places;
  TlsReport report;
  std::string zipped;
  Resolver::Question question;
  std::unique_ptr<HttpsExchange> exchange;
  Result<std::vector<TlsCount>> counts = std::vector<TlsCount>();
  Result<void> outcome;
  std::size_t at = 0;  // of the places
  bool was_told = false;
};

TlsReporter::TlsReporter(Context context) : context_(context), delay_(random_delay()) {}

void TlsReporter::count(TlsCount count) {
  count.day = std::time(nullptr) / kTlsCountDay;
  count.sessions = 1;
  if (count.reason.size() > kMaxReason) count.reason.resize(kMaxReason);
  const auto same =
      std::ranges::find_if(counts_, [&](const TlsCount& each) { return each.same_but_for_number(count); });
  if (same != counts_.end()) {
    ++same->sessions;
  } else if (counts_.size() < kMostKinds) {
    counts_.push_back(std::move(count));
  }
}

void TlsReporter::tend() {
  if (stopped_) return;
  const std::int64_t now = std::time(nullptr);
  // A clock that was set back is not waited for.
  if (now >= written_at_ + kWriteEvery || now < written_at_) {
    written_at_ = now;
    write_down();
  }
  if (!context_.config.queue.tls_reports || job_ != nullptr || looking_) return;
  if (now >= looked_at_ + kLookEvery || now < looked_at_) {
    looked_at_ = now;
    look_for_due();
  }
}

void TlsReporter::write_down() {
  if (counts_.empty()) return;
  auto counts = std::make_shared<std::vector<TlsCount>>(std::exchange(counts_, {}));
  auto outcome = std::make_shared<Result<void>>();
  context_.storage.post([counts, outcome](Store& store) { *outcome = store.add_tls_counts(*counts); },
                        [this, outcome] {
                          if (!*outcome)
                            context_.log.error("tls-counts-not-written", {{"why", outcome->error().message}});
                        });
}

void TlsReporter::look_for_due() {
  looking_ = true;
  const std::int64_t now = std::time(nullptr);
  const std::int64_t before = (now - delay_) / kTlsCountDay;
  auto due = std::make_shared<Result<std::vector<DueTlsReport>>>(std::vector<DueTlsReport>());
  const bool posted = context_.storage.post(
      [due, before](Store& store) { *due = store.due_tls_reports(before); },
      [this, due] {
        looking_ = false;
        if (stopped_) return;
        if (!*due) return context_.log.error("tls-reports-unreadable", {{"why", due->error().message}});
        due_.assign((*due)->begin(), (*due)->end());
        next();
      });
  if (!posted) looking_ = false;
}

void TlsReporter::next() {
  job_ = nullptr;
  if (stopped_ || due_.empty()) return;
  job_ = std::make_shared<Job>();
  job_->due = std::move(due_.front());
  due_.pop_front();
  // It knows the job by us: the job keeps the question.
  job_->question = context_.resolver.ask("_smtp._tls." + job_->due.domain, dns::Type::kTxt,
                                         [this](const dns::Answer& answer) { on_places(answer); });
}

void TlsReporter::on_places(const dns::Answer& answer) {
  const std::shared_ptr<Job> job = job_;
  if (answer.verdict == dns::Verdict::kFailed) return put_off();
  std::vector<std::string> records;
  for (const dns::Record& record : answer.records) records.push_back(record.text);
  job->places = tls_report_places(records);
  if (job->places.empty()) return settle(job);
  const bool posted = context_.storage.post(
      [job](Store& store) { job->counts = store.tls_counts_of(job->due); }, [this, job] { on_counts(job); });
  if (!posted) put_off();
}

void TlsReporter::on_counts(const std::shared_ptr<Job>& job) {
  if (stopped_) return;
  if (!job->counts) return put_off();
  if (job->counts->empty()) return settle(job);
  const std::string& host = context_.config.hostname;
  const std::string ours = signing_domain(*context_.storage.store().directory(), host, std::nullopt);
  job->report = {host, "postmaster@" + (ours.empty() ? host : ours), job->due.domain, job->due.day,
                 *std::move(job->counts)};
  job->zipped = gzip(write_tls_report(job->report, host));
  if (job->zipped.empty()) return put_off();
  send(job);
}

void TlsReporter::send(const std::shared_ptr<Job>& job) {
  if (job->at == job->places.size()) return job->was_told ? settle(job) : put_off();
  const std::string place = job->places[job->at++];
  if (const auto address = mailto_address(place)) return send_mail(job, *address);
  post(job, place);
}

void TlsReporter::send_mail(const std::shared_ptr<Job>& job, const std::string& to) {
  auto address = parse_address(to);
  if (!address) return told(job, to, Error{ErrorKind::kInvalid, "it is no address"});
  Delivery delivery;
  delivery.id = context_.storage.store().new_id();
  delivery.envelope.recipients = {Recipient(*std::move(address))};
  delivery.envelope.recipients[0].notify = Notify{};  // nobody is told of a report that is lost
  delivery.rest = write_tls_report_mail(
      job->report, {job->report.contact, to, context_.config.hostname, delivery.id, std::time(nullptr)},
      job->zipped);
  delivery.relaying = Relaying::kYes;
  const auto author = job->report.contact.substr(job->report.contact.find('@') + 1);
  const bool posted =
      context_.signing.deliver(std::move(delivery), author, [this, job, to](const Result<Delivered>& result) {
        told(job, to, result ? Result<void>() : Result<void>(result.error()));
      });
  if (!posted) told(job, to, Error{ErrorKind::kUnavailable, "too much waits to be delivered"});
}

void TlsReporter::post(const std::shared_ptr<Job>& job, const std::string& url) {
  auto request = parse_https_url(url);
  if (!request) return told(job, url, Error{ErrorKind::kInvalid, "it is no place on the web"});
  // RFC 8460 5.4
  request->method = "POST";
  request->content_type = "application/tlsrpt+gzip";
  request->body = job->zipped;
  job->exchange = std::make_unique<HttpsExchange>(
      HttpsExchange::Context{context_.loop, context_.resolver, context_.tls}, *std::move(request),
      kMaxHttpsReply, [this, job, url](const Result<HttpsAnswer>& answer) {
        if (!answer) return told(job, url, answer.error());
        const bool taken = answer->status >= 200 && answer->status < 300;
        told(job, url,
             taken ? Result<void>()
                   : Error{ErrorKind::kUnavailable, fmt::format("its server said {}", answer->status)});
      });
}

void TlsReporter::told(const std::shared_ptr<Job>& job, const std::string& place,
                       const Result<void>& result) {
  if (stopped_) return;
  if (result) {
    job->was_told = true;
    context_.log.info("tls-report", {{"domain", job->due.domain}, {"to", place}});
  } else {
    context_.log.warning("tls-report-failed",
                         {{"domain", job->due.domain}, {"to", place}, {"why", result.error().message}});
  }
  send(job);
}

void TlsReporter::settle(const std::shared_ptr<Job>& job) {
  const bool posted = context_.storage.post(
      [job](Store& store) { job->outcome = store.settle_tls_report(job->due); },
      [this, job] {
        if (!job->outcome)
          context_.log.error("tls-counts-not-written", {{"why", job->outcome.error().message}});
        next();
      });
  if (!posted) next();
}

// Until the next look, or for good.
void TlsReporter::put_off() {
  if (job_->due.day + kReportPatienceDays < std::time(nullptr) / kTlsCountDay) return settle(job_);
  next();
}

void TlsReporter::stop() {
  stopped_ = true;
  write_down();
  due_.clear();
  if (job_ != nullptr) {
    job_->question = nullptr;
    job_->exchange = nullptr;
  }
  job_ = nullptr;
}

}  // namespace mailstead
