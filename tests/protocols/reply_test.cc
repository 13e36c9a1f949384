#include "protocols/smtp/reply.h"

#include "tests/catch.h"

namespace mailstead {

TEST_CASE("a reply is one line", "[reply]") {
  CHECK(Reply{250, "2.1.0", "OK"}.wire() == "250 2.1.0 OK\r\n");
  CHECK(Reply{354, "", "Go on"}.wire() == "354 Go on\r\n");
  CHECK(Reply{334, "", ""}.wire() == "334 \r\n");
  CHECK(Reply{550, "5.1.1", "a\r\n250 b\t\xc3"}.wire() == "550 5.1.1 a??250 b??\r\n");
}

}  // namespace mailstead
