#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Requests by which no signature was written, for signatures_score: what sqlmap and wapiti send to a page of ours on loopback,
and URLs that stand in the documentation of whatever is installed here, which are none.

    signatures_unseen.py CORPUS.jsonl [SECONDS]      SECONDS: at most so many for each tool (60)

An attack is a request of a tool whose parameters hold more than letters, digits and what URLs are made of: tools also look at the
page as anybody would. Each tool's requests are a family of signatures_score, by its first three digits. Ends 77 where there is no tool."""
import http.server, json, os, re, shutil, subprocess, sys, tempfile, threading, urllib.parse

PAGE = """<html><body><a href="/items?id=1&name=tea">items</a> <a href="/files?file=notes.txt">files</a>
<a href="/go?url=http://127.0.0.1/">go</a><form action="/search"><input name="q" value="tea"><input type="submit"></form></body></html>"""
SQLMAP = [("942", ["--technique=" + t]) for t in ("B", "E", "U", "S", "T")]
WAPITI = [("942", "sql"), ("942", "timesql"), ("941", "xss"), ("932", "exec"), ("930", "file"), ("934", "ssrf"), ("944", "log4shell"),
          ("921", "crlf")]
# Where attacks are what is documented.
NOT_PLAIN = re.compile(r"sqlmap|wapiti|modsec|crs|nmap|ffuf|snort|suricata|fail2ban|exploit|crowdsec|fuzz|payload|wordlist")
PLAIN = re.compile(r"^[\w.,~:/@ =&?%+-]*$")
lock, seen = threading.Lock(), []


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with lock:
            seen.append((self.command, self.path, self.headers.items()))
        body = PAGE.encode() + urllib.parse.unquote(self.path).encode("utf-8", "replace")[:200]
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_POST = do_GET

    def log_message(self, *args):
        pass


def is_attack(path, headers):
    texts = [urllib.parse.unquote_plus(path)] + [v for k, v in headers if k.lower() in ("referer", "user-agent", "cookie")]
    return not PLAIN.match(texts[0]) or any("${" in t for t in texts[1:])


def stage(family, number, attack, method, path, headers):
    return {"rule_id": int(family) * 1000 + number % 1000, "should_match": attack, "method": method, "uri": path,
            "version": "HTTP/1.1", "headers": [list(h) for h in headers], "test": f"unseen-{family}-{number}"}


def play(family, command, seconds, out, uniq):
    before = len(seen)
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=seconds)
    except subprocess.TimeoutExpired:
        pass
    for method, path, headers in seen[before:]:
        if path in uniq or not is_attack(path, headers):
            continue
        uniq.add(path)
        out.append(stage(family, len(out), True, method, path, headers))


def tools(seconds):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base, out, uniq = f"http://127.0.0.1:{server.server_port}", [], set()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HOME"] = folder
        for family, options in SQLMAP if shutil.which("sqlmap") else []:
            play(family, ["sqlmap", "-u", base + "/items?id=1&name=tea", "--batch", "--level=3", "--risk=3", "--output-dir=" + folder,
                          "--flush-session", *options], seconds, out, uniq)
        for family, module in WAPITI if shutil.which("wapiti") else []:
            play(family, ["wapiti", "-u", base + "/", "-m", module, "--flush-session", "-o", folder + "/report", "-f", "json",
                          "--max-scan-time", str(seconds)], seconds + 10, out, uniq)
    server.shutdown()
    return out


def documented():
    found, agent = {}, ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0")
    for folder in ("/usr/share", "/usr/lib/python3", "/usr/lib/node_modules"):
        lines = subprocess.run(["grep", "-rIohE", "--exclude-dir=*sqlmap*", "--exclude-dir=*wapiti*", "--exclude-dir=*modsec*",
                                "--exclude-dir=*nmap*", "--exclude-dir=*crowdsec*", "--exclude-dir=*ffuf*",
                                r"https?://[A-Za-z0-9.-]+/[^]['\"<>` (){}\\|^*$]+", folder], capture_output=True, text=True, errors="replace").stdout
        for url in lines.splitlines():
            parts = urllib.parse.urlsplit(url.rstrip(".,;:!&%"))
            if parts.query and len(url) < 400 and not NOT_PLAIN.search(url.lower()):
                found[parts.path + "?" + parts.query] = parts.netloc
    return [stage("900", i, False, "GET", target, [("Host", host), agent]) for i, (target, host) in enumerate(sorted(found.items()))]


def main():
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else 60
    if not shutil.which("sqlmap") and not shutil.which("wapiti"):
        print("skipped: neither sqlmap nor wapiti is installed")
        sys.exit(77)
    attacks, plain = tools(seconds), documented()
    with open(sys.argv[1], "w") as file:
        for s in attacks + plain:
            file.write(json.dumps(s) + "\n")
    print(f"{len(attacks)} attacks, {len(plain)} URLs of documentation")


if __name__ == "__main__":
    main()
