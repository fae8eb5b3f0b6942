# SPDX-License-Identifier: Apache-2.0
# How well signatures tell attacks from what is none. quality/signatures-own goes by requests of our own and always runs;
# quality/signatures by the regression tests of a public rule set, where PICKET_SHARED names them. Both fail below the bars.
pkg_check_modules(MODSECURITY QUIET IMPORTED_TARGET modsecurity)
set(quality ${CMAKE_CURRENT_LIST_DIR})
add_executable(signatures_score ${quality}/signatures_score.c ${quality}/signatures_corpus.c ${quality}/signatures_crs.c)
target_link_libraries(signatures_score PRIVATE picket_policies picket_lib PkgConfig::CJSON)
if(MODSECURITY_FOUND)
	target_compile_definitions(signatures_score PRIVATE PICKET_HAVE_MODSECURITY)
	target_link_libraries(signatures_score PRIVATE PkgConfig::MODSECURITY)
endif()

add_test(NAME quality/signatures-own COMMAND signatures_score --no-crs --bars ${quality}/signatures-own.bars
	${quality}/signatures-own.txt)
add_test(NAME quality/signatures COMMAND ${quality}/signatures.sh $<TARGET_FILE:signatures_score>)
set_tests_properties(quality/signatures-own quality/signatures PROPERTIES LABELS quality TIMEOUT 300 SKIP_RETURN_CODE 77)
