# Folders of the package are open to everybody, whatever the umask of who makes it: what CPack has for that yields to it.
execute_process(COMMAND find "${CPACK_TEMPORARY_INSTALL_DIRECTORY}" -type d -exec chmod 755 {} +
                COMMAND_ERROR_IS_FATAL ANY)
