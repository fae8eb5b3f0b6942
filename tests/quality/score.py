#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who was found, how soon and after how much, of what quality.sh left in its folder.

score.py FOLDER --form short|long --mode observe|enforce [--json FILE] [--bar FILE]

In the folder: clients.tsv (name, class, address, begin, end, exit status), absent.tsv, access.full (nginx: address, end, seconds,
status, request line), judged.jsonl (picket's events), status.json.

A client is *stopped* when a verdict on its address (or a prefix around it) was, or in mode observe would have been, carried out;
*told* of when a person hears of it without that: a question, an anomaly of TCP, a slow request, a verdict the guard refused.
A request counts as found when it came after its client was stopped, or matched signatures that together are as strong as a
critical one. Precision of a class: of the clients (requests) that the detections which stopped its attackers stopped, those that
were attackers; users' requests with such signatures are held against injection. Recall: of its attackers, those that were stopped.
Exit status 1: below the bar, or a client did not play.
"""
import argparse
import collections
import ipaddress
import json
import os
import statistics
import sys

CARRIED_OUT = {"blocked", "would_block"}
NO_ALERT = {"expired", "unblocked"}
SILENT_CLIENTS = {"flood"}  # may send no request at all
TELLING = {"slow_head", "slow_body", "second_opinion"}
MARKED = 5  # picket.signature.score of a critical signature


def lines(folder, name):
    try:
        with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as f:
            return f.read().splitlines()
    except FileNotFoundError:
        return []


def read_clients(folder):
    clients = {}
    for line in lines(folder, "clients.tsv"):
        name, kind, address, begin, end, status = line.split("\t")
        clients[address] = {"name": name, "class": kind, "address": address, "begin": float(begin), "end": float(end),
                            "exit": int(status), "requests": [], "marked": [], "decisions": [], "alerts": collections.Counter(), "told": None}
    return clients


def read_requests(folder, clients):
    """When each began, and its status."""
    for line in lines(folder, "access.full"):
        address, end, took, status, _ = (line + " ").split(" ", 4)
        if address in clients:
            clients[address]["requests"].append((float(end) - float(took), int(status)))
    for client in clients.values():
        client["requests"].sort()


def aimed_at(target, clients, consumers):
    """Whom a verdict names: by address, prefix, or credential."""
    if target.startswith("consumer:"):
        address = consumers.get(target.split("@")[0][len("consumer:"):])
        return [clients[address]] if address in clients else []
    try:
        network = ipaddress.ip_network(target.split("@")[0], strict=False)
    except ValueError:
        return []
    return [c for a, c in clients.items() if ipaddress.ip_address(a) in network]


def tell(client, when, what):
    client["alerts"][what] += 1
    if client["told"] is None or when < client["told"][0]:
        client["told"] = (when, what)


def read_judged(folder, clients):
    """Loss that was told, and what was said of nobody alone."""
    losses, of_all, consumers = collections.Counter(), [], {}
    for line in lines(folder, "judged.jsonl"):
        if not line.endswith("}"):
            continue
        event = json.loads(line)
        when, name = int(event["time_unix_nano"]) / 1e9, event["event.name"]
        if name == "picket.loss":
            losses[event["picket.loss.stage"]] += event.get("picket.loss.count", 0)
        elif name == "http.request":
            address = event.get("client.address")
            if "picket.consumer" in event:
                consumers[event["picket.consumer"]] = address
            if address in clients and event.get("picket.signature.score", 0) >= MARKED:
                clients[address]["marked"].append(when)
                if clients[address]["class"] == "benign":
                    clients[address]["alerts"][event["picket.signatures"][0]["id"]] += 1
        elif name == "picket.decision":
            outcome = event["picket.decision.outcome"]
            if outcome in NO_ALERT:
                continue
            what = {"when": when, "by": event.get("picket.decision.origin", "?"), "action": event["picket.decision.action"],
                    "outcome": outcome, "why": event.get("picket.decision.why", "")}
            for client in aimed_at(event["picket.decision.target"], clients, consumers):
                if outcome in CARRIED_OUT and what["action"] != "shadow":
                    client["decisions"].append(what)
                else:
                    tell(client, when, f"{what['by']} ({what['why']})")
        else:
            anomaly = event.get("tcp.anomaly.name") or event.get("http.anomaly.name")
            client = clients.get(event.get("client.address") or event.get("network.peer.address"))
            if name == "tcp.anomaly" and client is None:
                of_all.append((when, anomaly))
            elif client is None:
                continue
            elif name == "tcp.anomaly" or anomaly in TELLING:
                tell(client, when, anomaly)
            else:
                client["alerts"][anomaly] += 1
    return losses, of_all


def judge(client, of_all):
    """What the table says of one client."""
    decisions = sorted(client["decisions"], key=lambda d: d["when"])
    stopped = decisions[0] if decisions else None
    told = client["told"]
    if not told and client["name"].endswith("-forged"):
        # Forged sources have no client: what is said of all of them, while it played, is meant for it.
        told = next(((w, a) for w, a in of_all if client["begin"] <= w <= client["end"] + 2), None)
    first = client["requests"][0][0] if client["requests"] else client["begin"]
    when = stopped["when"] if stopped else told[0] if told else None
    before = [r for r in client["requests"] if when is None or r[0] < when]
    found = [r for r in client["requests"] if stopped and r[0] >= stopped["when"]]
    marked = [m for m in client["marked"] if not stopped or m < stopped["when"]]
    return {
        "name": client["name"], "class": client["class"], "attacker": client["class"] != "benign",
        "requests": len(client["requests"]), "answered_2xx": sum(200 <= s < 300 for _, s in client["requests"]),
        "stopped": bool(stopped), "told": bool(told), "marked_requests": len(marked), "found_requests": min(len(found) + len(marked), len(client["requests"])),
        "by": stopped["by"] if stopped else told[1] if told else "",
        "how": (f"{stopped['action']}, {stopped['outcome']}" if stopped else "told" if told else "missed"),
        "detections": sorted({d["by"] for d in decisions}),
        "seconds": round(max(0.0, when - first), 1) if when else None,
        "requests_before": len(before) if when else None,
        "answered_before": sum(200 <= s < 300 for _, s in before) if when else None,
        "alerts": dict(client["alerts"]), "exit": client["exit"],
        "played": bool(client["requests"]) or client["class"] in SILENT_CLIENTS,
    }


def share(part, whole):
    return round(part / whole, 3) if whole else None


def of_class(kind, rows, mode):
    """Precision and recall of a class; kind None: of all attackers. Who is stopped sends no more: then nothing is said of requests."""
    mine = [r for r in rows if r["attacker"] and kind in (None, r["class"])]
    stoppable = [r for r in mine if r["requests"]]
    detections = {d for r in mine for d in r["detections"]}
    wrong = [r for r in rows if not r["attacker"] and detections & set(r["detections"])]
    marked = [r for r in rows if not r["attacker"] and r not in wrong and kind in (None, "injection")]
    misses = sum(r["found_requests"] for r in wrong) + sum(r["marked_requests"] for r in marked)
    stopped = [r for r in mine if r["stopped"]]
    times = [r["seconds"] for r in mine if r["seconds"] is not None]
    hits = sum(r["found_requests"] for r in mine)
    return {
        "class": kind or "all", "attackers": len(mine), "found": sum(r["stopped"] or r["told"] for r in mine),
        "stopped": len(stopped), "client_precision": share(len(stopped), len(stopped) + len(wrong)),
        "client_recall": share(len(stopped), len(mine)),
        "request_precision": share(hits, hits + misses) if mode == "observe" else None,
        "request_recall": share(hits, sum(r["requests"] for r in stoppable)) if mode == "observe" else None,
        "median_seconds": round(statistics.median(times), 1) if times else None,
    }


def show(rows, widths):
    for row in rows:
        print("  " + " ".join(str("-" if v is None else v).ljust(w) for v, w in zip(row, widths)).rstrip())


def print_tables(result):
    print(f"\nattackers ({result['form']}, {result['mode']})")
    widths = (17, 12, 9, 24, 22, 8, 10, 8)
    show([("client", "class", "requests", "found by", "how", "seconds", "requests", "answered"),
          ("", "", "", "", "", "until", "before", "2xx before")], widths)
    show([(r["name"], r["class"], r["requests"], r["by"], r["how"], r["seconds"], r["requests_before"], r["answered_before"])
          for r in result["clients"] if r["attacker"]], widths)
    print("\nusers")
    show([("client", "requests", "2xx", "stopped", "alerts")], (17, 9, 9, 24, 0))
    show([(r["name"], r["requests"], r["answered_2xx"], r["by"] if r["stopped"] else "no",
           ", ".join(f"{n} x {a}" for a, n in sorted(r["alerts"].items())) or "none")
          for r in result["clients"] if not r["attacker"]], (17, 9, 9, 24, 0))
    print("\nprecision and recall")
    widths = (12, 10, 8, 8, 17, 14, 18, 15, 8)
    show([("class", "attackers", "found", "stopped", "client precision", "client recall", "request precision", "request recall",
           "median seconds")], widths)
    show([(c["class"], c["attackers"], c["found"], c["stopped"], c["client_precision"], c["client_recall"], c["request_precision"],
           c["request_recall"], c["median_seconds"]) for c in result["classes"]], widths)
    for name, program in result["absent"]:
        print(f"absent: {name} ({program} is not installed)")
    if result["losses"]:
        print("lost on the way: " + ", ".join(f"{n} {stage}" for stage, n in result["losses"].items()))
    print(f"\n{result['found']} of {result['attackers']} attackers found, {result['stopped']} stopped; "
          f"{result['users_stopped']} of {result['users']} users stopped; {len(result['absent'])} absent")


def faults(result, bar):
    """What fell behind the bar; what is absent cannot."""
    rows = {r["name"]: r for r in result["clients"]}
    for name, row in rows.items():
        if not row["played"]:
            yield f"{name} did not play (exit status {row['exit']})"
    for level in ("stopped", "found"):
        for name in bar.get(level, []):
            if name in rows and not (rows[name]["stopped"] or level == "found" and rows[name]["told"]):
                yield f"{name} was {level} before, and is not now"
    for row in result["clients"]:
        if not row["attacker"] and row["stopped"] and row["name"] not in bar.get("users_stopped", []):
            yield f"the user {row['name']} is stopped, by {', '.join(row['detections'])}"
    for c in result["classes"]:
        least = bar.get("request_recall", {}).get(c["class"])
        if least is not None and result["mode"] == "observe" and c["attackers"] and (c["request_recall"] or 0) < least:
            yield f"request recall of {c['class']}: {c['request_recall']}, the bar is {least}"


def main():
    ask = argparse.ArgumentParser()
    ask.add_argument("folder")
    ask.add_argument("--form", required=True)
    ask.add_argument("--mode", required=True)
    ask.add_argument("--json")
    ask.add_argument("--bar")
    args = ask.parse_args()

    clients = read_clients(args.folder)
    read_requests(args.folder, clients)
    losses, of_all = read_judged(args.folder, clients)
    rows = sorted((judge(c, of_all) for c in clients.values()), key=lambda r: (not r["attacker"], r["class"], r["name"]))
    kinds = sorted({r["class"] for r in rows if r["attacker"]})
    attackers, users = [r for r in rows if r["attacker"]], [r for r in rows if not r["attacker"]]
    result = {
        "form": args.form, "mode": args.mode, "clients": rows, "classes": [of_class(k, rows, args.mode) for k in kinds + [None]],
        "absent": [line.split("\t")[::2] for line in lines(args.folder, "absent.tsv")], "losses": dict(losses),
        "attackers": len(attackers), "found": sum(r["stopped"] or r["told"] for r in attackers),
        "stopped": sum(r["stopped"] for r in attackers), "users": len(users), "users_stopped": sum(r["stopped"] for r in users),
    }
    print_tables(result)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as f:
            json.dump(result, f, indent=1)
            f.write("\n")
    bar = {}
    if args.bar:
        with open(args.bar, encoding="utf-8") as f:
            bar = json.load(f)[args.form]
    wrong = list(faults(result, bar)) if args.bar else [f for f in faults(result, {}) if "did not play" in f]
    for fault in wrong:
        print(f"  BELOW THE BAR: {fault}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
