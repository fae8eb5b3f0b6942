# SPDX-License-Identifier: Apache-2.0
picket_unit(event_json picket_lib)
target_sources(event_json_test PRIVATE ${CMAKE_SOURCE_DIR}/tests/schema/event_samples.c)
picket_unit(verdict_parse picket_forwarder)
picket_unit(adversary picket_forwarder picket_policies)
picket_unit(attempt picket_forwarder)
picket_unit(batch picket_forwarder)
picket_unit(forwarder picket_forwarder PkgConfig::MHD)
target_sources(forwarder_test PRIVATE ${CMAKE_SOURCE_DIR}/tests/unit/gateway_stub.c
	${CMAKE_SOURCE_DIR}/tests/unit/forwarder_rig.c)
picket_unit(forwarder_wire picket_forwarder PkgConfig::MHD)
target_sources(forwarder_wire_test PRIVATE ${CMAKE_SOURCE_DIR}/tests/unit/forwarder_rig.c
	${CMAKE_SOURCE_DIR}/tests/unit/certificate_rig.c)
picket_unit(credentials picket_forwarder)
target_sources(credentials_test PRIVATE ${CMAKE_SOURCE_DIR}/tests/unit/certificate_rig.c)
picket_unit(situation picket_forwarder)
picket_unit(mask picket_forwarder)
picket_unit(trial picket_forwarder PkgConfig::MHD)
target_sources(trial_test PRIVATE ${CMAKE_SOURCE_DIR}/tests/unit/gateway_stub.c
	${CMAKE_SOURCE_DIR}/tests/unit/certificate_rig.c)
picket_unit(example_gateway picket_forwarder)
set_tests_properties(unit/example_gateway PROPERTIES ENVIRONMENT PICKET_EXAMPLE_GATEWAY=$<TARGET_FILE:example-gateway>)
add_dependencies(example_gateway_test example-gateway)
add_subdirectory(${CMAKE_SOURCE_DIR}/tests/schema ${CMAKE_BINARY_DIR}/tests/schema)
