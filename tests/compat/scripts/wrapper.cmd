#!/bin/sh
# What a .cmd wrapper around PowerShell does, for this platform: it hands its
# stdin to an interpreter with a script that lies beside it.
exec python3 "$(dirname "$0")/read-line.py"
