# SPDX-License-Identifier: Apache-2.0
# event → request
target_sources(picket_sensor PRIVATE http1.c http1_chunked.c stream.c http1_response.c segments.c pairs.c reassembly.c datagrams.c exchange.c clients.c answers.c connections.c headers.c
 refused.c processes.c proxied.c capture.c capture_events.c capture_packets.c capture_requests.c capture_tls.c capture_waits.c tail.c)
# the beginning of TLS
target_sources(picket_sensor PRIVATE tls_hello.c tls_fingerprint.c tls_version.c)
# odd frames, odd segments
target_sources(picket_sensor PRIVATE anomalies.c http1_host.c fragments.c frames.c frames_ipv4.c frames_ipv6.c frames_tunnel.c tcp_options.c
	tcp_checksum.c tcp_history.c tcp_track.c tcp_track_data.c tcp_track_handshake.c)
# capture files
target_sources(picket_sensor PRIVATE pcap_file.c defrag.c replay.c replay_run.c)
target_link_libraries(picket_sensor PUBLIC PkgConfig::PCAP)
