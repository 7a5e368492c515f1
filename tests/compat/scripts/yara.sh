#!/bin/bash
# Scans the file of a file integrity alert with the scanner and the rules that
# <extra_args> name, and logs each finding for the decoders. One line from
# stdin, no check_keys, nothing to undo; no jq.

read -r input
value() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" <<<"$input"; }

log="logs/active-responses.log"
file=$(value path)
verb=$(value command)
args=$(sed -n 's/.*"extra_args":\[\([^]]*\)\].*/\1/p' <<<"$input" | tr -d '"')
scanner=$(cut -d, -f2 <<<"$args")
rules=$(cut -d, -f4 <<<"$args")

stamp() { date '+%Y/%m/%d %H:%M:%S'; }

if [[ $verb != add ]]; then
    echo "$(stamp) $0: $verb $file" >>"$log"
    exit 0
fi
if [[ ! -x $scanner || ! -f $rules ]]; then
    echo "$(stamp) $0: no scanner or no rules: $scanner $rules" >>"$log"
    exit 1
fi
"$scanner" -w -r "$rules" "$file" 2>/dev/null | while read -r found; do
    echo "$(stamp) wazuh-yara: INFO - Scan result: $found" >>"$log"
done
echo "$(stamp) $0: $verb $file" >>"$log"
