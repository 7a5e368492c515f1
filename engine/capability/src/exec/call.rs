//! The calls of the WIT interface `exec`.

use std::ffi::OsStr;

use riposte_policy::config::Mode;
use riposte_policy::grant::ExecGrant;

use super::{Backend, INTERFACE, Output, Run};
use crate::claim::Effect;
use crate::refusal::Refusal;
use crate::session::{Session, WouldBe};

/// Most bytes of input.
const INPUT: usize = 1 << 20;
/// Most bytes of one argument; the kernel takes 128 KiB.
const ARGUMENT: usize = 64 << 10;
/// Most arguments.
const ARGUMENTS: usize = 256;
/// As much of a call as is shown, in characters.
const SHOWN: usize = 500;

/// The calls of the WIT interface `exec`.
#[derive(Clone, Copy)]
pub struct Exec<'a> {
    backend: &'a dyn Backend,
}

impl<'a> Exec<'a> {
    pub(crate) fn new(backend: &'a dyn Backend) -> Self {
        Self { backend }
    }

    /// Runs `program` to its end with `input` on its stdin. In shadow it has
    /// ended well and said nothing.
    ///
    /// # Errors
    ///
    /// `denied` by phase or grant, `invalid-input` for arguments that no
    /// program can be given; else what the backend says. How the program itself
    /// ended is no error.
    pub async fn run(
        &self,
        session: &Session,
        program: &str,
        arguments: Vec<String>,
        input: Vec<u8>,
    ) -> Result<Output, Refusal> {
        session.effects_allowed("exec.run")?;
        if arguments.len() > ARGUMENTS {
            return Err(Refusal::invalid_input(format!("more than {ARGUMENTS} arguments")));
        }
        for argument in arguments.iter().map(String::as_str).chain([program]) {
            if argument.contains('\0') {
                return Err(Refusal::invalid_input(
                    "an argument holds a NUL, at which programs stop reading",
                ));
            }
            if argument.len() > ARGUMENT {
                return Err(Refusal::invalid_input(format!("an argument is longer than {ARGUMENT} bytes")));
            }
        }
        if input.len() > INPUT {
            return Err(Refusal::invalid_input(format!("the input is longer than {INPUT} bytes")));
        }
        let grant = granted(&session.grants.exec, program, &arguments)?;
        if session.mode == Mode::Shadow {
            let target = shown(program, &arguments);
            session.record.note(WouldBe::Done(Effect { interface: INTERFACE, target }));
            return Ok(Output::default());
        }
        let (program, confinement) = (grant.program.clone(), grant.confinement.clone());
        self.backend.run(Run { program, arguments, input, confinement }).await
    }
}

/// The first grant that allows the call. A program is the one of its very path:
/// another spelling of it is another program.
fn granted<'g>(
    grants: &'g [ExecGrant],
    program: &str,
    arguments: &[String],
) -> Result<&'g ExecGrant, Refusal> {
    let mut named = grants.iter().filter(|grant| grant.program.as_os_str() == OsStr::new(program)).peekable();
    if named.peek().is_none() {
        let help = format!("<exec program=\"{0}\"/> in <capabilities> would", program.escape_debug());
        return Err(Refusal::denied(format!("no grant names the program {program:?}: {help}")));
    }
    named.find(|grant| grant.arguments.allow(arguments)).ok_or_else(|| {
        Refusal::denied(format!(
            "no <exec program=\"{}\" arguments=\"\"/> grant has the shape of these arguments: {} (`*` and `**` take \
             none that begins with `-`)",
            program.escape_debug(),
            shown("", arguments).trim_start()
        ))
    })
}

/// A call for people, on one line and of limited length.
fn shown(program: &str, arguments: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@%:,=".contains(c);
    let words = arguments.iter().map(|argument| {
        if !argument.is_empty() && argument.chars().all(plain) {
            argument.clone()
        } else {
            format!("{argument:?}")
        }
    });
    let text = [program.escape_debug().to_string()].into_iter().chain(words).collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use riposte_policy::grant::{Arguments, Confinement, Grants};

    use super::super::fake::Fake;
    use super::*;
    use crate::session::{Phase, Recorder};

    fn grant(program: &str, arguments: &str) -> ExecGrant {
        ExecGrant {
            program: program.into(),
            arguments: Arguments::new(arguments.split_ascii_whitespace()),
            confinement: Confinement::Default,
        }
    }

    fn session(exec: Vec<ExecGrant>) -> Session {
        Session {
            offence: 1,
            command: "scan".into(),
            tenant: "default".into(),
            entry: None,
            phase: Phase::Effects,
            mode: Mode::Enforce,
            grants: Arc::new(Grants { exec, ..Grants::default() }),
            record: Recorder::default(),
        }
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[tokio::test]
    async fn only_what_a_grant_names_runs() {
        let host = Fake::default();
        let isolated = Confinement::Isolated { write: Vec::new() };
        let second = ExecGrant { confinement: isolated.clone(), ..grant("/usr/bin/yara", "-r *") };
        let session = session(vec![grant("/usr/bin/yara", "-w -- * *"), second]);
        let exec = Exec::new(&host);
        for (program, arguments) in [
            ("/usr/bin/yara", &["-w", "--", "rules", "-x"][..]),
            ("/usr/bin/yara", &["-w", "--", "rules"]),
            ("/usr/bin/yara", &["-w", "--", "rules", "a", "b"]),
            ("/usr/bin/yara", &[]),
            ("/usr/bin/../bin/yara", &["-r", "a"]),
            ("/usr//bin/yara", &["-r", "a"]),
            ("yara", &["-r", "a"]),
            ("/bin/sh", &["-c", "true"]),
        ] {
            let refusal = exec.run(&session, program, words(arguments), Vec::new()).await.unwrap_err();
            assert_eq!(refusal.kind, "denied", "{program} {arguments:?}");
        }
        assert!(host.runs().is_empty());
        let evil = "/tmp/a b;$(reboot)\n'\"";
        exec.run(&session, "/usr/bin/yara", words(&["-w", "--", "rules", evil]), b"in".to_vec())
            .await
            .unwrap();
        exec.run(&session, "/usr/bin/yara", words(&["-r", "a"]), Vec::new()).await.unwrap();
        let [first, second] = host.runs().try_into().unwrap();
        assert_eq!(first.arguments, words(&["-w", "--", "rules", evil]));
        assert_eq!((first.input, first.confinement), (b"in".to_vec(), Confinement::Default));
        assert_eq!(second.confinement, isolated);
    }

    #[tokio::test]
    async fn what_no_program_can_be_given_is_refused() {
        let host = Fake::default();
        let session = session(vec![grant("/bin/true", "**")]);
        let exec = Exec::new(&host);
        let run = async |arguments, input| exec.run(&session, "/bin/true", arguments, input).await;
        for (arguments, input) in [
            (words(&["a\0b"]), 0),
            (vec!["x".repeat(ARGUMENT + 1)], 0),
            (vec![String::new(); ARGUMENTS + 1], 0),
            (Vec::new(), INPUT + 1),
        ] {
            assert_eq!(run(arguments, vec![0; input]).await.unwrap_err().kind, "invalid-input");
        }
        assert!(host.runs().is_empty());
        run(vec!["x".repeat(ARGUMENT); 2], vec![0; INPUT]).await.unwrap();
        run(vec![String::new(); ARGUMENTS], Vec::new()).await.unwrap();
        assert_eq!(host.runs().len(), 2);
    }

    #[tokio::test]
    async fn keys_and_shadow_run_nothing() {
        let host = Fake::default();
        let granted = session(vec![grant("/bin/true", "**")]);
        let exec = Exec::new(&host);
        let keys = Session { phase: Phase::Keys, ..granted.clone() };
        assert_eq!(exec.run(&keys, "/bin/true", Vec::new(), Vec::new()).await.unwrap_err().kind, "denied");
        let shadow = Session { mode: Mode::Shadow, ..granted };
        assert_eq!(exec.run(&shadow, "/bin/false", Vec::new(), Vec::new()).await.unwrap_err().kind, "denied");
        let output = exec.run(&shadow, "/bin/true", words(&["a b", "c"]), Vec::new()).await;
        assert_eq!(output, Ok(Output::default()));
        let target = "/bin/true \"a b\" c".to_owned();
        assert_eq!(shadow.record.recorded(), [WouldBe::Done(Effect { interface: INTERFACE, target })]);
        assert!(host.runs().is_empty());
    }

    #[test]
    fn a_call_is_shown_on_one_line() {
        assert_eq!(shown("/bin/true", &words(&["a", "", "b\nc", "d=e"])), "/bin/true a \"\" \"b\\nc\" d=e");
        assert_eq!(shown("", &["ä".repeat(SHOWN * 2)]).chars().count(), SHOWN + 3);
    }
}
