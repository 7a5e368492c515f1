//! Starts the author's own build tools: the only module here that starts
//! programs. They run as the author, in the author's project, with the author's
//! environment, as from a shell; nothing of this happens in the engine.
#![expect(
    clippy::disallowed_methods,
    reason = "the author's tools, on the author's machine, by the author's command"
)]

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;

use crate::language::how_to_get;
use crate::{Error, Language};

/// The tool that makes components of Python, itself written in Rust.
const COMPONENTIZE_PY: &str = "componentize-py";

/// Where the tools of one project are looked for.
pub(crate) struct Tools {
    project: PathBuf,
    path: OsString,
}

impl Tools {
    /// The project's own tools first, then those of `PATH`.
    pub(crate) fn of(project: &Path) -> Result<Self, Error> {
        let project = project.canonicalize().map_err(|error| Error::File {
            path: project.to_owned(),
            why: format!("cannot find it: {error}"),
        })?;
        let mut places = vec![project.join(".venv/bin"), project.join("node_modules/.bin")];
        if let Some(path) = std::env::var_os("PATH") {
            places.extend(std::env::split_paths(&path));
        }
        Ok(Self { project, path: std::env::join_paths(&places).unwrap_or_default() })
    }

    /// Where a program is.
    pub(crate) fn find(&self, program: &str) -> Option<PathBuf> {
        if program.contains('/') {
            return Some(self.project.join(program)).filter(|path| path.is_file());
        }
        // A step of ours (`riposte plugin wrap`) is this very program, wherever it lies.
        let this =
            std::env::current_exe().ok().filter(|this| this.file_name().is_some_and(|name| name == program));
        if program == "riposte" && this.is_some() {
            return this;
        }
        std::env::split_paths(&self.path).map(|place| place.join(program)).find(|path| path.is_file())
    }

    /// As [`Self::find`]; a program that is not there is an error that says how
    /// to get it.
    pub(crate) fn require(&self, program: &str) -> Result<PathBuf, Error> {
        self.find(program).ok_or_else(|| Error::NoTool {
            program: program.to_owned(),
            install: how_to_get(program).to_owned(),
        })
    }

    /// Checks what a language needs beside the programs of its steps.
    pub(crate) fn check(&self, language: Language) -> Result<(), Error> {
        let scripted = matches!(language, Language::JavaScript | Language::TypeScript);
        // The build of the SDK fetches what package.json names. Without one, as in
        // the examples of the SDK, its tools have to be there.
        if scripted && !self.project.join("package.json").is_file() {
            self.require("esbuild")?;
            self.require("componentize-qjs")?;
        }
        let target = "wasm32-unknown-unknown";
        // Without rustc the step itself will say what is missing.
        if language != Language::Rust || self.find("rustc").is_none() {
            return Ok(());
        }
        let library = self.asked("rustc", &["--print", "target-libdir", "--target", target]);
        match library {
            Some(library) if Path::new(&library).is_dir() => Ok(()),
            _ => Err(Error::NoTool {
                program: format!("the Rust target {target}"),
                install: format!("run `rustup target add {target}`"),
            }),
        }
    }

    /// Runs one step, and hands on every line that it prints.
    pub(crate) fn run(&self, step: &[String], line: &mut dyn FnMut(&str)) -> Result<(), Error> {
        let [program, arguments @ ..] = step else { return Ok(()) };
        let found = self.require(program)?;
        let words = step.join(" ");
        let mut child = self
            .command(&found)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| Error::Step { step: words.clone(), ended: format!("did not start: {error}") })?;
        let (sender, lines) = mpsc::channel();
        let readers = [
            child.stdout.take().map(|out| read_lines(out, sender.clone())),
            child.stderr.take().map(|out| read_lines(out, sender.clone())),
        ];
        drop(sender);
        lines.iter().for_each(|printed| line(&printed));
        readers.into_iter().flatten().for_each(|reader| drop(reader.join()));
        match child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(Error::Step { step: words, ended: format!("ended with {status}") }),
            Err(error) => Err(Error::Step { step: words, ended: format!("was lost: {error}") }),
        }
    }

    /// What a program answers on its standard output.
    fn asked(&self, program: &str, arguments: &[&str]) -> Option<String> {
        let output = self.command(&self.find(program)?).args(arguments).stdin(Stdio::null()).output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        output.status.success().then(|| text.trim().to_owned())
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.project).env("PATH", &self.path);
        // The manifest names the artifact from the project's folder, wherever
        // the author's environment would have it.
        command.env("CARGO_TARGET_DIR", "target");
        // Its own frames would bury what it says of the author's source.
        if program.file_name().is_some_and(|name| name == COMPONENTIZE_PY) {
            command.env_remove("RUST_BACKTRACE").env_remove("RUST_LIB_BACKTRACE");
        }
        command
    }
}

/// Sends the lines of a pipe; what is not UTF-8 in them is replaced.
fn read_lines(pipe: impl Read + Send + 'static, sender: mpsc::Sender<String>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut bytes = Vec::new();
        while matches!(pipe.read_until(b'\n', &mut bytes), Ok(1..)) {
            let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            bytes.clear();
            if sender.send(line).is_err() {
                return;
            }
        }
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    fn run(step: &[&str]) -> (Result<(), Error>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        let tools = Tools::of(folder.path()).unwrap();
        let mut lines = Vec::new();
        let step: Vec<_> = step.iter().map(|word| (*word).to_owned()).collect();
        let result = tools.run(&step, &mut |line| lines.push(line.to_owned()));
        (result, lines)
    }

    #[test]
    fn what_a_step_prints_is_handed_on() {
        assert_eq!(run(&["echo", "a;b", "$HOME"]), (Ok(()), vec!["a;b $HOME".to_owned()]));
    }

    #[test]
    fn a_step_that_fails_says_how() {
        let (result, _) = run(&["sh", "-c", "exit 3"]);
        assert!(result.unwrap_err().to_string().contains("ended with exit status: 3"));
        let (result, _) = run(&["componentize-py", "x"]);
        // It may be installed where the tests run.
        if let Err(error) = result {
            assert!(error.to_string().contains("componentize-py"), "{error}");
        }
        let (result, _) = run(&["no-such-program-here"]);
        assert!(matches!(result, Err(Error::NoTool { .. })));
    }

    #[test]
    fn the_tool_of_python_shows_no_frames_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let tools = Tools::of(folder.path()).unwrap();
        let hides = |program: &str| {
            let command = tools.command(Path::new(program));
            command.get_envs().any(|(name, value)| name == "RUST_BACKTRACE" && value.is_none())
        };
        assert!(hides(".venv/bin/componentize-py"));
        assert!(!hides("cargo"));
    }

    #[test]
    fn the_projects_own_tools_come_first() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("node_modules/.bin/echo");
        crate::folder::write(&own, b"").unwrap();
        let tools = Tools::of(folder.path()).unwrap();
        assert_eq!(tools.find("echo"), Some(own.canonicalize().unwrap()));
    }
}
