// Which files the server can still see and change once it talks to strangers: Landlock, of Linux 5.19 and
// later.
//
// Changed: the data folder, and those of Unix sockets. Read: what a system keeps for its programs (/etc,
// /usr, /run, /proc, …), and the folders of files that the configuration names. Nothing is executed. It holds
// for the thread that calls confine() and for all that are made later, for ever; what is open stays open.
// Threads: the reactor, before others are made.
#pragma once

#include <string>
#include <vector>

#include "admin/config/config.h"
#include "protocols/result.h"

namespace mailstead {

class Confinement {
 public:
  // `config_file` may be empty. Nothing happens yet.
  Confinement(std::string data, const std::string& config_file, const Config& config);

  // kUnavailable: this kernel, or the container around it, has no Landlock, and nothing is confined.
  Result<void> confine();

  // Files of the configuration, which may have been changed since, that can be read only after a restart.
  std::vector<std::string> out_of_reach(const Config& config) const;

 private:
  bool is_readable(const std::string& path) const;

  std::vector<std::string> writable_;  // folders
  std::vector<std::string> readable_;  // likewise
  bool is_confined_ = false;
};

}  // namespace mailstead
