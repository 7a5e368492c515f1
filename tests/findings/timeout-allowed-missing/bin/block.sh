#!/bin/sh
echo "$1" >> logs/active-responses.log
