// Catch2 under one name: version 2 is Debian 12's, version 3 Debian 13's. Link mailstead_catch; it brings the
// main().
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif
