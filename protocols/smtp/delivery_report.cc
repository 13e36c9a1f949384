#include "protocols/smtp/delivery_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <string_view>

#include "protocols/smtp/delivery_advice.h"
#include "protocols/smtp/delivery_terms.h"
#include "protocols/smtp/surrogate.h"
#include "protocols/utf8.h"

namespace mailstead {

namespace {

constexpr std::size_t kMaxField = 900;  // octets of a field's text: a line may have 998 (RFC 5322 2.1.1)

// One line: control characters, and octets that are no UTF-8, become "?".
std::string one_line(std::string_view text) {
  std::string clean;
  while (!text.empty() && clean.size() < kMaxField) {
    const std::size_t length = utf8::length(text);
    if (length == 0 || utf8::is_control(text.substr(0, length))) {
      clean += '?';
      text.remove_prefix(std::max<std::size_t>(length, 1));
    } else {
      clean += text.substr(0, length);
      text.remove_prefix(length);
    }
  }
  return clean;
}

void make_ascii(std::string& text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
}

std::string ascii_line(std::string_view text) {
  std::string line = one_line(text);
  make_ascii(line);
  return line;
}

// A header block as readers without UTF-8 know it.
std::string ascii_header(std::string_view message) {
  const std::size_t end = message.find("\r\n\r\n");
  std::string header;
  Surrogate surrogate;
  surrogate.read(message.substr(0, end == std::string_view::npos ? end : end + 2), &header);
  surrogate.finish(&header);
  make_ascii(header);  // a line that is no field
  return header;
}

// Was it only handed on, and nobody tells more of it? Then it may still fail.
bool is_only_relayed(const DeliveryReport& report) {
  return report.kind == ReportKind::kSuccess &&
         std::ranges::all_of(report.recipients, &ReportedRecipient::relayed);
}

std::string_view subject_of(const DeliveryReport& report) {
  switch (report.kind) {
    case ReportKind::kFailure:
      return "Your message could not be delivered";
    case ReportKind::kDelay:
      return "Your message has not been delivered yet";
    case ReportKind::kSuccess:
      return is_only_relayed(report) ? "Your message was passed on" : "Your message was delivered";
  }
  return {};
}

std::string_view action_of(ReportKind kind, bool relayed) {
  switch (kind) {
    case ReportKind::kFailure:
      return "failed";
    case ReportKind::kDelay:
      return "delayed";
    case ReportKind::kSuccess:
      return relayed ? "relayed" : "delivered";
  }
  return {};
}

// The address that its sender wrote, where somebody has passed the message on (RFC 3461 4.2); else empty.
std::string written_address(const Recipient& recipient) {
  const std::size_t semicolon = recipient.original.find(';');
  if (semicolon == std::string::npos) return {};
  const auto written = parse_address(std::string_view(recipient.original).substr(semicolon + 1));
  if (!written || written->key() == recipient.address.key()) return {};
  return one_line(written->text());
}

// Is it about the address itself, which then somebody else has written?
bool is_of_address(std::string_view status) {
  const std::string_view detail = status.size() < 3 ? std::string_view() : status.substr(2);
  return detail.starts_with("1.") || detail == "4.1" || detail == "4.3" || detail == "4.4";
}

class Writer {
 public:
  explicit Writer(const DeliveryReport& report) : report_(report) {
    const auto beyond = [](const Recipient& recipient) { return recipient.address.is_beyond_ascii(); };
    global_ = (report.envelope.reverse_path && report.envelope.reverse_path->is_beyond_ascii()) ||
              std::ranges::any_of(report.recipients, beyond, &ReportedRecipient::recipient);
    // Nothing that is sent back can hold it: the id is new, and no line of a message that was here before.
    boundary_ = fmt::format("=_report-{}", report.id);
    while (report.original.find(boundary_) != std::string::npos) boundary_ += 'x';
  }

  std::string write() {
    header();
    words();
    machine_part();
    returned_part();
    line("--{}--", boundary_);
    return std::move(out_);
  }

 private:
  template <typename... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    out_ += fmt::format(format, std::forward<Args>(args)...);
    out_ += "\r\n";
  }
  void part(std::string_view type, std::string_view encoding) {
    line("--{}", boundary_);
    line("Content-Type: {}", type);
    line("Content-Transfer-Encoding: {}", encoding);
    line("");
  }
  std::string_view encoding_of(std::string_view text) const { return utf8::is_ascii(text) ? "7bit" : "8bit"; }

  void header() {
    line("From: Mail Delivery System <MAILER-DAEMON@{}>", report_.host);
    line("To: <{}>", report_.envelope.reverse_path ? report_.envelope.reverse_path->text() : "");
    line("Subject: {}", subject_of(report_));
    line("Date: {}", rfc5322_date(report_.now));
    line("Message-ID: <{}@{}>", report_.id, report_.host);
    if (const std::string id = ascii_line(report_.message_id); !id.empty()) {
      line("In-Reply-To: <{}>", id);
      line("References: <{}>", id);
    }
    line("Auto-Submitted: auto-replied");  // RFC 3834 5
    line("MIME-Version: 1.0");
    line("Content-Type: multipart/report; report-type={}delivery-status;", global_ ? "global-" : "");
    line("\tboundary=\"{}\"", boundary_);
    line("");
    line("This is a report of a mail server in MIME format (RFC 3464).");
    line("");
  }

  void words() {
    std::string text;
    const auto say = [&](std::string_view words) {
      text += words;
      text += "\r\n";
    };
    switch (report_.kind) {
      case ReportKind::kFailure:
        say("Your message could not be delivered to:");
        break;
      case ReportKind::kDelay:
        say("Your message is still on its way to:");
        break;
      case ReportKind::kSuccess:
        say(is_only_relayed(report_) ? "Your message was passed on to the mail server of:"
                                     : "Your message was delivered to:");
        break;
    }
    for (const ReportedRecipient& each : report_.recipients) say_of(each, say);
    say("");
    if (report_.kind == ReportKind::kDelay) {
      say(fmt::format("You need not do anything: it is tried again until {},",
                      rfc5322_date(report_.tried_until)));
      say("and you are told if that is in vain.");
      say("");
    }
    say(fmt::format("This server is {}, and knows your message as {}.", report_.host, report_.queue_id));
    if (is_ascii()) make_ascii(text);
    part("text/plain; charset=utf-8", encoding_of(text));
    out_ += text;
    line("");
  }

  template <typename Say>
  void say_of(const ReportedRecipient& each, Say say) const {
    say("");
    const std::string written = written_address(each.recipient);
    say(fmt::format("    {}", each.recipient.address.text()));
    if (!written.empty()) say(fmt::format("    (where mail to {} is passed on to)", written));
    say("");
    if (report_.kind == ReportKind::kSuccess) {
      if (each.relayed) say("It went to a server that does not tell what becomes of it there.");
      return;
    }
    const DeliveryFate fate = report_.kind == ReportKind::kDelay ? DeliveryFate::kWaits
                              : each.is_given_up                 ? DeliveryFate::kGivenUp
                                                                 : DeliveryFate::kRefused;
    if (each.is_given_up) say(tried_words(each.last_at - report_.tried_from, each.attempts));
    if (!written.empty() && fate != DeliveryFate::kWaits && is_of_address(each.status)) {
      say(fmt::format("It cannot be reached there. That is not your slip: tell those who look after {}.",
                      written));
    } else if (const auto advice = delivery_advice(fate, each.status, each.reply); !advice.empty()) {
      say(advice);
    }
    if (!each.host.empty()) {
      const std::string host = one_line(each.host);
      say(is_theirs(each.reply) ? fmt::format("The server {} said:", host)
                                : fmt::format("This server says of {}:", host));
      say(fmt::format("    {}", one_line(each.reply)));
    } else if (!each.reply.empty()) {
      say(fmt::format("The reason: {}", one_line(each.reply)));
    }
  }

  // RFC 3464 2; of addresses beyond ASCII, RFC 6533 3.
  void machine_part() {
    std::string text;
    const auto field = [&](std::string_view name, std::string_view value) {
      text += fmt::format("{}: {}\r\n", name, value);
    };
    if (!report_.envelope.envelope_id.empty())
      field("Original-Envelope-Id", one_line(report_.envelope.envelope_id));  // RFC 3464 2.2.1: decoded
    field("Reporting-MTA", "dns; " + report_.host);
    field("Arrival-Date", rfc5322_date(report_.received_at));
    // RFC 2852 5
    if (report_.envelope.deliver_by) field("Deliver-By-Date", rfc5322_date(report_.envelope.deliver_by->at));
    // RFC 4865 5; by which of its two forms it was asked for is not kept.
    if (report_.envelope.hold_until != 0)
      field("Future-Release-Request", "until;" + date_time(report_.envelope.hold_until));
    for (const ReportedRecipient& each : report_.recipients) {
      text += "\r\n";
      if (!each.recipient.original.empty()) {
        field("Original-Recipient", one_line(each.recipient.original));
      }
      const bool beyond = each.recipient.address.is_beyond_ascii();
      field("Final-Recipient",
            fmt::format("{}; {}", beyond ? "utf-8" : "rfc822", each.recipient.address.text()));
      field("Action", action_of(report_.kind, each.relayed));
      field("Status", status_of(each));
      if (!each.host.empty() && report_.kind != ReportKind::kSuccess) {
        field("Remote-MTA", "dns; " + ascii_line(each.host));
        // RFC 3464 2.3.6: "smtp" is for what the transport said.
        field("Diagnostic-Code",
              (is_theirs(each.reply) ? "smtp; " : "X-Mailstead; ") + ascii_line(each.reply));
      }
      if (each.last_at > 0) field("Last-Attempt-Date", rfc5322_date(each.last_at));
      if (report_.kind == ReportKind::kDelay) field("Will-Retry-Until", rfc5322_date(report_.tried_until));
    }
    part(global_ ? "message/global-delivery-status" : "message/delivery-status", encoding_of(text));
    out_ += text;
    line("");
  }

  // RFC 3464 2.3.4: it has to be there, and of the class that the action says.
  std::string status_of(const ReportedRecipient& each) const {
    const char digit = report_.kind == ReportKind::kFailure ? '5'
                       : report_.kind == ReportKind::kDelay ? '4'
                                                            : '2';
    std::string status = each.status.size() >= 5 ? each.status : "x.0.0";
    status[0] = digit;
    return status;
  }

  bool is_ascii() const { return report_.is_ascii && !global_; }

  void returned_part() {
    if (is_ascii() && !utf8::is_ascii(report_.original)) {
      part("text/rfc822-headers", "7bit");
      out_ += ascii_header(report_.original);
      return line("");
    }
    const bool header_is_utf8 =
        !utf8::is_ascii(report_.original.substr(0, report_.original.find("\r\n\r\n")));
    std::string_view type = "text/rfc822-headers";
    if (report_.is_whole) type = header_is_utf8 ? "message/global" : "message/rfc822";
    if (!report_.is_whole && header_is_utf8) type = "message/global-headers";
    part(type, encoding_of(report_.original));
    out_ += report_.original;
    if (!out_.ends_with("\r\n")) out_ += "\r\n";
    line("");
  }

  const DeliveryReport& report_;
  bool global_ = false;
  std::string boundary_;
  std::string out_;
};

}  // namespace

std::string rfc5322_date(std::int64_t unix_seconds) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto time = static_cast<std::time_t>(unix_seconds);
  std::tm tm{};
  gmtime_r(&time, &tm);
  return fmt::format("{}, {} {} {} {:02}:{:02}:{:02} +0000", kDays[tm.tm_wday], tm.tm_mday,
                     kMonths[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

std::string write_report(const DeliveryReport& report) {
  return Writer(report).write();
}

}  // namespace mailstead
