# SPDX-License-Identifier: Apache-2.0
# The two processes' own parts. The warden's answers are played by the test.
add_executable(enforcer_test enforcer_test.c ${CMAKE_SOURCE_DIR}/sensor/audit.c ${CMAKE_SOURCE_DIR}/sensor/audit_files.c
	${CMAKE_SOURCE_DIR}/sensor/enforcer.c ${CMAKE_SOURCE_DIR}/sensor/clients.c ${CMAKE_SOURCE_DIR}/sensor/pending.c
	${CMAKE_SOURCE_DIR}/sensor/lists.c ${CMAKE_SOURCE_DIR}/sensor/reconcile.c)
target_link_libraries(enforcer_test PRIVATE picket_policies picket_lib PkgConfig::CMOCKA)
add_test(NAME unit/enforcer COMMAND enforcer_test)
set_tests_properties(unit/enforcer PROPERTIES LABELS unit TIMEOUT 60)

picket_unit(audit picket_sensor)
picket_unit(audit_files picket_sensor)
picket_unit(sandbox picket_sensor)
picket_unit(abi)
picket_unit(processes picket_sensor)
