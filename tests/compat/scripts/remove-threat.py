#!/usr/bin/env python3
"""Removes the file that a scanner found, after the whole dialogue: the path is
the key, so two alerts about one file run once."""

import datetime
import json
import os
import sys

LOG = "logs/active-responses.log"


def log(text):
    now = datetime.datetime.now().strftime("%Y/%m/%d %H:%M:%S")
    with open(LOG, "a", encoding="utf-8") as file:
        file.write(f"{now} {sys.argv[0]}: {text}\n")


def told():
    line = sys.stdin.readline()
    return json.loads(line) if line.strip() else None


def may_go_on(keys):
    question = {
        "version": 1,
        "origin": {"name": os.path.basename(sys.argv[0]), "module": "active-response"},
        "command": "check_keys",
        "parameters": {"keys": keys},
    }
    print(json.dumps(question), flush=True)
    answer = told()
    return answer is not None and answer["command"] == "continue"


def main():
    message = told()
    if message is None or message["command"] not in ("add", "delete"):
        log("no usable message")
        return 255
    path = message["parameters"]["alert"]["data"]["virustotal"]["source"]["file"]
    if message["command"] == "delete":
        log(f"delete {path}")
        return 0
    if not may_go_on([path]):
        log(f"abort {path}")
        return 0
    try:
        os.remove(path)
        log(f"add {path}")
    except OSError as error:
        log(f"cannot remove {path}: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
