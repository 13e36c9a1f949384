// Where a restore writes, and how what it has written becomes the data folder.
//
// It fills DATA/restore.unfinished, and touches nothing else until that is whole. Then what was in DATA moves
// aside, into DATA/replaced-TIME, and what was written moves into its place; each step is one rename, and a
// file in restore.unfinished says which steps are under way:
//
//     neither .aside nor .placing   it is being filled: DATA is as it was; the next restore begins anew
//     .aside                        it is whole; what was in DATA is moving aside
//     .placing                      that is done; what was written is moving into its place
//
// While restore.unfinished is there no store is opened (folder.cc). A restore that finds one of the two files
// goes on from there; what is no longer needed is called .restored, and goes.
// Ownership: holds DATA and its lock. Threads: one. Rights: the data folder's owner's. Errors: kInUse (a
// server runs), kExists (DATA is not empty), kDenied, and those of files.h.
#pragma once

#include <memory>
#include <string>

#include "protocols/result.h"
#include "storage/files.h"

namespace mailstead {

// What becomes of what is in the data folder. Mail is never deleted.
enum class OldData {
  kRefuse,  // unless it holds nothing but settings: it is a new one
  kMoveAside,
};

class RestorePlace {
 public:
  // Makes DATA when it is missing; its parent has to be there.
  static Result<std::unique_ptr<RestorePlace>> open(const std::string& data, const std::string& host,
                                                    OldData old_data);
  // Takes away what was written when it was not put in place.
  ~RestorePlace();

  // An earlier restore was broken off after it was whole: put_in_place() finishes it, and nothing is to be
  // written.
  bool is_whole() const { return whole_; }
  int fd() const { return to_.fd(); }                // restore.unfinished
  const std::string& path() const { return path_; }  // of it, without symbolic links
  Result<std::uint64_t> free_space() const;

  // What was written is the data folder from now on, durably.
  Result<void> put_in_place();
  // Where the old things are, a name in DATA; empty: there were none.
  const std::string& replaced() const { return replaced_; }
  // Its own mailstead.toml stays, and that of the backup is not taken.
  bool keeps_configuration() const { return keeps_configuration_; }

 private:
  explicit RestorePlace(std::string data) : data_(std::move(data)) {}
  Result<void> open_root(const std::string& host);
  Result<void> check_empty() const;
  Result<bool> is_without_mail() const;
  Result<void> begin();
  Result<void> take_up();
  Result<void> write_mark();
  Result<void> move_old_aside();
  Result<void> move_one_aside(const std::string& name);
  Result<void> move_new_in();
  Result<void> end();

  const std::string data_;
  std::string real_data_;
  std::string path_;
  std::string replaced_;
  FileHandle root_;
  FileHandle lock_;
  FileHandle to_;
  bool whole_ = false;
  bool moves_aside_ = true;  // the next step of put_in_place()
  bool keeps_configuration_ = false;
  bool done_ = false;
};

}  // namespace mailstead
