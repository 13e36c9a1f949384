#include "storage/mailbox/mailbox_tree.h"

#include <sys/stat.h>

#include <optional>

#include "storage/files.h"
#include "storage/mailbox/names.h"

namespace mailstead {

namespace {

constexpr std::string_view kKept = ".kept-";
constexpr std::string_view kRemoved = ".removed-";
constexpr std::size_t kAddressFileLimit = 1000;

bool is_here(const Address& address, const std::string& domain, const std::string& user) {
  const MailboxFolderName name = folder_name(address);
  return name.domain == domain && name.user == user;
}

// The address as its file says, if that agrees with the folder's name; else as the name says.
std::optional<Address> address_of_folder(int domain_fd, const std::string& domain, const std::string& user) {
  if (auto root = open_folder(domain_fd, user)) {
    if (auto text = read_small_file(root->fd(), "address", kAddressFileLimit)) {
      auto address = parse_address(text->substr(0, text->find_first_of("\r\n")));
      if (address && is_here(*address, domain, user)) return *address;
    }
  }
  auto local_part = decode_name(user);
  auto domain_text = decode_name(domain);
  if (!local_part || !domain_text) return std::nullopt;
  auto address = parse_address(Address{*local_part, *domain_text}.text());
  if (!address || !is_here(*address, domain, user)) return std::nullopt;
  return *address;
}

std::string kept_name(const Address& address) {
  return std::string(kKept) + folder_name(address).user;
}

Result<FileHandle> domain_folder(const DataFolder& folder, const Address& address) {
  return open_folder(folder.mail_fd(), folder_name(address).domain);
}

}  // namespace

Result<std::vector<Address>> mailboxes_of_folders(const DataFolder& folder,
                                                  std::vector<std::string>& strange) {
  auto domains = list_folder(folder.mail_fd());
  if (!domains) return in_folder("mail", domains.error());
  std::vector<Address> addresses;
  for (const std::string& domain : *domains) {
    if (domain.front() == '.' || !is_folder(folder.mail_fd(), domain)) continue;
    auto domain_fd = open_folder(folder.mail_fd(), domain);
    if (!domain_fd) return in_folder("mail", domain_fd.error());
    auto users = list_folder(domain_fd->fd());
    if (!users) return in_folder("mail/" + domain, users.error());
    for (const std::string& user : *users) {
      if (user.front() == '.' || !is_folder(domain_fd->fd(), user)) continue;
      if (auto address = address_of_folder(domain_fd->fd(), domain, user)) {
        addresses.push_back(*address);
      } else {
        strange.push_back("mail/" + domain + "/" + user);
      }
    }
  }
  return addresses;
}

std::string kept_folder(const Address& address) {
  return "mail/" + folder_name(address).domain + "/" + kept_name(address);
}

bool has_kept_mail(const DataFolder& folder, const Address& address) {
  auto domain = domain_folder(folder, address);
  return domain && is_folder(domain->fd(), kept_name(address));
}

Result<void> put_folder_away(const DataFolder& folder, const Address& address, KeepMail keep,
                             const std::string& removal_id) {
  const std::string domain_name = folder.path() + "/mail/" + folder_name(address).domain;
  auto domain = domain_folder(folder, address);
  if (!domain) {
    if (domain.error().kind == ErrorKind::kNotFound) return {};
    return in_folder(folder.path() + "/mail", domain.error());
  }
  const std::string to = keep == KeepMail::kYes ? kept_name(address) : std::string(kRemoved) + removal_id;
  auto done = move_file(domain->fd(), folder_name(address).user, domain->fd(), to);
  if (!done && done.error().kind != ErrorKind::kNotFound) return in_folder(domain_name, done.error());
  if (auto synced = sync_handle(domain->fd(), "the folder"); !synced)
    return in_folder(domain_name, synced.error());
  return {};
}

Result<void> bring_folder_back(const DataFolder& folder, const Address& address) {
  auto domain = domain_folder(folder, address);
  if (!domain) return {};
  if (!is_folder(domain->fd(), kept_name(address)) || is_folder(domain->fd(), folder_name(address).user))
    return {};
  auto done = move_file(domain->fd(), kept_name(address), domain->fd(), folder_name(address).user);
  if (!done) return in_folder(folder.path() + "/mail/" + folder_name(address).domain, done.error());
  return {};
}

Swept sweep_removed_folders(const DataFolder& folder, std::size_t at_most) {
  Swept swept;
  const std::string mail = folder.path() + "/mail";
  auto domains = list_folder(folder.mail_fd());
  if (!domains) {
    swept.failures.push_back(in_folder(mail, domains.error()));
    return swept;
  }
  std::size_t budget = at_most;
  for (const std::string& domain : *domains) {
    if (domain.front() == '.' || !is_folder(folder.mail_fd(), domain)) continue;
    const std::string path = mail + "/" + domain;
    auto domain_fd = open_folder(folder.mail_fd(), domain);
    auto users =
        domain_fd ? list_folder(domain_fd->fd()) : Result<std::vector<std::string>>(domain_fd.error());
    if (!users) {
      swept.failures.push_back(in_folder(path, users.error()));
      continue;
    }
    for (const std::string& user : *users) {
      if (!user.starts_with(kRemoved)) continue;
      auto gone = remove_tree(domain_fd->fd(), user, path + "/" + user, budget);
      if (!gone) {
        swept.failures.push_back(gone.error());
      } else if (*gone) {
        ++swept.folders;
      } else {
        swept.more = true;
      }
    }
  }
  return swept;
}

}  // namespace mailstead
