// Signatures of every kind, made in the plainest way: for tests of verifiers. The signers of
// ours know one form only.
#pragma once

#include <string>
#include <string_view>

#include "protocols/origin/dkim_key.h"
#include "protocols/origin/signed_message.h"

namespace mailstead::dkim_test {

// The body as it is signed, whole.
std::string model_body(std::string_view body, DkimForm form);

// The field "NAME: tags" with CRLF, for the top of `message`. Of the tags, "bh=@" and "b=@" are filled in, by
// what c=, h= and l= say.
std::string model_signature(std::string_view message, std::string tags, const DkimKey& key,
                            std::string_view name = "DKIM-Signature");

// Read in pieces of this size.
void read_in_pieces(SignedMessage& into, std::string_view message, std::size_t piece);

}  // namespace mailstead::dkim_test
