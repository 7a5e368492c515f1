//! `riposte execd install` and `uninstall`: from the stock part to this one,
//! and back byte for byte.
//!
//! | file below Wazuh's home | what is changed |
//! |---|---|
//! | `etc/ossec.conf` | `<disabled>yes</disabled>` in the agent's own `<active-response>`; the file as it was stays beside it |
//! | `etc/riposte.conf` | `<riposte>` says that this one works, and which programs are links |
//! | `active-response/bin/NAME` | with `--link NAME`: a link to this program; what it was is `NAME.stock` |

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::blocks::{Block, blocks, end_of_root};
use super::links::{self, Made};
use super::{local, wazuh_home};
use crate::files;

/// Our own configuration below Wazuh's home.
pub const OURS: &str = "etc/riposte.conf";
/// What the file as it was is called.
const BEFORE: &str = "before-riposte";
/// Largest file that is changed, in bytes.
const LARGEST: u64 = 16 << 20;

/// Switches the stock part off and this one on, and says what is left to do.
///
/// # Errors
///
/// When `root` is no home of Wazuh's, or a file cannot be changed: what was
/// changed before that stays, and a second try goes on from there.
pub fn install(root: &Path, names: &[String]) -> Result<String, String> {
    let root = wazuh_home(root)?;
    if let Some(unknown) = names.iter().find(|name| !is_program_of_ours(name)) {
        let known: Vec<_> = riposte_plugins::builtins().iter().map(|builtin| builtin.name).collect();
        return Err(format!(
            "--link {unknown}: this program is no {unknown}; it can be: {}",
            known.join(", ")
        ));
    }
    let us = links::us().map_err(|error| format!("cannot find this program's own file: {error}"))?;
    let mut done = Vec::new();

    let stock = Edited::read(root.join(local::PATH))?;
    let off =
        disabled(&stock.text, is_manager(&root)).map_err(|why| format!("{}: {why}", stock.path.display()))?;
    // Ours first: between the two, both would be off, never both on.
    let owner = stock.path.clone();
    let ours = Edited::read(root.join(OURS))?;
    let wanted = switched_on(&ours.text, names);
    done.extend(ours.change(&wanted, &owner)?);
    for name in names {
        let made = links::make(&root.join("active-response/bin"), name, &us);
        let made = made.map_err(|error| format!("cannot make active-response/bin/{name} a link: {error}"))?;
        done.push(match made {
            Made::Already => format!("active-response/bin/{name} is a link to Riposte already"),
            Made::Anew => format!("active-response/bin/{name} is a link to Riposte"),
            Made::InPlaceOf(stock) => {
                format!("active-response/bin/{name} is a link to Riposte; what it was is {stock}")
            }
        });
    }
    done.extend(stock.change(&off, &owner)?);
    Ok(format!("{}\n\n{}", done.join("\n"), next_steps(&root, &us)))
}

/// Puts back what [`install`] changed.
///
/// # Errors
///
/// When `root` is no home of Wazuh's, or a file cannot be put back.
pub fn uninstall(root: &Path) -> Result<String, String> {
    let root = wazuh_home(root)?;
    let us = links::us().map_err(|error| format!("cannot find this program's own file: {error}"))?;
    let mut done = Vec::new();
    let ours = Edited::read(root.join(OURS))?;
    let names = linked(&ours.text);
    for name in &names {
        links::unmake(&root.join("active-response/bin"), name, &us)
            .map_err(|error| format!("cannot put active-response/bin/{name} back: {error}"))?;
        done.push(format!("active-response/bin/{name} is what it was"));
    }
    let stock = Edited::read(root.join(local::PATH))?;
    let owner = stock.path.clone();
    let manager = is_manager(&root);
    done.extend(stock.put_back(|before| disabled(before, manager).ok(), enabled, &owner)?);
    done.extend(ours.put_back(
        |before| Some(switched_on(before, &names)),
        |now, _| switched_off(now),
        &owner,
    )?);
    let steps = "Stop Riposte, then restart the agent or manager, so that its own execd works again:\n  \
                 systemctl disable --now riposte-execd\n  systemctl restart wazuh-agent    (or wazuh-manager)";
    Ok(format!("{}\n\n{steps}", done.join("\n")))
}

/// Whether [`install`] changed something below `root` that is still so.
#[must_use]
pub fn is_installed(root: &Path) -> bool {
    let Ok(ours) = Edited::read(root.join(OURS)) else { return false };
    let stock = Edited::read(root.join(local::PATH));
    says_riposte(&ours.text) || ours.before().exists() || stock.is_ok_and(|stock| stock.before().exists())
}

/// A link makes sense for what this program can be.
fn is_program_of_ours(name: &str) -> bool {
    riposte_plugins::builtins().iter().any(|builtin| builtin.name == name || builtin.aliases.contains(&name))
}

/// Whether this is a manager's home, or an agent's.
pub(super) fn is_manager(root: &Path) -> bool {
    root.join("bin/wazuh-analysisd").exists()
}

/// `<disabled>yes</disabled>` in every block of the agent's own that says
/// something about it; else in the first; else in a new one.
///
/// On a manager, `wazuh-analysisd` reads the block too, and stops to respond at
/// all when responses stand before it (`config/active-response.c`,
/// `ReadActiveResponses`); `wazuh-execd` takes the first one that it finds. So
/// there it stands before all others.
fn disabled(text: &str, manager: bool) -> Result<String, String> {
    let all = blocks(&plain(text), "active-response");
    if let Some(first) = all.first()
        && manager
        && !first.is_agents_own()
    {
        let mut out = text.to_owned();
        let block = "<active-response>\n    <disabled>yes</disabled>\n  </active-response>\n\n  ";
        out.insert_str(first.span.start, block);
        return Ok(out);
    }
    let mut own: Vec<Block> = own(text);
    if manager {
        own.truncate(1);
    }
    let said: Vec<_> =
        own.iter().flat_map(|block| &block.children).filter(|child| child.name == "disabled").collect();
    let mut out = text.to_owned();
    if !said.is_empty() {
        for child in said.into_iter().rev() {
            if text.get(child.value.clone()).is_none_or(|value| value.trim() != "yes") {
                out.replace_range(child.value.clone(), "yes");
            }
        }
    } else if let Some(block) = own.first() {
        let inner = text.get(block.inner.clone()).unwrap_or_default();
        let indent = inner.len() - inner.trim_start().len();
        let indent = inner.get(..indent).filter(|indent| indent.contains('\n')).unwrap_or_default();
        out.insert_str(block.inner.start, &format!("{indent}<disabled>yes</disabled>"));
    } else {
        let end = end_of_root(text).ok_or("it holds no <ossec_config>, so there is nothing to switch off")?;
        let block = "\n  <active-response>\n    <disabled>yes</disabled>\n  </active-response>\n";
        out.insert_str(end, block);
    }
    Ok(out)
}

/// The other way, in a file that was changed since: what it says about
/// `<disabled>` is what the file as it was said first, else `no`.
fn enabled(now: &str, before: &str) -> String {
    let value = |text: &str| {
        let own = own(text);
        let child = own.iter().find_map(|block| block.child("disabled"))?.value.clone();
        Some(text.get(child)?.to_owned())
    };
    let value = value(before).unwrap_or_else(|| "no".to_owned());
    let mut out = now.to_owned();
    let own = own(now);
    for child in own.iter().flat_map(|block| &block.children).filter(|child| child.name == "disabled").rev() {
        out.replace_range(child.value.clone(), &value);
    }
    out
}

fn own(text: &str) -> Vec<Block> {
    blocks(&plain(text), "active-response").into_iter().filter(Block::is_agents_own).collect()
}

/// The same places in a text without anything but ASCII: a file may hold bytes
/// of another encoding, which read as characters of another length.
fn plain(text: &str) -> String {
    text.bytes().map(|byte| if byte.is_ascii() { char::from(byte) } else { '?' }).collect()
}

/// `<riposte>` with `<execd>yes</execd>` and a `<link>` for each name.
fn switched_on(text: &str, names: &[String]) -> String {
    let known = linked(text);
    let more: Vec<&String> = names.iter().filter(|name| !known.contains(name)).collect();
    let link = |name: &&String| format!("    <link>{name}</link>\n");
    let links: String = more.iter().map(link).collect();
    let mut out = text.to_owned();
    let Some(block) = blocks(&plain(text), "riposte").into_iter().next() else {
        let block = format!("  <riposte>\n    <execd>yes</execd>\n{links}  </riposte>\n");
        match end_of_root(&plain(text)) {
            Some(end) => out.insert_str(end, &block),
            None => out.push_str(&format!("<ossec_config>\n{block}</ossec_config>\n")),
        }
        return out;
    };
    let inner = text.get(block.inner.clone()).unwrap_or_default();
    let at = block.inner.start + inner.trim_end().len();
    let separated = |text: &str| format!("\n{}", text.trim_end_matches('\n'));
    if !links.is_empty() {
        out.insert_str(at, &separated(&links));
    }
    match block.child("execd") {
        Some(child) => out.replace_range(child.value.clone(), "yes"),
        None => out.insert_str(at, &separated("    <execd>yes</execd>\n")),
    }
    out
}

/// The other way, in a file that was changed since.
fn switched_off(now: &str) -> String {
    let mut out = now.to_owned();
    for block in blocks(&plain(now), "riposte").iter().rev() {
        if let Some(child) = block.child("execd") {
            out.replace_range(child.value.clone(), "no");
        }
    }
    out
}

fn linked(text: &str) -> Vec<String> {
    let blocks = blocks(&plain(text), "riposte");
    let links = blocks.iter().flat_map(|block| &block.children).filter(|child| child.name == "link");
    let names = links.filter_map(|child| text.get(child.value.clone()));
    names.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

/// A file that is changed, and whose former self is kept beside it.
struct Edited {
    path: PathBuf,
    /// What it holds; nothing when it is not there.
    text: String,
    exists: bool,
}

impl Edited {
    fn read(path: PathBuf) -> Result<Self, String> {
        let unreadable = |error: io::Error| format!("cannot read {}: {error}", path.display());
        match files::read_itself(&path, LARGEST) {
            Ok(bytes) => {
                let text = String::from_utf8(bytes);
                let text =
                    text.map_err(|_| unreadable(io::Error::other("it is not UTF-8; save it as UTF-8")))?;
                Ok(Self { path, text, exists: true })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Ok(Self { path, text: String::new(), exists: false })
            }
            Err(error) => Err(unreadable(error)),
        }
    }

    /// Writes `wanted`, after the file as it is was kept. A file that is not
    /// there yet is kept as one that is empty.
    fn change(&self, wanted: &str, owner: &Path) -> Result<Option<String>, String> {
        let path = self.path.display();
        if self.exists && self.text == wanted {
            return Ok(Some(format!("{path} says so already")));
        }
        // One that was kept is the older one, as long as this is what came of it.
        let kept = self.before();
        if !kept.exists() || !says_riposte(&self.text) {
            replace(&kept, self.text.as_bytes(), owner)?;
        }
        replace(&self.path, wanted.as_bytes(), owner)?;
        Ok(Some(match self.exists {
            true => format!("{path} is changed; as it was, it is {}", kept.display()),
            false => format!("{path} is made"),
        }))
    }

    /// Puts the file back: byte for byte when it is what `changed` makes of the
    /// one that was kept, else with as little as `undone` changes.
    fn put_back(
        &self,
        changed: impl Fn(&str) -> Option<String>,
        undone: impl Fn(&str, &str) -> String,
        owner: &Path,
    ) -> Result<Option<String>, String> {
        let (path, kept) = (self.path.display(), self.before());
        if !kept.exists() {
            return Ok(None);
        }
        let before = Self::read(kept.clone())?.text;
        let said = if changed(&before).is_none_or(|changed| changed != self.text) {
            replace(&self.path, undone(&self.text, &before).as_bytes(), owner)?;
            format!("{path} was changed since: only what the installation changed is undone")
        } else if before.is_empty() {
            remove(&self.path)?;
            format!("{path} is removed")
        } else {
            replace(&self.path, before.as_bytes(), owner)?;
            format!("{path} is what it was")
        };
        remove(&kept)?;
        Ok(Some(said))
    }

    fn before(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".");
        name.push(BEFORE);
        name.into()
    }
}

/// Whether a text is one that an installation made: then the file that was
/// kept is still the one from before.
fn says_riposte(text: &str) -> bool {
    !linked(text).is_empty()
        || blocks(&plain(text), "riposte").iter().any(|block| block.child("execd").is_some())
}

/// Writes a file so that it is whole or as before, with the owner and mode of
/// the file that is there, else of `owner`.
fn replace(path: &Path, bytes: &[u8], owner: &Path) -> Result<(), String> {
    let write = || -> io::Result<()> {
        // A link that somebody put there says nothing about the file.
        let is_file = |found: &std::fs::Metadata| found.is_file();
        let like = std::fs::symlink_metadata(path).ok().filter(is_file);
        let like = like.map_or_else(|| std::fs::metadata(owner), Ok)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let partial = path.with_file_name(format!(".{name}.partial"));
        match rustix::fs::unlink(&partial) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            Err(errno) => return Err(errno.into()),
        }
        #[expect(clippy::disallowed_methods, reason = "this module owns what an installation changes")]
        let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&partial)?;
        file.write_all(bytes)?;
        let (user, group) = (rustix::fs::Uid::from_raw(like.uid()), rustix::fs::Gid::from_raw(like.gid()));
        rustix::fs::fchown(&file, Some(user), Some(group))?;
        rustix::fs::fchmod(&file, rustix::fs::Mode::from_raw_mode(like.mode() & 0o777))?;
        file.sync_all()?;
        rustix::fs::rename(&partial, path)?;
        if let Some(folder) = path.parent() {
            let folder = rustix::fs::open(folder, rustix::fs::OFlags::DIRECTORY, rustix::fs::Mode::empty())?;
            rustix::fs::fsync(folder)?;
        }
        Ok(())
    };
    write().map_err(|error| format!("cannot write {}: {error}; run as root", path.display()))
}

fn remove(path: &Path) -> Result<(), String> {
    match rustix::fs::unlink(path) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
        Err(errno) => Err(format!("cannot remove {}: {errno}; run as root", path.display())),
    }
}

/// What is left to do by hand, and the unit that keeps it running.
fn next_steps(root: &Path, us: &Path) -> String {
    let group = std::fs::metadata(root.join("queue/alerts")).map_or(0, |folder| folder.gid());
    let group = if group == 0 { String::new() } else { format!("Group={group}\n") };
    format!(
        "Restart the agent or manager, so that its own execd lets go of the queue:\n  \
         systemctl restart wazuh-agent    (or wazuh-manager)\n\n\
         /etc/systemd/system/riposte-execd.service, then systemctl enable --now riposte-execd:\n\n\
         [Unit]\nDescription=Riposte in place of wazuh-execd\nAfter=wazuh-agent.service wazuh-manager.service\n\n\
         [Service]\nExecStart={us} execd --root {root}\n{group}Restart=on-abnormal\nSuccessExitStatus=1\n\
         KillMode=mixed\nTimeoutStopSec=120\n\n[Install]\nWantedBy=multi-user.target",
        us = us.display(),
        root = root.display()
    )
}
