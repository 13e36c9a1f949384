// A header as signatures cover it: which fields h= names, and the hash of what was signed. RFC
// 6376 3.7, 5.4.2. Private to protocols/.
//
// Memory: the relaxed form of the header, and some 44 octets for each field. Time: linear in what is covered;
// the first digest() sorts the fields by name, the first of the relaxed form makes it for all of them.
// Threads: one at a time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "protocols/origin/claimed_signature.h"
#include "protocols/origin/dkim_canonical.h"
#include "protocols/sha256.h"

namespace mailstead {

class SignedHeader {
 public:
  // The fields point into a text that outlives this.
  explicit SignedHeader(std::vector<DkimField> fields) : fields_(std::move(fields)) {}

  const std::vector<DkimField>& fields() const { return fields_; }
  // What a signature without a fault, whose field is one of these, signs: the hash of the fields that it
  // names and of its own.
  Sha256 digest(const ClaimedSignature& signature);

 private:
  std::string_view text_of(std::size_t field, DkimForm form) const;
  void sort_by_name();
  void relax();

  std::vector<DkimField> fields_;
  std::vector<std::uint32_t> by_name_;  // fields, sorted; those of one name from the top down
  std::string relaxed_;                 // all fields
  std::vector<std::size_t> ends_;       // of each field in it
};

// A signature's own field as it is signed, after all others: without the CRLF at its end.
std::string own_text(const ClaimedSignature& signature);

}  // namespace mailstead
