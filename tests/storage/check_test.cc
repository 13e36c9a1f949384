// Checks of a data folder, while its store is open: what a Checker suspects, what the store says of it, and
// how it mends it.
#include "storage/check/checker.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

#include "support.h"
#include "tests/catch.h"

using namespace mailstead;
using namespace mailstead::storage_test;

namespace {

using Verdict = Judgement::Verdict;

std::string text(int number) {
  return "Subject: " + std::to_string(number) + "\r\n\r\nbody " + std::to_string(number) + "\r\n";
}

std::string folder(const Scratch& scratch, const std::string& place) {
  return scratch.data() + "/mail/example.org/anna/" + place;
}

// The only file there.
std::string file_in(const Scratch& scratch, const std::string& place) {
  const auto names = names_in(folder(scratch, place));
  REQUIRE(names.size() == 1);
  return folder(scratch, place) + "/" + names.front();
}

Checker::Found look(const std::string& data, std::uint64_t one_in = 1) {
  auto checker = Checker::open(data);
  REQUIRE(checker.has_value());
  Checker::Found found;
  const auto mailboxes = (*checker)->mailboxes();
  REQUIRE(mailboxes.has_value());
  for (const Checker::Mailbox& mailbox : *mailboxes) {
    bool more = true;
    while (more) {
      const auto done = (*checker)->check_messages(mailbox, {one_in, 7}, found);
      REQUIRE(done.has_value());
      more = *done;
    }
    REQUIRE((*checker)->check_files(mailbox, found).has_value());
  }
  REQUIRE((*checker)->check_totals(found).has_value());
  REQUIRE((*checker)->check_queue(found).has_value());
  const auto database = (*checker)->check_database();
  REQUIRE(database.has_value());
  CHECK(database->empty());
  return found;
}

// What is told of all that is suspected, without what turns out to be sound.
std::vector<Judgement> check(Store& store, const std::string& data, Mend mend) {
  const Checker::Found found = look(data);
  REQUIRE(store.learn_hashes(found.learnt).has_value());
  std::vector<Judgement> told;
  for (const auto& judgement : store.judge(found.suspicions, mend)) {
    REQUIRE(judgement.has_value());
    if (judgement->verdict != Verdict::kSound) told.push_back(*judgement);
  }
  return told;
}

Judgement only(const std::vector<Judgement>& told) {
  REQUIRE(told.size() == 1);
  return told.front();
}

bool says(const Judgement& judgement, const std::string& words) {
  INFO(judgement.text);
  return judgement.text.find(words) != std::string::npos;
}

std::string only_journal(const Scratch& scratch) {
  const auto names = names_in(scratch.data() + "/journal");
  REQUIRE(names.size() == 1);
  return scratch.data() + "/journal/" + names.front();
}

void change_octet(const std::string& path) {
  std::string bytes = read_file(path);
  bytes[bytes.size() - 4] = '!';
  write_file(path, bytes);
}

}  // namespace

TEST_CASE("a folder in order gives no reason to say anything", "[storage][check]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna, kBert});
  for (int i = 0; i < 5; ++i) REQUIRE(deliver(*store, {kAnna, kBert}, text(i)).has_value());
  REQUIRE(
      deliver(*store, {kAnna}, "Subject: large\r\n\r\n" + std::string(300'000, 'x') + "\r\n").has_value());
  REQUIRE(deliver_unfiled(*store, {kAnna}, text(9)).has_value());
  delete_messages(*store, kAnna, {0});
  auto maildrop = store->open_maildrop(id_of(*store, kBert));
  const std::vector<std::size_t> first{0};
  REQUIRE(store->commit_deletes(**maildrop, first, {Deleted::kKept, "phone"}).has_value());
  REQUIRE(store->purge_deleted(id_of(*store, kBert), SIZE_MAX).has_value());

  const Checker::Found found = look(scratch.data());
  CHECK(found.suspicions.empty());
  CHECK(found.learnt.empty());
  CHECK(found.rows == 11);
  CHECK(found.files == 11);
  CHECK(found.octets > 300'000);
  CHECK(look(scratch.data(), 1'000'000).files < 11);
}

TEST_CASE("a file that has changed is found by its hash, and what is there becomes what clients get",
          "[storage][check]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, text(1)).has_value());
  const auto before = fetch_all(*store, kAnna);
  change_octet(file_in(scratch, "new"));

  CHECK(look(scratch.data(), 1'000'000'007).suspicions.empty());  // as long as before
  const Judgement amiss = only(check(*store, scratch.data(), Mend::kNo));
  CHECK(amiss.verdict == Verdict::kAmiss);
  CHECK(says(amiss, "is not what came"));
  CHECK(says(amiss, "backup"));
  const Judgement mended = only(check(*store, scratch.data(), Mend::kYes));
  CHECK(mended.verdict == Verdict::kMended);
  CHECK(only(check(*store, scratch.data(), Mend::kNo)).verdict == Verdict::kNoted);
  const auto after = fetch_all(*store, kAnna);
  CHECK(uidls_of(after) == uidls_of(before));
  CHECK(after.front().content != before.front().content);
}

TEST_CASE("each check tells of a message that is not what came, until it is again", "[storage][check]") {
  const bool is_cut = GENERATE(false, true);
  const Mend mend = GENERATE(Mend::kNo, Mend::kYes);
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, text(1)).has_value());
  const auto before = fetch_all(*store, kAnna);
  const std::string path = file_in(scratch, "new");
  const std::string whole = read_file(path);
  // Twice: what came stays what came.
  for (int i = 0; i < 2; ++i) {
    if (is_cut) {
      write_file(path, whole.substr(0, whole.size() - 4 - static_cast<std::size_t>(i)) + "\r\n");
    } else {
      std::string changed = whole;
      changed[2 + static_cast<std::size_t>(i)] = '!';
      write_file(path, changed);
    }
    CHECK(only(check(*store, scratch.data(), Mend::kNo)).verdict == Verdict::kAmiss);
    CHECK(only(check(*store, scratch.data(), Mend::kYes)).verdict == Verdict::kMended);
  }
  CHECK(look(scratch.data(), 1'000'000'007).suspicions.size() == 1);  // also by a check that reads hardly any
  for (int i = 0; i < 2; ++i) {
    const Judgement noted = only(check(*store, scratch.data(), i == 0 ? Mend::kNo : Mend::kYes));
    CHECK(noted.verdict == Verdict::kNoted);
    CHECK(says(noted, "is not what came"));
    CHECK(says(noted, "backup"));
  }
  // After a restart, too.
  REQUIRE(store->close().has_value());
  store.reset();
  store = open_store(scratch.data());
  CHECK(only(check(*store, scratch.data(), Mend::kNo)).verdict == Verdict::kNoted);

  write_file(path, whole);
  const Judgement back = only(check(*store, scratch.data(), mend));
  CHECK(back.verdict == Verdict::kNoted);
  CHECK(says(back, "is what came again"));
  CHECK(check(*store, scratch.data(), Mend::kNo).empty());
  const auto after = fetch_all(*store, kAnna);
  CHECK(uidls_of(after) == uidls_of(before));
  CHECK(after.front().content == before.front().content);
}

TEST_CASE("a message that was missed and is what came again is no trouble", "[storage][check]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, text(1)).has_value());
  const auto before = fetch_all(*store, kAnna);
  const std::string path = file_in(scratch, "new");
  const std::string whole = read_file(path);
  change_octet(path);
  CHECK(only(check(*store, scratch.data(), Mend::kYes)).verdict == Verdict::kMended);
  std::filesystem::remove(path);
  CHECK(only(check(*store, scratch.data(), Mend::kYes)).verdict == Verdict::kMended);
  write_file(path, whole);
  static_cast<void>(check(*store, scratch.data(), Mend::kYes));
  while (*store->take_in_files(100)) {
  }
  CHECK(check(*store, scratch.data(), Mend::kNo).empty());
  CHECK(fetch_all(*store, kAnna).front().content == before.front().content);
}

TEST_CASE("a length that the index took without the octets does not keep the true file out",
          "[storage][check]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, text(1)).has_value());
  const auto before = fetch_all(*store, kAnna);
  run_sql(scratch.data() + "/mailstead.db", "UPDATE messages SET size = 9");
  CHECK(says(only(check(*store, scratch.data(), Mend::kNo)), "is what came again"));
  static_cast<void>(check(*store, scratch.data(), Mend::kYes));
  CHECK(check(*store, scratch.data(), Mend::kNo).empty());
  CHECK(fetch_all(*store, kAnna).front().content == before.front().content);
}

TEST_CASE("a file of another length is read whole, and what was found is kept", "[storage][check]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, text(1)).has_value());
  const auto before = fetch_all(*store, kAnna);
  const std::string path = file_in(scratch, "new");
  write_file(path, read_file(path) + ".an editor's line\n");

  CHECK(says(only(check(*store, scratch.data(), Mend::kNo)), "octets and has"));
  const Judgement mended = only(check(*store, scratch.data(), Mend::kYes));
  CHECK(mended.verdict == Verdict::kMended);
  CHECK(says(mended, "quarantine/"));
  CHECK(read_file(file_in(scratch, "quarantine")).ends_with("line\n"));
  const auto after = fetch_all(*store, kAnna);
  CHECK(uidls_of(after) == uidls_of(before));
  CHECK(after.front().content == before.front().content + ".an editor's line\r\n");
  CHECK(only(check(*store, scratch.data(), Mend::kNo)).verdict == Verdict::kNoted);
  CHECK(store->show_mailbox(address(kAnna))->octets == after.front().content.size());
}

TEST_CASE("a file of which nothing is left goes to the quarantine, and its message waits for it",
          "[storage][check]") {
  const std::string what = GENERATE("empty", "zeros");
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, text(1)).has_value());
  const auto before = fetch_all(*store, kAnna);
  const std::string path = file_in(scratch, "new");
  const std::string whole = read_file(path);
  write_file(path, what == "empty" ? std::string() : std::string(whole.size(), '\0'));

  CHECK(only(check(*store, scratch.data(), Mend::kNo)).verdict == Verdict::kAmiss);
  CHECK(read_file(path).size() == (what == "empty" ? 0 : whole.size()));  // nothing was touched
  const Judgement mended = only(check(*store, scratch.data(), Mend::kYes));
  CHECK(mended.verdict == Verdict::kMended);
  CHECK(names_in(folder(scratch, "new")).empty());
  CHECK(names_in(folder(scratch, "quarantine")).size() == 1);
  CHECK(fetch_all(*store, kAnna).empty());
  CHECK(only(check(*store, scratch.data(), Mend::kYes)).verdict == Verdict::kNoted);

  write_file(path, whole);  // from a backup
  static_cast<void>(check(*store, scratch.data(), Mend::kYes));
  while (*store->take_in_files(100)) {
  }
  const auto after = fetch_all(*store, kAnna);
  CHECK(uidls_of(after) == uidls_of(before));
  CHECK(after.front().content == before.front().content);
  CHECK(check(*store, scratch.data(), Mend::kNo).empty());
}

TEST_CASE("a file that is gone is told, and mending has clients see it no more", "[storage][check]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (const int i : {1, 2}) REQUIRE(deliver(*store, {kAnna}, text(i)).has_value());
  const auto names = names_in(folder(scratch, "new"));
  const std::string path = folder(scratch, "new/") + names.front();
  const std::string whole = read_file(path);
  const auto maildrop = store->open_maildrop(id_of(*store, kAnna));  // a session that began before
  std::filesystem::remove(path);

  CHECK(says(only(check(*store, scratch.data(), Mend::kNo)), "is gone"));
  CHECK(only(check(*store, scratch.data(), Mend::kYes)).verdict == Verdict::kMended);
  CHECK(entries_of(*store, **maildrop).size() == (*maildrop)->totals().messages);
  CHECK(store->show_mailbox(address(kAnna))->messages == 1);
  CHECK(only(check(*store, scratch.data(), Mend::kYes)).verdict == Verdict::kNoted);
}

TEST_CASE("a deleted message of which nothing is left is given up, and nothing else is", "[storage][check]") {
  const bool is_gone = GENERATE(true, false);
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (const int i : {1, 2, 3}) REQUIRE(deliver(*store, {kAnna}, text(i)).has_value());
  const auto uidls = uidls_of(fetch_all(*store, kAnna));
  {
    const auto maildrop = store->open_maildrop(id_of(*store, kAnna)).value();
    const std::vector<std::size_t> two{0, 1};
    REQUIRE(store->commit_deletes(*maildrop, two, {Deleted::kKept, ""}).has_value());
  }
  REQUIRE(store->purge_deleted(id_of(*store, kAnna), 100).value() == 0);
  std::string path;
  for (const std::string& name : names_in(folder(scratch, "deleted")))
    if (name.find(uidls[0]) != std::string::npos) path = folder(scratch, "deleted/") + name;
  const std::string whole = read_file(path);
  if (is_gone) {
    std::filesystem::remove(path);
  } else {
    write_file(path, std::string(whole.size(), '\0'));
  }
  CHECK(only(check(*store, scratch.data(), Mend::kNo)).verdict == Verdict::kAmiss);
  CHECK(store->deleted_totals().messages == 2);

  const Judgement mended = only(check(*store, scratch.data(), Mend::kYes));
  CHECK(mended.verdict == Verdict::kMended);
  CHECK(says(mended, "given up"));
  CHECK(std::filesystem::exists(folder(scratch, "quarantine")) != is_gone);
  CHECK(store->deleted_totals().messages == 1);
  CHECK(check(*store, scratch.data(), Mend::kNo).empty());
  // What returns among the deleted is nobody's; among the mail it is mail.
  write_file(path, whole);
  CHECK(only(check(*store, scratch.data(), Mend::kYes)).verdict == Verdict::kNoted);
  CHECK(uidls_of(fetch_all(*store, kAnna)) == std::vector{uidls[2]});
}

TEST_CASE("mail in a file of the journal that somebody has removed gets files", "[storage][check]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (const int i : {1, 2}) REQUIRE(deliver_unfiled(*store, {kAnna}, text(i)).has_value());
  const auto before = fetch_all(*store, kAnna);
  REQUIRE(look(scratch.data()).suspicions.empty());
  const std::string journal = only_journal(scratch);
  if (GENERATE(true, false)) {
    std::filesystem::remove(journal);
  } else {
    std::filesystem::rename(journal, scratch.path() + "/elsewhere");
  }

  const auto amiss = check(*store, scratch.data(), Mend::kNo);
  REQUIRE(amiss.size() == 2);
  CHECK(amiss.front().verdict == Verdict::kAmiss);
  CHECK(says(amiss.front(), "somebody has removed"));
  CHECK(names_in(folder(scratch, "new")).empty());
  const auto mended = check(*store, scratch.data(), Mend::kYes);
  REQUIRE(mended.size() == 2);
  CHECK(mended.back().verdict == Verdict::kMended);
  CHECK(names_in(folder(scratch, "new")).size() == 2);
  CHECK(check(*store, scratch.data(), Mend::kNo).empty());
  const auto after = fetch_all(*store, kAnna);
  CHECK(uidls_of(after) == uidls_of(before));
  CHECK(after.front().content == before.front().content);

  // What comes now is where the next start finds it.
  REQUIRE(deliver_unfiled(*store, {kAnna}, text(3)).has_value());
  REQUIRE(look(scratch.data()).suspicions.empty());
  CHECK(check(*store, scratch.data(), Mend::kNo).empty());
}

TEST_CASE("what the journal does not hold as it came is told by its name, and settled at once",
          "[storage][check]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  for (const int i : {1, 2}) REQUIRE(deliver_unfiled(*store, {kAnna}, text(i)).has_value());
  const auto uidls = uidls_of(fetch_all(*store, kAnna));
  change_octet(only_journal(scratch));  // of the second

  const Judgement amiss = only(check(*store, scratch.data(), Mend::kNo));
  CHECK(amiss.verdict == Verdict::kAmiss);
  CHECK(says(amiss, uidls.back()));
  CHECK(says(amiss, "backup"));
  const Judgement mended = only(check(*store, scratch.data(), Mend::kYes));
  CHECK(mended.verdict == Verdict::kMended);
  CHECK(says(mended, uidls.back()));
  CHECK(says(mended, "is not what came"));
  CHECK(uidls_of(fetch_all(*store, kAnna)) == std::vector{uidls.front()});
  CHECK(only(check(*store, scratch.data(), Mend::kNo)).verdict == Verdict::kNoted);
  // What is left of it is all of it but an octet.
  const std::string left = read_file(file_in(scratch, "quarantine"));
  CHECK(left.find("Subject: 2") != std::string::npos);
  CHECK(std::ranges::any_of(store->take_notices(), [&](const std::string& notice) {
    return notice.find(uidls.back()) != std::string::npos && notice.find("quarantine") != std::string::npos;
  }));
}

TEST_CASE("small mail in the database that has changed becomes what clients get", "[storage][check]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  std::filesystem::remove_all(scratch.data() + "/journal");  // so that it goes into the database
  REQUIRE(deliver_unfiled(*store, {kAnna}, text(1)).has_value());
  REQUIRE(look(scratch.data()).suspicions.empty());
  run_sql(scratch.data() + "/mailstead.db",
          "UPDATE contents SET bytes = CAST(replace(bytes, 'body', 'bony') AS BLOB)");
  CHECK(says(only(check(*store, scratch.data(), Mend::kNo)), "its octets in the database have changed"));
  CHECK(only(check(*store, scratch.data(), Mend::kYes)).verdict == Verdict::kMended);
  CHECK(fetch_all(*store, kAnna).front().content.find("bony") != std::string::npos);
  CHECK(only(check(*store, scratch.data(), Mend::kNo)).verdict == Verdict::kNoted);
}

TEST_CASE("files of others are told where nobody else looks", "[storage][check]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  const auto told = [&] { return Checker::open(scratch.data()).value()->check_folders().value(); };
  CHECK(told().empty());
  const std::vector<std::string> places = {"notes", "journal/x", "mail/note", "mail/example.org/note",
                                           "mail/example.org/anna/note"};
  for (const std::string& place : places) write_file(scratch.data() + "/" + place, "mine");
  write_file(scratch.data() + "/journal/7.damaged-1", "ours");
  write_file(scratch.data() + "/.hidden", "theirs");
  const auto findings = told();
  REQUIRE(findings.size() == places.size());
  for (std::size_t i = 0; i < places.size(); ++i)
    CHECK(findings[i] == places[i] + " is none of our files; it is left alone");
}

TEST_CASE("files that another program moved, or put there, are no trouble", "[storage][check]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, text(1)).has_value());
  const std::string path = file_in(scratch, "new");
  std::filesystem::rename(path,
                          folder(scratch, "cur/") + std::filesystem::path(path).filename().string() + ":2,S");
  write_file(folder(scratch, "new/theirs"), "Subject: theirs\n\nbody\n");

  const auto told = check(*store, scratch.data(), Mend::kNo);
  CHECK(told.size() == 2);
  CHECK(std::all_of(told.begin(), told.end(),
                    [](const Judgement& each) { return each.verdict == Verdict::kNoted; }));
  static_cast<void>(check(*store, scratch.data(), Mend::kYes));
  while (*store->take_in_files(100)) {
  }
  CHECK(fetch_all(*store, kAnna).size() == 2);
  CHECK(check(*store, scratch.data(), Mend::kNo).empty());
}

TEST_CASE("what is no file goes to the quarantine", "[storage][check]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  const std::string kind = GENERATE("link", "folder");
  if (kind == "link") {
    std::filesystem::create_symlink("/etc/passwd", folder(scratch, "new/strange"));
  } else {
    std::filesystem::create_directory(folder(scratch, "new/strange"));
  }
  CHECK(only(check(*store, scratch.data(), Mend::kNo)).verdict == Verdict::kAmiss);
  CHECK(only(check(*store, scratch.data(), Mend::kYes)).verdict == Verdict::kMended);
  CHECK(names_in(folder(scratch, "quarantine")) == std::vector<std::string>{"strange"});
  CHECK(check(*store, scratch.data(), Mend::kNo).empty());
}

TEST_CASE("what stands in a message's place and is no file is told, and never followed", "[storage][check]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, text(1)).has_value());
  REQUIRE(file_mail(*store).has_value());
  const std::string content = fetch_all(*store, kAnna).at(0).content;
  const std::string name = names_in(folder(scratch, "new")).at(0);
  const std::string place = folder(scratch, "new/" + name);
  const std::string elsewhere = scratch.path() + "/elsewhere";
  const std::string kind = GENERATE("link", "folder");
  CAPTURE(kind);
  std::filesystem::rename(place, elsewhere);
  if (kind == "link") {
    std::filesystem::create_symlink(elsewhere, place);  // even to the very message
  } else {
    std::filesystem::create_directory(place);
  }
  const Judgement found = only(check(*store, scratch.data(), Mend::kNo));
  CHECK(found.verdict == Verdict::kAmiss);
  CHECK(says(found, "never followed: move it away"));
  CHECK_FALSE(says(found, "if the disk fails"));
  CHECK(only(check(*store, scratch.data(), Mend::kYes)).verdict == Verdict::kMended);
  CHECK(names_in(folder(scratch, "quarantine")) == std::vector<std::string>{name});
  CHECK(fetch_all(*store, kAnna).empty());
  CHECK(read_file(elsewhere) == content);
  // As it says: with its file in its place it is there again.
  std::filesystem::rename(elsewhere, place);
  static_cast<void>(check(*store, scratch.data(), Mend::kYes));
  while (store->files_wait()) REQUIRE(store->take_in_files(100).has_value());
  REQUIRE(fetch_all(*store, kAnna).size() == 1);
  CHECK(fetch_all(*store, kAnna).at(0).content == content);
}

TEST_CASE("sums that are wrong are counted anew", "[storage][check]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, text(1)).has_value());
  const auto octets = store->show_mailbox(address(kAnna))->octets;
  run_sql(scratch.data() + "/mailstead.db", "UPDATE totals SET octets = 7, messages = 3");
  CHECK(says(only(check(*store, scratch.data(), Mend::kNo)), "3 messages with 7 octets"));
  CHECK(only(check(*store, scratch.data(), Mend::kYes)).verdict == Verdict::kMended);
  CHECK(store->show_mailbox(address(kAnna))->octets == octets);
  CHECK(check(*store, scratch.data(), Mend::kNo).empty());
}

TEST_CASE("hashes of an older program's messages are learnt, and of no others", "[storage][check]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, text(1)).has_value());
  run_sql(scratch.data() + "/mailstead.db", "UPDATE messages SET hash = x''");
  const Checker::Found found = look(scratch.data());
  CHECK(found.suspicions.empty());
  REQUIRE(found.learnt.size() == 1);
  LearntHash wrong = found.learnt.front();
  wrong.size += 1;
  wrong.hash.low += 1;
  REQUIRE(store->learn_hashes({&wrong, 1}).has_value());
  REQUIRE(store->learn_hashes(found.learnt).has_value());
  wrong.size -= 1;
  REQUIRE(store->learn_hashes({&wrong, 1}).has_value());
  CHECK(look(scratch.data()).learnt.empty());
  CHECK(check(*store, scratch.data(), Mend::kNo).empty());
  change_octet(file_in(scratch, "new"));
  CHECK(only(check(*store, scratch.data(), Mend::kNo)).verdict == Verdict::kAmiss);
}

TEST_CASE("what is kept of the queue is checked", "[storage][check]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  Delivery out = message(*store, {"bert@elsewhere.example"}, text(1));
  out.relaying = Relaying::kYes;
  const std::string id = out.id;
  REQUIRE(store->deliver({&out, 1}).front().has_value());
  CHECK(check(*store, scratch.data(), Mend::kNo).empty());
  while (*store->file_queued(std::chrono::seconds(0), 100)) {
  }
  CHECK(check(*store, scratch.data(), Mend::kNo).empty());
  const std::string path = scratch.data() + "/queue/" + id;
  const std::string whole = read_file(path);
  write_file(path, whole.substr(0, whole.size() - 3));
  CHECK(says(only(check(*store, scratch.data(), Mend::kNo)), "octets in place of"));
  std::string changed = whole;
  changed[changed.size() - 3] ^= 1;
  write_file(path, changed);
  CHECK(only(check(*store, scratch.data(), Mend::kNo)).verdict == Verdict::kAmiss);
  CHECK(says(only(check(*store, scratch.data(), Mend::kNo)), "its octets have changed"));
  run_sql(scratch.data() + "/mailstead.db", "UPDATE queue SET hash = x''");  // of an older program
  CHECK(check(*store, scratch.data(), Mend::kNo).empty());
  std::filesystem::remove(path);
  CHECK(says(only(check(*store, scratch.data(), Mend::kYes)), "queue drop " + id));
  write_file(path, whole);
  write_file(scratch.data() + "/queue/stranger", "?");
  CHECK(only(check(*store, scratch.data(), Mend::kYes)).verdict == Verdict::kNoted);
}

TEST_CASE("an index of the database that lies is made anew", "[storage][check]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  REQUIRE(deliver(*store, {kAnna}, text(1)).has_value());
  // Rows that an index does not know of.
  run_sql(scratch.data() + "/mailstead.db",
          "PRAGMA writable_schema=ON;"
          "UPDATE sqlite_master SET sql = 'CREATE INDEX messages_in_order ON messages (mailbox, state) WHERE "
          "state = 9'"
          " WHERE name = 'messages_in_order';");
  run_sql(scratch.data() + "/mailstead.db", "REINDEX messages_in_order");
  run_sql(scratch.data() + "/mailstead.db",
          "PRAGMA writable_schema=ON;"
          "UPDATE sqlite_master SET sql = 'CREATE INDEX messages_in_order ON messages (mailbox, state)'"
          " WHERE name = 'messages_in_order';");
  store.reset();
  auto reopened = open_store(scratch.data());
  auto checker = Checker::open(scratch.data());
  REQUIRE(checker.has_value());
  REQUIRE_FALSE((*checker)->check_database()->empty());
  const auto mended = reopened->mend_database();
  REQUIRE(mended.has_value());
  CHECK(mended->verdict == Verdict::kMended);
  CHECK((*checker)->check_database()->empty());
  static_cast<void>(check(*reopened, scratch.data(), Mend::kYes));  // the sums that were counted by it
  CHECK(fetch_all(*reopened, kAnna).size() == 1);
}

TEST_CASE("who looks beside the store changes nothing and holds up nothing", "[storage][check]") {
  Scratch scratch;
  auto store = store_with(scratch.data(), {kAnna});
  auto checker = Checker::open(scratch.data());
  REQUIRE(checker.has_value());
  const auto mailboxes = (*checker)->mailboxes();
  Checker::Found found;
  for (int i = 0; i < 20; ++i) {
    REQUIRE(deliver_unfiled(*store, {kAnna}, text(i)).has_value());
    REQUIRE((*checker)->check_messages(mailboxes->front(), {1, 0}, found).has_value());
    REQUIRE(file_mail(*store).has_value());
  }
  for (const auto& judgement : store->judge(found.suspicions, Mend::kYes))
    CHECK(judgement->verdict == Verdict::kSound);
  REQUIRE(store->close().has_value());
  checker->reset();
  store.reset();
  RecoveryReport report;
  store = open_store(scratch.data(), &report);
  CHECK(report.clean);
  CHECK(fetch_all(*store, kAnna).size() == 20);
}
