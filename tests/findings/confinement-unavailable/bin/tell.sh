#!/bin/sh
echo told >>logs/active-responses.log
