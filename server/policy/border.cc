#include "server/policy/border.h"

#include <algorithm>
#include <ctime>
#include <iterator>
#include <optional>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

#include "protocols/ip_address.h"
#include "protocols/origin/arc_verifier.h"
#include "protocols/origin/dkim_canonical.h"
#include "protocols/origin/dkim_verifier.h"
#include "protocols/origin/message_origin.h"
#include "protocols/origin/results_border.h"
#include "protocols/origin/signed_message.h"
#include "server/policy/origin_questions.h"
#include "storage/delivery/delivery_content.h"

namespace mailstead {
namespace {

constexpr std::uint64_t kAskingTickMs = 500;
// Shorter than what the server leaves its sessions when it ends.
constexpr std::chrono::seconds kPatienceAtEnd{3};

// Several authors of one domain are one to DMARC; several fields are read in more ways than one.
std::string author_domain_of(const SignedMessage& message) {
  const auto& authors = message.authors();
  if (!authors || authors->empty() || message.from_fields() != 1) return {};
  const std::string& domain = authors->front().domain;
  const bool is_one =
      std::ranges::all_of(*authors, [&](const Address& author) { return author.domain == domain; });
  return is_one ? domain : std::string();
}

// RFC 7489 6.6.4: what is not among the percentage is not to be rejected.
bool is_unwanted(const DmarcResult& dmarc) {
  thread_local std::mt19937 source{std::random_device{}()};
  return dmarc.verdict == DmarcVerdict::kFail && dmarc.policy == DmarcRecord::Policy::kReject &&
         std::uniform_int_distribution<unsigned>(0, 99)(source) < dmarc.percent;
}

}  // namespace

// What was learnt of a message by reading it.
struct Border::Examined {
  explicit Examined(const SignedMessage& message)
      : signatures(message), chain(message), author_domain(author_domain_of(message)) {}

  // Those of signatures first: a long chain must not make DMARC wait for keys that nobody asks for.
  std::vector<std::string> key_names() const {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < signatures.size(); ++i) {
      if (std::string name = signatures.key_name(i); !name.empty()) names.push_back(std::move(name));
    }
    std::ranges::move(chain.key_names(), std::back_inserter(names));
    return names;
  }
  DkimVerifier signatures;
  ArcVerifier chain;
  std::string author_domain;  // whose policy it is that counts, RFC 7489 6.6.1; empty: nobody's
};

struct Border::Job : BorderMail {
  Job(BorderMail mail, std::string hostname, Done next)
      : BorderMail(std::move(mail)), done(std::move(next)), host(std::move(hostname)) {}

  Done done;
  std::string host;
  std::int64_t now = std::time(nullptr);
  std::uint64_t deadline = 0;            // by the loop's clock
  Passage opening = Passage::kAdmitted;  // as far as reading it tells
  std::string trouble;                   // that reading it had
  std::optional<Examined> examined;
  std::unique_ptr<OriginQuestions> questions;
  OriginVerdict verdict;

  void examine();
  void verify();
  std::optional<SpfClient> spf_client() const;
};

// On a file thread. The signatures are of the message as it came, behind our own trace line.
void Border::Job::examine() {
  SignedMessage message;
  ResultsBorder claims(host);
  bool begins = true;
  auto outcome = read_content(delivery, [&](std::string_view piece) {
    claims.read(piece);
    if (std::exchange(begins, false)) piece.remove_prefix(first_field(piece).size());
    message.read(piece);
  });
  message.finish();
  claims.finish();
  for (const std::uint64_t offset : claims.offsets()) {
    if (outcome) outcome = overwrite_content(delivery, offset, kUntrustedName);
  }
  if (!outcome) {
    opening = Passage::kUnavailable;
    trouble = outcome.error().message;
  } else if (claims.too_many()) {
    opening = Passage::kAbsurd;
  } else {
    examined.emplace(message);
  }
}

std::optional<SpfClient> Border::Job::spf_client() const {
  const auto address = parse_ip(client.peer.address);
  if (!address || !is_public(*address) || client.peer.hidden) return std::nullopt;
  return SpfClient{*address, client.helo, delivery.envelope.reverse_path, host, now};
}

// On a file thread.
void Border::Job::verify() {
  OriginEvidence evidence;
  evidence.host = host;
  evidence.client_address = client.peer.address;
  evidence.helo = client.helo;
  evidence.reverse_path = delivery.envelope.reverse_path;
  if (questions->spf()) evidence.spf = questions->spf()->result();
  const auto& keys = questions->keys();
  const dns::Answer unanswered;
  for (std::size_t i = 0; i < examined->signatures.size(); ++i) {
    const auto found = keys.find(examined->signatures.key_name(i));
    evidence.dkim.push_back(
        examined->signatures.verify(i, found == keys.end() ? unanswered : found->second, now));
  }
  evidence.arc = examined->chain.verify(keys, now);
  evidence.is_converted = is_converted;
  evidence.dmarc = questions->dmarc();
  verdict = judge_origin(evidence);
}

Border::Border(const Context& context) : context_(context) {
  uv_timer_init(context_.loop, &timer_);
  timer_.data = this;
}

bool Border::guards(const PeerFacts& peer) const {
  return context_.config.smtp.sender_checks != SenderChecks::kOff && !peer.loopback && !peer.proxy &&
         parse_ip(peer.address).has_value();
}

bool Border::check(BorderMail mail, Done done) {
  // A single bare newline, put right, would keep any forger's mail from being refused. What was signed has
  // CRLF (RFC 6376 5.3), as it has now.
  if (context_.config.smtp.sender_checks == SenderChecks::kReject) mail.is_converted = false;
  const auto job = std::make_shared<Job>(std::move(mail), context_.config.hostname, std::move(done));
  return context_.files.post([job] { job->examine(); }, [this, job] { ask(job); });
}

void Border::ask(const JobPointer& job) {
  if (stopped_ || *job->client.has_gone) return;
  if (job->opening != Passage::kAdmitted) {
    if (!job->trouble.empty())
      context_.log.error("check-failed", {{"id", job->delivery.id}, {"why", job->trouble}});
    return finish(job, job->opening);
  }
  OriginQuestions::Terms terms{job->spf_client(), job->examined->key_names(), job->examined->author_domain};
  // It owns what would own it.
  const std::weak_ptr<Job> weak = job;
  job->questions = std::make_unique<OriginQuestions>(context_.resolver, std::move(terms), [this, weak] {
    if (const JobPointer asked = weak.lock()) {
      asking_.erase(asked);
      if (!*asked->client.has_gone) verify(asked);
    }
  });
  asking_.insert(job);
  job->deadline = deadline();
  if (uv_is_active(reinterpret_cast<uv_handle_t*>(&timer_)) != 0) return;
  uv_timer_start(
      &timer_, [](uv_timer_t* timer) { static_cast<Border*>(timer->data)->tick(); }, kAskingTickMs,
      kAskingTickMs);
}

void Border::tick() {
  std::vector<JobPointer> late;
  std::erase_if(asking_, [](const JobPointer& job) { return *job->client.has_gone; });
  for (const JobPointer& job : asking_) {
    if (uv_now(context_.loop) >= job->deadline) late.push_back(job);
  }
  for (const JobPointer& job : late) job->questions->give_up();
  if (asking_.empty()) uv_timer_stop(&timer_);
}

void Border::verify(const JobPointer& job) {
  const bool posted = context_.files.post([job] { job->verify(); }, [this, job] { conclude(job); });
  if (!posted) finish(job, Passage::kUnavailable);
}

void Border::conclude(const JobPointer& job) {
  if (stopped_ || *job->client.has_gone) return;
  const OriginVerdict& verdict = job->verdict;
  const bool has_author = !job->examined->author_domain.empty();
  job->examined.reset();
  job->questions.reset();
  const OriginWords words = words_of(verdict.results);
  context_.log.info("checked", {{"id", job->delivery.id},
                                {"peer", job->client.peer.address},
                                {"spf", words.spf.empty() ? "not checked" : words.spf},
                                {"dkim", words.dkim},
                                {"arc", words.arc},
                                {"dmarc", words.dmarc},
                                {"reports", verdict.is_disowned ? "none" : "owed"}});
  // Without the domains that stand behind the result: strangers choose those, and each would be a counter.
  for (const auto& [check, found] : {std::pair<const char*, std::string_view>{"spf", words.spf},
                                     {"dkim", words.dkim},
                                     {"arc", words.arc},
                                     {"dmarc", words.dmarc}}) {
    const std::string result(found.substr(0, found.find(' ')));
    ++context_.counters.sender_checks[{check, result.empty() ? "not checked" : result}];
  }
  if (context_.config.smtp.sender_checks == SenderChecks::kReject) {
    if (is_unwanted(verdict.dmarc)) return finish(job, Passage::kForged);
    if (!has_author && job->delivery.envelope.reverse_path) return finish(job, Passage::kNoAuthor);
  }
  // RFC 3461 4.1, NEVER: the next host is told so, too.
  if (verdict.is_disowned) {
    for (Recipient& recipient : job->delivery.envelope.recipients) recipient.notify = Notify{};
  }
  // Of ASCII always: it makes no message one of RFC 6532 that was none.
  job->delivery.tags = write_authentication_results(verdict.results, Letters::kAscii) + job->delivery.tags;
  seal(job);
}

// A seal on a chain that failed helps nobody, and is for ever (RFC 8617 5.1): the next host may have the keys
// that we could not ask for.
void Border::seal(const JobPointer& job) {
  const ChainValidation chain = job->verdict.results.arc->chain;
  const std::string domain = chain == ChainValidation::kFail
                                 ? ""
                                 : sealing_domain(*context_.store.directory(), job->delivery.envelope);
  if (domain.empty()) return finish(job, Passage::kAdmitted);
  SealedFindings findings{authentication_results_line(job->verdict.results, Letters::kAscii), chain};
  context_.signing.seal(std::move(job->delivery), domain, std::move(findings),
                        [job, this](Delivery delivery) {
                          job->delivery = std::move(delivery);
                          finish(job, Passage::kAdmitted);
                        });
}

void Border::finish(const JobPointer& job, Passage passage) {
  if (stopped_) return;
  const Done done = std::exchange(job->done, nullptr);
  done(passage, std::move(job->delivery));
}

std::uint64_t Border::deadline() const {
  const std::chrono::milliseconds patience = hurried_ ? kPatienceAtEnd : kPatience;
  return uv_now(context_.loop) + static_cast<std::uint64_t>(patience.count());
}

void Border::hurry() {
  hurried_ = true;
  for (const JobPointer& job : asking_) job->deadline = std::min(job->deadline, deadline());
}

void Border::stop() {
  stopped_ = true;
  asking_.clear();
  uv_timer_stop(&timer_);
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
}

}  // namespace mailstead
