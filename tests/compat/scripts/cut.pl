#!/usr/bin/perl
# One line from stdin, cut with expressions.
use strict;
use warnings;

my $line = <STDIN> // '';
my ($verb)  = $line =~ /"command":"(\w+)"/;
my ($srcip) = $line =~ /"srcip":"([^"]+)"/;
exit 255 unless $verb && $srcip;

open my $log, '>>', 'logs/active-responses.log' or exit 1;
print {$log} "cut.pl: $verb $srcip\n";
close $log;
exit 0;
