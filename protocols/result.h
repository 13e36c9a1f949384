// A value or the operational error that stood in its way.
//
// Result<T> has std::expected's member names, so that it can become std::expected when the oldest compiler
// we support has it. An Error is for operations (disk, database, network, a wrong argument); a refusal that
// goes to a client is a Reply, not an Error. Exceptions mean a bug or no memory.
//
// Ownership: by value. Threads: as safe as T.
#pragma once

#include <cassert>
#include <string>
#include <utility>
#include <variant>

namespace mailstead {

enum class ErrorKind {
  kInvalid,      // the request itself is wrong: bad address, bad option
  kNotFound,     // the thing named does not exist
  kExists,       // the thing to be made exists already
  kInUse,        // somebody else holds it: a maildrop, a data folder, a port
  kDenied,       // no rights, or a wrong password
  kNoSpace,      // the disk is full
  kOverQuota,    // the mailbox is full
  kTooLarge,     // it does not fit into the mailbox, be that empty
  kUnavailable,  // passing trouble: try again
  kIo,           // the operating system refused; `message` says what
  kCorrupt,      // what is on disk is not what was written
};

struct Error {
  ErrorKind kind = ErrorKind::kIo;
  // For the log and for the administrator: one line, what failed and what to do. Never sent to a mail client.
  std::string message;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  Error& error() & { return std::get<1>(state_); }
  const Error& error() const& { return std::get<1>(state_); }
  Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)), failed_(true) {}

  bool has_value() const { return !failed_; }
  explicit operator bool() const { return has_value(); }
  void value() const { assert(has_value()); }

  Error& error() & { return error_; }
  const Error& error() const& { return error_; }
  Error&& error() && { return std::move(error_); }

 private:
  Error error_;
  bool failed_ = false;
};

}  // namespace mailstead
