#!/bin/bash
# Reads its settings from a file beside it, and what it shares with others.
dir="$(cd "$(dirname "${BASH_SOURCE[0]}")" >/dev/null 2>&1 && pwd)"
. "$dir/settings.conf" || exit 1

read -r line
srcip=$(sed -n 's/.*"srcip":"\([^"]*\)".*/\1/p' <<<"$line")
verb=$(sed -n 's/.*"command":"\([a-z_]*\)".*/\1/p' <<<"$line")
echo "sources.sh: $verb $srcip at $GATEWAY" >>"$RESPONSE_LOG"
