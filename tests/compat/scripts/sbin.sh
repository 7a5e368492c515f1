#!/bin/sh
# Calls administrators' programs by their bare names.
read -r line
found=$(command -v nft) || found=none
echo "sbin.sh: $(dirname "$found")" >>logs/active-responses.log
