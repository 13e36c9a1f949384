#include "protocols/address_list.h"

#include <algorithm>
#include <string>
#include <utility>

#include "protocols/header_token.h"

namespace mailstead {
namespace {

// But for the tab, which is a blank (RFC 5322 3.2.2).
bool has_controls(std::string_view text) {
  return std::ranges::any_of(
      text, [](char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f; });
}

// One element of the list: an address, or the name in front of one.
class Element {
 public:
  void add(const HeaderToken& token, bool behind_comment) {
    // RFC 5322 4.4: older writers put blanks around the dots and the "@", but between two words there are
    // none.
    const bool joins =
        token.is('@') || token.text.front() == '.' || text_.ends_with('@') || text_.ends_with('.');
    torn_ |= !text_.empty() && (token.blank_before || behind_comment) && !joins;
    // What is no word of a name (RFC 5322 3.2.5) without quotes: a reader might take it for the address.
    named_ &= token.kind == HeaderToken::Kind::kQuoted ||
              (!token.is('@') && (token.text.find('[') == std::string_view::npos ||
                                  token.text.find('@') == std::string_view::npos));
    text_ += token.text;
  }
  bool empty() const { return text_.empty(); }
  bool may_be_name() const { return named_; }
  // nullopt: it is no address.
  std::optional<Address> address() const {
    std::string_view text = text_;
    // RFC 5322 4.4: a route before the address is ignored.
    if (const std::size_t colon = text.find(':'); text.starts_with('@') && colon != std::string_view::npos) {
      text.remove_prefix(colon + 1);
    }
    auto address = torn_ ? Result<Address>(Error{}) : parse_address(text);
    if (!address) return std::nullopt;
    return *std::move(address);
  }

 private:
  std::string text_;
  bool torn_ = false;  // words stand beside each other
  bool named_ = true;
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
    const bool behind_comment = std::exchange(comment_, token.kind == HeaderToken::Kind::kComment);
    if (comment_) return true;
    if (token.is(',')) return end_element();
    if (token.is('<')) return take_brackets();
    if (token.is(':')) {
      // What came before is the group's name.
      if (in_group_ || closed_ || element_.empty() || !element_.may_be_name()) return false;
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
    element_.add(token, behind_comment);
    return true;
  }

  // Up to the ">": all in between is the address.
  bool take_brackets() {
    if (closed_) return false;
    Element inner;
    bool behind_comment = false;
    for (++next_; next_ < tokens_.size() && !tokens_[next_].is('>'); ++next_) {
      if (tokens_[next_].is('<')) return false;
      const bool is_comment = tokens_[next_].kind == HeaderToken::Kind::kComment;
      if (!is_comment) inner.add(tokens_[next_], behind_comment);
      behind_comment = is_comment;
    }
    if (next_ == tokens_.size()) return false;
    const auto address = inner.address();
    if (!address || !is_name_of(*address)) return false;
    addresses_.push_back(*address);
    element_ = {};
    closed_ = true;
    return true;
  }

  // Also where it is the same address without quotes, as some programs write it: RFC 5322 has no such name,
  // but no reader can take it for another's.
  bool is_name_of(const Address& address) const {
    if (element_.may_be_name()) return true;
    const auto named = element_.address();
    return named && named->key() == address.key();
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
  bool comment_ = false;  // was the last token
  bool closed_ = false;   // the element is whole: nothing but a comment may follow
};

}  // namespace

std::optional<std::vector<Address>> parse_address_list(std::string_view value) {
  if (has_controls(value)) return std::nullopt;
  const auto tokens = header_tokens(value, "<>,:;@");
  if (!tokens) return std::nullopt;
  return ListParser(*tokens).run();
}

}  // namespace mailstead
