# SPDX-License-Identifier: Apache-2.0
# event → request
picket_unit(http1 picket_sensor)
picket_unit(stream picket_sensor)
picket_unit(http1_response picket_sensor)
picket_unit(segments picket_sensor)
picket_unit(pcap_file picket_sensor)
picket_unit(clients picket_sensor)
picket_unit(capture picket_sensor)
picket_unit(proxied picket_sensor)
picket_unit(answers picket_sensor)
picket_unit(frames picket_sensor)
picket_unit(tail picket_sensor)
picket_unit(refused picket_sensor)

# The head parser against llhttp's C files (Debian: node-llhttp) and, where PICKET_SHARED names them, its test cases.
# Each skips by itself what is not there.
picket_unit(http1_llhttp picket_sensor)
picket_unit(http1_corpus picket_sensor)
find_path(LLHTTP_SOURCES llhttp.c PATHS /usr/share/llhttp /usr/share/nodejs/llhttp NO_DEFAULT_PATH)
find_path(LLHTTP_INCLUDE llhttp/llhttp.h PATHS /usr/share/include /usr/include NO_DEFAULT_PATH)
if(LLHTTP_SOURCES AND LLHTTP_INCLUDE)
	# Not our code: no warnings of ours.
	add_library(llhttp_oracle STATIC EXCLUDE_FROM_ALL ${LLHTTP_SOURCES}/api.c ${LLHTTP_SOURCES}/http.c
		${LLHTTP_SOURCES}/llhttp.c)
	target_include_directories(llhttp_oracle SYSTEM PUBLIC ${LLHTTP_INCLUDE} ${LLHTTP_INCLUDE}/llhttp)
	target_compile_options(llhttp_oracle PRIVATE -w)
	target_compile_definitions(http1_llhttp_test PRIVATE PICKET_HAVE_LLHTTP)
	target_link_libraries(http1_llhttp_test PRIVATE llhttp_oracle)
endif()

# Prints what a request costs user space; run by hand.
add_executable(capture_bench ${CMAKE_SOURCE_DIR}/tests/bench/capture_bench.c)
target_link_libraries(capture_bench PRIVATE picket_sensor)
