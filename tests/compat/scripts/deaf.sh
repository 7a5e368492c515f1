#!/bin/sh
# Never reads: what it does needs no alert.
echo "deaf.sh: ran" >>logs/active-responses.log
