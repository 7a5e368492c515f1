#!/bin/sh
# add or delete
echo "$1" >> logs/active-responses.log
