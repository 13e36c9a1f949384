#include "support.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "protocols/smtp/trace.h"
#include "tests/catch.h"

namespace mailstead::storage_test {

namespace fs = std::filesystem;

Scratch::Scratch() {
  // In memory where it can be: these tests flush some ten thousand times.
  const fs::path memory = "/dev/shm";
  const fs::path place = ::access(memory.c_str(), W_OK) == 0 ? memory : fs::temp_directory_path();
  std::string pattern = (place / "mailstead-storage-XXXXXX").string();
  REQUIRE(::mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

Scratch::~Scratch() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

Address address(const std::string& text) {
  auto parsed = parse_address(text);
  INFO(text);
  REQUIRE(parsed.has_value());
  return *parsed;
}

std::unique_ptr<Store> open_store(const std::string& data, RecoveryReport* report) {
  RecoveryReport own;
  auto store = Store::open({data, "test.example"}, report == nullptr ? own : *report);
  if (!store) FAIL(store.error().message);
  return std::move(*store);
}

Error refused_store(const std::string& data) {
  RecoveryReport report;
  auto store = Store::open({data, "test.example"}, report);
  REQUIRE_FALSE(store.has_value());
  return store.error();
}

std::unique_ptr<Store> store_with(const std::string& data, const std::vector<std::string>& mailboxes) {
  auto store = open_store(data);
  for (const std::string& mailbox : mailboxes) {
    auto added = store->add_mailbox(address(mailbox), "$x$");
    if (!added) FAIL(added.error().message);
  }
  return store;
}

Delivery message(Store& store, const std::vector<std::string>& recipients, const std::string& content) {
  Delivery delivery;
  delivery.id = store.new_id();
  delivery.envelope.reverse_path = address(kSender);
  for (const std::string& recipient : recipients) delivery.envelope.recipients.push_back(address(recipient));
  delivery.rest = content;
  return delivery;
}

Result<Delivered> deliver(Store& store, const std::vector<std::string>& recipients,
                          const std::string& content) {
  auto delivered = deliver_unfiled(store, recipients, content);
  if (delivered) REQUIRE(file_mail(store).has_value());
  return delivered;
}

Result<Delivered> deliver_unfiled(Store& store, const std::vector<std::string>& recipients,
                                  const std::string& content) {
  std::vector<Delivery> batch;
  batch.push_back(message(store, recipients, content));
  return std::move(store.deliver(batch)[0]);
}

Result<void> file_mail(Store& store) {
  while (true) {
    auto filing = store.begin_filing(std::chrono::milliseconds(0), SIZE_MAX);
    if (!filing) return filing.error();
    if (*filing == nullptr) return {};
    (*filing)->sync();
    if (auto done = store.end_filing(**filing); !done) return done;
  }
}

MailboxId id_of(Store& store, const std::string& mailbox) {
  const auto directory = store.directory();
  const MailboxEntry* entry = directory->find(address(mailbox));
  REQUIRE(entry != nullptr);
  return entry->id;
}

std::vector<std::string> uidls_of(const std::vector<Fetched>& mail) {
  std::vector<std::string> uidls;
  for (const Fetched& message : mail) uidls.push_back(message.uidl);
  return uidls;
}

std::string read_message(Store& store, const Maildrop& maildrop, std::size_t index) {
  auto reader = store.open_message(maildrop, index);
  if (!reader) FAIL(reader.error().message);
  std::string content;
  std::size_t before = 1;
  while (content.size() != before) {
    before = content.size();
    REQUIRE((*reader)->read(content.size(), 1000, content).has_value());
  }
  CHECK(content.size() == entries_of(store, maildrop).at(index).size);
  return content;
}

MaildropPage entries_of(Store& store, const Maildrop& maildrop) {
  MaildropPage all;
  while (all.size() < maildrop.totals().messages) {
    auto page = store.read_page(maildrop, all.size() / maildrop.totals().page);
    if (!page) FAIL(page.error().message);
    all.insert(all.end(), (*page)->begin(), (*page)->end());
  }
  return all;
}

std::vector<Fetched> fetch_all(Store& store, const std::string& mailbox) {
  auto maildrop = store.open_maildrop(id_of(store, mailbox));
  if (!maildrop) FAIL(maildrop.error().message);
  std::vector<Fetched> fetched;
  for (const MaildropEntry& entry : entries_of(store, **maildrop)) {
    fetched.push_back({entry.uidl, read_message(store, **maildrop, fetched.size())});
  }
  return fetched;
}

void delete_messages(Store& store, const std::string& mailbox, const std::vector<std::size_t>& indices) {
  auto maildrop = store.open_maildrop(id_of(store, mailbox));
  if (!maildrop) FAIL(maildrop.error().message);
  auto done = store.commit_deletes(**maildrop, indices);
  if (!done) FAIL(done.error().message);
  auto left = store.purge_deleted(id_of(store, mailbox), indices.size());
  if (!left) FAIL(left.error().message);
  CHECK(*left == 0);
}

std::string kept(const std::string& mailbox, const std::string& content) {
  return return_path_line(address(kSender)) + delivered_to_line(address(mailbox)) + content;
}

bool mentions(const RecoveryReport& report, const std::string& words) {
  return std::any_of(report.actions.begin(), report.actions.end(),
                     [&](const std::string& line) { return line.find(words) != std::string::npos; });
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  INFO(path);
  REQUIRE(file.good());
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

void lose_index(const std::string& data) {
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(data + "/mailstead.db" + suffix);
}

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << bytes;
  file.close();
  INFO(path);
  REQUIRE(file.good());
}

// Every page that names a file of new/ is the index's.
std::string with_damaged_messages(std::string database) {
  for (std::size_t page = 4096; page < database.size(); page += 4096) {
    if (database.substr(page, 4096).find("new/1") != std::string::npos)
      database.replace(page, 512, std::string(512, 'x'));
  }
  return database;
}

void run_sql(const std::string& database, const std::string& sql) {
  sqlite3* connection = nullptr;
  REQUIRE(sqlite3_open(database.c_str(), &connection) == SQLITE_OK);
  char* message = nullptr;
  const int code = sqlite3_exec(connection, sql.c_str(), nullptr, nullptr, &message);
  INFO((message == nullptr ? "" : message));
  REQUIRE(code == SQLITE_OK);
  sqlite3_close(connection);
}

void copy_folder(const std::string& from, const std::string& to) {
  fs::create_directory(to);
  fs::permissions(to, fs::perms::owner_all);
  for (const auto& entry : fs::directory_iterator(from)) {
    fs::copy(entry.path(), fs::path(to) / entry.path().filename(),
             fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  }
}

}  // namespace mailstead::storage_test
