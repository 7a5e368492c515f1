#!/bin/bash
# Knows itself, its folder and its log by $0, wherever it is installed.
name=$(basename "$0")
home=$(cd "$(dirname "$0")/../.." && pwd)
read -r line
verb=$(sed -n 's/.*"command":"\([a-z]*\)".*/\1/p' <<<"$line")
echo "$name: $verb $0 in $([ "$home" = "$PWD" ] && echo its home)" >>"$home/logs/active-responses.log"
