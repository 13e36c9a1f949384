// Turns a message of BINARYMIME (RFC 3030 3) into one that every host and mail program can have: the parts
// whose Content-Transfer-Encoding is "binary" come out in base64, and all else as it came.
//
// It knows as much of MIME (RFC 2045, 2046) as that takes: headers, multipart with its boundaries, messages
// within messages. What is not binary goes through untouched, wrong line ends too: they are the reader's
// business behind this. The message goes through in pieces of any size and comes out the same however it was
// cut. Memory: the header of one part, at most kMaxPartHeader octets, and one line. Time: linear, times the
// depth of the parts, which is bounded. Threads: one at a time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace mailstead {

inline constexpr std::size_t kMaxPartHeader = 128 * 1024;
inline constexpr std::size_t kMaxPartDepth = 100;

class BinaryMime {
 public:
  // Message content as it came, in order. Appends what becomes of it to `into`.
  void read(std::string_view content, std::string& into);
  // That was all of it.
  void finish(std::string& into);

  // A part's header is too long, or parts are nested too deep, for what is in them to be read rightly: the
  // message cannot be had. It stays so.
  bool failed() const { return failed_; }
  // Some part was binary, and came out as something else: signatures of the body no longer hold.
  bool has_converted() const { return has_converted_; }

 private:
  enum class State {
    kHeader,  // of the message or of a part
    kPlain,   // a body, a preamble or an epilogue, which goes through
    kBinary,  // a body that goes out in base64
  };

  void read_line(std::string_view line, std::string& into);
  void read_piece(std::string_view piece, std::string& into);
  // Does `line` delimit a part, RFC 2046 5.1.1? Its place among the open boundaries, or their number.
  std::size_t boundary_of(std::string_view line) const;
  bool may_be_boundary(std::string_view beginning) const;
  void delimit(std::size_t place, std::string_view line, std::string& into);
  void end_header(std::string& into);
  void encode(std::string_view octets, std::string& into);
  void end_encoding(std::string& into);

  State state_ = State::kHeader;
  std::string line_;          // what has come of a line, while it may be a delimiter or part of a header
  bool within_line_ = false;  // what has come of the line is passed on already
  std::string header_;
  std::vector<std::string> boundaries_;  // of the multiparts that are open, the outermost first
  std::string octets_;                   // of kBinary, fewer than a line of base64
  bool line_end_ = false;                // a CRLF that is the body's, or belongs to the delimiter behind it
  bool failed_ = false;
  bool has_converted_ = false;
};

}  // namespace mailstead
