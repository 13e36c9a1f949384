#include "protocols/delivery_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <string_view>

#include "protocols/ascii.h"
#include "protocols/delivery_terms.h"
#include "protocols/utf8.h"

namespace mailstead {

namespace {

constexpr std::size_t kMaxField = 900;  // octets of a field's text: a line may have 998 (RFC 5322 2.1.1)

// What a person can make of a status code, RFC 3463.
struct Advice {
  std::string_view status;  // its beginning behind the class
  std::string_view text;
};
constexpr Advice kAdvice[] = {
    {"1.1", "There is no such address. Look for a slip of the pen in it."},
    {"1.2", "There is no such domain. Look for a slip of the pen behind the @."},
    {"1.3", "The address is not written as addresses are. Look for a slip of the pen in it."},
    {"1.6", "The recipient has moved, and left no other address."},
    {"1.10", "That domain takes no mail at all. Look for a slip of the pen behind the @."},
    {"2.1", "The recipient's mailbox is switched off. Ask the recipient in another way."},
    {"2.2",
     "The recipient's mailbox is full. Try again in a few days, or tell the recipient in another way."},
    {"2.3", "The message is too large for the recipient. Send large files in another way."},
    {"3.4", "The message is too large for the other server. Send large files in another way."},
    {"4.1", "The other server did not answer. Try again later, or tell the recipient in another way."},
    {"4.3",
     "The name servers of the recipient's domain did not answer. Look for a slip of the pen behind the @."},
    {"4.4",
     "The recipient's domain has no mail server that can be found. Look for a slip of the pen behind the @."},
    {"4.6", "The message went round in a circle. The recipient's provider has to put that right."},
    {"4.7", "The other server did not take the message in all this time."},
    {"6.7", "The other server does not take letters beyond English ones in addresses."},
    {"7.1", "The other server does not want this message. Its words below may tell why."},
    {"7.5",
     "The other server did not show that it is the one that should have the mail. Those who run the mail "
     "servers have to put that right."},
    {"7.10",
     "The other server offers no encryption, and the mail must not go without. Those who run the mail "
     "servers "
     "have to put that right."},
    {"7.30", "The message was to be kept encrypted all the way, and the other server does not do that."},
};

// Did the other host say so? Its replies begin with a code (RFC 5321 4.2), our own words with none.
bool is_theirs(std::string_view reply) {
  const std::string_view code = reply.substr(0, 3);
  return code.size() == 3 && std::ranges::all_of(code, ascii::is_digit) &&
         (reply.size() == 3 || reply[3] == ' ');
}

std::string_view advice_for(const std::string& status) {
  if (status.size() < 3) return {};
  for (const Advice& advice : kAdvice) {
    if (std::string_view(status).substr(2) == advice.status) return advice.text;
  }
  return {};
}

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

std::string ascii_line(std::string_view text) {
  std::string line = one_line(text);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  return line;
}

std::string_view subject_of(ReportKind kind) {
  switch (kind) {
    case ReportKind::kFailure:
      return "Your message could not be delivered";
    case ReportKind::kDelay:
      return "Your message has not been delivered yet";
    case ReportKind::kSuccess:
      return "Your message was delivered";
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
    line("Subject: {}", subject_of(report_.kind));
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
        say("Your message was delivered to:");
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
    part("text/plain; charset=utf-8", encoding_of(text));
    out_ += text;
    line("");
  }

  template <typename Say>
  void say_of(const ReportedRecipient& each, Say say) const {
    say("");
    say(fmt::format("    {}", each.recipient.address.text()));
    say("");
    if (report_.kind == ReportKind::kSuccess) {
      if (each.relayed) say("It went to a server that does not tell what becomes of it there.");
      return;
    }
    if (const auto advice = advice_for(each.status); !advice.empty()) say(advice);
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

  void returned_part() {
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
