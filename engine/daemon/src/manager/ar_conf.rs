//! `etc/shared/ar.conf`: the names by which agents know responses.
//!
//! The manager writes it anew at every start, from its own configuration, and
//! sends it to all agents. A response that was taken over is no longer in that
//! configuration, so its line has to be kept there by us.

use std::path::{Path, PathBuf};
use std::time::Duration;

use riposte_policy::Config;
use riposte_policy::config::{Response, Role};
use riposte_transport::wazuh::message::wire_name;

use super::args;
use super::place::{self, Failed};
use crate::commands::ask;
use crate::exit::Exit;
use crate::files;

/// The file below Wazuh's home.
const PATH: &str = "etc/shared/ar.conf";
/// The lines that every manager has (`src/config/active-response.c`).
const FIXED: [&str; 6] = [
    "restart-ossec0 - restart-ossec.sh - 0",
    "restart-ossec0 - restart-ossec.cmd - 0",
    "restart-wazuh0 - restart-ossec.sh - 0",
    "restart-wazuh0 - restart-ossec.cmd - 0",
    "restart-wazuh0 - restart-wazuh - 0",
    "restart-wazuh0 - restart-wazuh.exe - 0",
];

/// Prints the file, or writes it.
pub fn ar_conf(args: &args::ArConf) -> Exit {
    let made = configurations(&args.root).and_then(|config| {
        let text = text(&config);
        if !args.write {
            ask::say_text(text.trim_end());
            return Ok(());
        }
        let path = path(&args.root);
        place::replace(&args.root, PATH, &text, 0o640).map_err(|failed| failed.to_string())?;
        ask::say_text(&format!("{}: {} lines", path.display(), text.lines().count()));
        Ok(())
    });
    match made {
        Ok(()) => Exit::Done,
        Err(error) => {
            ask::complain(false, &error);
            Exit::Failed
        }
    }
}

/// The file below Wazuh's home.
#[must_use]
pub fn path(root: &Path) -> PathBuf {
    root.join(PATH)
}

/// A manager's own configuration, and what it hands over to us.
#[must_use]
pub fn sources(root: &Path) -> Vec<PathBuf> {
    let own = root.join("etc/riposte.conf");
    let mut sources = vec![root.join("etc/ossec.conf")];
    if own.exists() {
        sources.push(own);
    }
    sources
}

/// How long a response lasts on an agent: a command that allows no timeout has
/// none.
#[must_use]
pub fn lasting(config: &Config, response: &Response) -> Option<Duration> {
    let command = config.command(&response.command)?;
    response.timeout.filter(|timeout| command.timeout_allowed == Some(true) && !timeout.is_zero())
}

/// Adds the lines that are missing. Returns how many that were.
///
/// # Errors
///
/// When the file cannot be read or written.
pub fn complete(root: &Path, config: &Config) -> Result<usize, Failed> {
    let found = place::read(root, PATH)?.unwrap_or_default();
    let wanted = text(config);
    let missing: Vec<_> =
        wanted.lines().filter(|wanted| !found.lines().any(|line| line.trim_end() == *wanted)).collect();
    if missing.is_empty() {
        return Ok(0);
    }
    let mut text = found;
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for line in &missing {
        text.push_str(line);
        text.push('\n');
    }
    place::replace(root, PATH, &text, 0o640)?;
    Ok(missing.len())
}

/// The whole file.
fn text(config: &Config) -> String {
    let mut lines: Vec<String> = FIXED.map(str::to_owned).to_vec();
    for response in &config.responses {
        let Some(command) = config.command(&response.command) else { continue };
        let timeout = lasting(config, response);
        let name = wire_name(&command.name, timeout);
        let line =
            format!("{name} - {} - {}", command.executable, timeout.map_or(0, |timeout| timeout.as_secs()));
        // A file whose lines others could add to is no place for a line break.
        if !lines.contains(&line) && !line.contains(char::is_control) {
            lines.push(line);
        }
    }
    lines.push(String::new());
    lines.join("\n")
}

fn configurations(root: &Path) -> Result<Config, String> {
    let files = files::read(&sources(root)).map_err(|error| error.to_string())?;
    let config = files::config(&files, Role::Manager);
    if config.has_errors() {
        return Err("the configuration has errors; riposte check says which".to_owned());
    }
    Ok(config)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests make files of their own")]
mod tests {
    use super::*;

    const CONF: &str = "<ossec_config>\
        <command><name>drop</name><executable>firewall-drop</executable><timeout_allowed>yes</timeout_allowed></command>\
        <command><name>tell</name><executable>tell.sh</executable><timeout_allowed>no</timeout_allowed></command>\
        <active-response><command>drop</command><location>local</location><level>6</level><timeout>600</timeout></active-response>\
        <active-response><command>drop</command><location>local</location><level>9</level><timeout>600</timeout></active-response>\
        <active-response><command>drop</command><location>local</location><level>9</level></active-response>\
        <active-response><command>tell</command><location>server</location><level>6</level></active-response>\
        <active-response><disabled>yes</disabled><command>drop</command><location>local</location><level>6</level><timeout>5</timeout></active-response>\
        </ossec_config>";

    fn config() -> Config {
        Config::read_as(&[riposte_policy::config::Source::new("ossec.conf", CONF)], Role::Manager)
    }

    #[test]
    fn one_line_for_each_response_behind_the_fixed_ones() {
        let text = text(&config());
        let lines: Vec<_> = text.lines().skip(6).collect();
        assert_eq!(
            lines,
            ["drop600 - firewall-drop - 600", "drop0 - firewall-drop - 0", "tell0 - tell.sh - 0"]
        );
        assert!(text.starts_with("restart-ossec0 - restart-ossec.sh - 0\n") && text.ends_with('\n'));
    }

    #[test]
    fn what_is_missing_is_added_and_nothing_else_changes() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("etc/shared")).unwrap();
        std::fs::write(path(root.path()), "other5 - other - 5\ntell0 - tell.sh - 0").unwrap();
        assert_eq!(complete(root.path(), &config()), Ok(8));
        let text = std::fs::read_to_string(path(root.path())).unwrap();
        assert!(text.starts_with("other5 - other - 5\ntell0 - tell.sh - 0\nrestart-ossec0"), "{text}");
        assert!(text.contains("\ndrop600 - firewall-drop - 600\n"));
        assert_eq!(complete(root.path(), &config()), Ok(0));
    }
}
