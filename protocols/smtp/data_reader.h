// Reads the content of a message after DATA, RFC 5321 4.1.1.4 and 4.5.2 (transparency), or in the chunks of
// BDAT, RFC 3030 2.
//
// After DATA only CRLF.CRLF ends a message; the CRLF before the first line is the one of the DATA command. A
// CR or LF alone never ends a line, so a dot behind it is content: what another server might take for the end
// ("SMTP smuggling") stays within the message, and the message is known to hold a bare newline.
//
// Memory: a few octets, whatever is written to the caller's string, and HeaderScan's. Time: linear, also for
// input of nothing but CRs or LFs. Works across any split. Threads: one at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "protocols/header_scan.h"

namespace mailstead {

enum class BareNewline {
  kReject,     // passed on as it came; the caller refuses the message
  kNormalise,  // becomes CRLF; still never an end of the message, nor the place of a stuffed dot
};

enum class Framing {
  kDots,    // DATA: a dot on a line of its own is the end, others at a line's start are stuffed
  kChunks,  // BDAT: octets as they are; the commands tell where they end
};

class DataReader {
 public:
  explicit DataReader(BareNewline policy, Framing framing = Framing::kDots)
      : policy_(policy), framing_(framing) {}

  // Reads up to the end of the message, or of the octets, and returns how many octets that took. Appends the
  // content, dots unstuffed, to `into`; with nullptr it is thrown away but counted. Not to be called after
  // ended().
  std::size_t read(std::string_view wire, std::string* into);

  // Of chunks: that was the last one. A message that does not end in CRLF gets one, as every line has one
  // where it is kept.
  void end_chunks(std::string& into);

  bool ended() const { return state_ == State::kEnded; }
  bool bare_newline() const { return bare_newline_; }  // one was met, whatever the policy
  std::uint64_t octets() const { return octets_; }     // of content so far
  // RFC 1870 6.1: those that its sender has sent, without a CRLF that was added at its end.
  std::uint64_t octets_sent() const { return octets_ - added_; }
  const HeaderScan& header() const { return header_; }

 private:
  enum class State {
    kLineStart,  // after CRLF
    kText,       // within a line
    kCr,         // after a CR, which is content already
    kDot,        // after a dot at a line's start, not content yet
    kDotCr,      // after that dot and a CR, neither content yet
    kEnded,
  };

  void step(char c);
  void take(char c);
  void lone_cr();
  void emit(std::string_view content);

  BareNewline policy_;
  Framing framing_;
  State state_ = State::kLineStart;
  bool bare_newline_ = false;
  std::uint64_t octets_ = 0;
  std::uint64_t added_ = 0;
  HeaderScan header_;
  std::string* into_ = nullptr;  // only during read()
};

}  // namespace mailstead
