#include "storage/accounts/password.h"

#include <crypt.h>

#include <set>

#include "tests/catch.h"

using namespace mailstead;

TEST_CASE("a password opens its own hash and no other", "[storage]") {
  const std::string phrase = "a b\tc \xc3\xa4 with spaces";
  auto hash = hash_password(phrase);
  REQUIRE(hash.has_value());
  CHECK(hash->starts_with("$scrypt$ln=15,r=8,p=3$"));
  CHECK(hash->find('=', hash->rfind('$')) == std::string::npos);
  CHECK(verify_password(phrase, *hash));
  CHECK_FALSE(verify_password(phrase + " ", *hash));
  CHECK_FALSE(verify_password("", *hash));
  CHECK(hash_password(phrase).value() != *hash);
  CHECK_FALSE(verify_nobody(phrase));
}

TEST_CASE("scrypt is that of RFC 7914", "[storage]") {
  // Section 12, second vector: password, NaCl, N=1024, r=8, p=16.
  CHECK(verify_password(
      "password",
      "$scrypt$ln=10,r=8,p=16$TmFDbA$"
      "/bq+HJ00cgB4VucZDQHp/nxq18vII3gw53N2Y0s3MWIurzDZLiKjiG/xCSedmDDaxyevuUqD7m2DYMvfoswGQA"));
}

TEST_CASE("hashes of other servers are read", "[storage]") {
  for (const char* prefix : {"$6$", "$y$", "$2b$"}) {
    INFO(prefix);
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    REQUIRE(::crypt_gensalt_rn(prefix, prefix[1] == '2' ? 4 : 0, nullptr, 0, setting, sizeof setting) !=
            nullptr);
    crypt_data work{};
    const char* made = ::crypt_rn("secret", setting, &work, sizeof work);
    REQUIRE(made != nullptr);
    const std::string hash = made;
    CHECK(verify_password("secret", hash));
    CHECK_FALSE(verify_password("Secret", hash));
    CHECK_FALSE(verify_password(std::string("secret\0x", 8), hash));
    CHECK_FALSE(verify_password("secret", hash.substr(0, hash.size() - 1)));
  }
}

TEST_CASE("what is no hash opens to nobody and costs no more than it may", "[storage]") {
  for (const char* hash : {"", "secret", "$", "$1$abc$def", "*", "$scrypt$", "$scrypt$ln=15,r=8,p=3$",
                           "$scrypt$ln=15,r=8,p=3$$", "$scrypt$ln=40,r=8,p=3$AAAA$AAAAAAAAAAAAAAAAAAAAAAAA",
                           "$scrypt$ln=15,r=9999,p=3$AAAA$AAAAAAAAAAAAAAAAAAAAAAAA",
                           "$scrypt$ln=-1,r=8,p=3$AAAA$AAAAAAAAAAAAAAAAAAAAAAAA",
                           "$scrypt$ln=0,r=8,p=3$AAAA$AAAAAAAAAAAAAAAAAAAAAAAA",
                           "$scrypt$ln=15,r=8,p=3$AA!A$AAAAAAAAAAAAAAAAAAAAAAAA",
                           "$scrypt$ln=15,r=8,p=3$AAAA$AAAA", "$6$", "$y$", "$2b$"}) {
    INFO(hash);
    CHECK_FALSE(verify_password("secret", hash));
    CHECK_FALSE(verify_password("", hash));
  }
}

TEST_CASE("generated passwords are five groups of five that differ", "[storage]") {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string password = generate_password();
    CHECK(password.size() == 29);
    CHECK(password.find_first_of("01ilo") == std::string::npos);
    CHECK(seen.insert(password).second);
  }
}
