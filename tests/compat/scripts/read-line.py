"""One line from stdin, no `#!` line: a wrapper starts it."""

import json
import sys

message = json.loads(sys.stdin.readline())
srcip = message["parameters"]["alert"]["data"]["srcip"]
with open("logs/active-responses.log", "a", encoding="utf-8") as log:
    log.write(f"read-line.py: {message['command']} {srcip}\n")
