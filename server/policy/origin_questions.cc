#include "server/policy/origin_questions.h"

#include <set>
#include <utility>

namespace mailstead {
namespace {

// What is no key, or not the one, hides none: those that fit stay.
dns::Answer key_records(const dns::Answer& answer) {
  dns::Answer kept = answer;
  std::size_t size = 0;
  std::erase_if(kept.records, [&size](const dns::Record& record) {
    const std::size_t with_it = size + sizeof(record) + record.text.size();
    const bool fits = with_it <= OriginQuestions::kMostKeyOctets;
    if (fits) size = with_it;
    return !fits;
  });
  kept.records.shrink_to_fit();
  return kept;
}

}  // namespace

OriginQuestions::OriginQuestions(Resolver& resolver, Terms terms, std::function<void()> done)
    : resolver_(resolver), done_(std::move(done)) {
  if (terms.client) {
    spf_.emplace(*terms.client);
    ++open_;
  }
  if (!terms.author_domain.empty()) {
    dmarc_.emplace(terms.author_domain);
    ++open_;
  }
  std::set<std::string> asked;
  for (const std::string& name : terms.key_names) {
    if (asked.size() < kMostKeys && asked.insert(name).second) ask_key(name);
  }
  open_ += asked.size();
  // Where nothing has to be asked `done` runs later all the same.
  beginning_ = ask("", dns::Type::kTxt, [this](const dns::Answer&) {
    if (spf_) ask_spf();
    if (dmarc_) ask_dmarc();
    answered();
  });
}

Resolver::Question OriginQuestions::ask(const std::string& name, dns::Type type, Resolver::Done done) {
  return resolver_.ask(name, type, std::move(done), Resolver::Behalf::kStrangers);
}

void OriginQuestions::ask_spf() {
  if (const auto& question = spf_->question()) {
    spf_question_ = ask(question->name, question->type, [this](const dns::Answer& answer) {
      spf_->answer(answer);
      ask_spf();
    });
  } else {
    answered();
  }
}

void OriginQuestions::ask_dmarc() {
  if (const auto& question = dmarc_->question()) {
    dmarc_question_ = ask(*question, dns::Type::kTxt, [this](const dns::Answer& answer) {
      dmarc_->answer(answer);
      ask_dmarc();
    });
  } else {
    answered();
  }
}

void OriginQuestions::ask_key(const std::string& name) {
  key_questions_.push_back(ask(name, dns::Type::kTxt, [this, name](const dns::Answer& answer) {
    keys_.insert_or_assign(name, key_records(answer));
    answered();
  }));
}

void OriginQuestions::answered() {
  // The last thing: it may be the end of this.
  if (--open_ == 0) std::exchange(done_, nullptr)();
}

void OriginQuestions::give_up() {
  if (open_ == 0) return;
  beginning_.reset();
  spf_question_.reset();
  dmarc_question_.reset();
  key_questions_.clear();
  while (spf_ && spf_->question()) spf_->answer({});
  while (dmarc_ && dmarc_->question()) dmarc_->answer({});
  open_ = 0;
  std::exchange(done_, nullptr)();
}

}  // namespace mailstead
