#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck source=tests/e2e/lib.sh
# A client that resets the connection right after its request: the server still reads and acts on it, on a socket that the
# kernel has closed already.
. "$(dirname "$0")/lib.sh"
story "a request whose client resets at once is seen, as often as the server handled it"
net_up
nginx_up
picket_up
events_start
in_c "$PYTHON" - $S4 $PORT 300 <<'PY'
import socket, struct, sys
address, port, times = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for i in range(times):
    s = socket.create_connection((address, port))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.sendall(b"POST /reset-%d HTTP/1.1\r\nHost: api\r\nContent-Length: 2\r\n\r\nok" % i)
    s.close()
PY
handled=$(settled 10 logged)
at_least "requests that nginx handled" 250 "$handled"
wait_until 10 "as many requests as nginx handled" events_reach http.request "$handled"
equal "requests" "$handled" "$(events_count http.request)"
tell "$handled requests as nginx handled them"
