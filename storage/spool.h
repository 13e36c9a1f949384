// A message on its way in, in an unnamed file of queue/: nothing is left of it after a crash.
//
// Threads: one at a time.
// Errors: kNoSpace, kIo.
#pragma once

#include <memory>
#include <string_view>

#include "storage/files.h"
#include "storage/mailbox/content.h"
#include "storage/store.h"

namespace mailstead {

class FileSpool final : public Spool {
 public:
  static Result<std::unique_ptr<Spool>> make(int folder);

  Result<void> append(std::string_view bytes) override;
  Result<void> overwrite(std::uint64_t offset, std::string_view bytes) override;
  std::uint64_t size() const override { return scan_.size(); }
  Result<void> read(std::uint64_t offset, std::size_t length, std::string& into) const override;

  // What the bytes so far were; the delivery goes on from here with the rest of the message.
  const ContentScan& scan() const { return scan_; }
  // Writes all bytes to the end of `to`.
  Result<void> copy_to(const FileHandle& to) const;

 private:
  explicit FileSpool(FileHandle file) : file_(std::move(file)) {}

  FileHandle file_;
  ContentScan scan_;
};

}  // namespace mailstead
