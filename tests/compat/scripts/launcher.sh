#!/bin/sh
# Hands stdin, stdout and its name to another program.
exec "$(dirname "$0")/tools/speaks.py" "$@"
