#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The API that attackers and users of tests/quality meet: an ordinary small shop, without a hole that was put there.

shop.py PORT DATABASE [TOKEN-SECONDS [WEEKEND-SECONDS]]      listens on 127.0.0.1, behind nginx

Users own orders and files, tokens expire, queries are parameters of SQLite. What is not the caller's is 403 or 404, what is
malformed 400 or 422. One process, one thread: nginx in front of it speaks with the world.
"""
import asyncio
import hashlib
import json
import os
import random
import secrets
import sqlite3
import sys
import time
import urllib.parse

USERS, PRODUCTS, ORDERS = 300, 400, 3000
HASH_ROUNDS = 1000
BODY_MAX = 1 << 20
REASONS = {200: "OK", 201: "Created", 204: "No Content", 302: "Found", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden",
           404: "Not Found", 405: "Method Not Allowed", 409: "Conflict", 413: "Payload Too Large", 422: "Unprocessable Entity"}
ADJECTIVES = "red blue small large light heavy steel wooden brass paper glass soft union select".split()
NOUNS = "lamp table chair clock shelf desk bowl cup vase frame tray mirror hammer drop-leaf".split()


class Refused(Exception):
    def __init__(self, status, why):
        super().__init__(why)
        self.status, self.why = status, why


def password_hash(salt, password):
    return hashlib.pbkdf2_hmac("sha256", password.encode("utf-8", "replace"), salt, HASH_ROUNDS)


def fill(db, weekend_seconds):
    """The same shop each time. User N has the password "pw-N-x" and the id 1000 + 7 N: ids have gaps, as they do."""
    chance = random.Random(7)
    db.executescript("""
        CREATE TABLE users(id INTEGER PRIMARY KEY, name TEXT UNIQUE, salt BLOB, hash BLOB, role TEXT);
        CREATE TABLE tokens(token TEXT PRIMARY KEY, user INTEGER, expires REAL, kind TEXT);
        CREATE TABLE products(id INTEGER PRIMARY KEY, name TEXT, category TEXT, price INTEGER);
        CREATE TABLE orders(id INTEGER PRIMARY KEY, user INTEGER, product INTEGER, amount INTEGER, note TEXT);
        CREATE TABLE files(path TEXT PRIMARY KEY, user INTEGER, body TEXT);
        CREATE INDEX of_user ON orders(user);""")
    for n in range(USERS):
        salt = b"%08d" % n
        db.execute("INSERT INTO users VALUES(?,?,?,?,?)", (1000 + 7 * n, f"user{n}", salt, password_hash(salt, f"pw-{n}-x"),
                                                           "admin" if n == 0 else "user"))
    for n in range(PRODUCTS):
        db.execute("INSERT INTO products VALUES(?,?,?,?)", (n + 1, f"{chance.choice(ADJECTIVES)} {chance.choice(NOUNS)} {n}",
                                                            chance.choice(NOUNS), chance.randrange(100, 90000)))
    for n in range(ORDERS):
        user = chance.randrange(USERS)
        db.execute("INSERT INTO orders VALUES(?,?,?,?,?)", (50000 + n, 1000 + 7 * user, chance.randrange(PRODUCTS) + 1,
                                                            chance.randrange(1, 9), ""))
        if n % 10 == 0:
            db.execute("INSERT OR IGNORE INTO files VALUES(?,?,?)", (f"user{user}/bill-{n}.txt", 1000 + 7 * user, f"bill {n}\n"))
    # Who signed in before anybody looked, for the day, and on Friday, until the weekend.
    for n in range(100, 200):
        for name, seconds in (("earlier", 86400), ("friday", weekend_seconds)):
            db.execute("INSERT INTO tokens VALUES(?,?,?,'access')", (f"{name}-{n}", 1000 + 7 * n, time.time() + seconds))
    db.commit()


class Request:
    def __init__(self, method, target, headers, body):
        self.method, self.headers, self.body = method, headers, body
        path, _, query = target.partition("?")
        self.path = urllib.parse.unquote(path)
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))

    def fields(self):
        """The body's fields, as JSON or as a form."""
        if self.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
            return dict(urllib.parse.parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))
        try:
            value = json.loads(self.body or b"{}")
        except ValueError:
            raise Refused(400, "the body is no JSON") from None
        if not isinstance(value, dict):
            raise Refused(422, "the body is no object")
        return value


def number(text, least=1, most=1 << 53):
    if not text.isascii() or not text.isdigit() or len(text) > 16 or not least <= int(text) <= most:
        raise Refused(400, "no number, or out of range")
    return int(text)


class Shop:
    def __init__(self, path, token_seconds, weekend_seconds):
        fresh = not os.path.exists(path)
        self.db = sqlite3.connect(path)
        self.db.row_factory = sqlite3.Row
        self.db.execute("PRAGMA synchronous = OFF")
        self.token_seconds = token_seconds
        if fresh:
            fill(self.db, weekend_seconds)

    def rows(self, sql, *values):
        return [dict(row) for row in self.db.execute(sql, values)]

    def one(self, sql, *values):
        row = self.db.execute(sql, values).fetchone()
        if row is None:
            raise Refused(404, "there is none")
        return dict(row)

    # --- who ---

    def issue(self, user):
        access, refresh, now = secrets.token_urlsafe(24), secrets.token_urlsafe(24), time.time()
        self.db.execute("INSERT INTO tokens VALUES(?,?,?,'access')", (access, user, now + self.token_seconds))
        self.db.execute("INSERT INTO tokens VALUES(?,?,?,'refresh')", (refresh, user, now + 86400))
        return {"token": access, "refresh": refresh, "expires_in": self.token_seconds, "user": user}

    def caller(self, request):
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        row = self.db.execute("SELECT u.* FROM tokens t JOIN users u ON u.id = t.user WHERE t.token = ? AND t.kind = 'access' "
                              "AND t.expires > ?", (token, time.time())).fetchone()
        if kind.lower() != "bearer" or row is None:
            raise Refused(401, "token missing, unknown or expired")
        return row

    def check(self, request):
        fields = request.fields()
        name, password = fields.get("user"), fields.get("password")
        if not isinstance(name, str) or not isinstance(password, str):
            raise Refused(422, "user and password are texts")
        row = self.db.execute("SELECT * FROM users WHERE name = ?", (name,)).fetchone()
        if row is None or password_hash(row["salt"], password) != row["hash"]:
            raise Refused(401, "denied")
        return row["id"]

    def login(self, request):
        return 200, self.issue(self.check(request))

    def login_form(self, request):
        """As forms do: who is refused gets the form again, with 200."""
        try:
            self.check(request)
        except Refused as refused:
            return 200, f"<p>{refused.why}</p>{self.FORM}"
        return 302, "/app"

    def refresh(self, request):
        token = request.fields().get("refresh")
        row = self.db.execute("SELECT user FROM tokens WHERE token = ? AND kind = 'refresh' AND expires > ?",
                              (token if isinstance(token, str) else "", time.time())).fetchone()
        if row is None:
            raise Refused(401, "refresh token unknown or expired")
        return 200, self.issue(row["user"])

    def me(self, request):
        user = self.caller(request)
        return 200, {"id": user["id"], "name": user["name"], "role": user["role"]}

    def user(self, request, ident):
        user = self.caller(request)
        if number(ident) != user["id"] and user["role"] != "admin":
            raise Refused(403, "not yours")
        return 200, self.one("SELECT id, name, role FROM users WHERE id = ?", number(ident))

    def admin(self, request):
        if self.caller(request)["role"] != "admin":
            raise Refused(403, "not for you")
        return 200, self.one("SELECT count(*) AS orders FROM orders")

    # --- what is for everyone ---

    def products(self, request):
        order = {"name": "name", "-name": "name DESC", "price": "price", "-price": "price DESC"}.get(request.query.get("sort", "name"))
        if order is None:
            raise Refused(400, "sort by name, -name, price or -price")
        page = number(request.query.get("page", "1"), 1, 10000)
        category = request.query.get("category", "")
        return 200, self.rows(f"SELECT * FROM products WHERE ? IN ('', category) ORDER BY {order} LIMIT 20 OFFSET ?",
                              category, 20 * (page - 1))

    def product(self, _request, ident):
        return 200, self.one("SELECT * FROM products WHERE id = ?", number(ident))

    def named(self, _request, name):
        return 200, self.rows("SELECT * FROM products WHERE name LIKE ? LIMIT 5", name.replace("%", "") + "%")

    def search(self, request):
        text = request.query.get("q", "")[:200]
        like = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        return 200, {"q": text, "found": self.rows("SELECT * FROM products WHERE name LIKE ? ESCAPE '\\' LIMIT 20", f"%{like}%")}

    # --- what belongs to somebody ---

    def own_order(self, request, ident):
        user = self.caller(request)
        order = self.one("SELECT * FROM orders WHERE id = ?", number(ident))
        if order["user"] != user["id"] and user["role"] != "admin":
            raise Refused(403, "not yours")
        return order

    def order(self, request, ident):
        return 200, self.own_order(request, ident)

    def orders(self, request):
        page = number(request.query.get("page", "1"), 1, 10000)
        return 200, self.rows("SELECT * FROM orders WHERE user = ? ORDER BY id LIMIT 20 OFFSET ?",
                              self.caller(request)["id"], 20 * (page - 1))

    def order_new(self, request):
        user, fields = self.caller(request), request.fields()
        product, amount, note = fields.get("product"), fields.get("amount", 1), fields.get("note", "")
        if type(product) is not int or type(amount) is not int or not isinstance(note, str) or not 0 < amount < 1000:
            raise Refused(422, "product and amount are numbers, note is a text")
        self.one("SELECT id FROM products WHERE id = ?", product if abs(product) < 1 << 53 else 0)
        done = self.db.execute("INSERT INTO orders(user, product, amount, note) VALUES(?,?,?,?)",
                               (user["id"], product, amount, note[:500]))
        return 201, {"id": done.lastrowid}

    def order_change(self, request, ident):
        order, note = self.own_order(request, ident), request.fields().get("note")
        if not isinstance(note, str):
            raise Refused(422, "note is a text")
        self.db.execute("UPDATE orders SET note = ? WHERE id = ?", (note[:500], order["id"]))
        return 200, {**order, "note": note[:500]}

    def order_gone(self, request, ident):
        self.db.execute("DELETE FROM orders WHERE id = ?", (self.own_order(request, ident)["id"],))
        return 204, None

    def file(self, request, *path):
        user = self.caller(request)
        found = self.one("SELECT * FROM files WHERE path = ?", "/".join(path))
        if found["user"] != user["id"]:
            raise Refused(403, "not yours")
        return 200, {"path": found["path"], "body": found["body"]}

    def files(self, request):
        return 200, [row["path"] for row in self.rows("SELECT path FROM files WHERE user = ?", self.caller(request)["id"])]

    # --- pages ---

    def page_home(self, _request):
        links = "".join(f'<li><a href="/shop/{n}">shelf {n}</a></li>' for n in range(1, 21))
        return 200, f'<h1>Shop</h1><ul>{links}</ul><a href="/app">app</a> <a href="/login">login</a>'

    def page_shelf(self, _request, shelf):
        n = number(shelf, 1, 20)
        rows = self.rows("SELECT * FROM products LIMIT 20 OFFSET ?", 20 * (n - 1))
        links = "".join(f'<li><a href="/api/products/{r["id"]}">{r["name"]}</a></li>' for r in rows)
        return 200, (f'<ul>{links}</ul><form action="/api/search"><input name="q"><button>find</button></form>'
                     f'<a href="/api/products?sort=price&amp;page={n}">by price</a>')

    FORM = ('<form method="post" action="/login"><input name="user"><input name="password" type="password">'
            '<button>in</button></form>')

    def page_login(self, _request):
        return 200, self.FORM

    def page_app(self, _request):
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "app.html"), encoding="utf-8") as f:
            return 200, f.read()

    ROUTES = {
        ("GET", "/"): page_home, ("GET", "/shop/*"): page_shelf, ("GET", "/login"): page_login, ("POST", "/login"): login_form,
        ("GET", "/app"): page_app, ("POST", "/api/login"): login, ("POST", "/api/refresh"): refresh, ("GET", "/api/me"): me,
        ("GET", "/api/users/*"): user, ("GET", "/api/admin/stats"): admin, ("GET", "/api/products"): products,
        ("GET", "/api/products/*"): product, ("GET", "/api/products/named/*"): named, ("GET", "/api/search"): search,
        ("GET", "/api/orders"): orders, ("POST", "/api/orders"): order_new, ("GET", "/api/orders/*"): order,
        ("PATCH", "/api/orders/*"): order_change, ("DELETE", "/api/orders/*"): order_gone, ("GET", "/api/files"): files,
        ("GET", "/api/files/*"): file, ("GET", "/api/files/*/*"): file,
    }

    def answer(self, request):
        parts = request.path.split("/")
        method = "GET" if request.method == "HEAD" else request.method
        others = set()
        for (verb, pattern), handler in self.ROUTES.items():
            wanted = pattern.split("/")
            if len(wanted) == len(parts) and all(w in ("*", p) for w, p in zip(wanted, parts)):
                if verb == method:
                    values = [p for w, p in zip(wanted, parts) if w == "*"]
                    with self.db:
                        return handler(self, request, *values)
                others.add(verb)
        if others and method == "OPTIONS":
            return 204, None
        raise Refused(405 if others else 404, "not with this method" if others else "there is no such place")


async def read_request(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    method, target, _version = lines[0].split(" ", 2)
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    length = int(headers.get("content-length") or 0) # nginx buffers what is chunked, and tells the length
    return Request(method, target, headers, await reader.readexactly(min(length, BODY_MAX)))


def respond(shop, request):
    place = None
    try:
        status, value = shop.answer(request)
        if status == 302:
            place, value = value, None
    except Refused as refused:
        status, value = refused.status, {"error": refused.why}
    kind, body = "application/json", b""
    if isinstance(value, str):
        kind, body = "text/html; charset=utf-8", f"<!doctype html><title>Shop</title>{value}".encode()
    elif value is not None:
        body = json.dumps(value).encode()
    head = f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    if place:
        head += f"Location: {place}\r\n"
    return (head + "\r\n").encode() + (b"" if request.method == "HEAD" or status == 204 else body)


async def serve(shop, reader, writer):
    try:
        while True:
            writer.write(respond(shop, await read_request(reader)))
            await writer.drain()
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, ValueError):
        pass
    finally:
        writer.close()


async def main():
    shop = Shop(sys.argv[2], *(float(sys.argv[n]) if len(sys.argv) > n else 60.0 for n in (3, 4)))
    server = await asyncio.start_server(lambda r, w: serve(shop, r, w), "127.0.0.1", int(sys.argv[1]), limit=1 << 17, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
