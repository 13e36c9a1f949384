// What imports and exports say to the store's side, as JSON: in Request::content and Report::json.
//
//     import known ADDRESS SOURCE                content [{"item", "size", "hash"}, …]: what is not known is left out
//                                                json "01?…": which were imported before; ?: see WasImported
//     import spool ADDRESS TOKEN OFFSET          content "…": a piece of a large message
//     import batch ADDRESS SOURCE                content [{"item", "uidl", "at", "bytes" | "token", "size"}, …]
//                                                json [{"outcome": "new" | "there" | "unsure" | "failed", "uidl", "error"}, …]
//     export batch ADDRESS KEY                   json [{"key", "uidl", "size", "at", "bytes" | "large" | "error"}],
//                                                what is behind KEY
//     export piece ADDRESS KEY SIZE OFFSET       json "…": octets of a large message
//
// Octets are base64. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/result.h"
#include "storage/transfer/transfer.h"

namespace mailstead::admin {

inline constexpr std::size_t kTransferPiece = 128u << 10;  // octets of mail in one request, at most
inline constexpr std::size_t kTransferItems = 64;          // messages in one request, at most
inline constexpr std::size_t kKnownItems = 256;            // of `import known`

struct ImportItem {
  std::string item;
  std::string uidl;
  std::int64_t received_at = 0;  // Unix seconds
  std::string bytes;
  std::string token = {};  // not empty: the message is in the spool of this name
  std::uint64_t size = 0;  // of the spool
};

struct ImportAnswer {
  enum class Outcome { kNew, kThere, kUnsure, kFailed };
  Outcome outcome = Outcome::kFailed;
  std::string uidl;
  std::string error;
};

struct ExportItem {
  ExportEntry entry;
  std::optional<std::string> bytes;  // nullopt: it is large, or cannot be read
  std::string error;                 // not empty: why it cannot be read
};

std::string encode_octets(std::string_view octets);
Result<std::string> decode_octets(std::string_view json);
std::string encode_questions(const std::vector<ImportQuestion>& questions);
Result<std::vector<ImportQuestion>> decode_questions(std::string_view json);
std::string encode_known(const std::vector<WasImported>& known);
// nullopt: it is no answer to so many questions.
std::optional<std::vector<WasImported>> decode_known(std::string_view json, std::size_t questions);
std::string encode_imports(const std::vector<ImportItem>& items);
Result<std::vector<ImportItem>> decode_imports(std::string_view json);
std::string encode_answers(const std::vector<ImportAnswer>& answers);
Result<std::vector<ImportAnswer>> decode_answers(std::string_view json);
std::string encode_exports(const std::vector<ExportItem>& items);
Result<std::vector<ExportItem>> decode_exports(std::string_view json);

}  // namespace mailstead::admin
