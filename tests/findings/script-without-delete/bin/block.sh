#!/bin/sh
# add only
echo "$1" >> logs/active-responses.log
