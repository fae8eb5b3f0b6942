# SPDX-License-Identifier: Apache-2.0
# event → request
picket_unit(http1 picket_sensor)
picket_unit(stream picket_sensor)
picket_unit(http1_response picket_sensor)
picket_unit(segments picket_sensor)
picket_unit(reassembly picket_sensor)
picket_unit(exchange picket_sensor)
picket_unit(pcap_file picket_sensor)
picket_unit(defrag picket_sensor)
picket_unit(datagrams picket_sensor)
picket_unit(clients picket_sensor)
picket_unit(capture picket_sensor)
picket_unit(proxied picket_sensor)
picket_unit(answers picket_sensor)
picket_unit(frames picket_sensor)
picket_unit(tcp_track picket_sensor)
picket_unit(tail picket_sensor)
picket_unit(refused picket_sensor)
picket_unit(http_point picket_sensor)

# Prints what a request costs user space; run by hand.
add_executable(capture_bench ${CMAKE_SOURCE_DIR}/tests/bench/capture_bench.c)
target_link_libraries(capture_bench PRIVATE picket_sensor)
