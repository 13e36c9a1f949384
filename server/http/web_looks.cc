#include "server/http/web_looks.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <exception>
#include <utility>

#include "admin/dns/dns_check.h"
#include "admin/doctor/doctor.h"
#include "admin/report.h"
#include "server/outside.h"

namespace mailstead {
namespace {

constexpr std::size_t kMostWaiting = 16;
constexpr std::chrono::seconds kDnsPatience{24};

admin::GoOutside go_outside_until(const std::shared_ptr<std::atomic<bool>>& stopping) {
  return [stopping](admin::OutsideTerms terms, const std::function<void(admin::Outside&)>& begin) {
    terms.is_unwanted = [stopping] { return stopping->load(); };
    go_outside(terms, begin);
  };
}

}  // namespace

WebLooks::WebLooks(Context context) : context_(std::move(context)), thread_(context_.loop, 1, kMostWaiting) {}

bool WebLooks::begin_doctor() {
  admin::CommandLine line;
  line.data = context_.data;
  line.config_file = context_.config_file;
  line.form = admin::OutputForm::kJson;  // no progress: standard error is the log's
  line.command = admin::find_command("doctor");
  line.request.command = kDoctor;
  Request facts;
  facts.command = "doctor facts";
  return begin(kDoctor, std::move(facts), [line, stopping = stopping_](const Report& told) {
    return admin::doctor(line, {go_outside_until(stopping), told});
  });
}

bool WebLooks::begin_dns_check(const std::string& domain) {
  Request records;
  records.command = "dns records";
  records.arguments = {domain};
  const auto servers = context_.config.resolver.servers;
  return begin(key_of(domain), std::move(records), [servers, stopping = stopping_](const Report& told) {
    if (told.exit_code != 0) return told;
    return admin::check_dns(told.json, servers, admin::look_up_by(go_outside_until(stopping), kDnsPatience));
  });
}

// First what the store knows, then what the thread finds.
bool WebLooks::begin(const std::string& key, Request facts, Work work) {
  if (stopping_->load()) return false;
  if (look(key).state == Look::State::kRunning) return true;
  const auto end = [this, key](Report report) {
    Look& look = looks_[key];
    look.state = Look::State::kDone;
    look.at = std::time(nullptr);
    look.report = std::move(report);
  };
  const auto on_facts = [this, end, work = std::move(work)](const Report& told) {
    const auto report = std::make_shared<Report>();
    const auto make = [report, work, told] {
      try {
        *report = work(told);
      } catch (const std::exception& error) {
        *report = admin::failed(error.what());
      }
    };
    if (!thread_.post(make, [report, end] { end(*report); }))
      end(admin::failed("the server is too busy or stopping; try again in a moment"));
  };
  make_room();
  if (!context_.commands.run(std::move(facts), {}, on_facts)) return false;
  looks_[key].state = Look::State::kRunning;
  return true;
}

WebLooks::Look WebLooks::look(const std::string& key) const {
  const auto found = looks_.find(key);
  return found == looks_.end() ? Look() : found->second;
}

void WebLooks::make_room() {
  if (looks_.size() < kMost) return;
  auto oldest = looks_.end();
  for (auto each = looks_.begin(); each != looks_.end(); ++each) {
    if (each->second.state == Look::State::kRunning) continue;
    if (oldest == looks_.end() || each->second.at < oldest->second.at) oldest = each;
  }
  if (oldest != looks_.end()) looks_.erase(oldest);
}

void WebLooks::stop(std::function<void()> stopped) {
  stopping_->store(true);
  thread_.stop(WorkQueue::Waiting::kDrop, std::move(stopped));
}

}  // namespace mailstead
