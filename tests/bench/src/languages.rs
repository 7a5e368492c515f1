//! What a response costs in each language: the same response, `block`, as the
//! SDKs' examples have it, built with their real tools.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use riposte_author::{Language, Manifest};
use riposte_capability::claim::Memory;
use riposte_capability::{Backends, Capabilities, Guard};
use riposte_policy::grant::Grants;
use riposte_policy::limit::Limits;
use riposte_runtime::{Components, Plugin, Settings};

use crate::components::{Nothing, invocation};
use crate::{median, shown, sshd};

/// Where the table stands in the page on SDKs.
const BEGIN: &str = "<!-- costs: written by `make bench` -->";
const END: &str = "<!-- end of costs -->";
/// So many rounds, in which the languages take turns: what else the machine does
/// for a while then falls on all of them.
const ROUNDS: usize = 20;
/// So often each response is called in a round, before and while it is measured.
const WARM: u32 = 10;
const CALLS: u32 = 100;

/// One response.
struct Row {
    language: &'static str,
    size: usize,
    compile: Duration,
    load: Duration,
    plugin: Arc<Plugin>,
    /// The median of each round.
    rounds: Vec<Duration>,
    aim: Option<Duration>,
}

impl Row {
    /// The round in which nothing else disturbed it.
    fn quietest(&self) -> Duration {
        self.rounds.iter().min().copied().unwrap_or_default()
    }

    /// What half of the rounds took longer than.
    fn usual(&self) -> Duration {
        let mut rounds = self.rounds.clone();
        rounds.sort();
        rounds.get(rounds.len() / 2).copied().unwrap_or_default()
    }
}

/// Measures the built responses in these folders, prints a table, and writes it
/// into the page, when there is one.
pub(crate) fn measure(folders: &[PathBuf], page: Option<&Path>) {
    println!("\n5. The same response in each language whose tools are here (sdk/*/examples/block)");
    let mut rows: Vec<_> = folders.iter().filter_map(|folder| row(folder)).collect();
    for _ in 0..ROUNDS {
        for row in &mut rows {
            row.rounds.push(round(&row.plugin));
        }
    }
    rows.sort_by_key(Row::quietest);
    let table = table(&rows);
    for line in table.lines() {
        println!("   {line}");
    }
    for row in &rows {
        let Some(aim) = row.aim else { continue };
        let verdict = if row.quietest() <= aim { "met" } else { "MISSED" };
        println!("   {:<12} {:>10} (aim {}: {verdict})", row.language, shown(row.quietest()), shown(aim));
    }
    if let Some(page) = page {
        write(page, &table);
    }
}

fn row(folder: &Path) -> Option<Row> {
    let manifest = match Manifest::read(folder) {
        Ok(manifest) => manifest,
        Err(error) => {
            println!("   left out: {error}");
            return None;
        }
    };
    let Ok(wasm) = std::fs::read(folder.join(&manifest.artifact)) else {
        println!("   left out: {} was not built", folder.display());
        return None;
    };
    let (language, aim) = match manifest.language {
        Language::Rust => ("Rust", Some(35)),
        Language::C => ("C", Some(35)),
        Language::Cpp => ("C++", Some(35)),
        Language::JavaScript => ("JavaScript", Some(250)),
        Language::TypeScript => ("TypeScript", Some(250)),
        Language::Python => ("Python", Some(1_500)),
        Language::Zig => ("Zig", None),
        Language::Go => ("Go", None),
    };
    // Large ones take seconds.
    let times = if wasm.len() > 1 << 20 { 1 } else { 5 };
    let compile = median(times, || {
        load(&components(None), &wasm);
    });
    let cache = tempfile::tempdir().unwrap();
    let code = cache.path().join("code");
    load(&components(Some(&code)), &wasm);
    let fresh = components(Some(&code));
    let begun = Instant::now();
    let plugin = load(&fresh, &wasm);
    let load = begun.elapsed();
    let aim = aim.map(Duration::from_micros);
    Some(Row { language, size: wasm.len(), compile, load, plugin, rounds: Vec::new(), aim })
}

fn components(cache: Option<&Path>) -> Components {
    let claims = Arc::new(Memory::default());
    let backends = Backends::only_firewall(Arc::new(Nothing));
    let capabilities = Arc::new(Capabilities::new(claims, backends, Arc::new(Guard::new())));
    let settings = Settings { cache: cache.map(Path::to_owned), ..Settings::default() };
    Components::new(&settings, capabilities).unwrap()
}

fn load(components: &Components, wasm: &[u8]) -> Arc<Plugin> {
    let grants = Arc::new(Grants::from_xml("<capabilities><firewall/></capabilities>").unwrap());
    components.load("block", wasm, &grants, &Limits::default(), true).unwrap()
}

/// A fresh instance, `add`, and its end: the median of a round.
fn round(plugin: &Plugin) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let invocation = invocation(&sshd(1, "203.0.113.77"));
    let mut took = Vec::new();
    for n in 0..WARM + CALLS {
        let begun = Instant::now();
        let outcome = runtime.block_on(plugin.add(&invocation));
        if n >= WARM {
            took.push(begun.elapsed());
        }
        assert!(outcome.result.is_ok(), "{outcome:?}");
    }
    took.sort();
    took[took.len() / 2]
}

fn table(rows: &[Row]) -> String {
    let mut table = String::from(
        "| Language | Component | Compiled at install | Loaded at start | Fresh instance and `add` | Half of the rounds | Aim |\n|---|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let Row { language, size, compile, load, aim, .. } = row;
        let aim = aim.map_or_else(|| "-".to_owned(), shown);
        let _ = writeln!(
            table,
            "| {language} | {} KiB | {} | {} | {} | {} | {aim} |",
            size.div_ceil(1024),
            shown(*compile),
            shown(*load),
            shown(row.quietest()),
            shown(row.usual())
        );
    }
    let cores = std::thread::available_parallelism().unwrap();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default();
    let _ = write!(
        table,
        "\n{ROUNDS} rounds of {CALLS} calls on one thread of a machine with {cores} cores ({}), {}, load {load}. \
         A round counts with its median: in the fifth column the quietest, as on a machine with nothing else to do; in \
         the sixth the one that half of the rounds were slower than.",
        processor(),
        crate::kernel()
    );
    table
}

/// What it calls itself.
fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    model.map_or_else(|| "unknown".to_owned(), |(_, model)| model.trim().to_owned())
}

/// Puts the table between its marks.
fn write(page: &Path, table: &str) {
    let text = std::fs::read_to_string(page).unwrap_or_default();
    let parts = text.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let Some((before, after)) = parts else {
        println!("   {} has no place for the table: it needs {BEGIN} and {END}", page.display());
        return;
    };
    std::fs::write(page, format!("{before}{BEGIN}\n{table}\n{END}{after}")).unwrap();
    println!("   written into {}", page.display());
}
