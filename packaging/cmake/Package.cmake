# What is installed, and the Debian package of it:
#   cmake --build --preset release --target mailstead && cpack --config build/release/CPackConfig.cmake
include(GNUInstallDirs)

set(made "${CMAKE_BINARY_DIR}/package")
file(MAKE_DIRECTORY "${made}")
find_program(GZIP gzip)

# Documents as Debian wants them, packed. -n: without the time, so that the same sources make the same package.
# A container is built without some of them, and makes no package.
function(packed source name)
  if(GZIP AND EXISTS "${source}")
    execute_process(COMMAND "${GZIP}" -9nc "${source}" OUTPUT_FILE "${made}/${name}" COMMAND_ERROR_IS_FATAL ANY)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${source}")
  endif()
endfunction()
packed("${CMAKE_SOURCE_DIR}/packaging/mailstead.1" mailstead.1.gz)
packed("${CMAKE_SOURCE_DIR}/packaging/mailstead.toml.5" mailstead.toml.5.gz)
packed("${CMAKE_SOURCE_DIR}/CHANGELOG.md" changelog.gz)

# Debian keeps BoringSSL's libraries in a folder of their own, which the program has to name.
set_target_properties(mailstead PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
install(TARGETS mailstead RUNTIME DESTINATION bin)
install(FILES packaging/mailstead.service DESTINATION lib/systemd/system)
install(FILES packaging/debian/mailstead.sysusers DESTINATION lib/sysusers.d RENAME mailstead.conf)
install(FILES packaging/completion/mailstead DESTINATION share/bash-completion/completions)
install(FILES packaging/completion/mailstead.fish DESTINATION share/fish/vendor_completions.d)
install(FILES packaging/completion/_mailstead DESTINATION share/zsh/vendor-completions)
install(FILES packaging/debian/copyright DESTINATION share/doc/mailstead)
install(FILES packaging/debian/mailstead.lintian-overrides DESTINATION share/lintian/overrides RENAME mailstead)
install(FILES packaging/mailstead.toml DESTINATION share/doc/mailstead/examples)
if(GZIP)
  install(FILES "${made}/mailstead.1.gz" DESTINATION share/man/man1)
  install(FILES "${made}/mailstead.toml.5.gz" DESTINATION share/man/man5)
  install(FILES "${made}/changelog.gz" DESTINATION share/doc/mailstead)
endif()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME mailstead)
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_VENDOR Mailstead)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_PRE_BUILD_SCRIPTS "${CMAKE_SOURCE_DIR}/packaging/cmake/PackageFolders.cmake")
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "The Mailstead maintainers <mailstead@mailstead.invalid>")
set(CPACK_DEBIAN_PACKAGE_SECTION mail)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "mail server for SMTP and POP3 in one program")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
    "Receives mail by SMTP, keeps it in indexed maildirs, hands it out by POP3, and
takes what its users send. One program is the server and the tool to
 administer it; it starts without any configuration.")
# What the binary is linked with, by dpkg-shlibdeps. Other servers' certificates are checked by ca-certificates; the
# user is made by passwd where there is no systemd. It has no /usr/sbin/sendmail, so it is no mail-transport-agent;
# and it may stand beside one on other ports, so it excludes none: who has port 25 is told by the server.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "ca-certificates, passwd")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    "${CMAKE_SOURCE_DIR}/packaging/debian/postinst"
    "${CMAKE_SOURCE_DIR}/packaging/debian/prerm"
    "${CMAKE_SOURCE_DIR}/packaging/debian/postrm")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
