#!/usr/bin/env python3.99
print("active-responses.log")
