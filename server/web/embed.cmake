# Writes OUTPUT, a source of the program that holds FILES (a list of paths). See server/web_files.h.
set(types "html=text/html" "css=text/css" "js=text/javascript" "svg=image/svg+xml")
set(entries "")
foreach(file IN LISTS FILES)
  get_filename_component(name "${file}" NAME)
  string(REGEX REPLACE ".*\\." "" ending "${name}")
  set(type "")
  foreach(pair IN LISTS types)
    if(pair MATCHES "^${ending}=(.*)$")
      set(type "${CMAKE_MATCH_1}; charset=utf-8")
    endif()
  endforeach()
  if(type STREQUAL "")
    message(FATAL_ERROR "${file}: of what type are files that end so?")
  endif()
  file(SHA256 "${file}" hash)
  string(SUBSTRING "${hash}" 0 16 tag)
  if(name STREQUAL "index.html")
    set(name "")
  endif()
  # As numbers: a string literal may not be as long as a file, by the standard.
  file(READ "${file}" hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  list(FIND FILES "${file}" number)
  set(array "kFile${number}")
  string(APPEND arrays "constexpr unsigned char ${array}[] = {${bytes}};\n")
  string(APPEND entries "    {\"${name}\", \"${type}\", text_of(${array}), \"\\\"${tag}\\\"\"},\n")
endforeach()
file(WRITE "${OUTPUT}" "// Made from the files of server/web; edit those.
#include \"server/http/web_files.h\"

#include <algorithm>
#include <array>
#include <iterator>

namespace mailstead {
namespace {

${arrays}
template <std::size_t Size>
std::string_view text_of(const unsigned char (&bytes)[Size]) {
  return {reinterpret_cast<const char*>(bytes), Size};
}

const WebFile kFiles[] = {
${entries}};

}  // namespace

std::span<const WebFile> web_files() {
  return kFiles;
}

const WebFile* find_web_file(std::string_view name) {
  const auto files = web_files();
  const auto found = std::ranges::find(files, name, &WebFile::name);
  return found == files.end() ? nullptr : &*found;
}

}  // namespace mailstead
")
