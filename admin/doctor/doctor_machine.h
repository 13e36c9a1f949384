// doctor: the clock, the disk, limits of the system, memory, and whether a container's bridge hides who
// connects. look_at_… ask the machine, judge_… are pure functions. Threads: one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "admin/doctor/doctor_finding.h"
#include "admin/outside.h"
#include "protocols/ip_address.h"

namespace mailstead::admin {

// ---- clock

struct ClockFacts {
  std::int64_t now = 0;              // Unix seconds
  std::int64_t built_at = 0;         // of this program's file; 0: not known
  std::int64_t data_at = 0;          // when the data folder was last written to; 0: never
  std::optional<bool> is_kept = {};  // the kernel says that something keeps it right (adjtimex(2))
  std::string server = {};           // that is asked
  bool is_resolved = false;
  std::vector<double> behind = {};  // seconds by which this clock is behind the server's: each answer
};

ClockFacts look_at_clock(const std::string& data, std::int64_t now);
// Asks a server of `name`[:port], at up to two of its addresses.
void ask_for_time(Outside& outside, const std::string& name, ClockFacts& facts);
void judge_clock(const ClockFacts& facts, DoctorFindings& into);

// ---- disk

struct DiskFacts {
  std::string path;  // the data folder, or what it will be made in
  std::string failure = {};
  std::uint64_t free = 0;  // octets, for users; as the next
  std::uint64_t size = 0;
  std::uint64_t free_inodes = 0;
  std::uint64_t inodes = 0;   // 0: this kind of file system has no number of them
  std::uint64_t reserve = 0;  // octets that [limits] free_space keeps
  bool is_read_only = false;
  std::uint32_t kind = 0;         // f_type of statfs(2)
  std::string mail_trouble = {};  // why the server could not write down the last mail; empty: it could
};

DiskFacts look_at_disk(const std::string& data, std::uint64_t reserve);
void judge_disk(const DiskFacts& facts, DoctorFindings& into);

// ---- limits and memory

struct LimitFacts {
  std::uint64_t files = 0;        // that the server may have open
  std::uint64_t connections = 0;  // [limits] connections
  std::uint64_t memory = 0;       // octets that this machine or container has; 0: not known
};

// `pid`: of the running server; 0: this process stands for it.
LimitFacts look_at_limits(std::int64_t pid, std::uint64_t connections);
void judge_files(const LimitFacts& facts, DoctorFindings& into);
void judge_memory(const LimitFacts& facts, DoctorFindings& into);

// ---- container

struct ContainerFacts {
  bool is_container = false;
  // Of the running server, since its start: none runs, and both are empty.
  std::uint64_t connections = 0;
  std::map<std::string, std::uint64_t> hidden = {};  // of these, by the gateway's address they came from
};

bool is_in_container();
void judge_container(const ContainerFacts& facts, DoctorFindings& into);

}  // namespace mailstead::admin
