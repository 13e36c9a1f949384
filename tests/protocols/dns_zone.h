// A DNS for tests: a text says what it has.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocols/dns_message.h"

namespace mailstead {

// TXT records with these texts.
dns::Answer txt_answer(const std::vector<std::string>& texts);

// A record on a line: "mx.far.example A 192.0.2.1"; A, AAAA, MX (with its preference), PTR, CNAME, TXT (the
// rest of the line). "far.example FAILS TXT": no answer about these; "far.example FAILS": about none. A line
// that begins with a blank belongs to the name before it.
class DnsZone {
 public:
  explicit DnsZone(std::string_view text);

  dns::Answer answer(const std::string& name, dns::Type type) const;

 private:
  struct Entry {
    std::string type;
    std::string data;
  };

  dns::Answer answer(const std::string& name, dns::Type type, int aliases) const;

  std::map<std::string, std::vector<Entry>> names_;
};

}  // namespace mailstead
