#include "call_sites.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <link.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <set>
#include <stdexcept>
#include <string_view>
#include <unordered_map>

namespace mailstead::power {

namespace {

using Frames = std::vector<std::string>;  // one address may be several, inlined into each other

std::uintptr_t base_of_program() {
  std::uintptr_t base = 0;
  const auto first = [](struct dl_phdr_info* info, std::size_t, void* into) {
    *static_cast<std::uintptr_t*>(into) = info->dlpi_addr;
    return 1;
  };
  ::dl_iterate_phdr(first, &base);
  return base;
}

bool is_in_program(std::uintptr_t address, std::uintptr_t base) {
  Dl_info info{};
  return ::dladdr(reinterpret_cast<const void*>(address), &info) != 0 &&
         reinterpret_cast<std::uintptr_t>(info.dli_fbase) == base;
}

// "mailstead::(anonymous namespace)::Import::flush(mailstead::…)" is "flush".
std::string short_name(std::string name) {
  for (const std::string_view part : {"mailstead::", "(anonymous namespace)::"}) {
    for (std::size_t at = name.find(part); at != std::string::npos; at = name.find(part))
      name.erase(at, part.size());
  }
  name.resize(std::min(name.find('('), name.size()));
  std::string result;
  int depth = 0;
  for (const char c : name) {
    depth += c == '<' ? 1 : 0;
    if (depth == 0) result += c;
    depth -= c == '>' ? 1 : 0;
  }
  // A template's name has its type in front; what is inlined lacks its class, so none is told.
  const std::size_t last = result.find_last_of(" :");
  return last == std::string::npos ? result : result.substr(last + 1);
}

std::unordered_map<std::uintptr_t, Frames> functions_at(const std::set<std::uintptr_t>& addresses,
                                                        std::uintptr_t base) {
  std::string command = fmt::format("addr2line -afCi -e /proc/{}/exe", ::getpid());
  for (const std::uintptr_t address : addresses) command += fmt::format(" {:#x}", address - base - 1);
  std::unique_ptr<FILE, decltype(&::pclose)> output(::popen(command.c_str(), "r"), &::pclose);
  if (output == nullptr) throw std::runtime_error("cannot run addr2line");
  std::unordered_map<std::uintptr_t, Frames> functions;
  std::uintptr_t current = 0;
  std::array<char, 8192> line{};
  bool is_place = false;  // each function is followed by its file and line
  while (std::fgets(line.data(), static_cast<int>(line.size()), output.get()) != nullptr) {
    const std::string_view text(line.data());
    if (text.starts_with("0x")) {
      current = std::stoull(std::string(text), nullptr, 16) + base + 1;
      is_place = false;
    } else if (is_place) {
      is_place = false;
    } else {
      functions[current].emplace_back(text.substr(0, text.find('\n')));
      is_place = true;
    }
  }
  if (functions.size() != addresses.size()) throw std::runtime_error("addr2line (binutils) does not answer");
  return functions;
}

// What stands between a sync and its reason: says nothing.
bool is_plumbing(std::string_view name) {
  static constexpr std::string_view kPlumbing[] = {
      "call_",          "sync_call", "fsync",     "fdatasync", "syncfs",
      "sync_handle",    "step",      "sync_data", "run",       "try_in_transaction",
      "in_transaction", "operator",  "open",      "query"};
  for (const std::string_view each : kPlumbing) {
    if (each.ends_with('_') ? name.starts_with(each) : name == each || name.starts_with("operator"))
      return true;
  }
  return name.empty() || name == "??";
}

// What kind of file it is: names of messages and mailboxes are all different.
class Kinds {
 public:
  explicit Kinds(const Image& start) {
    for (const auto& [folder, entries] : start.folders) {
      for (const auto& [name, object] : entries) name_object(folder, name, object);
    }
  }

  void apply(const Record& record) {
    if (record.kind == RecordKind::kCreate || record.kind == RecordKind::kFolder)
      name_object(record.folder, record.name, record.object);
    if (record.kind == RecordKind::kRename) name_object(record.to_folder, record.to_name, record.object);
  }

  std::string of(ObjectId object) const {
    static constexpr std::string_view kNamed[] = {"new",  "cur",  "tmp",  "deleted", "queue",
                                                  "mail", "dkim", "data", "journal"};
    const auto found = named_.find(object);
    if (found == named_.end()) return "the place of the data folder";
    const auto& [parent, name] = found->second;
    for (const std::string_view each : kNamed) {
      if (name == each) return std::string(each);
    }
    if (name.starts_with("mailstead.db")) return name;
    const std::string in = of_parent(parent);
    if (in == "mail") return "a domain";
    if (in == "dkim") return "a domain's keys";
    if (in == "journal") return "a file of the journal";
    if (in == "queue" || in == "tmp" || in == "new" || in == "cur") return "a message";
    return of(parent) == "a domain" ? "a mailbox" : "a small file";
  }

 private:
  void name_object(ObjectId folder, const std::string& name, ObjectId object) {
    named_[object] = {folder, name};
  }
  std::string of_parent(ObjectId parent) const {
    const auto found = named_.find(parent);
    return found == named_.end() ? "" : found->second.second;
  }

  std::map<ObjectId, std::pair<ObjectId, std::string>> named_;
};

// Up to the test's own.
std::string functions_of(const CallSite& site, const std::unordered_map<std::uintptr_t, Frames>& functions) {
  std::string text;
  for (const std::uintptr_t address : site) {
    const auto found = functions.find(address);
    if (found == functions.end()) continue;
    for (const std::string& name : found->second) {
      if (name.find("mailstead::power::World::") != std::string::npos) return text;
      if (name.find("mailstead::power::") != std::string::npos) continue;
      const std::string function = short_name(name);
      if (is_plumbing(function) || text.ends_with(function)) continue;
      text += (text.empty() ? "" : " < ") + function;
    }
  }
  return text;
}

}  // namespace

std::vector<std::string> describe_syncs(const Recording& recording) {
  const std::uintptr_t base = base_of_program();
  std::set<std::uintptr_t> addresses;
  for (const CallSite& site : recording.sites) {
    for (const std::uintptr_t address : site) {
      if (is_in_program(address, base)) addresses.insert(address);
    }
  }
  const auto functions = functions_at(addresses, base);
  std::vector<std::string> sites;
  for (const CallSite& site : recording.sites) sites.push_back(functions_of(site, functions));
  Kinds kinds(recording.start);
  std::vector<std::string> texts;
  for (const Record& record : recording.records) {
    kinds.apply(record);
    const bool is_sync = record.kind == RecordKind::kSync || record.kind == RecordKind::kSyncAll;
    const std::string functions_here = is_sync ? sites[record.site] : "";
    texts.push_back(functions_here.empty() ? "" : kinds.of(record.object) + ": " + functions_here);
  }
  return texts;
}

}  // namespace mailstead::power
