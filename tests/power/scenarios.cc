#include "scenarios.h"

#include <cstdint>

namespace mailstead::power {

namespace {

Letter spooled(std::vector<std::string> recipients) {
  return {.recipients = std::move(recipients), .octets = kLarge, .is_spooled = true};
}

Letter letter(std::vector<std::string> recipients, std::size_t octets) {
  return {.recipients = std::move(recipients), .octets = octets};
}

void mail(World& world) {
  make_mailboxes(world);
  world.deliver({letter({kAnna}, kSmall)});
  world.deliver({letter({kAnna, kBert}, kSmall), letter({kBert}, kMiddle), spooled({kAnna})});
  world.look(kAnna);
  world.file_mail();
  world.erase(kAnna, {0, 1}, Deleted::kFreed);
  world.purge(kAnna);
  world.deliver({spooled({kAnna, kBert}), letter({kAnna}, kLarge)});
  world.file_mail();
  world.flag_all(kBert);
  world.look(kBert);
  world.erase(kBert, {1}, Deleted::kFreed);
  world.purge(kBert);
  world.close();
  world.open();
  world.deliver({letter({kBert}, kSmall)});
  world.erase(kBert, {1}, Deleted::kFreed);
  world.deliver({letter({kAnna}, kSmall), letter({kBert}, kSmall), letter({kAnna, kBert}, kSmall)});
  world.file_mail();
  world.purge(kBert);
  world.write_notes();
  // The place in the journal of what has its file by then is used anew.
  world.deliver({letter({kAnna}, kSmall)});
  world.set_password(kBert);
  world.file_mail();
  world.deliver({letter({kAnna}, kMiddle), letter({kAnna, kBert}, kSmall)});
  world.index_some(2);
  world.deliver({letter({kBert}, kSmall)});
}

void deleted(World& world) {
  make_mailboxes(world);
  world.deliver(
      {letter({kAnna}, kSmall), letter({kAnna, kBert}, kSmall), spooled({kAnna}), letter({kAnna}, kSmall)});
  world.file_mail();
  world.flag_all(kBert);
  world.look(kBert);
  world.erase(kAnna, {0, 2}, Deleted::kKept);
  world.purge(kAnna);
  world.erase(kBert, {0}, Deleted::kKept);
  world.purge(kBert);
  world.restore(kBert);
  world.file_mail();
  world.restore(kAnna);
  world.erase(kBert, {0}, Deleted::kKept);
  world.free_oldest();
  world.erase(kAnna, {1, 2, 3}, Deleted::kKept);
  world.free_oldest();
  world.purge(kAnna);
  world.deliver({letter({kAnna}, kSmall)});
  world.close();
  world.open();
  world.restore(kAnna);
  world.erase(kAnna, {0}, Deleted::kKept);
  world.purge(kAnna);
  world.free_oldest();
  world.deliver({letter({kBert}, kSmall), letter({kBert}, kSmall)});
  world.expire(kBert);
  world.file_mail();
  world.purge(kBert);
  world.deliver({letter({kBert}, kSmall)});
}

void queue(World& world) {
  make_mailboxes(world);
  world.deliver({relayed({kCarl}, kSmall), relayed({kCarl, kDora, kBert}, kMiddle)});
  auto ids = world.queued();
  world.note({{ids[0], kCarl, QueueState::kDelivered}});
  world.note({{ids[1], kCarl, QueueState::kWaiting}}, {letter({kAnna}, kSmall)});
  world.file_queued();
  Letter large = relayed({kDora}, kLarge);
  large.is_spooled = true;
  world.deliver({large, relayed({kCarl}, kSmall)});
  world.note({{ids[1], kCarl, QueueState::kDelivered}, {ids[1], kDora, QueueState::kFailed}});
  ids = world.queued();
  world.hold(ids.back());
  world.deliver({letter({kBert}, kSmall)});
  world.drop(ids.back());
  world.deliver({relayed({kCarl}, kSmall), relayed({kDora}, kMiddle)});
  world.close();
  world.open();
  ids = world.queued();
  world.note({{ids[0], kDora, QueueState::kDelivered}, {ids[1], kCarl, QueueState::kDelivered}});
  world.deliver({relayed({kCarl}, kSmall)});
  world.file_queued();
}

void accounts(World& world) {
  make_mailboxes(world);
  world.set_password(kAnna);
  world.set_quota(kBert, 5'000'000);
  world.add_app_password(kAnna, "phone");
  world.add_alias("info@example.org", {kAnna, kBert});
  world.list_keys("example.org");
  world.deliver({letter({kAnna}, kSmall), letter({kAnna, kBert}, kSmall), letter({kBert}, kMiddle)});
  world.erase(kBert, {0}, Deleted::kKept);
  world.purge(kBert);
  world.revoke_app_password(kAnna, "phone");
  world.remove_alias("info@example.org");
  world.remove_mailbox(kBert, KeepMail::kYes);
  world.prepare_keys("example.org");
  world.add_mailbox(kBert);
  world.take_in();
  world.activate_keys("example.org");
  world.add_mailbox("gone@example.org");
  world.deliver({letter({"gone@example.org", kAnna}, kSmall), letter({"gone@example.org"}, kSmall)});
  world.remove_mailbox("gone@example.org", KeepMail::kNo);
  world.sweep_removed();
  world.close();
  world.open();
  world.deliver({letter({kAnna, kBert}, kSmall)});
}

void foreign(World& world) {
  make_mailboxes(world);
  world.deliver({letter({kAnna}, kSmall)});
  world.put_foreign_file(kAnna, "new/", "1700000001.one", ForeignSync::kYes);
  world.put_foreign_file(kAnna, "cur/", "1700000002.two:2,S", ForeignSync::kYes);
  world.put_foreign_file(kAnna, "new/", "1700000003.three", ForeignSync::kNo);
  world.look(kAnna);
  world.take_in();
  world.look(kAnna);
  world.deliver({letter({kAnna}, kSmall)});
  world.close();
  world.put_foreign_file(kBert, "new/", "1700000004.four", ForeignSync::kYes);
  world.put_foreign_file(kBert, "cur/", "1700000005.five:2,", ForeignSync::kNo);
  world.open();
  world.look(kBert);
  world.erase(kBert, {0}, Deleted::kKept);
  world.purge(kBert);
  world.deliver({letter({kBert}, kSmall)});
}

// Somebody has removed a mailbox's folder.
void lost_folder(World& world) {
  make_mailboxes(world);
  world.add_mailbox("emil@example.net");
  world.deliver({letter({kAnna}, kSmall)});
  world.close();
  world.lose_folder(kBert);
  world.lose_folder("emil@example.net");
  world.open();
  world.deliver({spooled({kBert, "emil@example.net"}), letter({kAnna, "emil@example.net"}, kSmall)});
}

// More than the database's journal takes: it begins anew while the store runs.
void growth(World& world) {
  make_mailboxes(world);
  for (int i = 0; i < 22; ++i) {
    world.deliver({relayed({kCarl, kAnna}, 100'000), relayed({kDora}, 100'000)});
    if (i % 5 == 4) world.file_queued();
    if (i % 4 == 3) world.file_mail();
    const auto ids = world.queued();
    if (ids.size() > 2)
      world.note({{ids[0], kCarl, QueueState::kDelivered}, {ids[1], kDora, QueueState::kDelivered}});
    if (i % 2 == 0) continue;
    world.erase(kAnna, {0, 1}, Deleted::kFreed);
    world.purge(kAnna);
  }
}

// While mail comes and goes.
void backups(World& world) {
  make_mailboxes(world);
  world.deliver({letter({kAnna}, kSmall), spooled({kAnna, kBert})});
  world.deliver({relayed({kCarl}, kSmall), relayed({kDora}, kLarge)});
  world.file_mail();
  world.deliver({letter({kBert}, kSmall)});
  world.index_some(SIZE_MAX);  // a backup has what the index has
  world.back_up();
  world.deliver({letter({kAnna, kBert}, kSmall)});
  world.erase(kAnna, {0}, Deleted::kKept);
  world.erase(kBert, {0}, Deleted::kFreed);
  world.purge(kAnna);
  world.purge(kBert);
  world.file_mail();
  world.back_up();
  world.close();
  world.back_up();
}

// Mail of another server: what is acknowledged is deleted there.
void imports(World& world) {
  make_mailboxes(world);
  world.deliver({letter({kAnna}, kSmall)});
  world.import_mail(kAnna, {kSmall, kLarge, kMiddle});
  world.file_mail();
  world.deliver({letter({kAnna, kBert}, kSmall)});
  world.import_mail(kAnna, {kSmall});
  world.look(kAnna);
  world.erase(kAnna, {1}, Deleted::kFreed);
  world.purge(kAnna);
  world.import_mail(kBert, {kLarge, kSmall});
  world.close();
  world.open();
  world.import_mail(kBert, {kMiddle, kMiddle});
}

// A backup takes the place of what is there, and of what was lost.
void restored(World& world) {
  make_mailboxes(world);
  world.set_quota(kBert, 5'000'000);
  world.deliver({letter({kAnna, kBert}, kSmall), letter({kAnna}, kMiddle), spooled({kBert})});
  world.deliver({relayed({kCarl}, kSmall)});
  world.file_mail();
  world.list_keys("example.org");
  world.back_up();
  world.deliver({letter({kAnna, kBert}, kSmall)});
  world.erase(kAnna, {0}, Deleted::kFreed);
  world.purge(kAnna);
  world.set_password(kAnna);
  world.close();
  world.restore_backup();
  world.open();
  world.deliver({letter({kAnna}, kSmall)});
  world.close();
  world.lose_data();
  world.restore_backup();
  world.open();
  world.deliver({letter({kBert}, kSmall)});
}

// The index of an older program.
void upgraded(World& world) {
  make_mailboxes(world);
  world.deliver({letter({kAnna, kBert}, kSmall), letter({kAnna}, kMiddle)});
  world.file_mail();
  world.look(kAnna);
  world.close();
  world.make_older();
  world.open();
  world.look(kAnna);
  world.deliver({letter({kAnna}, kSmall)});
}

// An index that cannot be read, and files that somebody has written into.
void damaged(World& world) {
  make_mailboxes(world);
  world.set_quota(kBert, 5'000'000);
  world.add_app_password(kAnna, "phone");
  world.deliver({letter({kAnna, kBert}, kSmall), letter({kAnna}, kMiddle), letter({kBert}, kSmall),
                 letter({kBert}, kSmall)});
  world.deliver({relayed({kCarl}, kSmall)});
  world.file_mail();
  world.look(kAnna);
  world.look(kBert);
  world.deliver({letter({kAnna}, kSmall)});
  world.look(kAnna);
  world.close();
  world.damage_index();
  world.open();
  world.look(kAnna);
  world.deliver({letter({kAnna}, kSmall), letter({kBert}, kSmall)});
  world.look(kBert);
  world.spoil_unfiled(kBert, world.last_uidl(kBert));
  world.file_mail();
  world.end_spoiling(kBert);
  world.spoil_file(kBert, world.first_uidl(kBert), World::Spoil::kLineEnds);
  world.mend();
  world.end_spoiling(kBert);
  world.spoil_file(kBert, world.last_uidl(kBert), World::Spoil::kNothing);
  world.mend();
  world.end_spoiling(kBert);
  world.deliver({letter({kBert}, kSmall)});
}

}  // namespace

void make_mailboxes(World& world) {
  if (!world.open()) return;
  world.add_mailbox(kAnna);
  world.add_mailbox(kBert);
}

Letter relayed(std::vector<std::string> recipients, std::size_t octets) {
  return {.recipients = std::move(recipients), .octets = octets, .sender = kAnna, .is_relayed = true};
}

std::span<const Scenario> scenarios() {
  static const Scenario all[] = {{"mail", mail},         {"deleted", deleted},   {"queue", queue},
                                 {"accounts", accounts}, {"foreign", foreign},   {"lost_folder", lost_folder},
                                 {"growth", growth},     {"backups", backups},   {"imports", imports},
                                 {"restored", restored}, {"upgraded", upgraded}, {"damaged", damaged}};
  return all;
}

}  // namespace mailstead::power
