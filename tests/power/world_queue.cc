#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

#include "folders.h"
#include "world.h"

namespace mailstead::power {

namespace {

// As other tools write them: line ends of Unix.
std::string unix_text(const std::string& text) {
  std::string lines = text;
  std::erase(lines, '\r');
  return lines;
}

std::vector<std::string> names_in(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path))
    names.push_back(entry.path().filename());
  return names;
}

}  // namespace

std::vector<std::string> World::queued() const {
  std::vector<std::string> ids;
  for (const auto& [id, copy] : ledger_.queue) {
    if (copy.fates == kPresent) ids.push_back(id);
  }
  return ids;
}

bool World::hold(const std::string& id) {
  auto& held = ledger_.queue.at(id).held;
  held.insert(true);
  changed();
  const auto done = store_->hold_queued(id);
  if (done) held = {true};
  return finish(done);
}

bool World::drop(const std::string& id) {
  QueuedCopy& copy = ledger_.queue.at(id);
  copy.fates = kPresent | kAbsent;
  for (auto& [recipient, states] : copy.recipients) states |= bit(QueueState::kDropped);
  changed();
  const auto done = store_->drop_queued(id);
  if (done) copy.fates = kAbsent;
  return finish(done);
}

bool World::file_queued() {
  auto more = Result<bool>(true);
  while (more && *more) more = store_->file_queued(std::chrono::seconds(0), 2);
  return more ? true : note_error(more.error());
}

bool World::file_mail() {
  constexpr std::size_t kAtATime = 2;
  while (true) {
    auto filing = store_->begin_filing(std::chrono::milliseconds(0), kAtATime);
    if (!filing) return note_error(filing.error());
    if (*filing == nullptr) return true;
    (*filing)->sync();
    if (auto done = store_->end_filing(**filing); !done) return note_error(done.error());
  }
}

void World::put_foreign_file(const std::string& mailbox, const std::string& place, const std::string& name,
                             ForeignSync sync) {
  const std::string text =
      "Subject: from another tool, " + name + "\r\n\r\n" + std::string(5000, 'x') + "\r\n";
  const std::string path = maildir_path(data_, mailbox) + "/" + place;
  const int number = ++last_number_;
  Copy& copy = ledger_.copies[number];
  copy = {mailbox, "", std::make_shared<const std::string>(text), kAbsent | kPresent, 0, true};
  changed();
  const std::string bytes = unix_text(text);
  const int fd = ::open((path + name).c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0 || ::write(fd, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
    throw std::runtime_error("cannot write " + path + name);
  if (sync == ForeignSync::kYes) {
    if (::fsync(fd) != 0) throw std::runtime_error("cannot sync " + path + name);
    sync_folder(path);
    copy.fates = kPresent;
    copy.may_be_torn = false;
  }
  ::close(fd);
  changed();
}

void World::flag_all(const std::string& mailbox) {
  const std::string path = maildir_path(data_, mailbox);
  for (const std::string& name : names_in(path + "/new")) {
    const std::string to = path + "/cur/" + name + ":2,S";
    if (::rename((path + "/new/" + name).c_str(), to.c_str()) != 0)
      throw std::runtime_error("cannot flag " + to);
  }
  // Not before it is on the disk is anything asked of the store.
  sync_folder(path + "/new");
  sync_folder(path + "/cur");
}

void World::lose_folder(const std::string& mailbox) {
  const std::string path = maildir_path(data_, mailbox);
  std::erase_if(ledger_.copies, [&](const auto& copy) { return copy.second.mailbox == mailbox; });
  changed();
  for (const char* part : {"/new", "/cur", "/tmp"}) {
    for (const std::string& name : names_in(path + part)) ::unlink((path + part + "/" + name).c_str());
    ::rmdir((path + part).c_str());
  }
  ::unlink((path + "/address").c_str());
  const std::string domain = path.substr(0, path.rfind('/'));
  if (::rmdir(path.c_str()) != 0) throw std::runtime_error("cannot remove " + path);
  if (::rmdir(domain.c_str()) == 0) {
    sync_folder(data_ + "/mail");
  } else {
    sync_folder(domain);
  }
}

void World::see(const std::string& mailbox, const std::vector<SeenMessage>& messages) {
  for (const SeenMessage& message : messages) {
    for (auto& [number, copy] : ledger_.copies) {
      if (copy.mailbox != mailbox || *copy.content != message.content || copy.fates == kDeleted) continue;
      copy.uidl = message.uidl;
      copy.fates = kPresent;
      copy.may_be_torn = false;
      if (copy.place == 0) copy.place = ++last_place_;
    }
  }
}

bool World::look(const std::string& mailbox) {
  auto messages = read_mailbox(*store_, mailbox_of(*store_, mailbox));
  if (!messages) return note_error(messages.error());
  see(mailbox, *messages);
  changed();
  return true;
}

bool World::take_in() {
  auto more = Result<bool>(true);
  while (more && *more) more = store_->take_in_files(2);
  return more ? true : note_error(more.error());
}

bool World::list_keys(const std::string& domain) {
  ledger_.dkim_keys[domain];
  changed();
  auto keys = store_->list_dkim_keys(domain);
  if (!keys) return note_error(keys.error());
  ledger_.dkim_keys[domain] = {keys_text(*keys)};
  changed();
  return true;
}

bool World::change_keys(const std::string& domain, const std::function<Result<void>()>& change) {
  // What it may become is not known before: any, meanwhile.
  ledger_.dkim_keys[domain].clear();
  changed();
  if (auto done = change(); !done) return finish(done);
  return list_keys(domain);
}

bool World::prepare_keys(const std::string& domain) {
  return change_keys(domain, [&] { return store_->prepare_dkim_keys(domain); });
}

bool World::activate_keys(const std::string& domain) {
  return change_keys(domain, [&] { return store_->activate_dkim_keys(domain); });
}

bool World::write_notes() {
  return finish(store_->write_notes());
}

}  // namespace mailstead::power
