#include "protocols/smtp/submission_header.h"

#include <string>
#include <vector>

#include "tests/catch.h"

using namespace mailstead;

namespace {

const std::string kFrom = "From: anna@example.org\r\n";
const std::string kDate = "Date: Sat, 1 Jan 2000 00:00:00 +0000\r\n";
const std::string kId = "Message-ID: <id1@mx.example.org>\r\n";

SubmissionHeader header() {
  return SubmissionHeader({"Sat, 1 Jan 2000 00:00:00 +0000", "<id1@mx.example.org>", "anna@example.org"});
}

// What becomes of a message, the same however it is cut.
std::string repaired(const std::string& message) {
  std::string whole;
  SubmissionHeader at_once = header();
  at_once.read(message, whole);
  at_once.finish(whole);
  for (std::size_t cut = 0; cut <= message.size(); ++cut) {
    std::string pieces;
    SubmissionHeader split = header();
    split.read(std::string_view(message).substr(0, cut), pieces);
    split.read(std::string_view(message).substr(cut), pieces);
    split.finish(pieces);
    INFO("cut at " << cut);
    REQUIRE(pieces == whole);
  }
  return whole;
}

std::vector<std::string> authors(const std::string& message) {
  SubmissionHeader it = header();
  std::string ignored;
  it.read(message, ignored);
  it.finish(ignored);
  const auto found = it.authors();
  if (!found) return {"unreadable"};
  std::vector<std::string> texts;
  for (const Address& address : *found) texts.push_back(address.text());
  return texts;
}

}  // namespace

TEST_CASE("what a header lacks is added behind what it has", "[submission]") {
  const std::string body = "\r\nDate: of the body\r\nBcc: too\r\n";
  CHECK(repaired("Subject: x\r\n" + body) == "Subject: x\r\n" + kDate + kFrom + kId + body);
  CHECK(repaired("DATE : x\r\nfrom: bert@example.org\r\n" + body) ==
        "DATE : x\r\nfrom: bert@example.org\r\n" + kId + body);
  CHECK(repaired("message-id: x\r\n" + body) == "message-id: x\r\n" + kDate + kFrom + body);
  const std::string whole = "From: a@b.c\r\nDate: x\r\nMessage-ID: y\r\nTo: z\r\n";
  CHECK(repaired(whole + body) == whole + body);
}

TEST_CASE("a message without a header gets one, and its text stays the body", "[submission]") {
  const std::string added = kDate + kFrom + kId;
  CHECK(repaired("") == added);
  CHECK(repaired("\r\nbody\r\n") == added + "\r\nbody\r\n");
  CHECK(repaired("Dear Bert,\r\nBcc: me\r\n") == added + "\r\nDear Bert,\r\nBcc: me\r\n");
  CHECK(repaired(" indented\r\n") == added + "\r\n indented\r\n");
  CHECK(repaired(": x\r\n") == added + "\r\n: x\r\n");
  CHECK(repaired("S\xc3\xbc\xc3\x9f: x\r\n") == added + "\r\nS\xc3\xbc\xc3\x9f: x\r\n");
  CHECK(repaired("Subject: x\r\n") == "Subject: x\r\n" + added);
  // A name holds no blanks but before its colon.
  CHECK(repaired("Dear Bob: hello\r\nBcc: me\r\n") == added + "\r\nDear Bob: hello\r\nBcc: me\r\n");
  CHECK(repaired("From bob Mon Jan  1 12:30:00 2024\r\nA: 1\r\n") ==
        added + "\r\nFrom bob Mon Jan  1 12:30:00 2024\r\nA: 1\r\n");
  CHECK(repaired("\tSubject: x\r\n") == added + "\r\n\tSubject: x\r\n");
}

TEST_CASE("Bcc goes with all its lines, and nothing else does", "[submission]") {
  const std::string rest = "From: a@b.c\r\nDate: x\r\nMessage-ID: y\r\n";
  const std::string body = "\r\nBcc: stays\r\n";
  for (const std::string bcc :
       {"Bcc: carl@example.org\r\n", "bCC :\r\n", "BCC: a@b.c,\r\n d@e.f,\r\n\tg@h.i\r\n",
        "Resent-Bcc: a@b.c\r\n", "Bcc:a\r\nBcc:b\r\n"}) {
    INFO(bcc);
    CHECK(repaired(bcc + rest + body) == rest + body);
    CHECK(repaired(rest + bcc + body) == rest + body);
    CHECK(repaired("Subject: x\r\n y\r\n" + bcc + rest + body) == "Subject: x\r\n y\r\n" + rest + body);
  }
  for (const std::string other : {"X-Bcc: a\r\n", "Bccx: a\r\n", "Cc: a\r\n Bcc: b\r\n", "Bcc\r\n"}) {
    INFO(other);
    CHECK(repaired(rest + other + body) == rest + other + body);
  }
  // A line that is no field ends what it stands behind.
  CHECK(repaired(rest + "Bcc: a\r\nnonsense\r\n b\r\n" + body) == rest + "nonsense\r\n b\r\n" + body);
}

TEST_CASE("a long line passes in little memory", "[submission]") {
  const std::string rest = "From: a@b.c\r\nDate: x\r\nMessage-ID: y\r\n";
  const std::string name(5'000, 'x');
  SubmissionHeader it = header();
  std::string out;
  const std::string message = rest + name + ": y\r\nBcc: z\r\n\r\n" + name;
  it.read(message, out);
  it.finish(out);
  CHECK(out == rest + name + ": y\r\n\r\n" + name);
}

TEST_CASE("the authors are the addresses of From, of each there is", "[submission]") {
  using List = std::vector<std::string>;
  CHECK(authors("Subject: x\r\n\r\n") == List{});
  CHECK(authors("From: Anna\r\n <anna@example.org>\r\n\r\nFrom: bert@example.org\r\n") ==
        List{"anna@example.org"});
  CHECK(authors("FROM: anna@example.org\r\nSubject: x\r\n y@z\r\nFrom: bert@example.org\r\n\r\n") ==
        List{"anna@example.org", "bert@example.org"});
  CHECK(authors("Resent-From: bert@example.org\r\nX-From: a\r\n\r\n") == List{});
  CHECK(authors("From: Anna\r\n\r\n") == List{"unreadable"});
  // One that names nobody is none.
  for (const std::string nobody : {"", "(anna@example.org)", "x:;"}) {
    CHECK(authors("From: " + nobody + "\r\n\r\n") == List{"unreadable"});
  }
  for (const std::string name : {"From", "Bcc", "RESENT-BCC"}) {
    CHECK(authors("A: 1\r\n" + name + std::string(1'000, ' ') + ": bert@example.org\r\n\r\n") ==
          List{"unreadable"});
  }
  CHECK(authors("From: " + std::string(kMaxAuthors, 'x') + " <anna@example.org>\r\n\r\n") ==
        List{"unreadable"});
}

TEST_CASE("what says how the body is to be read says that it is MIME", "[submission]") {
  const std::string rest = kFrom + kDate + kId;
  CHECK(repaired(rest + "Content-Type: text/html\r\n\r\nx\r\n") ==
        rest + "Content-Type: text/html\r\nMIME-Version: 1.0\r\n\r\nx\r\n");
  CHECK(repaired(rest + "CONTENT-TRANSFER-ENCODING : 8bit\r\n\r\nx\r\n") ==
        rest + "CONTENT-TRANSFER-ENCODING : 8bit\r\nMIME-Version: 1.0\r\n\r\nx\r\n");
  for (const std::string& whole : {rest + "mime-version: 1.0 (x)\r\nContent-Type: text/html\r\n\r\nx\r\n",
                                   rest + "Content-Type: text/html\r\nMIME-Version: 1.0\r\n\r\nx\r\n",
                                   rest + "Content-Language: en\r\n\r\nContent-Type: text/html\r\n"}) {
    CHECK(repaired(whole) == whole);
  }
}
