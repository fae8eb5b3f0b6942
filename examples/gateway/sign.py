#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How a gateway in Python signs its answers to picket (docs/gateway-batch.md). Copy signed_fields.

With a secret that both sides have, the standard library is all it takes; Ed25519 comes from the package cryptography
(Debian: python3-cryptography). Run as a program it is the smallest gateway there is: it takes every batch and asks for
nothing, but says so with a signature.

    sign.py PORT KEYFILE
"""
import base64
import hashlib
import hmac
import http.server
import sys
import time


def read_key(path):
    """(keyid, algorithm, function that signs bytes), from a file as the gateway in C reads it."""
    with open(path, "rb") as f:
        content = f.read()
    lines = [line.partition(b":") for line in content.splitlines()]
    named = {name: value.strip() for name, _, value in lines if name in (b"keyid", b"hmac")}
    keyid = named.get(b"keyid", b"example").decode()
    if b"hmac" in named:
        secret = base64.b64decode(named[b"hmac"], validate=True)
        return keyid, "hmac-sha256", lambda base: hmac.digest(secret, base, "sha256")
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    return keyid, "ed25519", load_pem_private_key(content[content.index(b"-----BEGIN") :], None).sign


def signed_fields(key, status, body, request, path=None):
    """The fields that go with an answer. request: the fields of the request, as http.server has them; path: of a request
    for verdicts, which has no Idempotency-Key."""
    keyid, algorithm, sign = key
    digest = "sha-256=:%s:" % base64.b64encode(hashlib.sha256(body).digest()).decode()
    covered = {
        '"@status"': str(status),
        '"content-digest"': digest,
        '"@path";req' if path else '"idempotency-key";req': path or request["Idempotency-Key"],
        '"picket-nonce";req': request["Picket-Nonce"],
    }
    parameters = '(%s);created=%d;keyid="%s";alg="%s";tag="picket-verdicts"' % (
        " ".join(covered), time.time(), keyid, algorithm
    )
    # One line for each name, in that order, then the parameters (RFC 9421 section 2.5).
    base = "".join("%s: %s\n" % line for line in covered.items()) + '"@signature-params": ' + parameters
    fields = {
        "Content-Digest": digest,
        "Signature-Input": "verdicts=" + parameters,
        "Signature": "verdicts=:%s:" % base64.b64encode(sign(base.encode())).decode(),
    }
    # What this answers, should something on the way mix answers up.
    fields.update((name, request[name]) for name in ("Idempotency-Key", "Picket-Nonce") if request[name])
    return fields


class Gateway(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b'{"verdicts":[]}'
        self.send_response(200)
        for name, value in signed_fields(self.server.key, 200, body, self.headers).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Gateway)
    server.key = read_key(sys.argv[2])
    server.serve_forever()
