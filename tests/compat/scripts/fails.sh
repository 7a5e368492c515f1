#!/bin/bash
# Acts, and ends with an error all the same, as many do whose last command is a
# test. Its delete succeeds.
read -r line
verb=$(sed -n 's/.*"command":"\([a-z]*\)".*/\1/p' <<<"$line")
echo "fails.sh: $verb $(grep -o '"srcip":"[^"]*"' <<<"$line" | cut -d'"' -f4)" >>logs/active-responses.log
[ "$verb" = delete ]
