#!/bin/sh
echo active-responses.log
