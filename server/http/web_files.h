// The administration page's own files, as embed.cmake of server/web put them into the program.
// Constant data; any thread.
#pragma once

#include <span>
#include <string_view>

namespace mailstead {

struct WebFile {
  std::string_view name;  // "app.js"; the page itself is ""
  std::string_view type;  // of its content
  std::string_view content;
  std::string_view tag;  // an ETag with its quotes
};

std::span<const WebFile> web_files();
const WebFile* find_web_file(std::string_view name);

}  // namespace mailstead
