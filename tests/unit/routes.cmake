# SPDX-License-Identifier: Apache-2.0
picket_unit(path_segments picket_policies picket_lib)
picket_unit(request_path picket_policies picket_lib)
picket_unit(operations picket_policies picket_lib)
picket_unit(routes picket_policies picket_lib)
picket_unit(routes_state picket_policies picket_lib)

# What a known template costs a request; the ceiling holds for optimised builds on a quiet machine.
add_executable(routes_bench ${CMAKE_CURRENT_LIST_DIR}/../bench/routes_bench.c)
target_link_libraries(routes_bench PRIVATE picket_policies picket_lib)
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT PICKET_SANITIZE AND NOT PICKET_COVERAGE)
	add_test(NAME bench/routes COMMAND routes_bench)
	set_tests_properties(bench/routes PROPERTIES LABELS bench TIMEOUT 120 RUN_SERIAL ON)
endif()
