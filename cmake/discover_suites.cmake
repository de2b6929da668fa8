# Read by ctest: asks a test program for its suites and makes one test of each, anew when the program is newer.
# A process a suite, not a case: most of a short case is the start of a sanitized program, and cases of one suite share
# what they start (a database, a mail server). How many cases they were, GoogleTest's own report says.
#   PROGRAM, NAME     the file and its target's name
#   FOLDER            where the program is started
#   REPORTS           where the suites' reports go
#   PROPERTIES        of each test
function(baton_discover_suites PROGRAM NAME FOLDER REPORTS PROPERTIES)
    if(NOT EXISTS "${PROGRAM}")
        add_test("${NAME}_not_built" "${PROGRAM}")
        return()
    endif()
    set(listed "${PROGRAM}.suites")
    if(NOT EXISTS "${listed}" OR "${PROGRAM}" IS_NEWER_THAN "${listed}")
        execute_process(COMMAND "${PROGRAM}" --gtest_list_tests OUTPUT_FILE "${listed}" RESULT_VARIABLE result TIMEOUT 60)
        if(NOT result EQUAL 0)
            file(REMOVE "${listed}")
            message(FATAL_ERROR "${PROGRAM} --gtest_list_tests: ${result}")
        endif()
    endif()
    file(STRINGS "${listed}" lines REGEX "^[A-Za-z0-9_/]+\\.( |$)")
    foreach(line IN LISTS lines)
        string(REGEX REPLACE "\\..*" "" suite "${line}")
        string(REPLACE "/" "_" file "${NAME}.${suite}.xml")
        add_test("${NAME}.${suite}" "${PROGRAM}" "--gtest_filter=${suite}.*" "--gtest_output=xml:${REPORTS}/${file}")
        set_tests_properties("${NAME}.${suite}" PROPERTIES WORKING_DIRECTORY "${FOLDER}" ${PROPERTIES})
    endforeach()
endfunction()
