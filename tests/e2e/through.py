# SPDX-License-Identifier: Apache-2.0
# A client behind a balancer: asks on one connection, each few milliseconds, until it is killed. A line for each request:
# when it began and ended, in ns since 1970, and its status or what went wrong.
#     through.py ADDRESS PORT SOURCE FILE [post]
import http.client, sys, time
address, port, source, path, post = sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5:]
out = open(path, "a", buffering=1)
c = None
n = 0
while True:
    n += 1
    begin = time.time_ns()
    try:
        if c is None:
            c = http.client.HTTPConnection(address, port, timeout=10, source_address=(source, 0))
        if post:
            c.request("POST", "/api/login", '{"user":"admin","password":"guess-%d"}' % n,
                      {"Content-Type": "application/json", "User-Agent": "attacker/1"})
        else:
            c.request("GET", "/steady/%d" % n, headers={"User-Agent": "client"})
        r = c.getresponse()
        r.read()
        result = r.status
        if r.will_close:
            c.close()
            c = None
    except OSError as e:
        result = repr(e)
        c = None
    out.write("%d %d %s\n" % (begin, time.time_ns(), result))
    time.sleep(0.003 if post else 0.02)  # below what is taken for a flood
