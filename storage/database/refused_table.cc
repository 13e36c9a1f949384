#include "storage/database/refused_table.h"

#include <string>
#include <string_view>

namespace mailstead {
namespace {

// No address has a line end in it: a command is one line.
std::string lines_of(const std::vector<std::string>& texts) {
  std::string lines;
  for (const std::string& text : texts) lines += text + '\n';
  return lines;
}

std::vector<std::string> texts_of(std::string_view lines) {
  std::vector<std::string> texts;
  while (!lines.empty()) {
    const std::size_t end = lines.find('\n');
    texts.emplace_back(lines.substr(0, end));
    lines.remove_prefix(end == std::string_view::npos ? lines.size() : end + 1);
  }
  return texts;
}

}  // namespace

Result<std::vector<RefusedMail>> RefusedTable::all() {
  std::vector<RefusedMail> refused;
  auto done = each_row(
      database_.query("SELECT serial, at, service, peer, helo, user, command, sender, recipients, message_id,"
                      " reply FROM refused_mail ORDER BY serial"),
      [&](const Statement& s) {
        refused.push_back({s.integer(0), s.integer(1), s.text(2), s.text(3), s.text(4), s.text(5), s.text(6),
                           s.text(7), texts_of(s.text(8)), s.text(9), s.text(10)});
      });
  if (!done) return done.error();
  return refused;
}

Result<void> RefusedTable::change(const RefusedMailChanges& changes) {
  for (const std::int64_t serial : changes.removed) {
    if (auto done = database_.run("DELETE FROM refused_mail WHERE serial = ?1", serial); !done) return done;
  }
  for (const RefusedMail& mail : changes.added) {
    auto done = database_.run(
        "INSERT OR REPLACE INTO refused_mail (serial, at, service, peer, helo, user, command, sender,"
        " recipients, message_id, reply) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        mail.serial, mail.at, mail.service, mail.peer, mail.helo, mail.user, mail.command, mail.from,
        lines_of(mail.to), mail.message_id, mail.reply);
    if (!done) return done;
  }
  return {};
}

}  // namespace mailstead
