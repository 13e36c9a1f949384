# Finds BoringSSL and makes BoringSSL::Crypto and BoringSSL::SSL.
#
# Default: Debian's android-libboringssl-dev (headers under /usr/include/android, libraries under
# <libdir>/<triplet>/android, an rpath is needed to run). With -DBORINGSSL_ROOT=DIR: an upstream tree built in DIR or
# DIR/build (libcrypto.a and libssl.a, or the shared ones).
set(BORINGSSL_ROOT "" CACHE PATH "An upstream BoringSSL tree to build against instead of Debian's package")

if(BORINGSSL_ROOT)
  set(_include "${BORINGSSL_ROOT}/include")
  set(_libraries "${BORINGSSL_ROOT}/build" "${BORINGSSL_ROOT}")
else()
  set(_include /usr/include/android)
  set(_libraries "/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}/android")
endif()
find_path(BORINGSSL_INCLUDE_DIR openssl/base.h PATHS "${_include}" NO_DEFAULT_PATH)
find_library(BORINGSSL_CRYPTO_LIBRARY crypto PATHS ${_libraries} PATH_SUFFIXES crypto lib NO_DEFAULT_PATH)
find_library(BORINGSSL_SSL_LIBRARY ssl PATHS ${_libraries} PATH_SUFFIXES ssl lib NO_DEFAULT_PATH)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(BoringSSL REQUIRED_VARS BORINGSSL_CRYPTO_LIBRARY BORINGSSL_SSL_LIBRARY
                                  BORINGSSL_INCLUDE_DIR)

if(BoringSSL_FOUND AND NOT TARGET BoringSSL::Crypto)
  add_library(BoringSSL::Crypto UNKNOWN IMPORTED)
  set_target_properties(BoringSSL::Crypto PROPERTIES IMPORTED_LOCATION "${BORINGSSL_CRYPTO_LIBRARY}"
                        INTERFACE_INCLUDE_DIRECTORIES "${BORINGSSL_INCLUDE_DIR}"
                        INTERFACE_LINK_LIBRARIES "Threads::Threads")
  add_library(BoringSSL::SSL UNKNOWN IMPORTED)
  set_target_properties(BoringSSL::SSL PROPERTIES IMPORTED_LOCATION "${BORINGSSL_SSL_LIBRARY}"
                        INTERFACE_INCLUDE_DIRECTORIES "${BORINGSSL_INCLUDE_DIR}"
                        INTERFACE_LINK_LIBRARIES BoringSSL::Crypto)
endif()
