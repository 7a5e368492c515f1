//! What another version of an installed component would change: what it
//! imports and needs, and which commands would be off with it.

use std::fmt::Write as _;
use std::sync::Arc;

use riposte_policy::config::Command;
use riposte_policy::diagnostic::shown;
use riposte_runtime::{Inspection, Kind};
use serde_json::{Value, json};

/// The difference of two versions.
pub(super) struct Changes {
    kinds: (Option<Kind>, Kind),
    imports: Difference,
    needs: Difference,
    commands: Vec<Affected>,
    /// Whether it could reach folders that the version before never asked for,
    /// and that a command grants.
    folders: bool,
}

/// What is there now and was not, and the other way round.
#[derive(Default)]
struct Difference {
    more: Vec<String>,
    less: Vec<String>,
}

impl Difference {
    fn of(before: &[String], after: &[String]) -> Self {
        let without = |these: &[String], those: &[String]| {
            these.iter().filter(|one| !those.contains(one)).cloned().collect()
        };
        Self { more: without(after, before), less: without(before, after) }
    }

    fn json(&self) -> Value {
        json!({"added": self.more, "removed": self.less})
    }
}

/// A command that would be off with the other version.
struct Affected {
    command: Arc<Command>,
    /// What to write, each a line.
    lines: Vec<String>,
}

impl Changes {
    /// From what is installed, as far as that can be looked at, to another
    /// version; `commands` run it.
    pub(super) fn new<'a>(
        before: Option<&Inspection>,
        after: &Inspection,
        commands: impl Iterator<Item = &'a Arc<Command>>,
    ) -> Self {
        let words = |of: Option<&Inspection>| -> (Vec<String>, Vec<String>) {
            let needs = of.map(|of| of.needs.iter().map(|&need| need.to_owned()).collect());
            (of.map(|of| of.imports.clone()).unwrap_or_default(), needs.unwrap_or_default())
        };
        let ((imports, needs), (more_imports, more_needs)) = (words(before), words(Some(after)));
        let commands: Vec<_> = commands.collect();
        let asks = after.folders() && !before.is_some_and(Inspection::folders);
        let granted = |command: &&Arc<Command>| {
            command.capabilities.as_ref().is_some_and(|grants| !grants.folders.is_empty())
        };
        Self {
            kinds: (before.map(|before| before.kind), after.kind),
            imports: Difference::of(&imports, &more_imports),
            needs: Difference::of(&needs, &more_needs),
            folders: asks && commands.iter().any(granted),
            commands: commands.into_iter().filter_map(|command| Affected::new(command, after)).collect(),
        }
    }

    /// Whether somebody has to say yes: it asks for more, is of another kind, or
    /// a command would be off.
    pub(super) fn grows(&self) -> bool {
        let another = self.kinds.0.is_some_and(|before| before != self.kinds.1);
        !self.needs.more.is_empty() || self.folders || another || !self.commands.is_empty()
    }

    pub(super) fn json(&self) -> Value {
        let commands = self.commands.iter().map(|affected| {
            json!({
                "command": &*affected.command.name,
                "file": &*affected.command.place.file,
                "line": affected.command.place.line,
                "write": affected.lines,
            })
        });
        json!({
            "grows": self.grows(),
            "kind": self.kinds.1.as_str(),
            "imports": self.imports.json(),
            "needs": self.needs.json(),
            "commands_off": commands.collect::<Vec<_>>(),
        })
    }

    /// For people, a line each.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        if let (Some(before), after) = self.kinds
            && before != after
        {
            let _ = writeln!(text, "  kind     {} becomes {}", before.as_str(), after.as_str());
        }
        // Names come from the component; elements are ours.
        let safe = |import: &str| shown(import).trim_matches('"').to_owned();
        let mut rows = |name: &str, difference: &Difference, shown: &dyn Fn(&str) -> String| {
            let more = difference.more.iter().map(|more| ('+', more));
            for (sign, one) in more.chain(difference.less.iter().map(|less| ('-', less))) {
                let _ = writeln!(text, "  {name:<8} {sign} {}", shown(one));
            }
        };
        rows("imports", &self.imports, &safe);
        rows("needs", &self.needs, &str::to_owned);
        if text.is_empty() {
            text.push_str("  imports and needs are the same\n");
        }
        for Affected { command, lines } in &self.commands {
            let name = shown(&command.name);
            let _ = writeln!(text, "  command  {name} ({}) would be off until you write:", command.place);
            for line in lines {
                let _ = writeln!(text, "             {line}");
            }
        }
        text
    }
}

impl Affected {
    /// `None`: the command runs this version as it stands.
    fn new(command: &Arc<Command>, after: &Inspection) -> Option<Self> {
        let grants = command.capabilities.clone().unwrap_or_default();
        let mut lines = Vec::new();
        if !grants.digests.is_empty() && !grants.digests.contains(&after.digest) {
            let digests: Vec<_> =
                grants.digests.iter().chain([&after.digest]).map(ToString::to_string).collect();
            lines.push(format!("<capabilities sha256=\"{}\">", digests.join(" ")));
        }
        lines.extend(after.missing(&grants).iter().map(ToString::to_string));
        if command.timeout_allowed == Some(true) && after.kind == Kind::Oneshot {
            lines.push("<timeout_allowed>no</timeout_allowed>, since it can no longer undo".to_owned());
        }
        (!lines.is_empty()).then(|| Self { command: Arc::clone(command), lines })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use riposte_policy::config::{Config, Source};
    use riposte_policy::grant::Digest;

    const FIREWALL: &str = "active-response:plugin/firewall@0.1.0";

    fn shows(kind: &str, imports: &[&str], digest: u8) -> Inspection {
        let exports = vec![format!("active-response:plugin/{kind}@0.1.0")];
        let imports = imports.iter().map(|&import| import.to_owned()).collect();
        Inspection::from_names(Digest([digest; 32]), exports, imports).unwrap()
    }

    fn changes(before: Option<&Inspection>, after: &Inspection, capabilities: &str) -> Changes {
        let xml = format!(
            "<ossec_config><command><name>c</name><executable>c.wasm</executable>
             <timeout_allowed>yes</timeout_allowed>{capabilities}</command></ossec_config>"
        );
        let config = Config::read(&[Source::new("a.conf", &xml)]);
        assert!(config.diagnostics.is_empty(), "{:?}", config.diagnostics);
        Changes::new(before, after, config.commands.iter())
    }

    #[test]
    fn more_needs_ask_and_fewer_do_not() {
        let one = shows("reversible", &[FIREWALL], 1);
        let more = shows("reversible", &[FIREWALL, "active-response:plugin/exec@0.1.0"], 2);
        let grants = "<capabilities><firewall/><exec program=\"/bin/true\" arguments=\"\"/></capabilities>";
        let grown = changes(Some(&one), &more, grants);
        assert!(grown.grows() && grown.text().contains("needs    + <exec "), "{}", grown.text());
        let less = changes(Some(&more), &one, grants);
        assert!(!less.grows() && less.text().contains("imports  - active-response:plugin/exec"));
        let same = changes(Some(&one), &shows("reversible", &[FIREWALL], 2), grants);
        assert!(!same.grows() && same.text().contains("are the same"));
        // WASI is there for all, and empty; but folders may be granted already.
        let wasi = shows("reversible", &[FIREWALL, "wasi:io/poll@0.2.6"], 2);
        assert!(!changes(Some(&one), &wasi, grants).grows());
        let folders = shows("reversible", &[FIREWALL, "wasi:filesystem/types@0.2.6"], 2);
        assert!(!changes(Some(&one), &folders, grants).grows());
        let granted = grants.replace("<firewall/>", "<firewall/><folder path=\"/srv\" access=\"read\"/>");
        assert!(changes(Some(&one), &folders, &granted).grows());
        // Nothing is known of one that cannot be looked at.
        assert!(changes(None, &one, grants).grows());
    }

    #[test]
    fn a_command_that_would_be_off_asks_and_says_what_to_write() {
        let one = shows("reversible", &[FIREWALL], 1);
        let two = shows("reversible", &[FIREWALL], 2);
        let bound = format!("<capabilities sha256=\"{}\"><firewall/></capabilities>", one.digest);
        let off = changes(Some(&one), &two, &bound);
        let both = format!("<capabilities sha256=\"{} {}\">", one.digest, two.digest);
        assert!(off.grows() && off.text().contains(&both), "{}", off.text());
        assert_eq!(off.json()["commands_off"][0]["write"][0], both);
        let both = both.replace('>', "><firewall/></capabilities>");
        assert!(!changes(Some(&one), &two, &both).grows());
        let ungranted = changes(Some(&one), &two, "");
        assert!(ungranted.text().contains("add <firewall/>"), "{}", ungranted.text());
        let oneshot = changes(Some(&one), &shows("oneshot", &[FIREWALL], 2), &both);
        assert!(oneshot.grows() && oneshot.text().contains("<timeout_allowed>no"), "{}", oneshot.text());
        assert!(oneshot.text().contains("reversible becomes oneshot"));
    }
}
