# SPDX-License-Identifier: Apache-2.0
picket_unit(limits picket_policies picket_lib)
picket_unit(proxies picket_policies picket_lib)
picket_unit(origin picket_policies picket_lib)
picket_unit(guard picket_policies picket_lib)
picket_unit(blocks picket_policies picket_lib)
picket_unit(redact picket_policies picket_lib)
picket_unit(redact_key picket_policies picket_lib)
picket_unit(protect picket_policies picket_lib)
picket_unit(detect picket_policies picket_lib)
picket_unit(packet_watch picket_policies picket_lib)

# What detection and redaction cost a request; the budgets hold for optimised builds on a quiet machine.
add_executable(detect_bench ${CMAKE_CURRENT_LIST_DIR}/../bench/detect_bench.c)
target_link_libraries(detect_bench PRIVATE picket_policies picket_lib)
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT PICKET_SANITIZE AND NOT PICKET_COVERAGE)
	add_test(NAME bench/detect COMMAND detect_bench)
	set_tests_properties(bench/detect PROPERTIES LABELS bench TIMEOUT 120 RUN_SERIAL ON)
endif()
