//! The system calls that no response needs, refused by the kernel (seccomp(2)).
//!
//! What is refused lets a program reach into others, change what the host is
//! made of, or use the parts of the kernel in which most faults are found. The
//! answer is EPERM, which programs know; a killed program would tell nobody
//! why. `clone3` keeps its flags where the filter cannot see them and gets
//! ENOSYS, upon which every C library takes `clone`.
//!
//! The program is written here instruction by instruction: it also has to know
//! the numbers of 32-bit programs, and those of x32, which would otherwise be a
//! way around it.

use std::sync::OnceLock;

use seccompiler::sock_filter;

use super::Unconfinable;

/// Which calls are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    /// What no response needs.
    Program,
    /// The same, but for what bubblewrap needs to set up an isolated program
    /// as root: mounts, and all namespaces but that of users. The program
    /// itself has no privileges left to use them.
    Isolation,
    /// As [`Filter::Isolation`], for an engine that is not root and needs a
    /// namespace of users.
    OwnUsers,
}

impl Filter {
    /// Makes it hold for this thread and all that it starts from now on, for
    /// good. `no_new_privs` comes with it.
    pub(super) fn apply(self) -> Result<(), Unconfinable> {
        static PROGRAMS: [OnceLock<Option<Vec<sock_filter>>>; 3] = [const { OnceLock::new() }; 3];
        let program =
            PROGRAMS.get(self as usize).and_then(|program| program.get_or_init(|| self.program()).as_ref());
        let Some(program) = program else {
            return Err(Unconfinable::NoFilter { why: "not for this processor".to_owned() });
        };
        seccompiler::apply_filter(program).map_err(|error| Unconfinable::NoFilter { why: error.to_string() })
    }

    /// The instructions; `None` on a processor whose numbers are not known here.
    fn program(self) -> Option<Vec<sock_filter>> {
        let native = self.section(&NATIVE?);
        let mut program = vec![load(ARCHITECTURE), jump(EQUAL, NATIVE?.architecture, 1, 0), skip(&native)];
        program.extend(native);
        if let Some(compat) = COMPAT {
            let section = self.section(&compat);
            program.extend([jump(EQUAL, compat.architecture, 1, 0), skip(&section)]);
            program.extend(section);
        }
        program.push(answer(ERRNO | NOSYS));
        Some(program)
    }

    /// What holds for the numbers of one table.
    fn section(self, table: &Table) -> Vec<sock_filter> {
        let mut section = vec![load(NUMBER)];
        if let Some(first) = table.foreign_from {
            section.extend([jump(AT_LEAST, first, 0, 1), answer(ERRNO | NOSYS)]);
        }
        let always =
            table.refused.iter().chain(&[PIDFD_GETFD, IO_URING_SETUP, IO_URING_ENTER, IO_URING_REGISTER]);
        let always = always.chain(&NEW_MOUNTS);
        let mounts: &[u32] = if self == Self::Program { &table.mounts } else { &[] };
        for &number in always.chain(mounts) {
            section.extend([jump(EQUAL, number, 0, 1), answer(ERRNO | PERM)]);
        }
        section.extend([jump(EQUAL, CLONE3, 0, 1), answer(ERRNO | NOSYS)]);
        let namespaces = match self {
            Self::Program => ALL_NAMESPACES,
            Self::Isolation => USERS,
            Self::OwnUsers => 0,
        };
        if self == Self::Program {
            section.extend([jump(EQUAL, table.unshare, 0, 1), answer(ERRNO | PERM)]);
        } else {
            section.extend(flags(table.unshare, namespaces));
        }
        section.extend(flags(table.clone, namespaces));
        // Typing into the terminal of whoever started the engine by hand.
        section.extend([
            jump(EQUAL, table.ioctl, 0, 5),
            load(SECOND_ARGUMENT),
            jump(EQUAL, TIOCSTI, 1, 0),
            jump(EQUAL, TIOCLINUX, 0, 1),
            answer(ERRNO | PERM),
            answer(ALLOW),
        ]);
        section.push(answer(ALLOW));
        section
    }
}

/// Refuses the call when its first argument has one of these bits.
fn flags(number: u32, bits: u32) -> [sock_filter; 5] {
    [
        jump(EQUAL, number, 0, 4),
        load(FIRST_ARGUMENT),
        jump(ANY_BIT, bits, 0, 1),
        answer(ERRNO | PERM),
        answer(ALLOW),
    ]
}

fn load(at: u32) -> sock_filter {
    sock_filter { code: 0x20, jt: 0, jf: 0, k: at }
}

fn jump(how: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code: how, jt, jf, k }
}

fn skip(section: &[sock_filter]) -> sock_filter {
    // A section has some hundred instructions; the kernel takes 4096 in all.
    sock_filter { code: 0x05, jt: 0, jf: 0, k: u32::try_from(section.len()).unwrap_or(u32::MAX) }
}

fn answer(what: u32) -> sock_filter {
    sock_filter { code: 0x06, jt: 0, jf: 0, k: what }
}

// linux/bpf_common.h.
const EQUAL: u16 = 0x15;
const AT_LEAST: u16 = 0x35;
const ANY_BIT: u16 = 0x45;

// `struct seccomp_data` in linux/seccomp.h, on a little-endian processor.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;
const SECOND_ARGUMENT: u32 = 24;

const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;
const PERM: u32 = 1;
const NOSYS: u32 = 38;

// `CLONE_NEW*` in linux/sched.h: mounts, cgroups, host name, IPC, users,
// processes, network. That of time is for unshare and clone3 alone.
const USERS: u32 = 0x1000_0000;
const ALL_NAMESPACES: u32 = 0x7e02_0000;

// asm-generic/ioctls.h.
const TIOCSTI: u32 = 0x5412;
const TIOCLINUX: u32 = 0x541c;

// From 424 on all processors have the same numbers.
const IO_URING_SETUP: u32 = 425;
const IO_URING_ENTER: u32 = 426;
const IO_URING_REGISTER: u32 = 427;
const CLONE3: u32 = 435;
const PIDFD_GETFD: u32 = 438;
/// `open_tree`, `move_mount`, `fsopen`, `fsconfig`, `fsmount`, `fspick`,
/// `mount_setattr`, `open_tree_attr`: bubblewrap does without them.
const NEW_MOUNTS: [u32; 8] = [428, 429, 430, 431, 432, 433, 442, 467];

/// The numbers of one kind of program.
#[derive(Clone, Copy)]
struct Table {
    /// `AUDIT_ARCH_*` in linux/audit.h.
    architecture: u32,
    /// Numbers from here on belong to another kind of program.
    foreign_from: Option<u32>,
    clone: u32,
    unshare: u32,
    ioctl: u32,
    /// `mount`, `umount2`, `pivot_root`.
    mounts: [u32; 3],
    /// In the order of [`Table::refused`]'s makers below.
    refused: [u32; 23],
}

/// What is refused, in this order: `ptrace`, `process_vm_readv`,
/// `process_vm_writev`, `kcmp`, `bpf`, `perf_event_open`, `userfaultfd`,
/// `init_module`, `finit_module`, `delete_module`, `kexec_load`,
/// `kexec_file_load`, `setns`, `open_by_handle_at`, `swapon`, `swapoff`,
/// `reboot`, `acct`, `add_key`, `request_key`, `keyctl`, `quotactl`,
/// `lookup_dcookie`.
#[cfg(target_arch = "x86_64")]
const NATIVE: Option<Table> = Some(Table {
    architecture: 0xc000_003e,
    foreign_from: Some(0x4000_0000),
    clone: 56,
    unshare: 272,
    ioctl: 16,
    mounts: [165, 166, 155],
    refused: [
        101, 310, 311, 312, 321, 298, 323, 175, 313, 176, 246, 320, 308, 304, 167, 168, 169, 163, 248, 249,
        250, 179, 212,
    ],
});
/// Programs for i386. It has no `kexec_file_load`: its place holds the old
/// `umount`.
#[cfg(target_arch = "x86_64")]
const COMPAT: Option<Table> = Some(Table {
    architecture: 0x4000_0003,
    foreign_from: None,
    clone: 120,
    unshare: 310,
    ioctl: 54,
    mounts: [21, 52, 217],
    refused: [
        26, 347, 348, 349, 357, 336, 374, 128, 350, 129, 283, 22, 346, 342, 87, 115, 88, 51, 286, 287, 288,
        131, 253,
    ],
});

#[cfg(target_arch = "aarch64")]
const NATIVE: Option<Table> = Some(Table {
    architecture: 0xc000_00b7,
    foreign_from: None,
    clone: 220,
    unshare: 97,
    ioctl: 29,
    mounts: [40, 39, 41],
    refused: [
        117, 270, 271, 272, 280, 241, 282, 105, 273, 106, 104, 294, 268, 265, 224, 225, 142, 89, 217, 218,
        219, 60, 18,
    ],
});
/// Programs for 32-bit ARM are not started: every call of theirs gets ENOSYS.
#[cfg(target_arch = "aarch64")]
const COMPAT: Option<Table> = None;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const NATIVE: Option<Table> = None;
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const COMPAT: Option<Table> = None;

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would answer: the part of BPF that the filters use.
    fn run(program: &[sock_filter], architecture: u32, number: u32, arguments: [u32; 2]) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let sock_filter { code, jt, jf, k } = program[at].clone();
            at += 1;
            let jump = |holds: bool| usize::from(if holds { jt } else { jf });
            match code {
                0x20 => {
                    value = match k {
                        NUMBER => number,
                        ARCHITECTURE => architecture,
                        FIRST_ARGUMENT => arguments[0],
                        SECOND_ARGUMENT => arguments[1],
                        _ => panic!("reads {k}"),
                    }
                }
                0x05 => at += k as usize,
                EQUAL => at += jump(value == k),
                AT_LEAST => at += jump(value >= k),
                ANY_BIT => at += jump(value & k != 0),
                0x06 => return k,
                _ => panic!("instruction {code:x}"),
            }
        }
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn each_kind_of_program_is_refused_by_its_own_numbers() {
        let (native, compat) = (0xc000_003e, 0x4000_0003);
        let (no, unknown) = (ERRNO | PERM, ERRNO | NOSYS);
        let program = Filter::Program.program().unwrap();
        assert!(program.len() < 4096);
        for (architecture, number, argument, expected) in [
            (native, 0, 0, ALLOW),
            (native, 101, 0, no),
            (compat, 101, 0, ALLOW),
            (compat, 26, 0, no),
            (native, 26, 0, ALLOW),
            (native, 165, 0, no),
            (compat, 22, 0, no),
            // x32: the same number with another bit.
            (native, 0x4000_0000 | 101, 0, unknown),
            (native, 435, 0, unknown),
            (compat, 435, 0, unknown),
            (0xc000_00b7, 0, 0, unknown),
            // fork, a thread, and namespaces.
            (native, 56, 17, ALLOW),
            (native, 56, 0x003d_0f00, ALLOW),
            (native, 56, 0x4000_0011, no),
            (compat, 120, 0x1000_0011, no),
            (native, 272, 0, no),
        ] {
            let found = run(&program, architecture, number, [argument, 0]);
            assert_eq!(found, expected, "{architecture:x} {number} {argument:x}");
        }
        assert_eq!(run(&program, native, 16, [0, TIOCSTI]), no);
        assert_eq!(run(&program, native, 16, [0, TIOCLINUX]), no);
        assert_eq!(run(&program, native, 16, [0, 0x5401]), ALLOW);
        let isolation = Filter::Isolation.program().unwrap();
        for (number, argument, expected) in [
            (165, 0, ALLOW),
            (101, 0, no),
            (272, USERS, no),
            (272, 0x2_0000, ALLOW),
            (56, USERS, no),
            (56, 0x4002_0011, ALLOW),
            (428, 0, no),
        ] {
            assert_eq!(run(&isolation, native, number, [argument, 0]), expected, "{number} {argument:x}");
        }
    }
}
