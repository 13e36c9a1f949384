#include "protocols/dns_message.h"

#include <algorithm>
#include <utility>

#include "protocols/ascii.h"

namespace mailstead::dns {

namespace {

constexpr std::size_t kHeader = 12;    // octets
constexpr std::size_t kMaxName = 255;  // RFC 1035 2.3.4, octets on the wire
constexpr std::size_t kMaxLabelOctets = 63;
constexpr std::size_t kMostRecords = 500;  // that are looked at
constexpr std::size_t kMostAliases = 10;   // CNAMEs behind each other
constexpr std::uint16_t kInternet = 1;
constexpr std::uint32_t kMaxTtl = 7 * 24 * 3600;

// How a name of a message reads: no label that it has can be taken for two, and none holds what is not
// printable.
char readable(char c) {
  return ascii::is_printable(c) && c != '.' && c != ' ' ? ascii::lower(c) : '?';
}

class Reader {
 public:
  explicit Reader(std::string_view message) : message_(message) {}

  bool failed() const { return failed_; }
  std::size_t at() const { return at_; }
  void seek(std::size_t at) { at_ = at; }

  std::uint32_t number(std::size_t octets) {
    if (message_.size() - at_ < octets) {
      failed_ = true;
      return 0;
    }
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < octets; ++i)
      value = (value << 8) | static_cast<unsigned char>(message_[at_++]);
    return value;
  }

  std::string_view bytes(std::size_t octets) {
    if (message_.size() - at_ < octets) {
      failed_ = true;
      return {};
    }
    at_ += octets;
    return message_.substr(at_ - octets, octets);
  }

  // Lower case; a dot within a label, or anything that is not printable, is a "?" in it.
  std::string name() {
    std::string name;
    std::size_t place = at_;
    bool jumped = false;
    std::size_t limit = at_;  // a pointer leads before this
    std::size_t octets = 0;
    while (true) {
      if (place >= message_.size()) return fail();
      const auto length = static_cast<unsigned char>(message_[place]);
      if (length >= 0xC0) {
        if (message_.size() - place < 2) return fail();
        const std::size_t target =
            (static_cast<std::size_t>(length & 0x3F) << 8) | static_cast<unsigned char>(message_[place + 1]);
        if (!jumped) at_ = place + 2;
        jumped = true;
        if (target >= limit) return fail();  // RFC 1035 4.1.4: a prior occurrence
        place = limit = target;
        continue;
      }
      if (length > kMaxLabelOctets || message_.size() - place <= length) return fail();
      octets += length + 1u;
      if (octets > kMaxName) return fail();
      if (length == 0) break;
      if (!name.empty()) name += '.';
      for (const char c : message_.substr(place + 1, length)) name += readable(c);
      place += length + 1u;
    }
    if (!jumped) at_ = place + 1;
    return name;
  }

 private:
  std::string fail() {
    failed_ = true;
    return {};
  }

  std::string_view message_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

struct Found {
  std::string owner;
  Record record;
};

void put(std::string& into, unsigned value) {
  into += static_cast<char>((value >> 8) & 0xFF);
  into += static_cast<char>(value & 0xFF);
}

std::string joined_strings(std::string_view data) {
  std::string text;
  while (!data.empty()) {
    const std::size_t length = std::min<std::size_t>(static_cast<unsigned char>(data[0]), data.size() - 1);
    text += data.substr(1, length);
    data.remove_prefix(1 + length);
  }
  return text;
}

// nullopt: of no interest, or not what it should be.
std::optional<Record> read_data(Reader& reader, Type type, std::uint32_t ttl, std::size_t length) {
  Record record;
  record.type = type;
  record.ttl = std::min(ttl, kMaxTtl);
  switch (type) {
    case Type::kA:
      if (length != 4) return std::nullopt;
      record.address = ipv4_address(reader.bytes(4));
      return record;
    case Type::kAaaa:
      if (length != 16) return std::nullopt;
      record.address = ipv6_address(reader.bytes(16));
      return record;
    case Type::kMx:
      record.preference = static_cast<std::uint16_t>(reader.number(2));
      record.text = reader.name();
      return record;
    case Type::kSrv:
      record.preference = static_cast<std::uint16_t>(reader.number(2));
      record.weight = static_cast<std::uint16_t>(reader.number(2));
      record.port = static_cast<std::uint16_t>(reader.number(2));
      record.text = reader.name();
      return record;
    case Type::kCname:
    case Type::kPtr:
      record.text = reader.name();
      return record;
    case Type::kTlsa:
      if (length < 4) return std::nullopt;
      record.text = reader.bytes(length);
      return record;
    case Type::kTxt:
      record.text = joined_strings(reader.bytes(length));
      return record;
    case Type::kSoa:
      reader.name();
      reader.name();
      reader.bytes(16);
      record.ttl = std::min(record.ttl, reader.number(4));  // RFC 2308 5
      return record;
  }
  return std::nullopt;
}

// False: the message cannot be read.
bool read_section(Reader& reader, std::size_t count, std::vector<Found>& into) {
  for (std::size_t i = 0; i < count; ++i) {
    if (into.size() == kMostRecords) return true;
    Found found;
    found.owner = reader.name();
    const auto type = static_cast<Type>(reader.number(2));
    const std::uint32_t in = reader.number(2);
    const std::uint32_t ttl = reader.number(4);
    const std::size_t length = reader.number(2);
    const std::size_t begin = reader.at();
    if (reader.failed() || reader.bytes(length).size() != length || reader.failed()) return false;
    const std::size_t end = reader.at();
    if (in != kInternet) continue;
    reader.seek(begin);
    auto record = read_data(reader, type, ttl, length);
    if (reader.failed()) return false;
    if (record && reader.at() <= end) {
      found.record = *std::move(record);
      into.push_back(std::move(found));
    }
    reader.seek(end);
  }
  return true;
}

}  // namespace

bool is_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxText || !std::ranges::all_of(name, ascii::is_printable)) return false;
  while (true) {
    const std::size_t dot = name.find('.');
    const std::string_view label = name.substr(0, dot);
    if (label.empty() || label.size() > kMaxLabelOctets) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

bool is_within(std::string_view name, std::string_view domain) {
  if (name.size() <= domain.size()) return ascii::same(name, domain);
  const std::size_t before = name.size() - domain.size();
  return name[before - 1] == '.' && ascii::same(name.substr(before), domain);
}

std::optional<std::string> question(std::string_view name, Type type) {
  std::string message(kHeader, '\0');
  message[2] = 0x01;  // recursion is desired
  message[3] = 0x20;  // AD: tell whether it was validated (RFC 6840 5.7)
  message[5] = 0x01;  // one question
  while (!name.empty()) {
    const std::size_t dot = std::min(name.find('.'), name.size());
    if (dot == 0 || dot > kMaxLabelOctets) return std::nullopt;
    message += static_cast<char>(dot);
    message += name.substr(0, dot);
    name.remove_prefix(std::min(dot + 1, name.size()));
  }
  message += '\0';
  if (message.size() - kHeader > kMaxName) return std::nullopt;
  put(message, static_cast<unsigned>(type));
  put(message, kInternet);
  return message;
}

Answer read_answer(std::string_view message, std::string_view name, Type type) {
  Answer answer;
  if (message.size() < kHeader) return answer;
  Reader reader(message);
  reader.seek(2);
  const std::uint32_t flags = reader.number(2);
  const std::uint32_t questions = reader.number(2);
  const std::uint32_t answers = reader.number(2);
  const std::uint32_t authorities = reader.number(2);
  reader.seek(kHeader);
  const unsigned code = flags & 0x0F;
  if ((flags & 0x8000) == 0 || questions != 1 || (code != 0 && code != 3)) return answer;
  std::string wanted(name);
  std::ranges::transform(wanted, wanted.begin(), [](char c) { return c == '.' ? c : readable(c); });
  const bool same = reader.name() == wanted && reader.number(2) == static_cast<std::uint32_t>(type);
  reader.number(2);
  std::vector<Found> found;
  std::vector<Found> authority;
  if (!same || reader.failed() || !read_section(reader, answers, found)) return answer;
  answer.authenticated = (flags & 0x0020) != 0;
  answer.ttl = kMaxTtl;
  for (std::size_t aliases = 0; aliases <= kMostAliases && type != Type::kCname; ++aliases) {
    const auto alias = std::ranges::find_if(
        found, [&](const Found& each) { return each.record.type == Type::kCname && each.owner == wanted; });
    if (alias == found.end()) break;
    if (aliases == kMostAliases) return answer;
    wanted = alias->record.text;
    answer.ttl = std::min(answer.ttl, alias->record.ttl);
  }
  answer.name = wanted;
  for (Found& each : found) {
    if (each.record.type != type || each.owner != wanted) continue;
    answer.ttl = std::min(answer.ttl, each.record.ttl);
    answer.records.push_back(std::move(each.record));
  }
  if (!answer.records.empty()) {
    answer.verdict = Verdict::kFound;
    return answer;
  }
  answer.verdict = code == 3 ? Verdict::kNoName : Verdict::kNoRecords;
  answer.ttl = 0;
  if (!read_section(reader, authorities, authority)) return answer;
  for (const Found& each : authority) {
    if (each.record.type == Type::kSoa) answer.ttl = each.record.ttl;
  }
  return answer;
}

}  // namespace mailstead::dns
