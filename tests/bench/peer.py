#!/usr/bin/env python3
"""What a custom response usually looks like in Python, for comparison: one
line from stdin, two fields, one line to a log."""

import datetime
import json
import sys

LOG = "logs/active-responses.log"


def write(text):
    now = datetime.datetime.now().strftime("%Y-%m-%d %H:%M:%S")
    with open(LOG, "a", encoding="utf-8") as log:
        log.write(f"{now} {text}\n")


def main():
    try:
        message = json.loads(sys.stdin.readline())
    except ValueError:
        write("no message")
        sys.exit(1)
    command = message.get("command", "")
    srcip = message.get("parameters", {}).get("alert", {}).get("data", {}).get("srcip", "")
    if not srcip:
        write("no address in the alert")
        sys.exit(1)
    write(f"{command} {srcip}")


if __name__ == "__main__":
    main()
