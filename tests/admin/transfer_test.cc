// The forms that mail has elsewhere: Dovecot's list of UIDs, mbox files, times; and what travels to the
// store.
#include <fmt/format.h>

#include <cerrno>
#include <string>
#include <vector>

#include "admin/command.h"
#include "admin/transfer/dovecot_uidlist.h"
#include "admin/transfer/exporter.h"
#include "admin/transfer/import_spools.h"
#include "admin/transfer/maildir_source.h"
#include "admin/transfer/mbox_reader.h"
#include "admin/transfer/received_time.h"
#include "admin/transfer/transfer.h"
#include "admin/transfer/transfer_wire.h"
#include "storage/files.h"
#include "tests/admin/folder.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::admin;

namespace {

struct Collected final : MboxSink {
  struct Message {
    std::optional<std::int64_t> date;
    std::string content;
    std::string uidl;
    bool is_folder_data = false;
  };
  std::vector<Message> messages;

  void message_begins(std::optional<std::int64_t> date, std::uint64_t) override {
    messages.push_back({date, {}, {}});
  }
  void message_content(std::string_view bytes) override { messages.back().content += bytes; }
  void message_ends(const std::string& uidl, bool is_folder_data) override {
    messages.back().uidl = uidl;
    messages.back().is_folder_data = is_folder_data;
  }
};

// Told the same in pieces of every size.
Collected read_mbox(const std::string& file) {
  Collected whole;
  MboxReader reader(whole);
  reader.add(file);
  reader.finish();
  for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{7}}) {
    Collected cut;
    MboxReader again(cut);
    for (std::size_t at = 0; at < file.size(); at += piece)
      again.add(std::string_view(file).substr(at, piece));
    again.finish();
    REQUIRE(cut.messages.size() == whole.messages.size());
    for (std::size_t i = 0; i < cut.messages.size(); ++i) {
      CHECK(cut.messages[i].content == whole.messages[i].content);
      CHECK(cut.messages[i].uidl == whole.messages[i].uidl);
      CHECK(cut.messages[i].date == whole.messages[i].date);
    }
    CHECK(again.is_no_mbox() == reader.is_no_mbox());
    CHECK(again.doubtful_lines() == reader.doubtful_lines());
  }
  return whole;
}

const std::string kBegin = "From a@b Sun Sep  9 01:46:40 2001\n";

}  // namespace

TEST_CASE("dovecot-uidlist tells UIDs and saved UIDLs", "[transfer]") {
  auto list = parse_uidlist(
      "3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1\n"
      "25006 W1394 S1355 :1276528487.M364837P9451.kurkku,S=1355,W=1394:2,\n"
      "25017 Pmy-uidl O7 :1276533073.M242911P3632.kurkku:2,F\n"
      "25021 Gguid-1 :plain\n"
      "25022 :cut off");
  REQUIRE(list.has_value());
  CHECK(list->uid_validity == 1275660208);
  CHECK(list->next_uid == 25022);
  REQUIRE(list->entries.size() == 3);
  const UidlistEntry& first = list->entries.at("1276528487.M364837P9451.kurkku,S=1355,W=1394");
  CHECK(first.uid == 25006);
  CHECK(first.saved_uidl.empty());
  CHECK(list->entries.at("1276533073.M242911P3632.kurkku").saved_uidl == "my-uidl");
  CHECK(list->entries.at("1276533073.M242911P3632.kurkku").order == 7);
  CHECK(format_uidl("%08Xu%08Xv", *list, first, "f") == "000061ae4c0907b0");
  CHECK(format_uidl("%v.%u", *list, first, "f") == "1275660208.25006");
  CHECK(format_uidl("x%f-%%", *list, first, "name") == "xname-%");
  CHECK(format_uidl("%g", *list, list->entries.at("plain"), "plain") == "guid-1");
  CHECK(format_uidl("%g", *list, first, "f") == "f");
  CHECK(format_uidl("%4u|%9u", *list, first, "f") == "25006|    25006");
  auto old = parse_uidlist("1 1275660208 3\n2 1276528487.x:2,S\n");
  REQUIRE(old.has_value());
  CHECK(old->entries.at("1276528487.x").uid == 2);
  for (const char* wrong :
       {"", "2 17 3\n", "3 N3\n", "3 V17 N2\nx :y\n", "3 V17 N2\n1 no colon\n", "3 V17 N2\n0 :x\n",
        "3 V17 N2\n4294967296 :x\n", "3 V17 N2\n1 :\n", "3 V17 N2\n\n", "3 V17"}) {
    INFO(wrong);
    CHECK_FALSE(parse_uidlist(wrong).has_value());
  }
  for (const char* right : {"%08Xu%08Xv", "%f", "%g", "%u", "a%ub"})
    CHECK(check_uidl_format(right).has_value());
  for (const char* wrong : {"", "%", "plain", "%v", "%08X", "%m", "%%", "%u%"}) {
    INFO(wrong);
    CHECK_FALSE(check_uidl_format(wrong).has_value());
  }
}

TEST_CASE("a maildir's message is as old as its name or its file, whichever is older", "[transfer]") {
  constexpr std::int64_t kNow = 1'700'000'000;
  CHECK(maildir_time("1600000000.M1P2.host", 1'650'000'000, kNow) == 1'600'000'000);
  CHECK(maildir_time("1600000000.M1P2.host", 1'500'000'000, kNow) == 1'500'000'000);
  CHECK(maildir_time("1600000000.M1P2.host", 0, kNow) == 1'600'000'000);
  CHECK(maildir_time("1800000000.M1P2.host", 1'650'000'000, kNow) == 1'650'000'000);
  CHECK(maildir_time("17.M1P2.host", 1'650'000'000, kNow) == 1'650'000'000);
  CHECK(maildir_time("message", 1'650'000'000, kNow) == 1'650'000'000);
  CHECK(maildir_time("1600000000", 1'650'000'000, kNow) == 1'650'000'000);
  CHECK(maildir_time("99999999999999999999.x", 1'650'000'000, kNow) == 1'650'000'000);
}

TEST_CASE("an mbox's messages begin behind an empty line, and lose their quoting and notes", "[transfer]") {
  const auto found =
      read_mbox(kBegin +
                "Subject: one\nStatus: RO\nX-Keywords:\n  folded note\nX-UIDL: u1\nX-UIDL: second\nTo: x\n\n"
                "From the text\n>From a\n>>From b\n> From c\n>Fromage\n\nFrom no date\n\n\n" +
                kBegin + "\nno header\n" + "\n" + "From c@d Sun Sep  9 01:46:41 2001\nSubject: last\n\nx");
  REQUIRE(found.messages.size() == 3);
  CHECK(found.messages[0].content ==
        "Subject: one\nTo: x\n\nFrom the text\nFrom a\n>From b\n> From c\n>Fromage\n\nFrom no date\n\n");
  CHECK(found.messages[0].uidl == "u1");
  CHECK(found.messages[0].date == 1'000'000'000);
  CHECK(found.messages[1].content == "\nno header\n");
  CHECK(found.messages[1].uidl.empty());
  CHECK(found.messages[2].content == "Subject: last\n\nx");
  CHECK(found.messages[2].date == 1'000'000'001);
}

TEST_CASE("what is doubtful in an mbox is told, and what is none is refused", "[transfer]") {
  Collected sink;
  MboxReader reader(sink);
  reader.add(kBegin + "Subject: one\n\ntext\n" + kBegin + "Subject: two\n\n\n");
  reader.finish();
  CHECK(sink.messages.size() == 1);
  CHECK(reader.doubtful_lines() == 1);
  for (const char* wrong : {"Subject: x\n", "x", "\nFrom\n", "from a@b Sun Sep  9 01:46:40 2001\n"}) {
    Collected none;
    MboxReader strict(none);
    strict.add(wrong);
    strict.finish();
    CHECK(strict.is_no_mbox());
    CHECK(none.messages.empty());
  }
  CHECK(read_mbox("").messages.empty());
  CHECK(read_mbox("\r\n\n" + kBegin).messages.size() == 1);
  // Folder data, and lines longer than any buffer.
  CHECK(read_mbox(kBegin + "Subject: DON'T DELETE THIS MESSAGE -- x\nX-IMAPbase: 1 2\n\nx\n")
            .messages[0]
            .is_folder_data);
  CHECK_FALSE(read_mbox(kBegin + "Subject: x\nX-IMAPbase: 1 2\n\nx\n").messages[0].is_folder_data);
  const std::string line(200'000, 'l');
  CHECK(read_mbox(kBegin + "A: " + line + "\nX-Status: " + line + "\nB: c\n\n" + line + "\n\n")
            .messages[0]
            .content == "A: " + line + "\nB: c\n\n" + line + "\n");
}

TEST_CASE("the dates of \"From \" lines", "[transfer]") {
  CHECK(mbox_date("From a@b Sun Sep  9 01:46:40 2001") == 1'000'000'000);
  CHECK(mbox_date("From a b c Sun Sep 09 01:46:40 2001\n") == 1'000'000'000);
  CHECK(mbox_date("From a@b Sun Sep  9 03:46:40 +0200 2001") == 1'000'000'000);
  CHECK(mbox_date("From a@b Sun Sep  9 03:46:40 2001 +0200") == 1'000'000'000);
  CHECK(mbox_date("From a@b Sun Sep  9 01:46:40 GMT 2001") == 1'000'000'000);
  CHECK(mbox_date("From a@b Sun Sep  9 01:46 2001") == 999'999'960);
  for (const char* none :
       {"From here to there", "From a@b Sun Sep 31 01:46:40 2001", "From a@b Sun Sep  9 25:46:40 2001",
        "From a@b Sun Foo  9 01:46:40 2001", "From a@b Sun Sep  9 01:46:40", "From a@b", "From "})
    CHECK_FALSE(mbox_date(none).has_value());
}

TEST_CASE("what is quoted for an mbox comes back as it was", "[transfer]") {
  const std::string message =
      "From the header\r\nSubject: x\r\n\r\nFrom \r\n>From a\r\n>>>From b\r\nFro\r\n>\r\n>>\r\n\r\n\r\nlone "
      "\r cr\r\nFrom";
  for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, message.size()}) {
    LineFeeds lines;
    MboxQuoting quoting;
    std::string file = kBegin + "X-UIDL: u\n";
    std::string plain;
    for (std::size_t at = 0; at < message.size(); at += piece) {
      plain.clear();
      lines.add(std::string_view(message).substr(at, piece), plain);
      quoting.add(plain, file);
    }
    plain.clear();
    lines.finish(plain);
    quoting.add(plain, file);
    quoting.finish(file);
    const auto found = read_mbox(file + "\n\n" + kBegin + "\nnext\n\n");
    REQUIRE(found.messages.size() == 2);
    std::string expected;
    LineFeeds again;
    again.add(message, expected);
    CHECK(found.messages[0].content == expected + "\n");
    CHECK(found.messages[0].uidl == "u");
  }
}

TEST_CASE("a message tells when it came", "[transfer]") {
  const auto time_of = [](const std::string& message) {
    ReceivedTime time;
    for (const char c : message) time.add({&c, 1});
    return time.value();
  };
  CHECK(
      time_of(
          "Return-Path: <x>\r\nReceived: from a (b; c)\r\n\tby d; Sun, 9 Sep 2001 03:46:40 +0200 (CEST)\r\n"
          "Received: by e; Sun, 9 Sep 2001 00:00:00 +0000\r\nDate: Mon, 1 Jan 2001 00:00:00 +0000\r\n\r\n") ==
      1'000'000'000);
  CHECK(time_of("DATE: 9 Sep 01 01:46:40 GMT\r\n\r\n") == 1'000'000'000);
  CHECK(time_of("Received: nonsense\r\nDate: Sun, 09 Sep 2001 01:46 -0000\r\n\r\n") == 999'999'960);
  CHECK_FALSE(time_of("Subject: x\r\n\r\nDate: Sun, 09 Sep 2001 01:46 -0000\r\n").has_value());
  CHECK_FALSE(time_of("Date: Thu, 1 Jan 1970 00:00:00 +0000\r\n\r\n").has_value());
  CHECK_FALSE(time_of("").has_value());
  for (const char* none :
       {"", "yesterday", "Sun, 9", "Sun, 31 Feb 2001 00:00:00", "9 Sep 2001 24:00:00", "(only a comment"})
    CHECK_FALSE(mail_date(none).has_value());
}

TEST_CASE("what an import hands over arrives as it was, and nonsense is refused", "[transfer]") {
  std::string every;
  for (int octet = 0; octet < 256; ++octet) every += static_cast<char>(octet);
  const std::vector<ImportItem> items = {{every, "uidl", -5, every},
                                         {"large", "", 7, "", "token", 1ull << 40}};
  const auto back = decode_imports(encode_imports(items));
  REQUIRE(back.has_value());
  REQUIRE(back->size() == 2);
  CHECK((*back)[0].item == every);
  CHECK((*back)[0].bytes == every);
  CHECK((*back)[0].received_at == -5);
  CHECK((*back)[1].token == "token");
  CHECK((*back)[1].size == 1ull << 40);
  const auto exported =
      decode_exports(encode_exports({{{1, "u", 2, 3}, every, {}}, {{2, "v", 9, 3}, std::nullopt, "gone"}}));
  REQUIRE(exported.has_value());
  CHECK((*exported)[0].bytes == every);
  CHECK((*exported)[1].error == "gone");
  const auto asked = decode_questions(encode_questions({{every}, {"", 1ull << 40, {3, 7}}}));
  REQUIRE(asked.has_value());
  CHECK((*asked)[0].item == every);
  CHECK_FALSE((*asked)[0].size.has_value());
  CHECK_FALSE((*asked)[0].hash.is_known());
  CHECK((*asked)[1].size == 1ull << 40);
  CHECK((*asked)[1].hash == ContentHash{3, 7});
  const std::vector known{WasImported::kUnsure, WasImported::kNo, WasImported::kYes};
  CHECK(decode_known(encode_known(known), 3) == known);
  CHECK_FALSE(decode_known(encode_known(known), 2).has_value());
  CHECK_FALSE(decode_known("\"0x1\"", 3).has_value());
  for (const char* wrong : {"", "{}", "[\"aXRlbQ==\"]", "[{}]", R"([{"item": "", "hash": "aXRlbQ=="}])"})
    CHECK_FALSE(decode_questions(wrong).has_value());
  CHECK(decode_octets(encode_octets(every)).value() == every);
  for (const char* wrong :
       {"", "{}", "[1]", "[{}]", R"([{"item": "!", "uidl": "", "at": 0, "bytes": ""}])",
        R"([{"item": "", "uidl": 7, "at": 0, "bytes": ""}])", R"([{"item": "", "uidl": "", "at": 0}])",
        R"([{"item": "", "uidl": "", "at": 0, "token": "", "size": 0}])", "[[[["}) {
    INFO(wrong);
    CHECK_FALSE(decode_imports(wrong).has_value());
    CHECK_FALSE(decode_answers(wrong).has_value());
  }
}

namespace {

// A store with a mailbox, asked as imports and exports ask it.
struct TransferPlace {
  TransferPlace() {
    config = parse_config("hostname = 'mail.example.org'", "t").value();
    RecoveryReport recovery;
    auto opened = Store::open({folder.path(), "mail.example.org"}, recovery);
    REQUIRE(opened);
    store = std::move(*opened);
    REQUIRE(store->add_mailbox(parse_address("anna@example.org").value(), "$x$"));
  }

  Report ask(const std::string& command, std::vector<std::string> arguments, std::string content = {}) {
    CommandContext context{*store, config, folder.path(), nullptr, nullptr, nullptr, &spools};
    arguments.insert(arguments.begin(), "anna@example.org");
    Request request{command, std::move(arguments), {}, ""};
    request.content = std::move(content);
    return run_command(request, context);
  }

  admin_test::Folder folder;
  Config config;
  std::unique_ptr<Store> store;
  ImportSpools spools;
};

}  // namespace

TEST_CASE(
    "a large message is handed over in pieces, begun anew when its beginning is lost, and read in pieces",
    "[transfer]") {
  TransferPlace place;
  std::string message = "Subject: large\r\n\r\n";
  while (message.size() < 3 * kTransferPiece) message += "one line of many\r\n";
  const auto piece = [&](std::size_t offset) {
    return encode_octets(std::string_view(message).substr(offset, kTransferPiece));
  };
  const auto spool = [&](const std::string& token, std::size_t offset) {
    return place.ask("import spool", {token, std::to_string(offset)}, piece(offset)).json;
  };
  CHECK(spool("t", kTransferPiece) == "\"anew\"");
  CHECK(spool("t", 0) == "\"added\"");
  CHECK(spool("t", kTransferPiece) == "\"added\"");
  CHECK(spool("t", kTransferPiece) == "\"added\"");  // its answer was lost
  CHECK(spool("t", 3 * kTransferPiece) == "\"anew\"");
  const std::string batch = encode_imports({{"item", "uidl", 7, "", "t", message.size()}});
  CHECK(place.ask("import batch", {"mbox"}, batch).json == "\"anew\"");  // it is not whole
  CHECK(spool("t", 0) == "\"added\"");
  for (std::size_t offset = kTransferPiece; offset < message.size(); offset += kTransferPiece)
    CHECK(spool("t", offset) == "\"added\"");
  const auto answers = decode_answers(place.ask("import batch", {"mbox"}, batch).json);
  REQUIRE(answers.has_value());
  CHECK(answers->at(0).outcome == ImportAnswer::Outcome::kNew);
  CHECK(answers->at(0).uidl == "uidl");
  CHECK(place.ask("import batch", {"mbox"}, batch).json == "\"anew\"");  // taken
  CHECK(place.ask("import known", {"mbox"}, encode_questions({{"item"}, {"other"}})).json == "\"10\"");

  // Of more than there is room for, the one that was added to last longest ago goes.
  for (std::size_t i = 0; i <= kMostImportSpools; ++i) CHECK(spool(std::to_string(i), 0) == "\"added\"");
  CHECK(spool("0", kTransferPiece) == "\"anew\"");
  CHECK(spool("1", kTransferPiece) == "\"added\"");

  const auto page = decode_exports(place.ask("export batch", {"0"}).json);
  REQUIRE(page.has_value());
  REQUIRE(page->size() == 1);
  CHECK_FALSE(page->at(0).bytes.has_value());
  const auto key = std::to_string(page->at(0).entry.key);
  std::string read;
  while (read.size() < message.size()) {
    const auto octets = decode_octets(
        place.ask("export piece", {key, std::to_string(message.size()), std::to_string(read.size())}).json);
    REQUIRE(octets.has_value());
    REQUIRE_FALSE(octets->empty());
    read += *octets;
  }
  CHECK(read == message);
}

TEST_CASE("requests of imports and exports are checked like any other", "[transfer]") {
  TransferPlace place;
  CHECK(place.ask("transfer begin", {"import maildir"}).exit_code == 0);
  CHECK(place.ask("import known", {}).exit_code == 2);
  CHECK(place.ask("import known", {"mbox"}, "nonsense").exit_code == 1);
  const std::vector<ImportQuestion> too_many(kKnownItems + 1, {"x"});
  CHECK(place.ask("import known", {"mbox"}, encode_questions(too_many)).exit_code == 2);
  CHECK(place.ask("import spool", {"t", "-1"}, encode_octets("x")).exit_code == 2);
  CHECK(place.ask("import spool", {std::string(65, 't'), "0"}, encode_octets("x")).exit_code == 2);
  CHECK(place.ask("export batch", {"x"}).exit_code == 2);
  CHECK(place.ask("export batch", {"18446744073709551615"}).exit_code == 2);
  CHECK(place.ask("export piece", {"9", "1", "0"}).exit_code == 1);
  CHECK(place.ask("mailbox show", {}, "content").exit_code == 2);
  CHECK(place.ask("import maildir", {"x"}).exit_code == 2);  // the command line's own
  place.config.limits.free_space = 1ull << 50;
  const Report full = place.ask("import batch", {"mbox"}, encode_imports({{"item", "", 7, "A: b\r\n\r\n"}}));
  CHECK(full.exit_code == 1);
  CHECK(full.error.find("the disk is nearly full") == 0);
  CHECK(decode_exports(place.ask("export batch", {"0"}).json)->empty());
}

TEST_CASE("the folder of an mbox that an export makes is synced before anything is written into it",
          "[transfer]") {
  const admin_test::Folder folder;
  CommandLine line;
  line.data = folder.path() + "/data";  // there is no store
  line.request.arguments = {"anna@example.org", folder.path() + "/out.mbox"};
  set_disk_hook([](const char* operation) { return std::string_view(operation) == "sync" ? EIO : 0; });
  const Report unsynced = export_mbox(line);
  set_disk_hook(nullptr);
  CHECK(unsynced.exit_code == 1);
  CHECK(unsynced.error.find("cannot sync " + folder.path() + "/: ") != std::string::npos);
  CHECK(export_mbox(line).error.find("cannot sync") == std::string::npos);
}
