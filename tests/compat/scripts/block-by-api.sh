#!/bin/bash
# Blocks an address at a gateway by its web API. `curl` is the one beside it in
# bin, which writes down what it would send.

here=$(cd "$(dirname "$0")" && pwd)
export PATH="$here/tools:$PATH"

IFS= read -r line
srcip=$(grep -oE '"srcip":"[0-9a-fA-F.:]+"' <<<"$line" | head -n1 | cut -d'"' -f4)
[ -n "$srcip" ] || { echo "no srcip" >&2; exit 1; }

case $line in
*'"command":"add"'*) method=POST ;;
*'"command":"delete"'*) method=DELETE ;;
*) exit 1 ;;
esac

curl -sS -X "$method" -H 'Content-Type: application/json' \
    -d "{\"address\":\"$srcip\"}" 'https://gateway.example/api/block'
