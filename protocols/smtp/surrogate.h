// A message as readers without UTF-8 get it (RFC 6856 2.1): header fields that hold more than ASCII are
// downgraded (RFC 6857), in the message, in its parts at every depth and in messages within it; all else, and
// each body, stays octet for octet. A message/global part is let alone: its type says what it holds.
//
// The same octets give the same surrogate, however they are cut: the index remembers its size. A change of
// what is made here is a migration that makes the index forget.
//
// Memory: one header field of at most kMaxField octets, the boundaries of kMaxDepth parts. A longer field
// keeps its ASCII and has `?` for the rest; deeper parts are text. Time: linear. Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mailstead {

class Surrogate {
 public:
  static constexpr std::size_t kMaxField = 64 * 1024;  // octets with its line ends
  static constexpr std::size_t kMaxDepth = 50;         // parts within parts

  // The message, in order, in pieces of any size. What is to be sent instead is appended to `out`, or only
  // counted when that is null.
  void read(std::string_view content, std::string* out);
  // No more comes.
  void finish(std::string* out);

  bool differs() const { return differs_; }     // from the message
  std::uint64_t size() const { return size_; }  // octets, before dot-stuffing

 private:
  enum class In { kHeader, kLongField, kBody };
  enum class Body { kOpaque, kParts, kMessage, kStatus };
  struct Part {
    std::string boundary;  // with its two hyphens
    bool digest = false;
  };
  // A line that begins or ends one of the parts.
  struct Delimiter {
    std::size_t part;
    bool last;
  };
  struct Facts {
    Body body = Body::kOpaque;
    std::string boundary;
    bool digest = false;
    bool has_type = false;
    bool encoded = false;
  };

  std::size_t read_header(std::string_view content, std::string* out);
  std::size_t read_long_field(std::string_view content, std::string* out);
  std::size_t read_body(std::string_view content, std::string* out);
  void end_line(std::string* out);
  void end_field(std::string* out);
  void end_header();
  void begin_header(bool in_digest, bool status);
  std::optional<Delimiter> delimiter(std::string_view line) const;
  void pass(const Delimiter& delimiter);
  void note_facts(std::string_view field);
  void put(std::string_view text, std::string* out);
  void put_scrubbed(std::string_view text, std::string* out);

  In in_ = In::kHeader;
  bool first_line_ = true;  // of this header
  bool status_ = false;     // a delivery status: fields, and behind an empty line fields again
  bool line_start_ = true;  // in a body or a long field
  std::string field_;       // whole lines
  std::string line_;        // the line so far: all of it in a header, its beginning in a body
  Facts facts_;
  std::vector<Part> parts_;
  bool differs_ = false;
  std::uint64_t size_ = 0;
};

}  // namespace mailstead
