/* Makes system calls that cannot succeed, and says what the kernel answers: a
   refused one gives EPERM before the kernel looks at its arguments. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CALL(name) { #name, SYS_##name }
static const struct { const char *name; long number; } calls[] = {
    CALL(ptrace), CALL(process_vm_readv), CALL(process_vm_writev), CALL(kcmp), CALL(bpf),
    CALL(perf_event_open), CALL(userfaultfd), CALL(init_module), CALL(finit_module),
    CALL(delete_module), CALL(kexec_load), CALL(setns), CALL(open_by_handle_at), CALL(swapon),
    CALL(swapoff), CALL(reboot), CALL(acct), CALL(add_key), CALL(request_key), CALL(keyctl),
    CALL(quotactl), CALL(mount), CALL(umount2), CALL(pivot_root), CALL(unshare),
    { "io_uring_setup", 425 }, { "io_uring_enter", 426 }, { "io_uring_register", 427 },
    { "open_tree", 428 }, { "move_mount", 429 }, { "fsopen", 430 }, { "fsconfig", 431 },
    { "fsmount", 432 }, { "fspick", 433 }, { "pidfd_getfd", 438 }, { "mount_setattr", 442 },
};

static void say(const char *name, long result) {
    printf("%s %s\n", name, result >= 0 ? "done" : errno == EPERM ? "EPERM" : errno == ENOSYS ? "ENOSYS" : "tried");
}

int main(void) {
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
        errno = 0;
        say(calls[i].name, syscall(calls[i].number, -1L, -1L, -1L, -1L, -1L));
    }
    errno = 0;
    say("clone3", syscall(435, 0L, 0L));
    errno = 0;
    long child = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0L, 0L, 0L, 0L);
    if (child == 0) _exit(0);
    if (child > 0) waitpid(child, NULL, 0);
    say("clone-users", child);
    errno = 0;
    child = fork();
    if (child == 0) _exit(0);
    if (child > 0) waitpid(child, NULL, 0);
    say("fork", child);
    errno = 0;
    say("sti", ioctl(-1, TIOCSTI, "x"));
    return 0;
}
