# SPDX-License-Identifier: Apache-2.0
picket_unit(event_json picket_lib)
target_sources(event_json_test PRIVATE ${CMAKE_SOURCE_DIR}/tests/schema/event_samples.c)
picket_unit(verdict_parse picket_forwarder)
picket_unit(batch picket_forwarder)
picket_unit(forwarder picket_forwarder PkgConfig::MHD)
target_sources(forwarder_test PRIVATE ${CMAKE_SOURCE_DIR}/tests/unit/gateway_stub.c)
