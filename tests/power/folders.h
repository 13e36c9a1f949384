// What the scenarios do to files themselves, as other programs and accidents do.
// Errors: exceptions; they end the test.
#pragma once

#include <string>

namespace mailstead::power {

// DATA/mail/DOMAIN/USER.
std::string maildir_path(const std::string& data, const std::string& mailbox);
std::string read_file(const std::string& path);
// The file gets these octets in its place, durably.
void overwrite(const std::string& path, const std::string& bytes);
void sync_folder(const std::string& path);

}  // namespace mailstead::power
