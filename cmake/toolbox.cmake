# The functions every folder's CMakeLists.txt is written with, and the options all targets share.

option(BATON_WARNINGS_ARE_ERRORS "Treat warnings as errors" OFF)
set(BATON_SANITIZERS "" CACHE STRING "Value for -fsanitize=, empty for none")
set(BATON_FUZZ OFF CACHE STRING "Build the fuzz targets with libFuzzer: OFF, ON or EDGES, which costs tests less")
option(BATON_LTO "Optimise across translation units at link time" OFF)
option(BATON_UNITY "Compile the sources of a target in batches, each as one: a third of the time from nothing" OFF)

find_program(BATON_CCACHE ccache)
if(BATON_CCACHE)
    # Paths are hashed relative to the checkout, so a second clone finds what the first one compiled.
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_NOHASHDIR=1
        CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} ${BATON_CCACHE})
endif()

find_program(BATON_LLD NAMES ld.lld-19 ld.lld)
if(BATON_LLD AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    add_link_options(--ld-path=${BATON_LLD})
endif()

# Archives hold LLVM bitcode when LTO is on, and only an archiver of the compiler's own version reads
# that: an older LLVM's `llvm-ar`, which CMake would pick, fails. So the archiver is named here: LLVM 19's,
# or binutils' plain one (lld needs no index). Set anew at each configuration and not cached, so that a
# folder configured while another one was installed heals by itself.
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    find_program(baton_archiver NAMES llvm-ar-19 ar NO_CACHE)
    find_program(baton_ranlib NAMES llvm-ranlib-19 ranlib NO_CACHE)
    if(NOT baton_archiver OR NOT baton_ranlib)
        message(FATAL_ERROR "No archiver: install llvm-19 or binutils (scripts/setup build does).")
    endif()
    set(CMAKE_AR ${baton_archiver})
    set(CMAKE_RANLIB ${baton_ranlib})
    set(CMAKE_CXX_COMPILER_AR ${baton_archiver})
    set(CMAKE_CXX_COMPILER_RANLIB ${baton_ranlib})
endif()

add_library(baton_options INTERFACE)
target_include_directories(baton_options INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
target_compile_options(baton_options INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wswitch-enum
    -Wnon-virtual-dtor -Woverloaded-virtual -Wformat=2
    $<$<BOOL:${BATON_WARNINGS_ARE_ERRORS}>:-Werror>)

if(BATON_SANITIZERS)
    add_compile_options(-fsanitize=${BATON_SANITIZERS} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${BATON_SANITIZERS})
    # The sanitizers' tables hold a million addresses, and a program that may lie anywhere writes them all anew at each of
    # the three thousand starts of the tests.
    add_compile_options(-fno-pie)
    add_link_options(-no-pie)
endif()
if(BATON_FUZZ STREQUAL "EDGES")
    # What tells a fuzzer that an input was new, and nothing of what it compared: tests pay for that, too.
    add_compile_options(-fsanitize-coverage=inline-8bit-counters)
elseif(BATON_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(BATON_LTO)
    add_compile_options(-flto=thin)
    # A cache keeps the second link quick; one thread per core is lld's default.
    add_link_options(-flto=thin -Wl,--thinlto-cache-dir=${CMAKE_BINARY_DIR}/thinlto-cache)
endif()

# baton_batches(<variable> <name> <sources>..) gives what to compile for the sources of <name>: with BATON_UNITY ten at a
# time. Most of a compilation goes into the headers of Boost and GoogleTest, the same ones in every file; a batch reads them
# once. The price: two files of one target cannot use the same name, not even in unnamed namespaces. CMake's own
# unity builds name the files by absolute paths, so that no other checkout finds the objects in ccache.
function(baton_batches variable name)
    set(compiled "")
    set(batch "")
    set(count 0)
    set(number 0)
    macro(finish_batch)
        if(batch)
            set(file "${CMAKE_CURRENT_BINARY_DIR}/batches/${name}_${number}.cpp")
            file(CONFIGURE OUTPUT "${file}" CONTENT "${batch}" @ONLY)
            list(APPEND compiled "${file}")
            math(EXPR number "${number} + 1")
            set(batch "")
            set(count 0)
        endif()
    endmacro()
    list(LENGTH ARGN length)
    foreach(source IN LISTS ARGN)
        cmake_path(ABSOLUTE_PATH source NORMALIZE OUTPUT_VARIABLE path)
        cmake_path(IS_PREFIX CMAKE_BINARY_DIR "${path}" is_made)
        if(NOT BATON_UNITY OR length LESS 2 OR is_made OR NOT path MATCHES "\\.cpp$")
            list(APPEND compiled "${source}")
            continue()
        endif()
        cmake_path(RELATIVE_PATH path BASE_DIRECTORY "${CMAKE_SOURCE_DIR}")
        string(APPEND batch "#include \"${path}\"\n")
        math(EXPR count "${count} + 1")
        if(count EQUAL 10)
            finish_batch()
        endif()
    endforeach()
    finish_batch()
    set(${variable} "${compiled}" PARENT_SCOPE)
endfunction()

# baton_library(<name> USES <folder libraries> LIBS <foreign targets> SOURCES <files>)
# makes the static library baton_<name>. USES is checked against the table by tests/house.
function(baton_library name)
    cmake_parse_arguments(ARG "" "" "USES;LIBS;SOURCES" ${ARGN})
    baton_batches(compiled baton_${name} ${ARG_SOURCES})
    add_library(baton_${name} STATIC ${compiled})
    set_property(TARGET baton_${name} PROPERTY BATON_SOURCES "${ARG_SOURCES}")
    target_link_libraries(baton_${name} PUBLIC baton_options ${ARG_LIBS})
    foreach(used IN LISTS ARG_USES)
        target_link_libraries(baton_${name} PUBLIC baton_${used})
    endforeach()
endfunction()

# baton_test(<name> LABEL unit|scenario|simulation|integration|system USES <libraries> LIBS <targets> SOURCES <files>)
# makes the test program <name>; each of its GoogleTest suites is one ctest test (cmake/discover_suites.cmake).
function(baton_test name)
    cmake_parse_arguments(ARG "" "LABEL;TIMEOUT" "USES;LIBS;SOURCES" ${ARGN})
    if(NOT ARG_TIMEOUT)
        set(ARG_TIMEOUT 600)
    endif()
    baton_batches(compiled ${name} ${ARG_SOURCES})
    add_executable(${name} ${compiled})
    target_link_libraries(${name} PRIVATE baton_options ${ARG_LIBS} GTest::gmock GTest::gtest_main)
    foreach(used IN LISTS ARG_USES)
        target_link_libraries(${name} PRIVATE baton_${used})
    endforeach()
    target_compile_definitions(${name} PRIVATE BATON_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    set(suites ${CMAKE_CURRENT_BINARY_DIR}/${name}_suites.cmake)
    file(GENERATE OUTPUT ${suites} CONTENT "include(\"${CMAKE_SOURCE_DIR}/cmake/discover_suites.cmake\")
baton_discover_suites(\"$<TARGET_FILE:${name}>\" ${name} \"${CMAKE_SOURCE_DIR}\" \"${CMAKE_BINARY_DIR}/suites\" \"LABELS;${ARG_LABEL};TIMEOUT;${ARG_TIMEOUT}\")
")
    set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES ${suites})
endfunction()

# baton_fuzzer(<name> USES <libraries> SOURCES <files>) makes a libFuzzer program in the fuzz preset.
function(baton_fuzzer name)
    cmake_parse_arguments(ARG "" "" "USES;SOURCES" ${ARGN})
    if(NOT BATON_FUZZ)
        return()
    endif()
    add_executable(${name} ${ARG_SOURCES})
    target_link_libraries(${name} PRIVATE baton_options)
    foreach(used IN LISTS ARG_USES)
        target_link_libraries(${name} PRIVATE baton_${used})
    endforeach()
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    set_property(GLOBAL APPEND PROPERTY BATON_FUZZERS ${name})
endfunction()
