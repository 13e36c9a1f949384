#include "protocols/base64.h"

#include "tests/catch.h"

namespace mailstead::base64 {

TEST_CASE("base64 is decoded whole and padded or not at all", "[base64]") {
  CHECK(decode("") == "");
  CHECK(decode("YQ==") == "a");
  CHECK(decode("YWJj") == "abc");
  CHECK(decode("AGEAYg==") == std::string("\0a\0b", 4));
  for (const char* text :
       {"Y", "YQ", "YQ=", "YQ===", "=", "====", "YQ==YQ==", "Y Q=", "YQ==\n", "Y!==", "YW-_"}) {
    INFO(text);
    CHECK_FALSE(decode(text));
  }
}

TEST_CASE("what was encoded is decoded to the same", "[base64]") {
  CHECK(encode("") == "");
  CHECK(encode("a") == "YQ==");
  std::string octets;
  for (int i = 0; i < 300; ++i) {
    CHECK(decode(encode(octets)) == octets);
    octets += static_cast<char>(i * 7);
  }
}

}  // namespace mailstead::base64
