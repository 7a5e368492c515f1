//! `route` of the BSDs and macOS, and `route.exe` of Windows.
//!
//! What is started with which arguments is a pure function of the target; the
//! tests hold the vectors of Wazuh's `route-null`, or the corrected ones.
//! docs/platforms.md lists the corrections. None was run on the system itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use riposte_policy::address::Prefix;

use crate::firewall::vectors::{Change, Invocation};
use crate::held;
use crate::process::{By, Caps, Ended, Exit, Launch, Program};
use crate::refusal::Refusal;

/// How long the program may run.
const RUN: Duration = Duration::from_secs(30);

/// Routes by the program of this system.
///
/// # Errors
///
/// `unsupported` where there is none of a known kind; `unavailable` when it is
/// not there.
pub fn backend() -> Result<Arc<dyn held::Backend>, Refusal> {
    let routes = match std::env::consts::OS {
        "windows" => {
            Routes { program: r"C:\Windows\System32\route.exe".into(), vector: windows, show: Some(print) }
        }
        "freebsd" | "openbsd" | "netbsd" | "dragonfly" | "macos" => {
            Routes { program: "/sbin/route".into(), vector: bsd, show: None }
        }
        system => {
            return Err(Refusal::unsupported(format!(
                "no program is known that sets routes on this system ({system})"
            )));
        }
    };
    routes.program()?;
    Ok(Arc::new(routes))
}

/// Wazuh's `route-null` on FreeBSD: `route -q add x 127.0.0.1 -blackhole`,
/// with the family and the length where they are not the default.
fn bsd(change: Change, prefix: Prefix) -> Invocation {
    let action = match change {
        Change::Block => "add",
        Change::Unblock => "delete",
    };
    let four = prefix.network().ip().is_ipv4();
    let family: &[&str] = match (four, prefix.single()) {
        (true, Some(_)) => &[],
        (true, None) => &["-net"],
        (false, _) => &["-inet6"],
    };
    let via = if four { "127.0.0.1" } else { "::1" };
    let target = prefix.to_string();
    let words = ["-q", action].into_iter().chain(family.iter().copied());
    Invocation::new("route", words.chain([&*target, via, "-blackhole"]))
}

/// A route to the loopback interface, which delivers to no other address.
/// Wazuh's leads to the default gateway, where packets went before, and is
/// read from the words of an English `ipconfig`.
fn windows(change: Change, prefix: Prefix) -> Invocation {
    let (network, length) = (prefix.network(), prefix.length());
    if network.ip().is_ipv6() {
        let target = format!("{network}/{length}");
        return match change {
            Change::Block => {
                Invocation::new("route.exe", ["-p", "ADD", &target, "::", "METRIC", "1", "IF", "1"])
            }
            Change::Unblock => Invocation::new("route.exe", ["DELETE", &target]),
        };
    }
    let zeros = 32_u32.saturating_sub(u32::from(length));
    let mask = std::net::Ipv4Addr::from(u32::MAX.checked_shl(zeros).unwrap_or(0)).to_string();
    let target = network.to_string();
    match change {
        Change::Block => {
            let to = ["-p", "ADD", &target, "MASK", &mask, "0.0.0.0", "METRIC", "1", "IF", "1"];
            Invocation::new("route.exe", to)
        }
        Change::Unblock => Invocation::new("route.exe", ["DELETE", &target, "MASK", &mask]),
    }
}

/// What shows the route, when there is one. `route.exe` ends with 0 also when
/// it has failed, and says so in the language of the system.
fn print(prefix: Prefix) -> Invocation {
    Invocation::new("route.exe", ["PRINT", &prefix.network().to_string()])
}

/// Routes, set by a program.
struct Routes {
    program: PathBuf,
    vector: fn(Change, Prefix) -> Invocation,
    /// What shows the route, where success is not to be believed.
    show: Option<fn(Prefix) -> Invocation>,
}

impl Routes {
    fn program(&self) -> Result<Program, Refusal> {
        Program::at(&self.program).map_err(|unfit| Refusal::unavailable(unfit.to_string()).for_good())
    }

    /// Makes the change; what the program says tells "it was so" from the rest.
    async fn run(&self, change: Change, target: &str) -> Result<Ran, Refusal> {
        let prefix = target.parse().map_err(|e| Refusal::invalid_input(format!("{e}")))?;
        let done = self.start(&(self.vector)(change, prefix)).await?;
        let was_so = match change {
            Change::Block => done.says("File exists") || done.says("already exists"),
            Change::Unblock => done.says("not in table") || done.says("not found"),
        };
        if was_so {
            return Ok(Ran::WasSo);
        }
        if done.ended.exit != Exit::Code(0) {
            return Err(done.failed());
        }
        let Some(show) = self.show else { return Ok(Ran::Changed) };
        let shown = self.start(&show(prefix)).await?.says(&prefix.network().to_string());
        if shown == (change == Change::Block) { Ok(Ran::Changed) } else { Err(done.failed()) }
    }

    async fn start(&self, invocation: &Invocation) -> Result<Done, Refusal> {
        let program = self.program()?;
        let root = program.path().parent().unwrap_or(Path::new("/")).to_owned();
        let caps = Caps { run: RUN, ..Caps::default() };
        let launch = Launch { program: &program, arguments: &invocation.arguments, root: &root, caps };
        let ended = launch.run(Vec::new()).await.map_err(|error| Refusal::unavailable(error.to_string()))?;
        let done = Done { what: format!("{} {}", invocation.program, invocation.arguments.join(" ")), ended };
        if done.ended.by == By::Itself { Ok(done) } else { Err(done.failed()) }
    }
}

/// A program that has ended.
struct Done {
    what: String,
    ended: Ended,
}

impl Done {
    fn says(&self, words: &str) -> bool {
        [&self.ended.output, &self.ended.errors]
            .into_iter()
            .any(|kept| String::from_utf8_lossy(&kept.bytes).contains(words))
    }

    fn failed(&self) -> Refusal {
        Refusal::failed(format!("{}: {}", self.what, self.ended))
    }
}

/// What a run has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ran {
    Changed,
    WasSo,
}

#[async_trait]
impl held::Backend for Routes {
    /// Nothing is kept: a route of somebody else's to the same address makes
    /// the add a repeated one, and the restore would take it away. It is not
    /// looked for, since each of these systems shows its table differently.
    async fn prior(&self, _: &str) -> Result<String, Refusal> {
        Ok(String::new())
    }

    async fn make(&self, target: &str) -> Result<bool, Refusal> {
        Ok(self.run(Change::Block, target).await? == Ran::Changed)
    }

    async fn restore(&self, target: &str, _: &str) -> Result<(), Refusal> {
        self.run(Change::Unblock, target).await.map(drop)
    }

    async fn probe(&self) -> Result<(), Refusal> {
        self.program().map(drop)
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use crate::held::Backend as _;

    fn typed(vector: fn(Change, Prefix) -> Invocation, change: Change, prefix: &str) -> String {
        let invocation = vector(change, prefix.parse().unwrap());
        format!("{} {}", invocation.program, invocation.arguments.join(" "))
    }

    #[test]
    fn of_the_bsds_it_is_wazuhs() {
        for (prefix, add) in [
            ("192.0.2.7", "route -q add 192.0.2.7 127.0.0.1 -blackhole"),
            ("192.0.2.0/24", "route -q add -net 192.0.2.0/24 127.0.0.1 -blackhole"),
            ("2001:db8::7", "route -q add -inet6 2001:db8::7 ::1 -blackhole"),
            ("2001:db8::/48", "route -q add -inet6 2001:db8::/48 ::1 -blackhole"),
        ] {
            assert_eq!(typed(bsd, Change::Block, prefix), add);
            assert_eq!(typed(bsd, Change::Unblock, prefix), add.replace(" add ", " delete "));
        }
    }

    #[test]
    fn of_windows_it_leads_to_the_loopback_interface() {
        for (prefix, add, delete) in [
            (
                "192.0.2.7",
                "route.exe -p ADD 192.0.2.7 MASK 255.255.255.255 0.0.0.0 METRIC 1 IF 1",
                "route.exe DELETE 192.0.2.7 MASK 255.255.255.255",
            ),
            (
                "192.0.2.0/24",
                "route.exe -p ADD 192.0.2.0 MASK 255.255.255.0 0.0.0.0 METRIC 1 IF 1",
                "route.exe DELETE 192.0.2.0 MASK 255.255.255.0",
            ),
            (
                "2001:db8::7",
                "route.exe -p ADD 2001:db8::7/128 :: METRIC 1 IF 1",
                "route.exe DELETE 2001:db8::7/128",
            ),
        ] {
            assert_eq!(typed(windows, Change::Block, prefix), add);
            assert_eq!(typed(windows, Change::Unblock, prefix), delete);
        }
    }

    #[test]
    fn this_system_is_not_among_them() {
        assert_eq!(backend().err().unwrap().kind, "unsupported");
    }

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "the test writes the program that it starts")]
    async fn what_was_so_is_no_failure() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("route");
        let body = "#!/bin/sh\nfolder=$(dirname \"$0\")\ncase \"$2\" in\n\
                    add) [ ! -e $folder/on ] || { echo \"route: writing to routing socket: File exists\" >&2; exit 1; }\n\
                    : > $folder/on ;;\n\
                    delete) [ -e $folder/on ] || { echo \"delete host $3: not in table\" >&2; exit 1; }\n\
                    rm $folder/on ;;\nesac\n";
        std::fs::write(&program, body).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        let routes = Routes { program, vector: bsd, show: None };
        assert!(routes.make("192.0.2.7").await.unwrap());
        assert!(!routes.make("192.0.2.7").await.unwrap());
        routes.restore("192.0.2.7", "").await.unwrap();
        routes.restore("192.0.2.7", "").await.unwrap();
        assert!(routes.make("192.0.2.7").await.unwrap());
        // Success is not believed where what is shown says otherwise.
        let routes = Routes { show: Some(print), ..routes };
        routes.restore("192.0.2.7", "").await.unwrap();
        assert_eq!(routes.make("192.0.2.7").await.unwrap_err().kind, "failed");
        assert_eq!(routes.make("; reboot").await.unwrap_err().kind, "invalid-input");
    }
}
