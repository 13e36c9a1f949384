// What a check of the data folder is about: plain values between who looks beside the store (checker.h) and
// the store, which looks once more and mends.
#pragma once

#include <cstdint>
#include <string>

#include "storage/accounts/directory.h"
#include "storage/mailbox/content_hash.h"

namespace mailstead {

// What somebody saw who holds no lock. Mail comes and goes meanwhile, so it is worth a look and no more.
struct Suspicion {
  enum class Of {
    kMessage,    // a message, and what is kept of it
    kFile,       // a file in a maildir that no row names
    kTotals,     // the sums of a mailbox
    kQueued,     // a message of the queue, and what is kept of it
    kQueueFile,  // a file in queue/ that no row names
  };
  Of of = Of::kMessage;
  MailboxId mailbox = 0;  // of kFile and kTotals
  std::int64_t row = 0;   // of kMessage and kQueued
  std::string path = {};  // of kFile, in the maildir; of kQueueFile its name
};

// Is what can be put right to be put right? No mail is deleted for it: what is no message goes to
// mail/DOMAIN/USER/quarantine.
enum class Mend { kNo, kYes };

struct Judgement {
  enum class Verdict {
    kSound,
    kNoted,   // worth a word; it is as it should be, or becomes so by itself
    kAmiss,   // something is wrong
    kMended,  // it was
  };
  Verdict verdict = Verdict::kSound;
  std::string text = {};  // a sentence for people, with what to do; empty: of kSound
};

// The hash of a message of which the index knows none yet.
struct LearntHash {
  std::int64_t row = 0;
  std::uint64_t size = 0;  // octets
  ContentHash hash;
};

}  // namespace mailstead
