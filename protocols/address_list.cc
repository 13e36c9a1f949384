#include "protocols/address_list.h"

#include <string>

#include "protocols/header_token.h"

namespace mailstead {
namespace {

// One element of the list: [name] <address>, or an address, perhaps with blanks between its parts. Specials
// other than "@" are the caller's.
class Element {
 public:
  void add(const HeaderToken& token) {
    // Blanks stand between the words of a name, and around the dots and the "@" of an obsolete address; only
    // the address can be read back from what has none.
    text_ += token.text;
    ++words_;
  }
  bool empty() const { return words_ == 0; }
  // nullopt: it is no address.
  std::optional<Address> address() const {
    auto address = parse_address(text_);
    if (!address) return std::nullopt;
    return *std::move(address);
  }
  // RFC 5322 4.4: a route before the address is ignored.
  std::optional<Address> address_in_brackets() const {
    const std::size_t colon = text_.starts_with('@') ? text_.find(':') : std::string::npos;
    if (colon == std::string::npos) return address();
    auto address = parse_address(std::string_view(text_).substr(colon + 1));
    if (!address) return std::nullopt;
    return *std::move(address);
  }

 private:
  std::string text_;
  std::size_t words_ = 0;
};

class ListParser {
 public:
  explicit ListParser(const std::vector<HeaderToken>& tokens) : tokens_(tokens) {}

  std::optional<std::vector<Address>> run() {
    for (; next_ < tokens_.size(); ++next_) {
      if (!take(tokens_[next_])) return std::nullopt;
    }
    if (in_group_ || !end_element()) return std::nullopt;
    return std::move(addresses_);
  }

 private:
  bool take(const HeaderToken& token) {
    if (token.kind == HeaderToken::Kind::kComment) return true;
    if (token.is(',')) return end_element();
    if (token.is('<')) return take_brackets();
    if (token.is(':')) {
      // What came before is the group's name.
      if (in_group_ || closed_ || element_.empty()) return false;
      in_group_ = true;
      element_ = {};
      return true;
    }
    if (token.is(';')) {
      if (!in_group_ || !end_element()) return false;
      in_group_ = false;
      closed_ = true;  // a comma has to follow, or the end
      return true;
    }
    if (token.is('>') || closed_) return false;
    element_.add(token);
    return true;
  }

  // Up to the ">": all in between is the address.
  bool take_brackets() {
    if (closed_) return false;
    Element inner;
    for (++next_; next_ < tokens_.size() && !tokens_[next_].is('>'); ++next_) {
      if (tokens_[next_].is('<')) return false;
      if (tokens_[next_].kind != HeaderToken::Kind::kComment) inner.add(tokens_[next_]);
    }
    if (next_ == tokens_.size()) return false;
    const auto address = inner.address_in_brackets();
    if (!address) return false;
    addresses_.push_back(*address);
    element_ = {};
    closed_ = true;
    return true;
  }

  // RFC 5322 4.4: elements of a list may be empty.
  bool end_element() {
    if (!element_.empty()) {
      const auto address = element_.address();
      if (!address) return false;
      addresses_.push_back(*address);
    }
    element_ = {};
    closed_ = false;
    return true;
  }

  const std::vector<HeaderToken>& tokens_;
  std::size_t next_ = 0;
  std::vector<Address> addresses_;
  Element element_;
  bool in_group_ = false;
  bool closed_ = false;  // the element is whole: nothing but a comment may follow
};

}  // namespace

std::optional<std::vector<Address>> parse_address_list(std::string_view value) {
  const auto tokens = header_tokens(value, "<>,:;@");
  if (!tokens) return std::nullopt;
  return ListParser(*tokens).run();
}

}  // namespace mailstead
