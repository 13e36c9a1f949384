#include "storage/check/strangers.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "storage/files.h"

namespace mailstead {

namespace {

bool is_of_journal(std::string_view name) {
  const std::string_view number = name.substr(0, name.find(".damaged-"));
  return number.find_first_not_of("0123456789") == std::string_view::npos;
}

bool is_of_mailbox(std::string_view name) {
  static constexpr std::array<std::string_view, 6> kOurs = {"tmp",     "new",        "cur",
                                                            "address", "quarantine", "deleted"};
  return std::ranges::find(kOurs, name) != kOurs.end();
}

class StrangerSearch {
 public:
  explicit StrangerSearch(std::size_t at_most) : at_most_(at_most) {}

  // Names with a dot in front are left alone everywhere: they are ours for a moment, or a tool's.
  template <class IsOurs>
  Result<void> look(int at, const std::string& path, IsOurs is_ours) {
    auto names = list_folder(at);
    if (!names) return path.empty() ? Result<void>(names.error()) : in_folder(path, names.error());
    std::ranges::sort(*names);
    for (const std::string& name : *names) {
      if (found_.size() == at_most_) return {};
      if (!name.starts_with('.') && !is_ours(name)) found_.push_back(path.empty() ? name : path + "/" + name);
    }
    return {};
  }

  Result<void> look_into_mail(int mail) {
    auto done = look(mail, "mail", [mail](const std::string& name) { return is_folder(mail, name); });
    if (!done) return done;
    return each_folder(mail, "mail", [&](int domain, const std::string& path) -> Result<void> {
      auto looked = look(domain, path, [domain](const std::string& name) { return is_folder(domain, name); });
      if (!looked) return looked;
      return each_folder(domain, path, [&](int mailbox, const std::string& its_path) {
        return look(mailbox, its_path, is_of_mailbox);
      });
    });
  }

  std::vector<std::string> take() { return std::move(found_); }

 private:
  template <class Visit>
  Result<void> each_folder(int at, const std::string& path, Visit visit) {
    auto names = list_folder(at);
    if (!names) return in_folder(path, names.error());
    for (const std::string& name : *names) {
      if (name.starts_with('.') || !is_folder(at, name)) continue;
      auto folder = open_folder(at, name);
      // It has just been removed.
      if (!folder && folder.error().kind == ErrorKind::kNotFound) continue;
      if (!folder) return in_folder(path, folder.error());
      if (auto done = visit(folder->fd(), path + "/" + name); !done) return done;
    }
    return {};
  }

  const std::size_t at_most_;
  std::vector<std::string> found_;
};

}  // namespace

Result<std::vector<std::string>> strangers_in(const DataFolder& folder, std::size_t at_most) {
  StrangerSearch search(at_most);
  auto done = search.look(folder.fd(), "", may_be_in_data_folder);
  if (done) done = search.look(folder.journal_fd(), "journal", is_of_journal);
  if (done) done = search.look_into_mail(folder.mail_fd());
  if (!done) return done.error();
  return search.take();
}

}  // namespace mailstead
