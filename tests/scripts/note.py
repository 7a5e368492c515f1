#!/usr/bin/env python3
"""A responder of the most common shape: one line from stdin, no check_keys, a
note in the response log. The working directory is Wazuh's home."""

import datetime
import json
import sys

LOG = "logs/active-responses.log"


def note(text):
    now = datetime.datetime.now().strftime("%Y/%m/%d %H:%M:%S")
    with open(LOG, "a", encoding="utf-8") as log:
        log.write(f"{now} note.py: {text}\n")


def main():
    try:
        message = json.loads(sys.stdin.readline())
        command = message["command"]
        srcip = message["parameters"]["alert"]["data"]["srcip"]
    except (ValueError, KeyError, TypeError) as error:
        note(f"no message with a srcip: {error!r}")
        return 1
    if command == "add":
        note(f"would block {srcip}")
    elif command == "delete":
        note(f"would unblock {srcip}")
    else:
        note(f"unknown command {command!r}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
