// The newest mail that was refused, for 'why'. The store keeps it for the next server; the log has all of it,
// and for longer.
// Threads: any.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "admin/refusal_list.h"

namespace mailstead {

class Refusals final : public RefusalList {
 public:
  // What an earlier server refused, the oldest first. Before anything else.
  void load(std::vector<RefusedMail> refused);
  // One that names neither a sender nor a recipient is passed over. The oldest goes for it when there are
  // kMost, or when its client has kMostOfOne already: nobody is to push out what others were told. It gets
  // its serial here.
  void add(RefusedMail refused);
  // Since the last call, or since load().
  RefusedMailChanges take_changes();

  std::vector<RefusedMail> about(const Address& address) const override;
  std::vector<RefusedMail> of_message(const std::string& message_id) const override;

  static constexpr std::size_t kMost = 2000;
  static constexpr std::size_t kMostOfOne = 100;

 private:
  struct Kept {
    std::string network;
    RefusedMail mail;
    bool is_told = false;  // by take_changes(), or by load()
  };
  void remove(std::deque<Kept>::iterator which);

  mutable std::mutex mutex_;
  std::deque<Kept> kept_;              // the oldest first
  std::vector<std::int64_t> removed_;  // serials of those that were told; at most kMost
  std::int64_t last_serial_ = 0;
};

}  // namespace mailstead
