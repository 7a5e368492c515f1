//! `<command>`.

use std::collections::HashMap;
use std::sync::Arc;

use super::block::{self, Shape};
use super::confinement;
use super::findings::{Findings, Spot};
use super::grants;
use super::suggest::did_you_mean;
use super::xml::Element;
use super::{Command, Expect, Protocol, Role, Runtime};
use crate::diagnostic::shown;
use crate::grant::{Confinement, Grants};
use crate::keys::{Keys, Pointer};
use crate::limit::Limits;

pub(super) const SHAPE: Shape = Shape {
    children: &[
        "name",
        "executable",
        "timeout_allowed",
        "expect",
        "extra_args",
        "keys",
        "capabilities",
        "limits",
        "confined",
        "isolated",
    ],
    unenforced: &[],
    stock: true,
};

/// What Wazuh logs for a command that lacks something.
const INCOMPLETE: &str = "(1280): Missing command options. You must specify a 'name' and 'executable'.";

/// Longest name of a command in bytes (`ar.conf` cuts at 256).
const LONGEST_NAME: usize = 256;

/// The commands of all files so far.
#[derive(Debug, Default)]
pub(super) struct Commands {
    drafts: Vec<Draft>,
    by_name: HashMap<Arc<str>, usize>,
}

/// A command that a later file may still refine.
#[derive(Debug)]
struct Draft {
    name: Arc<str>,
    /// Where it was defined first.
    spot: Spot,
    /// Where it was last defined or refined.
    last: Spot,
    executable: Option<String>,
    runtime: Option<Runtime>,
    protocol: Option<Protocol>,
    timeout_allowed: Option<bool>,
    expect: Option<Vec<Expect>>,
    extra_args: Option<Vec<String>>,
    keys: Option<Vec<Pointer>>,
    capabilities: Option<Grants>,
    limits: grants::LimitsGiven,
    confinement: Option<Confinement>,
    /// Whether what says which program runs, and on what, was read.
    sound: bool,
}

/// What became of a command.
#[derive(Clone, Debug)]
pub(super) enum Defined {
    /// It can be used.
    Usable(Arc<Command>, Spot),
    /// It has errors and is not used.
    Unusable(Spot),
}

impl Commands {
    /// Reads one block.
    pub(super) fn read(&mut self, block: &Element, findings: &mut Findings<'_>) {
        block::check(block, &SHAPE, findings);
        let mut sound = !block.typographic;
        let Some(name) = name(block, &mut sound, findings) else { return };
        let earlier = self.by_name.get(&*name).and_then(|at| self.drafts.get_mut(*at));
        if let Some(earlier) = earlier.as_deref().filter(|earlier| earlier.last.file == block.spot.file) {
            let message = format!(
                "the command {} is defined twice in this file: this definition is not used",
                shown(&name)
            );
            let help = format!("the one in line {} counts; remove one of them.", earlier.last.line);
            return findings.warning(block.spot, "command-duplicate", message, help);
        }
        let draft = draft(Arc::clone(&name), sound, block, findings);
        match earlier {
            Some(earlier) => earlier.refine(draft),
            None => {
                self.by_name.insert(name, self.drafts.len());
                self.drafts.push(draft);
            }
        }
    }

    /// All commands after the last file, in the order of their first definition.
    pub(super) fn finish(self, role: Role, findings: &mut Findings<'_>) -> Vec<(Arc<str>, Defined)> {
        self.drafts.into_iter().map(|draft| (Arc::clone(&draft.name), draft.finish(role, findings))).collect()
    }
}

impl Draft {
    /// A later file gives what it gives, and leaves the rest.
    fn refine(&mut self, later: Self) {
        self.last = later.last;
        self.sound &= later.sound;
        if later.executable.is_some() {
            self.runtime = None;
            self.protocol = None;
        }
        self.executable = later.executable.or(self.executable.take());
        self.runtime = later.runtime.or(self.runtime);
        self.protocol = later.protocol.or(self.protocol);
        self.timeout_allowed = later.timeout_allowed.or(self.timeout_allowed);
        self.expect = later.expect.or(self.expect.take());
        self.extra_args = later.extra_args.or(self.extra_args.take());
        self.keys = later.keys.or(self.keys.take());
        self.capabilities = later.capabilities.or(self.capabilities.take());
        self.limits.refine(&later.limits);
        self.confinement = later.confinement.or(self.confinement.take());
    }

    fn finish(self, role: Role, findings: &mut Findings<'_>) -> Defined {
        let Some(executable) = self.executable else {
            if self.sound {
                let message = format!("the command {} has no <executable>", shown(&self.name));
                findings.error(
                    self.spot,
                    "command-incomplete",
                    message,
                    "name the program: <executable>firewall-drop</executable>.",
                );
                findings.says(INCOMPLETE);
            }
            return Defined::Unusable(self.spot);
        };
        if !self.sound {
            return Defined::Unusable(self.spot);
        }
        // A program behind an <expect>, also an empty one, may be one of OSSEC's.
        let protocol = self.protocol.or(self.expect.is_some().then_some(Protocol::Both));
        let mut limits = Limits::default();
        self.limits.apply(&mut limits);
        let command = Command {
            name: self.name,
            executable,
            // A manager takes silence as no; others ask who knows the program.
            timeout_allowed: self.timeout_allowed.or((role == Role::Manager).then_some(false)),
            expect: self.expect.unwrap_or_default(),
            extra_args: self.extra_args.unwrap_or_default(),
            keys: self.keys.unwrap_or_default(),
            capabilities: self.capabilities,
            limits,
            confinement: self.confinement.unwrap_or_default(),
            runtime: self.runtime,
            protocol,
            place: findings.place(self.spot),
        };
        Defined::Usable(Arc::new(command), self.spot)
    }
}

fn draft(name: Arc<str>, mut sound: bool, block: &Element, findings: &mut Findings<'_>) -> Draft {
    let Program { executable, runtime, protocol } = executable(block, &mut sound, findings);
    let confinement = confinement::read(block, &mut sound, findings);
    Draft {
        name,
        spot: block.spot,
        last: block.spot,
        executable,
        runtime,
        protocol,
        timeout_allowed: timeout_allowed(block, findings),
        expect: expect(block, findings),
        extra_args: block::single(block, "extra_args", findings)
            .map(|element| element.value().split_whitespace().map(str::to_owned).collect()),
        keys: keys(block, &mut sound, findings),
        capabilities: grants::capabilities(block, findings),
        limits: grants::limits(block, findings),
        confinement,
        sound,
    }
}

fn timeout_allowed(block: &Element, findings: &mut Findings<'_>) -> Option<bool> {
    let element = block::single(block, "timeout_allowed", findings)?;
    let allowed = block::yes_or_no(element, findings);
    if allowed.is_none() {
        block::says_invalid(element, findings);
    }
    allowed
}

fn name(block: &Element, sound: &mut bool, findings: &mut Findings<'_>) -> Option<Arc<str>> {
    if !block.children.iter().any(|child| child.name == "name") {
        let help = "name it: <name>firewall-drop</name>.";
        findings.error(block.spot, "command-incomplete", "this command has no <name>", help);
        findings.says(INCOMPLETE);
        return None;
    }
    let element = only(block, "name", sound, findings)?;
    let name = element.value();
    let wrong = if name.is_empty() {
        "the name is empty"
    } else if name.starts_with('!') {
        "a name must not begin with !, which Wazuh keeps for programs called by their file name"
    } else if name.len() > LONGEST_NAME {
        "the name is longer than 256 bytes"
    } else if name.contains(char::is_control) {
        "the name holds control characters or line ends"
    } else {
        return Some(name.into());
    };
    block::invalid(
        element,
        &format!("{}: {wrong}", shown(name)),
        "choose another name. The command is not used.",
        findings,
    );
    if name.starts_with('!') {
        block::says_invalid(element, findings);
    }
    None
}

/// What `<executable>` says.
#[derive(Debug, Default)]
struct Program {
    executable: Option<String>,
    runtime: Option<Runtime>,
    protocol: Option<Protocol>,
}

fn executable(block: &Element, sound: &mut bool, findings: &mut Findings<'_>) -> Program {
    let Some(element) = only(block, "executable", sound, findings) else { return Program::default() };
    let mut program = Program::default();
    for attribute in &element.attributes {
        let value = attribute.value.trim();
        let (known, help) = match attribute.name.as_str() {
            "runtime" => {
                program.runtime = match value {
                    "native" => Some(Runtime::Native),
                    "wasm" => Some(Runtime::Wasm),
                    _ => None,
                };
                (program.runtime.is_some(), "write runtime=\"native\" or runtime=\"wasm\".")
            }
            "protocol" => {
                program.protocol = match value {
                    "json" => Some(Protocol::Json),
                    "argv" => Some(Protocol::Argv),
                    "both" => Some(Protocol::Both),
                    "5" => Some(Protocol::Five),
                    _ => None,
                };
                let help = "write protocol=\"json\" for Wazuh 4.2 and later, \"argv\" for OSSEC, \"both\" for either, or \"5\" for Wazuh 5.";
                (program.protocol.is_some(), help)
            }
            _ => {
                *sound = false;
                block::unknown_attribute(element, attribute, &["runtime", "protocol"], findings);
                continue;
            }
        };
        if !known {
            *sound = false;
            let message = format!("{} is none", shown(value));
            block::invalid_at(attribute.spot, &attribute.name, &message, help, findings);
        }
    }
    if program.runtime == Some(Runtime::Wasm) && program.protocol.is_some() {
        *sound = false;
        let help = "remove protocol=, or write runtime=\"native\". The command is not used.";
        block::invalid_at(element.spot, "protocol", "a component is not spoken to by one", help, findings);
    }
    let executable = element.value();
    let wrong = if executable.is_empty() {
        "it is empty"
    } else if executable.len() > 255 {
        "it is longer than 255 bytes"
    } else if executable.contains(char::is_control) {
        "it holds control characters or line ends"
    } else if executable.starts_with('/') || executable.split(['/', '\\']).any(|part| part == "..") {
        "it leaves the folder of the responses"
    } else {
        return Program { executable: Some(executable.to_owned()), ..program };
    };
    *sound = false;
    let help = "name a file of active-response/bin, without its folder. The command is not used.";
    block::invalid(element, &format!("{}: {wrong}", shown(executable)), help, findings);
    program
}

/// The one child of this name. Two of them, unlike other elements, are an
/// error: which program runs must not depend on who reads the file.
fn only<'e>(
    block: &'e Element,
    name: &str,
    sound: &mut bool,
    findings: &mut Findings<'_>,
) -> Option<&'e Element> {
    let mut named = block.children.iter().filter(|child| child.name == name);
    let first = named.next()?;
    if let Some(second) = named.next() {
        *sound = false;
        let message =
            format!("<{name}> stands twice in this <command>, the first time in line {}", first.spot.line);
        findings.error(
            second.spot,
            "element-repeated",
            message,
            "keep one of them. The command is not used.",
        );
        return (name == "name").then_some(first);
    }
    if name == "name" {
        block::no_attributes(first, findings);
    }
    if !block::only_text(first, findings) {
        *sound = false;
        return None;
    }
    Some(first)
}

fn expect(block: &Element, findings: &mut Findings<'_>) -> Option<Vec<Expect>> {
    let element = block::single(block, "expect", findings)?;
    let mut fields = Vec::new();
    for word in words(element.value()) {
        let field = match word.to_ascii_lowercase().as_str() {
            "srcip" => Expect::SourceIp,
            "user" => Expect::User,
            "filename" => Expect::FileName,
            _ => {
                let message = format!("<expect> has no field {}: it is passed over", shown(word));
                let help = did_you_mean(word, ["srcip", "user", "filename"], || {
                    "it takes srcip, user and filename; for any other field write <keys>/data/field</keys>."
                        .to_owned()
                });
                findings.warning(element.spot, "expect-unknown", message, help);
                continue;
            }
        };
        if !fields.contains(&field) {
            fields.push(field);
        }
    }
    Some(fields)
}

fn keys(block: &Element, sound: &mut bool, findings: &mut Findings<'_>) -> Option<Vec<Pointer>> {
    let mut keys: Option<Vec<Pointer>> = None;
    for element in block.children.iter().filter(|child| child.name == "keys") {
        *sound &= block::leaf(element, findings);
        let keys = keys.get_or_insert_default();
        for word in words(element.value()) {
            match word.parse::<Pointer>() {
                Ok(pointer) if keys.contains(&pointer) => {}
                Ok(_) if keys.len() == Keys::MOST => {
                    *sound = false;
                    let help = "keep those that tell one target from another. The command is not used.";
                    block::invalid(element, "there are more than 16 keys", help, findings);
                    break;
                }
                Ok(pointer) => keys.push(pointer),
                Err(error) => {
                    *sound = false;
                    let help = "write the place of the target in the alert. The command is not used.";
                    block::invalid(element, &error.to_string(), help, findings);
                }
            }
        }
    }
    keys
}

/// What stands between blanks and commas.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty())
}
