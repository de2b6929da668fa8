# What `cmake --install` and `cpack` put where: the executable, the workflows, the configuration, systemd's
# units, the manual, and a Debian package of it all. scripts/package is the command people use.

include(GNUInstallDirs)
set(BATON_PREBUILT "" CACHE FILEPATH "Package this executable instead of the one built here")
set(BATON_PACKAGE_REVISION "1" CACHE STRING "What stands behind the version in the Debian package's")

set(package_from ${CMAKE_SOURCE_DIR}/deploy/debian)
set(package_folder ${CMAKE_BINARY_DIR}/package)
set(CMAKE_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

if(BATON_PREBUILT)
    install(PROGRAMS ${BATON_PREBUILT} DESTINATION ${CMAKE_INSTALL_BINDIR} RENAME baton)
else()
    install(TARGETS baton RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(DIRECTORY workflows DESTINATION ${CMAKE_INSTALL_DATADIR}/baton FILES_MATCHING PATTERN "*.toml")
install(FILES docs/operating.md docs/workflows.md docs/expressions.md docs/workers.md docs/api.md docs/amqp.md
    docs/glossary.md README.md
    DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/baton)
install(FILES ${package_from}/baton.completion
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME baton)

# Manual and changelog are compressed as Debian wants them: without name and time, so that the same
# source makes the same package.
set(BATON_PACKAGE_VERSION ${PROJECT_VERSION}-${BATON_PACKAGE_REVISION})
file(MAKE_DIRECTORY ${package_folder})
configure_file(${package_from}/changelog.in ${package_folder}/changelog.Debian @ONLY)
configure_file(${package_from}/baton.1.in ${package_folder}/baton.1 @ONLY)
foreach(text IN ITEMS changelog.Debian baton.1)
    execute_process(COMMAND gzip -9n INPUT_FILE ${package_folder}/${text} OUTPUT_FILE ${package_folder}/${text}.gz
        COMMAND_ERROR_IS_FATAL ANY)
endforeach()
install(FILES ${package_folder}/baton.1.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${package_folder}/changelog.Debian.gz ${package_from}/copyright
    DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/baton)

# What has its place in the system whatever the prefix; `cmake --install DIR --component Unspecified` leaves it out.
install(FILES ${package_from}/baton.toml DESTINATION /etc/baton COMPONENT system)
install(FILES ${package_from}/worker-mail.env ${package_from}/worker-redmine.env ${package_from}/worker-slack.env
    DESTINATION /etc/baton COMPONENT system)
install(FILES ${package_from}/baton.service ${package_from}/baton-worker@.service
    DESTINATION /lib/systemd/system COMPONENT system)
foreach(worker IN ITEMS mail redmine slack)
    install(FILES ${package_from}/secrets-${worker}.conf RENAME secrets.conf
        DESTINATION /lib/systemd/system/baton-worker@${worker}.service.d COMPONENT system)
endforeach()
install(FILES ${package_from}/lintian-overrides DESTINATION ${CMAKE_INSTALL_DATADIR}/lintian/overrides
    RENAME baton COMPONENT system)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME baton)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_DIRECTORY ${package_folder})
set(CPACK_PACKAGE_CONTACT "Baton's maintainers <maintainers@baton.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "workflows over a message broker, in one executable")
set(CPACK_PACKAGE_DESCRIPTION
"Baton runs workflows across other people's systems, all or nothing, whatever
crashes on the way. A message broker that speaks AMQP 0-9-1, an orchestrator
and the workers for mail, Redmine and Slack are one executable.
.
The package has a systemd unit for the server and one for each worker.")
set(CPACK_SET_DESTDIR ON)
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE ${BATON_PACKAGE_REVISION})
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# What the libraries do not say: certificates for https, zones for schedules, the user.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, ca-certificates, init-system-helpers (>= 1.52), tzdata")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "postgresql, bash-completion")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${package_from}/conffiles ${package_from}/postinst ${package_from}/prerm ${package_from}/postrm)
include(CPack)
