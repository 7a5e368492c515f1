//! Linux capabilities of a thread, which what it starts inherits.

use riposte_policy::grant::NewPrivileges;
use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities,
};

use super::Unconfinable;

/// The capabilities of Linux in the order of their numbers, as
/// `linux/capability.h` has them, in lower case and without `cap_`.
const NUMBERED: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

/// Takes everything from this thread but `kept`, for good. A program of root
/// finds exactly these; without the bounding set `execve` would give it all.
pub(super) fn keep(kept: &[String], new: NewPrivileges) -> Result<(), Unconfinable> {
    let kept = set_of(kept)?;
    let failed = |error: Errno| Unconfinable::Privileges { why: error.to_string() };
    for number in 0..64 {
        let one = CapabilitySet::from_bits_retain(1 << number);
        if kept.contains(one) {
            continue;
        }
        match capability_is_in_bounding_set(one) {
            Ok(true) => {}
            Ok(false) => continue,
            // Beyond the last one that this kernel knows.
            Err(_) => break,
        }
        match remove_capability_from_bounding_set(one) {
            Ok(()) => {}
            // An engine without privileges has none to pass on, and
            // `no_new_privs` sees to it that a file gives none either.
            Err(Errno::PERM) if new == NewPrivileges::Refused => {}
            Err(error) => return Err(failed(error)),
        }
    }
    // Kernels before 4.3 have no ambient set.
    let _ = clear_ambient_capability_set();
    let CapabilitySets { effective, permitted, .. } = capabilities(None).map_err(failed)?;
    let sets = CapabilitySets {
        effective: effective & kept,
        permitted: permitted & kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets).map_err(failed)
}

fn set_of(names: &[String]) -> Result<CapabilitySet, Unconfinable> {
    let mut set = CapabilitySet::empty();
    for name in names {
        if name == "all" {
            return Ok(CapabilitySet::all());
        }
        let Some(number) = NUMBERED.iter().position(|known| known == name) else {
            return Err(Unconfinable::Privileges { why: format!("Linux has no capability {name:?}") });
        };
        set |= CapabilitySet::from_bits_retain(1 << number);
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_configuration_is_known() {
        for name in riposte_policy::grant::language::KEPT {
            assert!(set_of(&[(*name).to_owned()]).is_ok(), "{name}");
        }
    }

    #[test]
    fn names_stand_in_the_order_of_their_numbers() {
        for (name, set) in [
            ("chown", CapabilitySet::CHOWN),
            ("net_admin", CapabilitySet::NET_ADMIN),
            ("sys_admin", CapabilitySet::SYS_ADMIN),
            ("syslog", CapabilitySet::SYSLOG),
            ("bpf", CapabilitySet::BPF),
            ("checkpoint_restore", CapabilitySet::CHECKPOINT_RESTORE),
        ] {
            assert_eq!(set_of(&[name.to_owned()]), Ok(set), "{name}");
        }
        assert!(set_of(&["admin".to_owned()]).is_err());
    }
}
