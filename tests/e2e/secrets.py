#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Secrets, planted and hunted.

secrets.py plant ADDRESS PORT FILE [SEED]  sends requests with a secret in every place a client can put one, notes them in FILE;
                                           prints how many places there were
secrets.py hunt FILE PATH...               searches files and folders for what was planted: as it is, percent-decoded,
                                           base64-decoded, or itself encoded; prints what it found. Exit status 1: something
secrets.py found FILE PATH...              prints how many of the secrets it finds (to prove that the hunt finds them)
"""
import base64
import json
import os
import random
import re
import socket
import string
import sys
import urllib.parse

ALNUM = string.ascii_letters + string.digits


class Maker:
    """Secrets that differ each time, each of a kind that picket says it knows."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def text(self, count, alphabet=ALNUM):
        return "".join(self.random.choice(alphabet) for _ in range(count))

    def jwt(self):
        claims = json.dumps({"sub": self.text(12), "admin": True}).encode()
        head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=").decode()
        body = base64.urlsafe_b64encode(claims).rstrip(b"=").decode()
        return "%s.%s.%s" % (head, body, self.text(43, ALNUM + "-_"))

    def email(self):
        return "%s.%s@%s.test" % (self.text(6).lower(), self.text(7).lower(), self.text(9).lower())

    def card(self):
        digits = [int(d) for d in "4" + self.text(14, string.digits)]
        total = sum(d if i % 2 else (2 * d - 9 if d > 4 else 2 * d) for i, d in enumerate(digits))
        return "".join(map(str, digits)) + str(-total % 10)

    def hexadecimal(self):
        return self.text(32, "0123456789abcdef")

    def token(self):
        return "A1" + self.text(30) + "z9Zq"

    def uuid(self):
        h = self.text(32, "0123456789abcdef")
        return "-".join((h[:8], h[8:12], "4" + h[13:16], "a" + h[17:20], h[20:]))

    def api_key(self):
        return "sk_live_" + self.text(24)

    def password(self):
        """Nobody can know it by its looks: it may stand only where every value is hidden."""
        return "Tr0ub4-" + self.text(9).lower()

    def known(self):
        return [self.jwt(), self.email(), self.card(), self.hexadecimal(), self.token(), self.uuid(), self.api_key()]

    def any(self):
        return self.known() + [self.password()]


def encoded(text):
    return "".join("%%%02X" % b for b in text.encode())


def quoted(text):
    return urllib.parse.quote(text, safe="")


def based(text):
    return base64.b64encode(text.encode()).decode()


def dashed(text):
    return "-".join(text[i : i + 4] for i in range(0, len(text), 4)) if text.isdigit() else text


def spaced(text):
    return "%20".join(text[i : i + 4] for i in range(0, len(text), 4)) if text.isdigit() else text


def get(target="/", lines=(), method="GET", version="HTTP/1.1", body=""):
    head = "%s %s %s\r\nHost: api.test\r\n" % (method, target, version)
    return head + "".join(line + "\r\n" for line in lines) + "Connection: close\r\n\r\n" + body


def chunked(body, extension=""):
    return "%x%s\r\n%s\r\n0\r\n\r\n" % (len(body), extension, body)


# Places whose value is hidden whatever it is.
HIDDEN = {
    "query": lambda s: get("/a?x=" + s.replace("&", "")),
    "query, encoded": lambda s: get("/a?x=" + encoded(s)),
    "query, twice encoded": lambda s: get("/a?x=" + quoted(encoded(s))),
    "query, base64": lambda s: get("/a?x=" + quoted(based(s))),
    "query, name that stays": lambda s: get("/a?page=" + quoted(s) + "&token=" + quoted(s)) if not s.startswith("Tr0") else "",
    "fragment": lambda s: get("/a?b=1#token=" + s),
    "fragment alone": lambda s: get("/a#" + s),
    "path parameter": lambda s: get("/app;jsessionid=" + s + "/page"),
    "segment with a name": lambda s: get("/app/token=" + s + "/page"),
    "user of an absolute target": lambda s: get("http://joe:" + quoted(s) + "@api.test/x"),
    "user in the path": lambda s: get("//joe:" + quoted(s) + "@api.test/x"),
    "url in a query": lambda s: get("/go?u=http://joe:" + s + "@x/"),
    "cookie": lambda s: get("/", ["Cookie: theme=dark; sid=" + s + "; a=b"]),
    "cookie without a name": lambda s: get("/", ["Cookie: " + s]) if "=" not in s else "",
    "two cookie lines": lambda s: get("/", ["Cookie: a=" + s, "cookie: b=" + s]),
    "bearer": lambda s: get("/", ["Authorization: Bearer " + s]),
    "no scheme": lambda s: get("/", ["Authorization: " + s]),
    "basic": lambda s: get("/", ["Authorization: Basic " + based("joe:" + s)]),
    "digest": lambda s: get("/", ['Authorization: Digest username="%s", response="%s", nonce=%s' % (s, s, s)]),
    "apikey scheme": lambda s: get("/", ["Authorization: ApiKey " + s]),
    "folded": lambda s: get("/", ["Authorization: Bearer", "  " + s]),
    "space before the colon": lambda s: get("/", ["Authorization : Bearer " + s]),
    "proxy authorization": lambda s: get("/", ["Proxy-Authorization: Basic " + based(s)]),
    "api key": lambda s: get("/", ["X-Api-Key: " + s, "X-Auth-Token: " + s]),
    "csrf": lambda s: get("/", ["X-CSRF-Token: " + s]),
    "session header": lambda s: get("/", ["X-Session-Id: " + s]),
    "unknown header": lambda s: get("/", ["X-My-Secret: " + s]),
    "header name": lambda s: get("/", [re.sub(r"[^A-Za-z0-9-]", "-", s) + ": 1"]),
    "line without a colon": lambda s: get("/", [s]),
    "user of the host": lambda s: get("/").replace("api.test", "joe:" + s + "@api.test"),
    "user of the referer": lambda s: get("/", ["Referer: https://joe:" + quoted(s) + "@shop.test/"]),
    "query of the referer": lambda s: get("/", ["Referer: https://shop.test/cart?t=" + quoted(s) + "#" + s]),
    "user of the origin": lambda s: get("/", ["Origin: https://joe:" + quoted(s) + "@shop.test"]),
    "pair in the user agent": lambda s: get("/", ["User-Agent: app/1 token=" + s]),
    "url in the user agent": lambda s: get("/", ["User-Agent: app (+http://joe:" + quoted(s) + "@x.test/?k=" + quoted(s) + ")"]),
    "body": lambda s: get("/", ["Content-Length: %d" % len(s)], "POST", body=s),
    "body beyond its length": lambda s: get("/", ["Content-Length: 2"], "POST", body="ab" + s + "\r\n\r\n"),
    "chunked body": lambda s: get("/", ["Transfer-Encoding: chunked"], "POST", body=chunked(s)),
    "chunk extension": lambda s: get("/", ["Transfer-Encoding: chunked"], "POST", body=chunked("x", ";token=" + s)),
    "broken chunk": lambda s: get("/", ["Transfer-Encoding: chunked"], "POST", body=s + "\r\n\r\n"),
    "trailer": lambda s: get("/", ["Transfer-Encoding: chunked"], "POST", body="1\r\nx\r\n0\r\nX-T: " + s + "\r\n\r\n"),
    "both lengths": lambda s: get("/", ["Content-Length: 4", "Transfer-Encoding: chunked"], "POST", body=chunked(s)),
    "two lengths": lambda s: get("/", ["Content-Length: 4", "Content-Length: " + s], "POST", body=s),
    "smuggled": lambda s: get("/", ["Content-Length: 0"], "POST").replace("close", "keep-alive") + get("/a?x=" + quoted(s)),
    "no head": lambda s: s + "\r\n\r\n",
    "proxy line": lambda s: "PROXY TCP4 " + s + " 10.0.0.1 1 2\r\n" + get("/"),
    "proxy, unknown": lambda s: "PROXY UNKNOWN " + s + "\r\n" + get("/"),
    "bare LF": lambda s: get("/a?x=" + quoted(s), ["X-Api-Key: " + s]).replace("\r\n", "\n"),
    "zero byte": lambda s: get("/a?x=" + quoted(s) + "\0&y=" + quoted(s), ["X-Api-Key: \0" + s]),
    "login": lambda s: get("/api/login?password=" + quoted(s), ["Content-Length: %d" % len(s)], "POST", body=s),
    "attack": lambda s: get("/.env?token=" + quoted(s), ["User-Agent: sqlmap/1.7 password=" + s]),
}

# Places where only its looks betray it.
SEEN = {
    "segment": lambda s: get("/users/" + s + "/x"),
    "segment, quoted": lambda s: get("/users/" + quoted(s) + "/x"),
    "segment, encoded": lambda s: get("/users/" + encoded(s) + "/x"),
    "segment, twice encoded": lambda s: get("/users/" + quoted(encoded(s))),
    "segment, base64": lambda s: get("/users/" + quoted(based(s))),
    "segment with more": lambda s: get("/files/report-" + dashed(s) + ".pdf"),
    "segment with spaces": lambda s: get("/cards/" + spaced(s)),
    "last segment, no slash": lambda s: get("reset/" + s),
    "absolute target": lambda s: get("http://api.test/reset/" + quoted(s)),
    "relative target": lambda s: get(quoted(s)),
    "bare query": lambda s: get("/a?" + s),
    "name in the query": lambda s: get("/a?" + quoted(s) + "=1"),
    "name that stays": lambda s: get("/a?sort=" + quoted(s)),
    "path parameter without a name": lambda s: get("/a;" + s + "/b"),
    "cookie name": lambda s: get("/", ["Cookie: " + quoted(s) + "=1"]),
    "cookie that stays": lambda s: get("/", ["Cookie: theme=" + quoted(s)]),
    "method": lambda s: get("/", method=s),
    "version": lambda s: get("/", version="HTTP/1.1" + s),
    "version alone": lambda s: get("/", version=s),
    "short form": lambda s: "GET /reset/" + s + "\r\n\r\n",
    "host": lambda s: get("/").replace("api.test", s + ".api.test"),
    "second host": lambda s: get("/", ["Host: " + s]),
    "connect": lambda s: get(s + ":443", method="CONNECT"),
    "user agent": lambda s: get("/", ["User-Agent: app/1.0 (" + dashed(s) + ")"]),
    "user agent, bearer": lambda s: get("/", ["User-Agent: curl Authorization: Bearer " + s]),
    "referer": lambda s: get("/", ["Referer: https://shop.test/u/" + s]),
    "origin": lambda s: get("/", ["Origin: https://" + s + ".test"]),
    "accept": lambda s: get("/", ["Accept: text/" + s, "Accept-Language: " + s + ";q=0.9"]),
    "content type": lambda s: get("/", ["Content-Type: text/plain; x=" + s]),
    "request id": lambda s: get("/", ["X-Request-Id: " + s]),
    "forwarded for": lambda s: get("/", ["X-Forwarded-For: " + s + ", 192.0.2.1", "X-Real-IP: " + s]),
    "forwarded": lambda s: get("/", ['Forwarded: for="' + s + '";by=' + s]),
    "via": lambda s: get("/", ["Via: 1.1 " + s + " (" + s + ")"]),
    "upgrade": lambda s: get("/", ["Upgrade: " + s]),
    "expect": lambda s: get("/", ["Expect: " + s]),
    "original url": lambda s: get("/", ["X-Original-URL: /u/" + s + "?t=" + quoted(s)]),
    "transfer encoding": lambda s: get("/", ["Transfer-Encoding: " + s], "POST"),
}


def send(address, port, data):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(3)
        s.connect((address, port))
        s.sendall(data.encode("latin-1"))
        s.shutdown(socket.SHUT_WR)
        try:
            while s.recv(65536):
                pass
        except (TimeoutError, ConnectionError):
            pass


def plant(address, port, path, seed="1"):
    maker = Maker(int(seed))
    planted = []
    for places, secrets in ((HIDDEN, maker.any), (SEEN, maker.known)):
        for place, make in places.items():
            for secret in secrets():
                data = make(secret)
                if data:
                    planted.append({"place": place, "secret": secret})
                    send(address, port, data)
    with open(path, "w", encoding="ascii") as f:
        json.dump(planted, f)
    print(len(planted))


# ------------------------------------------------------------------------------------------------- the hunt

def forms(secret):
    """What of a secret must not be found: it and its telling parts, and what they look like when encoded."""
    parts = [secret]
    if secret.count(".") == 2 and secret.startswith("eyJ"):
        parts += secret.split(".")[1:]
    if "@" in secret:
        parts.append(secret.split("@")[0])
    for part in parts:
        yield part
        yield base64.b64encode(part.encode()).decode().rstrip("=")
        yield part.encode().hex()


def readings(data):
    """The bytes, and what they say to who decodes them."""
    yield data
    text = data
    for _ in range(4):
        decoded = urllib.parse.unquote_to_bytes(text)
        if decoded == text:
            break
        text = decoded
        yield text
    found = []
    for source in (data, text):
        for word in set(re.findall(rb"[A-Za-z0-9+/_-]{8,}", source)):
            word = word.translate(bytes.maketrans(b"-_", b"+/"))
            for start in range(4):
                cut = word[start:]
                cut = cut[: len(cut) - len(cut) % 4] if len(cut) % 4 == 1 else cut + b"=" * (-len(cut) % 4)
                try:
                    found.append(base64.b64decode(cut))
                except ValueError:
                    pass
    yield b"\n".join(found)
    # Digits that were taken apart.
    yield b"\n".join(re.sub(rb"[ .+-]", b"", row) for row in re.findall(rb"\d[\d .+-]{10,}\d", text))


def words(data):
    """Each word once: events repeat themselves."""
    return b"\n".join(set(re.split(rb'["\s,]+', data)))


def files_of(paths):
    for path in paths:
        if os.path.isdir(path):
            for folder, _, names in os.walk(path):
                for name in names:
                    yield os.path.join(folder, name)
        elif os.path.isfile(path):
            yield path


def search(path, paths):
    """(place, secret, file) of each that is found."""
    with open(path, encoding="ascii") as f:
        planted = json.load(f)
    for name in files_of(paths):
        with open(name, "rb") as f:
            data = f.read()
        hay = b"\n".join(map(words, readings(data))).lower()
        for item in planted:
            if any(form.lower().encode() in hay for form in forms(item["secret"])):
                yield item["place"], item["secret"], name


def main():
    if sys.argv[1] == "plant":
        plant(sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
        return 0
    found = list(search(sys.argv[2], sys.argv[3:]))
    if sys.argv[1] == "found":
        print(len({(place, secret) for place, secret, _ in found}))
        return 0
    for place, secret, name in found[:40]:
        print("%s: %s in %s" % (place, secret, name))
    return 1 if found else 0


sys.exit(main())
