#!/usr/bin/env python3
"""A program written for Wazuh 5."""
import json
import sys

message = json.loads(sys.stdin.readline())
source = message["source"]["ip"]
response = message["wazuh"]["active_response"]
if message["command"] == "enable":
    keys = {"version": 1, "origin": {"name": "five.py", "module": "active-response"}}
    keys |= {"command": "check_keys", "parameters": {"keys": [source]}}
    print(json.dumps(keys), flush=True)
    if json.loads(sys.stdin.readline())["command"] == "abort":
        sys.exit(0)
with open("logs/active-responses.log", "a", encoding="utf-8") as log:
    log.write(f"five.py: {message['command']} {source} {response['type']} {response['extra_arguments']}\n")
