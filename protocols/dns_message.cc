#include "protocols/dns_message.h"

#include <fmt/format.h>

#include <algorithm>

#include "protocols/ascii.h"

namespace mailstead {
namespace {

constexpr std::size_t kMessageHeader = 12;  // octets, RFC 1035 4.1.1
constexpr std::size_t kMaxName = 255;       // octets as they are sent, RFC 1035 2.3.4
constexpr std::size_t kMaxDnsLabel = 63;
constexpr int kMaxAliases = 16;                    // CNAMEs followed
constexpr std::uint32_t kLongestTtl = 0x7FFFFFFF;  // RFC 2181 8

constexpr std::uint16_t kTypeCname = 5, kTypeSoa = 6, kClassIn = 1;
constexpr unsigned kResponse = 0x8000, kTruncated = 0x0200, kAuthentic = 0x0020;

void put16(std::string& out, unsigned value) {
  out += static_cast<char>(value >> 8 & 0xFF);
  out += static_cast<char>(value & 0xFF);
}

// Reads a message from its beginning to its end, and never beyond it: nullopt then.
class MessageReader {
 public:
  explicit MessageReader(std::string_view message) : message_(message) {}

  std::size_t place() const { return place_; }

  std::optional<std::uint16_t> u16() {
    const auto octets = take(2);
    if (!octets) return std::nullopt;
    return static_cast<std::uint16_t>(octet(*octets, 0) << 8 | octet(*octets, 1));
  }

  std::optional<std::uint32_t> u32() {
    const auto high = u16();
    const auto low = u16();
    if (!high || !low) return std::nullopt;
    return std::uint32_t{*high} << 16 | *low;
  }

  std::optional<std::uint8_t> u8() {
    const auto octets = take(1);
    return octets ? std::optional<std::uint8_t>(octet(*octets, 0)) : std::nullopt;
  }

  std::optional<std::string_view> take(std::size_t count) {
    if (message_.size() - place_ < count) return std::nullopt;
    const std::string_view octets = message_.substr(place_, count);
    place_ += count;
    return octets;
  }

  // RFC 1035 4.1.4. Each pointer leads to before where the last one led, so that there is an end.
  std::optional<std::string> name() {
    std::string text;
    std::size_t at = place_, limit = place_, length = 1;
    bool jumped = false;
    while (true) {
      if (at >= message_.size()) return std::nullopt;
      const std::size_t first = octet(message_, at);
      if ((first & 0xC0) == 0xC0) {
        if (at + 1 >= message_.size()) return std::nullopt;
        const std::size_t target = (first & 0x3F) << 8 | octet(message_, at + 1);
        if (target >= limit) return std::nullopt;
        if (!jumped) place_ = at + 2;
        jumped = true;
        at = limit = target;
        continue;
      }
      if (first > kMaxDnsLabel) return std::nullopt;
      if (first == 0) break;
      length += first + 1;
      if (length > kMaxName || message_.size() - at - 1 < first) return std::nullopt;
      append_label(text, message_.substr(at + 1, first));
      at += first + 1;
    }
    if (!jumped) place_ = at + 1;
    return text.empty() ? "." : text;
  }

 private:
  static std::uint8_t octet(std::string_view octets, std::size_t at) {
    return static_cast<std::uint8_t>(octets[at]);
  }

  static void append_label(std::string& text, std::string_view label) {
    if (!text.empty()) text += '.';
    for (const char c : label) {
      const auto byte = static_cast<std::uint8_t>(c);
      if (byte <= 0x20 || byte >= 0x7F || c == '.' || c == '\\') {
        text += fmt::format("\\{:03}", byte);
      } else {
        text += ascii::lower(c);
      }
    }
  }

  std::string_view message_;
  std::size_t place_ = 0;
};

struct ResourceRecord {
  std::string owner;
  std::uint16_t type = 0, record_class = 0;
  std::uint32_t ttl = 0;
  std::size_t data = 0, end = 0;  // places in the message
};

std::optional<ResourceRecord> read_record(MessageReader& reader) {
  const auto owner = reader.name();
  const auto type = reader.u16(), record_class = reader.u16();
  const auto ttl = reader.u32();
  const auto length = reader.u16();
  if (!owner || !type || !record_class || !ttl || !length) return std::nullopt;
  const std::size_t data = reader.place();
  if (!reader.take(*length)) return std::nullopt;
  // RFC 2181 8: with the highest bit set it is 0.
  return ResourceRecord{*owner, *type, *record_class, *ttl > kLongestTtl ? 0 : *ttl, data, reader.place()};
}

class AnswerReader {
 public:
  AnswerReader(std::string_view message, const DnsQuestion& question)
      : message_(message), question_(question) {}

  DnsReading read() {
    MessageReader reader(message_);
    const auto id = reader.u16(), flags = reader.u16(), questions = reader.u16(), answers = reader.u16(),
               authorities = reader.u16(), additional = reader.u16();
    if (!id || !flags || !questions || !answers || !authorities || !additional) return malformed();
    if ((*flags & kResponse) == 0) return malformed();
    const unsigned code = *flags & 0xF;
    // Some servers repeat not even the question then.
    if (code == 1 || code == 4) return {{}, DnsFault::kFormat};
    if (code != 0 && code != 3) return {};
    if ((*flags & kTruncated) != 0) return {};
    if (*questions != 1 || !is_question(reader)) return malformed();
    for (unsigned i = 0; i < *answers; ++i) {
      auto record = read_record(reader);
      if (!record) return malformed();
      if (record->record_class == kClassIn) records_.push_back(std::move(*record));
    }
    if (!follow_aliases()) return malformed();
    answer_.authenticated = (*flags & kAuthentic) != 0;
    for (const ResourceRecord& record : records_) {
      if (record.owner != answer_.name || record.type != static_cast<std::uint16_t>(question_.type)) continue;
      if (!read_data(record)) return malformed();
      answer_.status = DnsStatus::kFound;
      lower_ttl(record.ttl);
    }
    if (answer_.status == DnsStatus::kFound) {
      answer_.ttl = ttl_;
      return {std::move(answer_), DnsFault::kNone};
    }
    return absent(reader, code == 3 ? DnsStatus::kNoDomain : DnsStatus::kNoRecords, *authorities);
  }

 private:
  static DnsReading malformed() { return {{}, DnsFault::kMalformed}; }

  void lower_ttl(std::uint32_t ttl) { ttl_ = std::min(ttl_, ttl); }

  bool is_question(MessageReader& reader) {
    const auto name = reader.name();
    const auto type = reader.u16(), question_class = reader.u16();
    return name && type && question_class && *name == ascii::lower(question_.name) &&
           *type == static_cast<std::uint16_t>(question_.type) && *question_class == kClassIn;
  }

  bool follow_aliases() {
    answer_.name = ascii::lower(question_.name);
    for (int followed = 0; followed <= kMaxAliases; ++followed) {
      const auto alias = std::find_if(records_.begin(), records_.end(), [&](const ResourceRecord& record) {
        return record.type == kTypeCname && record.owner == answer_.name;
      });
      if (alias == records_.end()) return true;
      MessageReader reader(message_);
      reader.take(alias->data);
      const auto target = reader.name();
      if (!target || reader.place() != alias->end) return false;
      lower_ttl(alias->ttl);
      answer_.name = *target;
    }
    return false;  // a loop
  }

  bool read_data(const ResourceRecord& record) {
    MessageReader reader(message_);
    reader.take(record.data);
    const std::string_view data = message_.substr(record.data, record.end - record.data);
    switch (question_.type) {
      case DnsType::kA:
        if (data.size() != 4) return false;
        answer_.addresses.push_back(ipv4_address(data));
        return true;
      case DnsType::kAaaa:
        if (data.size() != 16) return false;
        answer_.addresses.push_back(ipv6_address(data));
        return true;
      case DnsType::kMx: {
        const auto preference = reader.u16();
        const auto exchange = reader.name();
        if (!preference || !exchange || reader.place() != record.end) return false;
        answer_.exchanges.push_back({*preference, *exchange});
        return true;
      }
      case DnsType::kPtr: {
        const auto name = reader.name();
        if (!name || reader.place() != record.end) return false;
        answer_.names.push_back(*name);
        return true;
      }
      case DnsType::kTxt:
        return read_text(data);
      case DnsType::kTlsa: {
        if (data.size() < 3) return false;
        const auto usage = reader.u8(), selector = reader.u8(), matching = reader.u8();
        answer_.tlsa.push_back({*usage, *selector, *matching, std::string(data.substr(3))});
        return true;
      }
    }
    return false;
  }

  // RFC 1035 3.3.14: strings, each behind its length.
  bool read_text(std::string_view data) {
    std::string text;
    while (!data.empty()) {
      const std::size_t length = static_cast<std::uint8_t>(data.front());
      data.remove_prefix(1);
      if (data.size() < length) return false;
      text += data.substr(0, length);
      data.remove_prefix(length);
    }
    answer_.texts.push_back(std::move(text));
    return true;
  }

  // RFC 2308 5: an absence holds for the lesser of the SOA's TTL and its last field.
  DnsReading absent(MessageReader& reader, DnsStatus status, unsigned authorities) {
    answer_.status = status;
    for (unsigned i = 0; i < authorities; ++i) {
      const auto record = read_record(reader);
      if (!record) return malformed();
      if (record->type != kTypeSoa || record->record_class != kClassIn) continue;
      MessageReader soa(message_);
      soa.take(record->data);
      if (!soa.name() || !soa.name() || !soa.take(16)) return malformed();
      const auto minimum = soa.u32();
      if (!minimum || soa.place() != record->end) return malformed();
      lower_ttl(std::min(record->ttl, *minimum));
      answer_.ttl = ttl_;
    }
    return {std::move(answer_), DnsFault::kNone};
  }

  std::string_view message_;
  const DnsQuestion& question_;
  std::vector<ResourceRecord> records_;
  std::uint32_t ttl_ = kLongestTtl;  // the least so far
  DnsAnswer answer_;
};

}  // namespace

std::string dns_type_name(DnsType type) {
  switch (type) {
    case DnsType::kA:
      return "A";
    case DnsType::kPtr:
      return "PTR";
    case DnsType::kMx:
      return "MX";
    case DnsType::kTxt:
      return "TXT";
    case DnsType::kAaaa:
      return "AAAA";
    case DnsType::kTlsa:
      return "TLSA";
  }
  return "?";
}

std::optional<std::string> dns_query(const DnsQuestion& question, std::uint16_t id, Edns edns) {
  std::string out;
  put16(out, id);
  put16(out, 0x0100 | kAuthentic);  // RD
  put16(out, 1);
  put16(out, 0);
  put16(out, 0);
  put16(out, edns == Edns::kYes ? 1 : 0);
  std::string_view left = question.name;
  if (left.ends_with('.')) left.remove_suffix(1);
  if (left.empty() || left.size() + 2 > kMaxName) return std::nullopt;
  while (!left.empty()) {
    const std::size_t dot = std::min(left.find('.'), left.size());
    if (dot == 0 || dot > kMaxDnsLabel || dot + 1 == left.size()) return std::nullopt;
    out += static_cast<char>(dot);
    out += left.substr(0, dot);
    left.remove_prefix(std::min(dot + 1, left.size()));
  }
  out += '\0';
  put16(out, static_cast<std::uint16_t>(question.type));
  put16(out, kClassIn);
  if (edns == Edns::kYes) {
    out += '\0';  // the root
    put16(out, 41);
    put16(out, kDnsUdpSize);
    out.append(6, '\0');  // no flags, no options
  }
  return out;
}

DnsReading read_dns_answer(std::string_view message, const DnsQuestion& question) {
  if (message.size() < kMessageHeader) return {{}, DnsFault::kMalformed};
  return AnswerReader(message, question).read();
}

std::string reverse_name(const IpAddress& address) {
  std::string name;
  if (address.is_ipv4()) {
    for (std::size_t i = 16; i-- > 12;) name += fmt::format("{}.", address.octets[i]);
    return name + "in-addr.arpa";
  }
  for (std::size_t i = 16; i-- > 0;)
    name += fmt::format("{:x}.{:x}.", address.octets[i] & 15, address.octets[i] >> 4);
  return name + "ip6.arpa";
}

}  // namespace mailstead
