#include "protocols/smtp/submission_header.h"

#include <utility>

#include "protocols/address_list.h"
#include "protocols/ascii.h"
#include "protocols/header_scan.h"

namespace mailstead {
namespace {

// What hosts found out about a message begins with the first host that gets it: RFC 8601 5.
bool is_dropped(std::string_view name) {
  return ascii::same(name, "Bcc") || ascii::same(name, "Resent-Bcc") ||
         ascii::same(name, "Authentication-Results");
}

}  // namespace

void SubmissionHeader::read(std::string_view content, std::string& into) {
  while (!content.empty()) {
    if (state_ == State::kBody) {
      into += content;
      return;
    }
    if (state_ == State::kName) {
      read_name(content.front(), into);
      content.remove_prefix(1);
      continue;
    }
    const std::size_t newline = content.find('\n');
    const std::string_view line =
        content.substr(0, newline == std::string_view::npos ? newline : newline + 1);
    if (state_ == State::kPass) into += line;
    if (is_author_) {
      for (const char c : line) {
        if (c != '\r' && c != '\n') from_ += c;
      }
      if (from_.size() > kMaxAuthors) {
        unreadable_ = true;
        from_.clear();
      }
    }
    content.remove_prefix(line.size());
    if (newline != std::string_view::npos) state_ = State::kName;
  }
}

void SubmissionHeader::read_name(char c, std::string& into) {
  if (name_.empty() && ascii::is_blank(c) && any_field_) {
    // RFC 5322 2.2.3: the line continues the field before it.
    state_ = dropping_ ? State::kDrop : State::kPass;
    if (!dropping_) into += c;
    if (is_author_) from_ += c;
    return;
  }
  // RFC 5322 3.6.8: printable ASCII; 4.5: blanks may stand before the colon, as nowhere else.
  const bool behind_blank = !name_.empty() && ascii::is_blank(name_.back());
  name_ += c;
  if (c == ':' && name_.size() > 1) return end_name(into);
  if (c == '\n') return end_line_without_colon(into);
  const bool is_blank = ascii::is_blank(c) && name_.size() > 1;
  const bool may_be_name =
      is_blank || (c == '\r' && !behind_blank) || (c > ' ' && c <= '~' && c != ':' && !behind_blank);
  if (may_be_name && name_.size() <= kMaxTextLine) return;
  // Somebody might still read a From or Bcc with a great many blanks behind it.
  const std::string_view name = ascii::trim_end(name_);
  hidden_ |= name_.size() > kMaxTextLine && (is_dropped(name) || ascii::same(name, "From"));
  pass_line(c, into);
}

void SubmissionHeader::end_name(std::string& into) {
  const std::string_view name = ascii::trim_end(std::string_view(name_).substr(0, name_.size() - 1));
  any_field_ = true;
  dropping_ = is_dropped(name);
  is_author_ = ascii::same(name, "From");
  has_date_ |= ascii::same(name, "Date");
  has_message_id_ |= ascii::same(name, "Message-ID");
  has_mime_version_ |= ascii::same(name, "MIME-Version");
  is_mime_ |= ascii::same(name, "Content-Type") || ascii::same(name, "Content-Transfer-Encoding");
  if (is_author_ && std::exchange(has_from_, true)) from_ += ',';
  if (!dropping_) into += name_;
  name_.clear();
  state_ = dropping_ ? State::kDrop : State::kPass;
}

void SubmissionHeader::end_line_without_colon(std::string& into) {
  if (name_ == "\r\n") {
    end_header(into);
    into += std::exchange(name_, {});
    state_ = State::kBody;
    return;
  }
  pass_line('\n', into);
}

// The line in name_ is no field. Within a header it is let pass, as others do; in front it is the body's
// first.
void SubmissionHeader::pass_line(char c, std::string& into) {
  if (!any_field_) {
    end_header(into);
    into += "\r\n";
    into += std::exchange(name_, {});
    state_ = State::kBody;
    return;
  }
  dropping_ = false;
  is_author_ = false;
  into += std::exchange(name_, {});
  if (c != '\n') state_ = State::kPass;
}

void SubmissionHeader::end_header(std::string& into) {
  if (!has_date_) into += "Date: " + defaults_.date + "\r\n";
  if (!has_from_) into += "From: " + defaults_.from + "\r\n";
  if (!has_message_id_) into += "Message-ID: " + defaults_.message_id + "\r\n";
  // RFC 2045 4: without it readers may take no notice of what the body is said to be.
  if (is_mime_ && !has_mime_version_) into += "MIME-Version: 1.0\r\n";
}

void SubmissionHeader::finish(std::string& into) {
  if (state_ == State::kBody) return;
  // A message of nothing but a header; or of nothing.
  if (!name_.empty()) pass_line('\n', into);
  if (state_ != State::kBody) end_header(into);
  state_ = State::kBody;
}

std::optional<std::vector<Address>> SubmissionHeader::authors() const {
  if (unreadable_ || hidden_) return std::nullopt;
  auto found = parse_address_list(from_);
  if (found && found->empty() && has_from_) return std::nullopt;
  return found;
}

}  // namespace mailstead
