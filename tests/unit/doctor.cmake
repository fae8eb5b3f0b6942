# SPDX-License-Identifier: Apache-2.0
# picket doctor: its report, its probes and its stage; and the command itself, in a namespace of its own.
picket_unit(doctor picket_sensor)
add_test(NAME e2e/doctor COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/doctor.sh $<TARGET_FILE:picket>)
set_tests_properties(e2e/doctor PROPERTIES LABELS e2e TIMEOUT 120 SKIP_RETURN_CODE 77)
if(PICKET_SANITIZE)
	set_tests_properties(e2e/doctor PROPERTIES ENVIRONMENT DOCTOR_SECONDS=60)
endif()
