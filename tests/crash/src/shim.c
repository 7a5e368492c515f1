/* Makes an engine break a promise without a change in it: preloaded, it stands
 * between the engine's SQLite and the system. CRASH_SHIM says how:
 *
 * no-sync  fsync and fdatasync do nothing and say that they did.
 * late     what is written to ledger.db-wal reaches the kernel a while later,
 *          though this process sees it at once: so every record comes after the
 *          effect that it should come before, and a kill between them loses it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LATE_MS 400

struct held {
    struct held *next;
    int file;
    dev_t dev;
    ino_t ino;
    off_t at;
    size_t length;
    long due_ms;
    unsigned char data[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct held *first, **last = &first;

static int is(const char *mode) {
    const char *said = getenv("CRASH_SHIM");
    return said && !strcmp(said, mode);
}

static long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static ssize_t really_write(int file, const void *data, size_t length, off_t at) {
    static ssize_t (*next)(int, const void *, size_t, off_t);
    if (!next) next = dlsym(RTLD_NEXT, "pwrite64");
    return next(file, data, length, at);
}

static ssize_t really_read(int file, void *data, size_t length, off_t at) {
    static ssize_t (*next)(int, void *, size_t, off_t);
    if (!next) next = dlsym(RTLD_NEXT, "pread64");
    return next(file, data, length, at);
}

static void *write_late(void *nothing) {
    for (;;) {
        usleep(20000);
        pthread_mutex_lock(&lock);
        while (first && first->due_ms <= now_ms()) {
            struct held *held = first;
            really_write(held->file, held->data, held->length, held->at);
            close(held->file);
            first = held->next;
            if (!first) last = &first;
            free(held);
        }
        pthread_mutex_unlock(&lock);
    }
    return nothing;
}

static void begin(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, write_late, NULL);
}

static int is_log(int file) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    const char *name = "/ledger.db-wal";
    size_t wanted = strlen(name);
    return length >= (ssize_t)wanted && !memcmp(path + length - wanted, name, wanted);
}

ssize_t pwrite64(int file, const void *data, size_t length, off_t at) {
    struct stat found;
    if (!is("late") || !is_log(file) || fstat(file, &found)) return really_write(file, data, length, at);
    struct held *held = malloc(sizeof *held + length);
    if (!held) { errno = ENOMEM; return -1; }
    held->next = NULL;
    held->file = dup(file);
    held->dev = found.st_dev;
    held->ino = found.st_ino;
    held->at = at;
    held->length = length;
    held->due_ms = now_ms() + LATE_MS;
    memcpy(held->data, data, length);
    pthread_once(&once, begin);
    pthread_mutex_lock(&lock);
    *last = held;
    last = &held->next;
    pthread_mutex_unlock(&lock);
    return (ssize_t)length;
}

ssize_t pread64(int file, void *data, size_t length, off_t at) {
    ssize_t got = really_read(file, data, length, at);
    struct stat found;
    if (got < 0 || !is("late") || !is_log(file) || fstat(file, &found)) return got;
    pthread_mutex_lock(&lock);
    for (struct held *held = first; held; held = held->next) {
        if (held->dev != found.st_dev || held->ino != found.st_ino) continue;
        off_t from = held->at > at ? held->at : at;
        off_t held_end = held->at + (off_t)held->length, end = at + (off_t)length;
        off_t to = held_end < end ? held_end : end;
        if (from >= to) continue;
        memcpy((char *)data + (from - at), held->data + (from - held->at), (size_t)(to - from));
        if (to - at > got) got = to - at;
    }
    pthread_mutex_unlock(&lock);
    return got;
}

ssize_t pwrite(int file, const void *data, size_t length, off_t at) { return pwrite64(file, data, length, at); }
ssize_t pread(int file, void *data, size_t length, off_t at) { return pread64(file, data, length, at); }

int fsync(int file) {
    static int (*next)(int);
    if (is("no-sync")) return 0;
    /* What is held is not on its way yet. */
    if (is("late") && is_log(file)) return 0;
    if (!next) next = dlsym(RTLD_NEXT, "fsync");
    return next(file);
}

int fdatasync(int file) {
    static int (*next)(int);
    if (is("no-sync") || (is("late") && is_log(file))) return 0;
    if (!next) next = dlsym(RTLD_NEXT, "fdatasync");
    return next(file);
}
