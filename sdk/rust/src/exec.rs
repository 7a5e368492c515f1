//! Runs programs of the host. Granted by `<exec/>`, one element for each program.

use crate::Error;

/// How a program ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// Its exit status, or minus the number of the signal that ended it.
    pub status: i32,
    /// What it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error.
    pub stderr: Vec<u8>,
    /// Whether it wrote more than is kept.
    pub truncated: bool,
}

/// Runs `program`, an absolute path, to its end. Each argument reaches it as
/// one, whatever it holds.
///
/// # Errors
///
/// `denied` by the grant, or when it could not be started.
pub fn run(program: &str, arguments: &[String], input: &[u8]) -> Result<Output, Error> {
    #[cfg(target_arch = "wasm32")]
    {
        let ended = crate::bindings::exec::run(program, arguments, input)?;
        let crate::bindings::exec::Output { status, stdout, stderr, truncated } = ended;
        Ok(Output { status, stdout, stderr, truncated })
    }
    #[cfg(not(target_arch = "wasm32"))]
    {
        let _ = input;
        let words = std::iter::once(program).chain(arguments.iter().map(String::as_str));
        let call = words.collect::<Vec<_>>().join(" ");
        crate::host::with(|host| host.answer("exec.run", &call))
    }
}
