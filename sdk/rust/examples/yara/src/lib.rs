//! Scans the file of an alert with YARA, and logs each rule that matches.
//!
//! `<exec program="/usr/bin/yara" arguments="-w -N ** *"/>` grants it, and
//! `<config name="rules" value="/etc/riposte/yara.rules"/>` names the rules.

use riposte_sdk::{Alert, Error, Oneshot, config, exec, export, log};

const YARA: &str = "/usr/bin/yara";

struct Yara;

impl Oneshot for Yara {
    fn run(alert: &Alert) -> Result<(), Error> {
        let file = alert.text("/syscheck/path").filter(|file| !file.is_empty());
        let file = file.ok_or_else(|| Error::no_key("the alert has no file (syscheck.path)"))?;
        if !file.starts_with('/') || file.contains(char::is_control) {
            return Err(Error::invalid(format!("the file of the alert, {file:?}, is not an absolute path")));
        }
        let rules = config::get("rules").ok_or_else(|| {
            Error::failed("no rules are named: add <config name=\"rules\" value=\"/path\"/>")
        })?;
        let ended = exec::run(YARA, &["-w".into(), "-N".into(), rules, file.clone()], &[])?;
        if ended.status != 0 {
            let said = String::from_utf8_lossy(&ended.stderr);
            let said = said.lines().next().unwrap_or("it did not say why");
            return Err(Error::failed(format!("yara ended with status {}: {said}", ended.status)));
        }
        let output = String::from_utf8_lossy(&ended.stdout);
        // A name in a folder could forge a line, so it has to be the very file.
        let matches = |line: &&str| line.split_once(' ').is_some_and(|(_, scanned)| scanned == file);
        let mut matched = 0;
        for line in output.lines().filter(matches) {
            let rule = line.split(' ').next().unwrap_or_default();
            log::warn(format!("yara: {rule} matches {file}"));
            matched += 1;
        }
        if matched == 0 {
            log::info(format!("yara: no rule matches {file}"));
        }
        Ok(())
    }
}

export!(Yara: Oneshot);

#[cfg(test)]
mod tests {
    use super::*;
    use riposte_sdk::{exec::Output, host};

    #[test]
    fn each_rule_that_matches_is_logged() {
        host::reset();
        host::set_config("rules", "/etc/rules");
        let stdout = b"Evil /srv/a b\nOther /srv/c\n".to_vec();
        host::answer_with("exec.run", Output { stdout, ..Output::default() });
        let alert: Alert = r#"{"syscheck":{"path":"/srv/a b"}}"#.parse().unwrap();
        Yara::run(&alert).unwrap();
        assert_eq!(
            host::calls(),
            ["exec.run /usr/bin/yara -w -N /etc/rules /srv/a b", "log Warn yara: Evil matches /srv/a b"]
        );
    }
}
