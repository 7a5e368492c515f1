#!/usr/bin/env python3
"""Reads its stdin to the end, as a program does that is tried by hand with a
file. Under Wazuh it never gets to work."""
import json
import sys

message = json.load(sys.stdin)
srcip = message["parameters"]["alert"]["data"]["srcip"]
with open("logs/active-responses.log", "a", encoding="utf-8") as log:
    log.write(f"read-all.py: {message['command']} {srcip}\n")
