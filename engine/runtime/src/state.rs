//! What one call owns. It is dropped with the call: nothing is passed on.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use riposte_capability::{Capabilities, Session};
use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
#[cfg(target_os = "linux")]
use wasmtime_wasi::FsPerms;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtxView, WasiHttpView};
#[cfg(target_os = "linux")]
use {crate::outcome::Failure, riposte_policy::grant::Access};

use crate::host::Outgoing;
use crate::invocation::Invocation;
use crate::outcome::{Line, one_line};

/// Most handles (streams, pollables, ...) that a component may hold at a time.
const HANDLES: usize = 1_000;
/// Most bytes that a component may have logged in one call.
pub(crate) const LOG: usize = 8 << 10;
/// What a line counts besides its text: the time, the name and the end, with which
/// it is written to logs. Empty lines are not free.
const LINE: usize = 48;
/// Longest single answer of the host's random generator, in bytes.
const RANDOM: u64 = 64 << 10;

/// The data of the store.
pub(crate) struct State {
    pub(crate) invocation: Invocation,
    pub(crate) session: Session,
    pub(crate) capabilities: Arc<Capabilities>,
    pub(crate) memory: Memory,
    pub(crate) log: Log,
    /// The member of the alert that was looked into last, and where it stands.
    pub(crate) member: Option<(String, Option<Range<usize>>)>,
    table: ResourceTable,
    /// Made when a component first uses WASI, which most never do, or gets
    /// folders through it.
    wasi: Option<Box<WasiCtx>>,
    /// Made when a component first uses HTTP.
    http: Option<Box<Outgoing>>,
}

impl State {
    pub(crate) fn new(
        invocation: Invocation,
        session: Session,
        capabilities: Arc<Capabilities>,
        memory: u64,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        let log = Log::new(Arc::clone(&invocation.command));
        let memory = Memory::new(memory);
        Self { invocation, session, capabilities, memory, log, member: None, table, wasi: None, http: None }
    }

    /// Gives the component these folders.
    ///
    /// # Errors
    ///
    /// When the system gives no further descriptor for one of them.
    #[cfg(target_os = "linux")]
    pub(crate) fn give(&mut self, folders: &[riposte_capability::folders::Folder]) -> Result<(), Failure> {
        use std::os::fd::AsRawFd;

        if folders.is_empty() {
            return Ok(());
        }
        let mut wasi = inert(&self.log);
        for folder in folders {
            // By descriptor: what its path leads to now does not matter.
            let opened = format!("/proc/self/fd/{}", folder.folder.as_raw_fd());
            let access = match folder.access {
                Access::Read => FsPerms::ReadOnly,
                Access::Write => FsPerms::ReadWrite,
            };
            wasi.preopened_dir(opened, &folder.path, access).map_err(|error| {
                Failure::Host(format!("the folder {} could not be given to it: {error}", folder.path))
            })?;
        }
        self.wasi = Some(Box::new(wasi.build()));
        Ok(())
    }
}

/// WASI, linked but inert: no folders, no environment, no arguments, no input,
/// no sockets. What is written to standard output and error goes to the log.
fn inert(log: &Log) -> WasiCtxBuilder {
    let mut inert = WasiCtx::builder();
    inert.stdout(log.clone()).stderr(log.clone());
    inert.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false).max_random_size(RANDOM);
    inert
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let log = &self.log;
        let wasi = self.wasi.get_or_insert_with(|| Box::new(inert(log).build()));
        WasiCtxView { ctx: wasi, table: &mut self.table }
    }
}

/// HTTP by grant: every request is decided and sent by the capability.
impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let (session, capabilities) = (&self.session, &self.capabilities);
        let http =
            self.http.get_or_insert_with(|| Box::new(Outgoing::new(capabilities.http(session.clone()))));
        http.view(&mut self.table)
    }
}

/// Counts the memory of all instances of one call.
#[derive(Debug)]
pub(crate) struct Memory {
    limit: u64,
    used: u64,
    exceeded: bool,
}

impl Memory {
    /// Most core instances, memories and tables of one component. A component
    /// of a language with a runtime of its own is put together from 20 modules
    /// and more; the pool is cut to these numbers.
    pub(crate) const INSTANCES: u32 = 64;
    pub(crate) const MEMORIES: u32 = 2;
    pub(crate) const TABLES: u32 = 16;
    /// Most elements of one table.
    pub(crate) const ELEMENTS: usize = 20_000;

    fn new(limit: u64) -> Self {
        Self { limit, used: 0, exceeded: false }
    }

    /// Whether the component was stopped for asking for more than its limit.
    pub(crate) fn exceeded(&self) -> bool {
        self.exceeded
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    pub(crate) fn used(&self) -> u64 {
        self.used
    }

    fn stop(&mut self) -> wasmtime::Error {
        self.exceeded = true;
        wasmtime::Error::msg("memory limit")
    }
}

/// Asking for too much stops the component at once: an allocation that fails
/// inside would come out as a crash, and hide what was wrong.
impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, now: usize, wanted: usize, _most: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add((wanted as u64).saturating_sub(now as u64));
        if used > self.limit {
            return Err(self.stop());
        }
        self.used = used;
        Ok(true)
    }

    fn table_growing(&mut self, _now: usize, wanted: usize, _most: Option<usize>) -> wasmtime::Result<bool> {
        if wanted > Self::ELEMENTS { Err(self.stop()) } else { Ok(true) }
    }

    fn instances(&self) -> usize {
        Self::INSTANCES as usize
    }

    fn memories(&self) -> usize {
        Self::MEMORIES as usize
    }

    fn tables(&self) -> usize {
        Self::TABLES as usize
    }
}

/// What a component says in one call. Clones share it.
#[derive(Clone)]
pub(crate) struct Log {
    command: Arc<str>,
    said: Arc<Mutex<Said>>,
}

#[derive(Default)]
struct Said {
    lines: Vec<Line>,
    bytes: usize,
    cut: bool,
    /// The beginning of a line on standard output or error.
    unfinished: Vec<u8>,
    /// What may not be shown, and what is shown in its place.
    secrets: Vec<(String, String)>,
}

/// Shortest text that is taken for a secret when it is met in a line, in
/// bytes: shorter ones are met by chance.
const TELLING: usize = 4;

impl Said {
    fn concealed(&self, text: &str) -> String {
        let mut shown = text.to_owned();
        for (value, instead) in &self.secrets {
            if shown.contains(value.as_str()) {
                shown = shown.replace(value.as_str(), instead);
            }
        }
        shown
    }
}

impl Log {
    fn new(command: Arc<str>) -> Self {
        Self { command, said: Arc::default() }
    }

    /// From now on, this value of the secret `name` is shown in no line. What
    /// the plugin makes of it (its base64, its half) is not known here.
    pub(crate) fn conceal(&self, name: &str, value: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let instead = format!("[secret {name}]");
        // A value of several lines is logged as several, or in one.
        for part in std::iter::once(value).chain(value.lines()) {
            if part.len() >= TELLING && !said.secrets.iter().any(|(known, _)| known == part) {
                said.secrets.push((part.to_owned(), instead.clone()));
            }
        }
        // The whole before its parts.
        said.secrets.sort_by_key(|(value, _)| std::cmp::Reverse(value.len()));
    }

    /// A text of the plugin's, without the secrets that it was given.
    pub(crate) fn concealed(&self, text: &str) -> String {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).concealed(text)
    }

    /// Keeps one line, and shows it to the operator.
    pub(crate) fn line(&self, level: tracing::Level, text: &str) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        self.keep(&mut said, level, text);
    }

    /// Everything said, also what was not ended by a newline.
    pub(crate) fn into_lines(self) -> Vec<Line> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = std::mem::take(&mut said.unfinished);
        if !rest.is_empty() {
            self.keep(&mut said, tracing::Level::INFO, &String::from_utf8_lossy(&rest));
        }
        std::mem::take(&mut said.lines)
    }

    fn keep(&self, said: &mut Said, level: tracing::Level, text: &str) {
        let command = &*self.command;
        if said.cut {
            return;
        }
        said.bytes = said.bytes.saturating_add(text.len()).saturating_add(LINE);
        if said.bytes > LOG {
            said.cut = true;
            let text = format!("(the rest is dropped: a call may log {LOG} bytes)");
            said.lines.push(Line { level: tracing::Level::WARN, text });
            tracing::warn!(command, "the plugin logs more than {LOG} bytes in one call; the rest is dropped");
            return;
        }
        let text = one_line(&said.concealed(text));
        match level {
            tracing::Level::ERROR => tracing::error!(command, "plugin: {text}"),
            tracing::Level::WARN => tracing::warn!(command, "plugin: {text}"),
            tracing::Level::INFO => tracing::info!(command, "plugin: {text}"),
            tracing::Level::DEBUG => tracing::debug!(command, "plugin: {text}"),
            tracing::Level::TRACE => tracing::trace!(command, "plugin: {text}"),
        }
        said.lines.push(Line { level, text });
    }

    fn written(&self, bytes: &[u8]) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            // What does not fit the log is not kept for its newline either.
            let room = (LOG + 1).saturating_sub(said.unfinished.len());
            let ended = part.strip_suffix(b"\n");
            let text = ended.unwrap_or(part);
            said.unfinished.extend_from_slice(text.get(..room).unwrap_or(text));
            if ended.is_some() {
                let line = std::mem::take(&mut said.unfinished);
                self.keep(&mut said, tracing::Level::INFO, &String::from_utf8_lossy(&line));
            }
        }
    }
}

impl wasmtime_wasi::cli::IsTerminal for Log {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl wasmtime_wasi::cli::StdoutStream for Log {
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for this one, and it is not linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Log {
    fn write(&mut self, bytes: bytes::Bytes) -> StreamResult<()> {
        self.written(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LOG)
    }
}

#[async_trait::async_trait]
impl Pollable for Log {
    async fn ready(&mut self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(log: Log) -> Vec<String> {
        log.into_lines().into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn written_text_becomes_lines() {
        let log = Log::new("test".into());
        log.written(b"one\ntw");
        log.written(b"o\n\nthree");
        assert_eq!(texts(log), ["one", "two", "", "three"]);
    }

    #[test]
    fn a_line_without_end_is_bounded() {
        let log = Log::new("test".into());
        for _ in 0..100 {
            log.written(&[b'x'; 1_000]);
        }
        assert!(log.said.lock().unwrap().unfinished.len() <= LOG + 1);
        log.written(b"\nsmall\n");
        let lines = texts(log);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with("(the rest is dropped"));
    }

    #[test]
    fn a_secret_is_in_no_line() {
        let log = Log::new("test".into());
        log.conceal("hook", "hunter2\nsecond line");
        log.conceal("short", "abc");
        log.line(tracing::Level::INFO, "POST hunter2\nsecond line to abc");
        log.written(b"hunter2\nsecond line\nhunter");
        assert_eq!(log.concealed("no hunter2"), "no [secret hook]");
        let lines = texts(log);
        assert_eq!(lines, ["POST [secret hook] to abc", "[secret hook]", "[secret hook]", "hunter"]);
    }

    #[test]
    fn memory_is_counted_over_all_memories() {
        let mut memory = Memory::new(100);
        assert!(memory.memory_growing(0, 60, None).unwrap());
        assert!(memory.memory_growing(0, 40, None).unwrap());
        assert!(!memory.exceeded());
        assert!(memory.memory_growing(60, 61, None).is_err());
        assert!(memory.exceeded());
    }
}
