#!/bin/sh
# Cuts the message with awk alone, at the quotes.
head -n 1 | awk -F'"' '{
    for (i = 1; i <= NF; i++) {
        if ($i == "command" && verb == "") verb = $(i + 2)
        if ($i == "srcip") ip = $(i + 2)
    }
    print "cut.awk.sh: " verb " " ip >> "logs/active-responses.log"
}'
