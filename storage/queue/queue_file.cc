#include "storage/queue/queue_file.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>
#include <utility>

#include "protocols/address.h"
#include "storage/mailbox/message_id.h"

namespace mailstead {

namespace {

constexpr std::string_view kFirstLine = "Mailstead-Queue: 1\n";
constexpr std::string_view kDraft = ".draft-";
constexpr std::size_t kQueueReadAtOnce = 256u << 10;

// One word of printable ASCII for any octets.
std::string word(std::string_view text) {
  std::string encoded;
  for (const char c : text) {
    if (c > ' ' && c < 0x7F && c != '%') {
      encoded += c;
    } else {
      encoded += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

std::optional<std::string> unword(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    unsigned value = 0;
    if (text.size() - i < 3) return std::nullopt;
    const auto [end, error] = std::from_chars(text.data() + i + 1, text.data() + i + 3, value, 16);
    if (error != std::errc() || end != text.data() + i + 3) return std::nullopt;
    decoded += static_cast<char>(value);
    i += 2;
  }
  return decoded;
}

std::int64_t number(std::string_view text) {
  std::int64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string notify_word(const std::optional<Notify>& notify) {
  if (!notify) return "-";
  std::string letters;
  if (notify->failure) letters += 'F';
  if (notify->delay) letters += 'D';
  if (notify->success) letters += 'S';
  return letters.empty() ? "N" : letters;
}

std::optional<Notify> parse_notify(std::string_view letters) {
  if (letters == "-") return std::nullopt;
  const auto holds = [&](char c) { return letters.find(c) != std::string_view::npos; };
  return Notify{holds('S'), holds('F'), holds('D')};
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const std::size_t blank = line.find(' ');
    words.push_back(line.substr(0, blank));
    if (blank == std::string_view::npos) break;
    line.remove_prefix(blank + 1);
  }
  return words;
}

std::optional<Address> address_of(std::string_view text) {
  const auto plain = unword(text);
  return plain ? parse_queued_address(*plain) : std::nullopt;
}

// True: the line was understood.
bool read_line(std::string_view key, const std::vector<std::string_view>& words, QueuedMessage& message) {
  if (words.empty()) return false;
  if (key == "Received") {
    message.received_at = number(words[0]);
  } else if (key == "From") {
    if (words[0] == "<>") return true;
    auto address = address_of(words[0]);
    if (!address) return false;
    message.envelope.reverse_path = std::move(*address);
  } else if (key == "User") {
    message.user = unword(words[0]).value_or("");
  } else if (key == "Message-ID") {
    message.message_id = unword(words[0]).value_or("");
  } else if (key == "Envelope-ID") {
    message.envelope.envelope_id = unword(words[0]).value_or("");
  } else if (key == "Return") {
    message.envelope.returned = words[0] == "FULL"   ? ReturnedContent::kFull
                                : words[0] == "HDRS" ? ReturnedContent::kHeaders
                                                     : ReturnedContent::kNotSaid;
  } else if (key == "Hold") {
    message.envelope.hold_until = number(words[0]);
  } else if (key == "Priority") {
    message.envelope.priority = static_cast<int>(number(words[0]));
  } else if (key == "Deliver-By") {
    message.envelope.deliver_by =
        parse_deliver_by_words(fmt::format("{} {}", words[0], words.size() > 1 ? words[1] : ""));
  } else if (key == "Content") {
    for (const std::string_view each : words) {
      if (each == "8BIT") message.eight_bit = true;
      if (each == "UTF8-HEADER") message.utf8_header = true;
      if (each == "8BITMIME") message.envelope.body = BodyType::k8BitMime;
      if (each == "SMTPUTF8") message.envelope.smtputf8 = true;
      if (each == "REQUIRETLS") message.envelope.require_tls = true;
      if (each == "TLS-OPTIONAL") message.tls_is_optional = true;
    }
  } else if (key == "To") {
    auto address = address_of(words[0]);
    if (!address) return false;
    QueuedRecipient queued{0, Recipient(std::move(*address))};
    if (words.size() > 1) queued.recipient.notify = parse_notify(words[1]);
    if (words.size() > 2) queued.recipient.original = unword(words[2]).value_or("");
    message.recipients.push_back(std::move(queued));
  }
  return true;  // a line of a later program
}

}  // namespace

std::string deliver_by_words(const std::optional<DeliverBy>& deliver_by) {
  if (!deliver_by) return {};
  return fmt::format("{} {}{}", deliver_by->at, deliver_by->returns ? 'R' : 'N',
                     deliver_by->traced ? "T" : "");
}

std::optional<DeliverBy> parse_deliver_by_words(std::string_view text) {
  const auto words = words_of(text);
  if (words.size() != 2) return std::nullopt;
  return DeliverBy{number(words[0]), words[1].starts_with('R'), words[1].ends_with('T')};
}

std::optional<Address> parse_queued_address(const std::string& text) {
  // RFC 5321 4.1.1.3: <Postmaster> has no domain.
  if (!text.empty() && text.find('@') == std::string::npos) return Address{text, ""};
  auto address = parse_address(text);
  if (!address) return std::nullopt;
  return *std::move(address);
}

std::string queue_file_head(const QueuedMessage& message) {
  const Envelope& envelope = message.envelope;
  std::string head(kFirstLine);
  head += fmt::format("Received: {}\n", message.received_at);
  head += fmt::format("From: {}\n", envelope.reverse_path ? word(envelope.reverse_path->text()) : "<>");
  if (!message.user.empty()) head += fmt::format("User: {}\n", word(message.user));
  if (!message.message_id.empty()) head += fmt::format("Message-ID: {}\n", word(message.message_id));
  if (!envelope.envelope_id.empty()) head += fmt::format("Envelope-ID: {}\n", word(envelope.envelope_id));
  if (envelope.returned != ReturnedContent::kNotSaid) {
    head += envelope.returned == ReturnedContent::kFull ? "Return: FULL\n" : "Return: HDRS\n";
  }
  if (envelope.hold_until != 0) head += fmt::format("Hold: {}\n", envelope.hold_until);
  if (envelope.deliver_by) head += fmt::format("Deliver-By: {}\n", deliver_by_words(envelope.deliver_by));
  if (envelope.priority) head += fmt::format("Priority: {}\n", *envelope.priority);
  std::string content;
  if (message.eight_bit) content += " 8BIT";
  if (message.utf8_header) content += " UTF8-HEADER";
  if (envelope.body == BodyType::k8BitMime) content += " 8BITMIME";
  if (envelope.smtputf8) content += " SMTPUTF8";
  if (envelope.require_tls) content += " REQUIRETLS";
  if (message.tls_is_optional) content += " TLS-OPTIONAL";
  if (!content.empty()) head += "Content:" + content + "\n";
  for (const QueuedRecipient& queued : message.recipients) {
    // A recipient that is waited for no longer is here for a report; when the index is lost, so is that.
    if (queued.state != QueueState::kWaiting) continue;
    head +=
        fmt::format("To: {} {}", word(queued.recipient.address.text()), notify_word(queued.recipient.notify));
    if (!queued.recipient.original.empty()) head += ' ' + word(queued.recipient.original);
    head += '\n';
  }
  return head + '\n';
}

Result<QueueFileHead> parse_queue_file_head(std::string_view beginning) {
  const Error wrong{ErrorKind::kCorrupt, "it does not begin with an envelope"};
  if (!beginning.starts_with(kFirstLine)) return wrong;
  QueueFileHead head;
  std::size_t at = kFirstLine.size();
  while (true) {
    const std::size_t end = beginning.find('\n', at);
    if (end == std::string_view::npos) return wrong;
    const std::string_view line = beginning.substr(at, end - at);
    at = end + 1;
    if (line.empty()) break;
    const std::size_t colon = line.find(": ");
    if (colon == std::string_view::npos) return wrong;
    if (!read_line(line.substr(0, colon), words_of(line.substr(colon + 2)), head.message)) return wrong;
  }
  head.starts_at = at;
  return head;
}

Result<ContentHash> hash_of_rest(int fd, std::uint64_t starts_at) {
  ContentHasher hasher;
  std::string piece;
  for (std::uint64_t at = starts_at;; at += piece.size()) {
    piece.clear();
    if (auto done = read_some(fd, at, kQueueReadAtOnce, piece); !done) return done.error();
    if (piece.empty()) return hasher.value();
    hasher.add(piece);
  }
}

Result<FileHandle> QueueFolder::create_draft(const std::string& id) const {
  auto file = create_file(fd_, std::string(kDraft) + id);
  if (!file) return in_folder("queue", file.error());
  return file;
}

Result<void> QueueFolder::publish_draft(const std::string& id) const {
  auto done = move_file(fd_, std::string(kDraft) + id, fd_, id);
  if (!done) return in_folder("queue", done.error());
  return {};
}

void QueueFolder::discard_draft(const std::string& id) const {
  static_cast<void>(remove_file(fd_, std::string(kDraft) + id));  // what stays is swept at the next start
}

Result<void> QueueFolder::sync() const {
  auto done = sync_handle(fd_, "the folder");
  if (!done) return in_folder("queue", done.error());
  return {};
}

Result<RegularFile> QueueFolder::open(const std::string& id) const {
  auto file = open_file(fd_, id);
  if (!file) return in_folder("queue", file.error());
  return file;
}

Result<void> QueueFolder::remove(const std::string& id) const {
  auto done = remove_file(fd_, id);
  if (!done && done.error().kind != ErrorKind::kNotFound) return in_folder("queue", done.error());
  return {};
}

Result<std::vector<std::string>> QueueFolder::ids() const {
  auto names = list_folder(fd_);
  if (!names) return in_folder("queue", names.error());
  std::erase_if(*names, [](const std::string& name) { return !is_message_id(name); });
  return names;
}

Result<std::size_t> QueueFolder::sweep_drafts() const {
  auto names = list_folder(fd_);
  if (!names) return in_folder("queue", names.error());
  std::size_t swept = 0;
  for (const std::string& name : *names) {
    if (!name.starts_with(kDraft)) continue;
    if (auto done = remove_file(fd_, name); !done) return in_folder("queue", done.error());
    ++swept;
  }
  return swept;
}

}  // namespace mailstead
