# SPDX-License-Identifier: Apache-2.0
# lib/: the ground floor
picket_unit(addr picket_lib)
picket_unit(target picket_lib)
picket_unit(target_route picket_lib)
picket_unit(buffer picket_lib)
picket_unit(queue picket_lib)
picket_unit(clock picket_lib)
picket_unit(histogram picket_lib)
picket_unit(log picket_lib)
picket_unit(json_write picket_lib)
picket_unit(json_read picket_lib)
picket_unit(proxy_protocol picket_lib)
picket_unit(event picket_lib)
picket_unit(audit_verify picket_lib)
picket_unit(config picket_lib)
target_compile_definitions(config_test PRIVATE
	PICKET_EXAMPLE="${CMAKE_CURRENT_LIST_DIR}/../../examples/picket.yaml")
picket_unit(api picket_lib)
