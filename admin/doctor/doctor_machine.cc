#include "admin/doctor/doctor_machine.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>

#include "admin/text.h"

namespace mailstead::admin {
namespace {

constexpr std::uint64_t kMiB = 1u << 20;
// A connection and the file of its message, and what the server needs besides.
constexpr std::uint64_t kFilesOfAConnection = 2;
constexpr std::uint64_t kFilesBesides = 640;
constexpr std::uint64_t kFewFiles = 1024;
constexpr std::uint64_t kLittleMemory = 200 * kMiB;
constexpr std::uint64_t kEnoughConnections = 5;
constexpr std::uint64_t kEnoughHidden = 10;
constexpr std::uint64_t kFewHidden = 10;  // one in so many is nothing to worry about

struct FileSystem {
  std::uint32_t kind;
  const char* name;
  const char* why;
  const char* advice;
};

constexpr const char* kTakeALocalDisk =
    "The promise that an answered message survives a power cut holds only as far as the other machine keeps "
    "it, "
    "and two servers could open the folder. Take a disk of this machine (ext4, XFS).";

// linux/magic.h, and of CIFS and SMB2 what the kernel's sources have.
constexpr FileSystem kFileSystems[] = {
    {0x01021994, "tmpfs", "it is in memory: all mail is gone after a restart of the machine",
     "Take a folder on a disk (for a container: a volume, -v mail:/data)."},
    {0x858458f6, "ramfs", "it is in memory: all mail is gone after a restart of the machine",
     "Take a folder on a disk (for a container: a volume, -v mail:/data)."},
    {0x794c7630, "overlay", "it is the container's own layer: all mail goes with the container",
     "Give the container a volume: -v mail:/data."},
    {0x00006969, "NFS", "it is on another machine", kTakeALocalDisk},
    {0xff534d42, "CIFS", "it is on another machine", kTakeALocalDisk},
    {0xfe534d42, "SMB", "it is on another machine", kTakeALocalDisk},
    {0x01021997, "9p", "another machine keeps it", kTakeALocalDisk},
    {0x65735546, "FUSE", "a program keeps it, and only it knows when something is on the disk",
     "Take a disk of this machine (ext4, XFS), unless you know that the program keeps fsync's promise."},
    {0x00004d44, "FAT", "it has no owners and modes: everybody on this machine can read the mail",
     "Take a disk with a file system of Linux (ext4, XFS)."},
};

std::string parent_folder(const std::string& path) {
  const std::size_t slash = path.find_last_not_of('/') == std::string::npos
                                ? std::string::npos
                                : path.rfind('/', path.find_last_not_of('/'));
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// "Max open files  1024  524288  files": the server raises the first to the second.
std::uint64_t file_limit_of(std::int64_t pid) {
  std::ifstream file(fmt::format("/proc/{}/limits", pid));
  for (std::string line; std::getline(file, line);) {
    constexpr std::string_view kName = "Max open files";
    if (!line.starts_with(kName)) continue;
    char* end = nullptr;
    const char* const numbers = line.c_str() + kName.size();
    const std::uint64_t soft = std::strtoull(numbers, &end, 10);
    const std::uint64_t hard = std::strtoull(end, nullptr, 10);
    return std::max(soft, hard);
  }
  return 0;
}

// What a container may use, where that is less.
std::uint64_t memory_of_group() {
  for (const char* path : {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::ifstream file(path);
    std::uint64_t octets = 0;
    if (file >> octets) return octets;
  }
  return 0;
}

}  // namespace

DiskFacts look_at_disk(const std::string& data, std::uint64_t reserve) {
  DiskFacts facts{.path = data, .reserve = reserve};
  struct stat there {};
  if (::stat(data.c_str(), &there) != 0 && errno == ENOENT) facts.path = parent_folder(data);
  struct statfs kind {};
  struct statvfs room {};
  if (::statfs(facts.path.c_str(), &kind) != 0 || ::statvfs(facts.path.c_str(), &room) != 0) {
    facts.failure = std::strerror(errno);
    return facts;
  }
  facts.kind = static_cast<std::uint32_t>(kind.f_type);
  facts.free = std::uint64_t{room.f_bavail} * room.f_frsize;
  facts.size = std::uint64_t{room.f_blocks} * room.f_frsize;
  facts.inodes = room.f_files;
  facts.free_inodes = room.f_favail;
  facts.is_read_only = (room.f_flag & ST_RDONLY) != 0;
  return facts;
}

void judge_disk(const DiskFacts& facts, DoctorFindings& into) {
  const auto add = [&](Health health, std::string found, std::string advice) {
    into.push_back({"disk", health, std::move(found), std::move(advice)});
  };
  if (!facts.failure.empty()) {
    return add(Health::kProblem, fmt::format("cannot look at {}: {}", facts.path, facts.failure),
               "The data folder's parent has to be there, and the server's user has to be able to enter it.");
  }
  const std::size_t before = into.size();
  constexpr const char* kMakeRoom =
      "Make room, or move the data folder to a larger disk: no mail is lost meanwhile, senders try again for "
      "days.";
  if (!facts.mail_trouble.empty()) {
    add(Health::kProblem,
        fmt::format("the server takes no mail, since none can be written down: {}",
                    printable(facts.mail_trouble)),
        "Its senders are asked to come later, for days. See 'dmesg' for errors of the disk; when it is well, "
        "the server goes on by itself. If the file system has to be mounted anew, stop the server first.");
  }
  if (facts.is_read_only) {
    add(Health::kProblem, fmt::format("the disk of {} is read-only", facts.path),
        "A disk that was mounted read-only on purpose is the wrong one; one that became so has errors: see "
        "'dmesg', "
        "and have a backup before you do anything.");
  }
  if (facts.free < facts.reserve) {
    add(Health::kProblem,
        fmt::format("{} are free on the disk of {}, less than the {} that are kept free: mail is put off",
                    size_text(facts.free), facts.path, size_text(facts.reserve)),
        kMakeRoom);
  } else if (facts.free < 4 * facts.reserve && facts.free < facts.size / 5) {
    add(Health::kWarning,
        fmt::format("only {} are free on the disk of {}", size_text(facts.free), facts.path), kMakeRoom);
  }
  if (facts.inodes > 0 && facts.free_inodes < facts.inodes / 20 && facts.free_inodes < 100'000) {
    add(facts.free_inodes < 1000 ? Health::kProblem : Health::kWarning,
        fmt::format("the disk of {} has room for only {} more files (inodes)", facts.path, facts.free_inodes),
        "Each message is a file. Remove small files that nobody needs ('df -i' and 'du --inodes' show "
        "where), or "
        "make the file system anew with more inodes.");
  }
  const auto* kind = std::ranges::find(kFileSystems, facts.kind, &FileSystem::kind);
  if (kind != std::end(kFileSystems)) {
    add(Health::kWarning, fmt::format("the data folder is on {}: {}", kind->name, kind->why), kind->advice);
  }
  if (into.size() == before) {
    add(Health::kOk, fmt::format("{} of {} are free", size_text(facts.free), size_text(facts.size)), "");
  }
}

LimitFacts look_at_limits(std::int64_t pid, std::uint64_t connections) {
  LimitFacts facts{.connections = connections};
  if (pid > 0) facts.files = file_limit_of(pid);
  if (facts.files == 0) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) facts.files = limit.rlim_max;
  }
  struct sysinfo system {};
  if (::sysinfo(&system) == 0) facts.memory = std::uint64_t{system.totalram} * system.mem_unit;
  const std::uint64_t group = memory_of_group();
  if (group > 0) facts.memory = std::min(facts.memory, group);
  return facts;
}

void judge_files(const LimitFacts& facts, DoctorFindings& into) {
  const std::uint64_t wanted = kFilesOfAConnection * facts.connections + kFilesBesides;
  if (facts.files >= wanted) {
    into.push_back(
        {"file-limits", Health::kOk, fmt::format("enough open files for {} connections", facts.connections)});
    return;
  }
  const std::uint64_t possible =
      (facts.files - std::min(facts.files / 2, kFilesBesides)) / kFilesOfAConnection;
  into.push_back(
      {"file-limits", facts.files < kFewFiles ? Health::kProblem : Health::kWarning,
       fmt::format(
           "the limit of {} open files is enough for {} connections, not for the {} of [limits] connections",
           facts.files, possible, facts.connections),
       fmt::format(
           "Raise it to {}: LimitNOFILE= of the systemd unit, 'ulimit -Hn' of a shell, --ulimit nofile= of "
           "a container. Or set 'connections' to what you need.",
           wanted)});
}

void judge_memory(const LimitFacts& facts, DoctorFindings& into) {
  if (facts.memory == 0) {
    into.push_back({"memory", Health::kSkipped, "how much this machine has is not known"});
  } else if (facts.memory < kLittleMemory) {
    into.push_back(
        {"memory", Health::kWarning,
         fmt::format("this machine or container has only {}", size_text(facts.memory)),
         "Each login takes 32 MiB for a moment, and large messages some more: give it 256 MiB or so."});
  } else {
    into.push_back({"memory", Health::kOk, size_text(facts.memory)});
  }
}

bool is_in_container() {
  for (const char* path : {"/.dockerenv", "/run/.containerenv"}) {
    if (::access(path, F_OK) == 0) return true;
  }
  return std::getenv("container") != nullptr;  // systemd-nspawn, LXC, Podman
}

void judge_container(const ContainerFacts& facts, DoctorFindings& into) {
  const auto add = [&](Health health, std::string found, std::string advice) {
    into.push_back({"client-addresses", health, std::move(found), std::move(advice)});
  };
  std::uint64_t hidden = 0;
  std::string gateways;
  for (const auto& [gateway, connections] : facts.hidden) {
    hidden += connections;
    gateways += (gateways.empty() ? "" : ", ") + gateway;
  }
  if (hidden > 0) {
    return add(
        hidden >= kEnoughHidden && hidden * kFewHidden >= facts.connections ? Health::kWarning
                                                                            : Health::kNote,
        fmt::format(
            "{} of {} came from {}, a gateway's address or this machine's own: a container's bridge or a "
            "router hides who they are",
            hidden, counted(facts.connections, "connection"), gateways),
        "SPF cannot be checked for them, and nobody who guesses passwords is banned. Have the container use "
        "the "
        "host's network (--network host), switch off Docker's userland-proxy, or put a proxy before it that "
        "sends PROXY headers ([listen] proxy_protocol_from).");
  }
  if (facts.connections < kEnoughConnections) {
    return add(facts.is_container ? Health::kNote : Health::kSkipped,
               "too few clients have been seen to tell whether their addresses are their own",
               facts.is_container
                   ? "This is a container, whose bridge may hide them: look again when mail has "
                     "come from outside."
                   : "");
  }
  add(Health::kOk, "clients are seen by their own addresses", "");
}

}  // namespace mailstead::admin
