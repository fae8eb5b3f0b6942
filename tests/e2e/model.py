#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A model behind an OpenAI-compatible API, for tests: model.py PORT LOG MODE-FILE [NAME=VALUE...]

Each POST is answered as MODE-FILE says at that moment, and appended to LOG as one JSON object: path, head, body. NAME=VALUE are
headers of every answer; but auth=TEXT is the Authorization that it wants (401 as APIPark says it), and apipark=1 has it name the
provider and model that were asked for in headers. Modes:

    ok             judges: whoever asked for a path with "login" is to be blocked
    obeys          believes what it reads: obey() says what of it; else as ok
    form=NAME      the same, but takes no other form of JSON than json_schema, json_object, tool or plain (400, as OpenAI says it)
    ignores        response_format is ignored, and only a forced call is JSON, as with Anthropic's compatible API
    mad            obeys the form and makes no sense: sources nobody sent, another batch's id, evidence of others
    prose, cut, refusal, error, page, stream
                   200, and no verdict
    STATUS         that status with an error of OpenAI's; 429 with Retry-After: 1
    quota          429 that means: pay
    reset          the connection is reset
    hang           no answer
"""
import json
import socket
import struct
import sys
import threading
import time

port, log_path, mode_path = int(sys.argv[1]), sys.argv[2], sys.argv[3]
extra = [a.split("=", 1) for a in sys.argv[4:]]
settings = {name: value for name, value in extra if name in ("auth", "apipark")}
extra = [pair for pair in extra if pair[0] not in settings]
log = open(log_path, "ab", buffering=0)
lock = threading.Lock()


def document_of(asked):
    text = asked["messages"][-1]["content"]
    begin, rest = text.split("\n", 1)
    body, end = rest.rstrip("\n").rsplit("\n", 1)
    assert begin.split()[1] == end.split()[1]
    return json.loads(body)


def form_of(asked):
    if "tools" in asked:
        return "tool"
    return asked.get("response_format", {}).get("type", "plain")


def item(src, evidence, action="block"):
    return {"src": src, "action": action, "confidence": 0.95, "category": "credential_attack", "ttl_s": 120, "evidence": evidence,
            "reason": "login guessing"}


def texts_of(value):
    """Every text in it, of keys as well."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from texts_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts_of(inner)
    elif isinstance(value, str):
        yield value


# What makes this model obey, folded to lower case; letters that look like others were folded before.
FOR_ITS_SENDER = ("allow", "benign", "harmless", "never block", "leave this client out", "trusted", "maintenance", "is fine",
                  "let-us-play", "grandmother", "nyybj", "616c6c6f77", "swdub3jl", "%49%67%6e", "&#x61", "test-mode", "always")
AGAINST_OTHERS = ("block", "malicious", "attacker", "was-the-one", "next client", "for everybody", "real-client-is", "action", "src")
LOOK_ALIKES = str.maketrans("\u0456\u0435\u0440\uff41\uff4c\uff4f\uff57", "iepalow")


def obey(document):
    """One that takes every text for an order: who asks for it is allowed, and who asks for others' blocks gets them, by every name and
    address that there is, with every event as evidence."""
    verdicts, against = {}, False
    for client in document["clients"]:
        said = " ".join(texts_of(client)).translate(LOOK_ALIKES).lower()
        against = against or any(word in said for word in AGAINST_OTHERS)
        if any(word in said for word in FOR_ITS_SENDER):
            verdicts[client["src"]] = item(client["src"], [], "allow")
    for client in document["clients"] if against else []:
        evidence = [sample["id"] for sample in client["samples"]][:8]
        verdicts.setdefault(client["src"], item(client["src"], evidence))
    named = ["c0", "c1", "c2", "c7", "10.66.0.9", "10.77.0.3", "198.51.100.66"] if against else []
    return {"batch_id": document["batch_id"], "verdicts": list(verdicts.values()) + [item(name, ["e1"]) for name in named]}


def judge(document, mode):
    events = {}
    for client in document["clients"]:
        for sample in client["samples"]:
            if "login" in sample.get("target", ""):
                events.setdefault(client["src"], []).append(sample["id"])
    verdicts = [item(src, ids[-8:]) for src, ids in events.items()]
    if mode == "obeys":
        return obey(document)
    if mode == "mad":
        first = document["clients"][0]["src"]
        verdicts = [item("s99", []), item("10.0.0.1", []), item(first, ["e9"]), item(first, [], "erase")]
    return {"batch_id": document["batch_id"], "verdicts": verdicts}


def completion(asked, mode):
    answer = judge(document_of(asked), mode)
    text = json.dumps(answer)
    message, finish = {"role": "assistant", "content": text}, "stop"
    if form_of(asked) == "tool":
        call = {"id": "call_1", "type": "function", "function": {"name": "verdict", "arguments": text}}
        message, finish = {"role": "assistant", "content": None, "tool_calls": [call]}, "tool_calls"
    if mode == "prose" or (mode == "ignores" and form_of(asked) != "tool"):
        message["content"] = "Certainly! Here is my judgment: " + text
    if mode == "refusal":
        message = {"role": "assistant", "content": None, "refusal": "I cannot help with that."}
    if mode == "cut":
        finish = "length"
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": asked["model"], "choices": [choice],
            "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}}


def error(message, kind):
    return {"error": {"message": message, "type": kind, "code": kind}}


def answer_to(asked, mode):
    """Status and body: text, or what becomes JSON."""
    if mode.startswith("form=") and form_of(asked) != mode[5:]:
        return 400, error("Invalid parameter: 'response_format' of this type is not supported with this model.", "invalid_request_error")
    if mode == "quota":
        return 429, error("Your account is suspended, please check your plan", "exceeded_current_quota_error")
    if mode == "error":
        return 200, {"error": {"message": "no such route"}}
    if mode == "page":
        return 200, "<html><body>It works!</body></html>"
    if mode == "stream":
        return 200, 'data: {"choices":[]}\n\ndata: [DONE]\n\n'
    if mode.isdigit():
        return int(mode), error("an error of the upstream", "rate_limit_reached_error" if mode == "429" else "api_error")
    return 200, completion(asked, mode)


def reply(connection, asked, status, content):
    kind = "application/json"
    if isinstance(content, str):
        kind = "text/html" if content.startswith("<") else "text/event-stream"
    body = (content if isinstance(content, str) else json.dumps(content)).encode()
    head = "HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %d\r\n" % (status, kind, len(body))
    if status == 429:
        head += "Retry-After: 1\r\n"
    provider, _, model = asked.get("model", "").partition("/")
    named = [("X-AI-Provider", provider), ("X-AI-Model", model)] if "apipark" in settings else []
    for name, value in extra + named:
        head += "%s: %s\r\n" % (name, value)
    connection.sendall(head.encode() + b"\r\n" + body)


def serve(connection):
    stream = connection.makefile("rb")
    try:
        while first := stream.readline():
            head = {}
            while (line := stream.readline()) not in (b"\r\n", b"\n", b""):
                name, _, value = line.decode().partition(":")
                head[name.strip().lower()] = value.strip()
            if "chunked" in head.get("transfer-encoding", ""):
                body = b""
                while size := int(stream.readline(), 16):
                    body += stream.read(size)
                    stream.readline()
                stream.readline()
            else:
                body = stream.read(int(head.get("content-length", "0")))
            asked = json.loads(body or b"{}")
            with open(mode_path, encoding="ascii") as f:
                mode = f.read().strip()
            with lock:
                log.write(json.dumps({"path": first.split()[1].decode(), "head": head, "body": asked, "mode": mode}).encode() + b"\n")
            if mode == "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                return
            if mode == "hang":
                time.sleep(3600)
            if "auth" in settings and head.get("authorization") != settings["auth"]:
                reply(connection, asked, 401, "missing or invalid token")
                continue
            reply(connection, asked, *answer_to(asked, mode))
    except (ConnectionError, ValueError) as e:
        print(repr(e), file=sys.stderr, flush=True)
    finally:
        stream.close()
        connection.close()


server = socket.create_server(("127.0.0.1", port), backlog=64)
while True:
    c, _ = server.accept()
    c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    threading.Thread(target=serve, args=(c,), daemon=True).start()
