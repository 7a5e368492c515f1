#!/usr/bin/env python3
"""Writes the alert's text with the encoding of the locale: an ASCII one
would end it here."""
import json
import sys

message = json.loads(sys.stdin.readline())
with open("logs/active-responses.log", "a") as log:
    log.write("umlaut.py: " + message["command"] + " " + message["parameters"]["alert"]["data"]["place"] + "\n")
