#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The account of a model's answers: mad_account.py LOG GATEWAY DECISIONS

LOG is what tests/peers/llama/server.mjs gave, GATEWAY the object of `picket gateway list --json`, DECISIONS the events picket.decision
that came of its verdicts. Reads each answer by docs/gateway-openai.md, on its own, and compares: every answer is refused as a whole
under a name, or each of its items is a verdict or refused under a name; the same names as often; and each block that was asked for has
a decision with a reason, or repeats a question that a person was asked already. Prints the table. Status 1: something does not add up.
"""
import collections
import json
import math
import sys

ACTIONS = ("allow", "observe", "block")
CATEGORIES = ("none", "credential_attack", "injection", "scan", "scraping", "api_abuse", "evasion", "flood", "other")
TTL_MAX = 10 * 366 * 86400
ENDS = ("expired", "unblocked")  # of blocks, decided on before


def whole(answer):
    """What is wrong with all of it, or its items."""
    if answer["finish"] == "length":
        return "cut", []
    try:
        said = json.loads(answer["content"], parse_constant=lambda _: 1 / 0)
    except (ValueError, ZeroDivisionError):
        return "syntax", []
    fault = fault_inside(said)
    if fault:
        return fault, []
    if said.get("batch_id") != answer["batch_id"]:
        return "other_batch", []
    return None, said["verdicts"]


def fault_inside(value):
    """Numbers that are none and texts that are none spoil the whole document."""
    if isinstance(value, float) and math.isinf(value):
        return "number"
    if isinstance(value, str) and any(c == "\0" or 0xd800 <= ord(c) < 0xe000 for c in value):
        return "text"
    inner = list(value) + list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return next(filter(None, map(fault_inside, inner)), None)


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def clean(text):
    return isinstance(text, str) and not any(ord(c) < 0x20 or 0x7f <= ord(c) < 0xa0 for c in text)


def fault_of(item, clients, seen):
    known = item["src"] in clients and item["src"] not in seen
    seen.add(item["src"])
    ttl, evidence = item["ttl_s"], item["evidence"]
    least = 1 if item["action"] == "block" else 0
    checks = (
        ("target", known),
        ("action", item["action"] in ACTIONS),
        ("ttl", is_number(ttl) and ttl == math.floor(ttl) and abs(ttl) < 2**53 and least <= ttl <= TTL_MAX),
        ("confidence", is_number(item["confidence"]) and 0 <= item["confidence"] <= 1),
        ("evidence", known and len(evidence) <= 8 and all(e in clients[item["src"]] for e in evidence)),
        ("category", item["category"] in CATEGORIES),
        ("text", clean(item["reason"])),
    )
    return next((name for name, good in checks if not good), None)


def account(answers):
    refused, kinds, verdicts = collections.Counter(), collections.Counter(), collections.Counter()
    for answer in answers:
        kinds[answer["kind"]] += 1
        fault, items = whole(answer)
        if fault:
            refused[fault] += 1
        elif not items:
            kinds["of these, without an item"] += 1
        seen = set()
        for item in items:
            fault = fault_of(item, answer["clients"], seen)
            if fault:
                refused[fault] += 1
            else:
                verdicts[item["action"]] += 1
    return kinds, refused, verdicts


def read_lines(path):
    with open(path, encoding="utf-8") as f:
        return [json.loads(line) for line in f if line.strip()]


def main(log, gateway, decisions):
    kinds, refused, verdicts = account(read_lines(log))
    (said,), wrong = read_lines(gateway), []
    told = [d for d in read_lines(decisions) if d["picket.decision.outcome"] not in ENDS]
    answers = sum(n for kind, n in kinds.items() if "," not in kind)
    whys = collections.Counter((d["picket.decision.outcome"], d.get("picket.decision.why") or "(none)") for d in told)
    repeats = verdicts["block"] - sum(whys.values())
    print("answers                     %6d" % answers)
    for kind, n in sorted(kinds.items()):
        print("  %-24s  %6d" % (kind, n))
    print("refused as they were read   %6d   (picket counts)" % sum(refused.values()))
    for name in sorted(set(refused) | set(said["verdicts_refused"])):
        print("  %-24s  %6d   %6d" % (name, refused[name], said["verdicts_refused"].get(name, 0)))
    print("verdicts                    %6d   %6d" % (sum(verdicts.values()), said["verdicts"]))
    for action in ACTIONS:
        print("  %-24s  %6d" % (action, verdicts[action]))
    print("what became of the blocks   %6d" % verdicts["block"])
    for (outcome, why), n in sorted(whys.items()):
        print("  %-12s %-20s %6d" % (outcome, why, n))
    print("  %-33s %6d" % ("asked of a person already", repeats))
    if said["answers"].get("2xx", 0) != answers:
        wrong.append("picket counts %d answers" % said["answers"].get("2xx", 0))
    if {k: v for k, v in said["verdicts_refused"].items() if v} != dict(refused):
        wrong.append("the refusals differ")
    if said["verdicts"] != sum(verdicts.values()):
        wrong.append("the verdicts differ")
    if any(why == "(none)" for _, why in whys):
        wrong.append("decisions without a reason")
    if repeats < 0 or (repeats and not any(outcome == "pending" for outcome, _ in whys)):
        wrong.append("%d blocks that were asked for have no decision" % repeats)
    for what in wrong:
        print("WRONG: " + what)
    return 1 if wrong else 0


sys.exit(main(*sys.argv[1:]))
