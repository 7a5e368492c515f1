/*
 * The least that a native response can be: it reads its message to the end and
 * exits. What it takes to run it is what it takes to start any program.
 *
 *     cc -O2 -o empty empty.c
 */
#include <unistd.h>

int main(void)
{
    char message[65536];

    while (read(STDIN_FILENO, message, sizeof message) > 0)
        ;
    return 0;
}
