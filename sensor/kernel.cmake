# SPDX-License-Identifier: Apache-2.0
# The kernel half's user side: loading, attaching, reading, ports.
target_sources(picket_sensor PRIVATE
	${CMAKE_CURRENT_LIST_DIR}/interface.c
	${CMAKE_CURRENT_LIST_DIR}/kernel.c
	${CMAKE_CURRENT_LIST_DIR}/kernel_attach.c
	${CMAKE_CURRENT_LIST_DIR}/kernel_pins.c
	${CMAKE_CURRENT_LIST_DIR}/kernel_receive.c
	${CMAKE_CURRENT_LIST_DIR}/perfring.c
	${CMAKE_CURRENT_LIST_DIR}/pins.c
	${CMAKE_CURRENT_LIST_DIR}/ports.c
	${CMAKE_CURRENT_LIST_DIR}/reader.c
	${CMAKE_CURRENT_LIST_DIR}/tcfilter.c
	${CMAKE_CURRENT_LIST_DIR}/tunnels.c
)
target_link_libraries(picket_sensor PUBLIC picket_bpf)
