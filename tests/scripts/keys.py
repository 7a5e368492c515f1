#!/usr/bin/env python3
"""A responder that speaks the whole dialogue: it answers `add` with its keys
and acts only when it is told to continue. What it did stands in the response
log, one line for each step."""

import json
import sys

LOG = "logs/active-responses.log"


def note(text):
    with open(LOG, "a", encoding="utf-8") as log:
        log.write(f"keys.py: {text}\n")


def hear():
    line = sys.stdin.readline()
    return json.loads(line) if line else None


def ask(key):
    answer = {
        "version": 1,
        "origin": {"name": "keys.py", "module": "active-response"},
        "command": "check_keys",
        "parameters": {"keys": [key]},
    }
    print(json.dumps(answer), flush=True)
    return hear()


def main():
    message = hear()
    if message is None:
        note("heard nothing")
        return 1
    srcip = message["parameters"]["alert"]["data"]["srcip"]
    if message["command"] == "delete":
        note(f"deleted {srcip}")
        return 0
    decision = ask(srcip)
    if decision is None:
        note(f"heard no decision on {srcip}")
        return 1
    if decision["command"] == "continue":
        note(f"added {srcip}")
    else:
        note(f"was told to {decision['command']} {srcip}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
