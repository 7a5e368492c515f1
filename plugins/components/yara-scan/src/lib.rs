//! Scans the file of an alert with YARA, and logs each rule that matches in the
//! words that Wazuh's guide for YARA decodes.

use riposte_sdk::{Alert, Error, Oneshot, config, exec, export, invocation, log};

/// The scanner, when `<config name="program"/>` names no other.
const PROGRAM: &str = "/usr/bin/yara";

/// Where the file stands: Wazuh 4, Wazuh 5.
const FILE: [&str; 2] = ["/syscheck/path", "/file/path"];

struct YaraScan;

impl Oneshot for YaraScan {
    fn run(alert: &Alert) -> Result<(), Error> {
        let file = file(alert)?;
        let Some(rules) = config::get("rules") else {
            return Err(Error::failed(
                "no rules are named: add <config name=\"rules\" value=\"/path/to/the.rules\"/> to <capabilities>",
            ));
        };
        let program = config::get("program").unwrap_or_else(|| PROGRAM.to_owned());
        // No warnings, no links. It knows no `--`, but neither path can be an
        // option: the grant takes none that begins with `-`.
        let arguments = ["-w".to_owned(), "-N".to_owned(), rules, file.clone()];
        let ended = exec::run(&program, &arguments, &[])?;
        if ended.status != 0 {
            let said = String::from_utf8_lossy(&ended.stderr);
            let said = said.lines().next().unwrap_or("it did not say why").trim();
            return Err(Error::failed(format!(
                "yara ended with status {} on {file:?}: {said:?}",
                ended.status
            )));
        }
        let output = String::from_utf8_lossy(&ended.stdout);
        let matched: Vec<_> = output.lines().filter_map(|line| rule(line, &file)).collect();
        for rule in &matched {
            log::warn(format!("wazuh-yara: INFO - Scan result: {rule} {file}"));
        }
        if matched.is_empty() {
            log::info(format!("wazuh-yara: INFO - no rule matches {file}"));
        }
        Ok(())
    }
}

/// The file to scan: what `<keys>` found, or that of a file integrity alert.
fn file(alert: &Alert) -> Result<String, Error> {
    let file = invocation::keys().into_iter().next();
    let file = file.or_else(|| FILE.iter().find_map(|pointer| alert.text(pointer)));
    let Some(file) = file.filter(|file| !file.is_empty()) else {
        return Err(Error::no_key("the alert has no file (syscheck.path)"));
    };
    if !file.starts_with('/') || file.contains(char::is_control) {
        return Err(Error::invalid(format!("the file of the alert, {file:?}, is not an absolute path")));
    }
    Ok(file)
}

/// The rule of a line `RULE FILE`. A name in a folder could forge a line, so it
/// has to be the very file.
fn rule<'l>(line: &'l str, file: &str) -> Option<&'l str> {
    let (rule, scanned) = line.split_once(' ')?;
    let named = !rule.is_empty() && rule.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (named && scanned == file).then_some(rule)
}

export!(YaraScan: Oneshot);

#[cfg(test)]
mod tests {
    use super::*;
    use riposte_sdk::{exec::Output, host};

    fn alert(path: &str) -> Alert {
        format!(r#"{{"syscheck":{{"path":{path:?}}}}}"#).parse().unwrap()
    }

    fn scanner(status: i32, stdout: &str, stderr: &str) {
        host::reset();
        host::set_config("rules", "/etc/rules");
        let (stdout, stderr) = (stdout.as_bytes().to_vec(), stderr.as_bytes().to_vec());
        host::answer_with("exec.run", Output { status, stdout, stderr, truncated: false });
    }

    #[test]
    fn each_rule_that_matches_is_logged() {
        scanner(0, "Evil /tmp/a b\nOther_2 /tmp/a b\n", "");
        YaraScan::run(&alert("/tmp/a b")).unwrap();
        assert_eq!(
            host::calls(),
            [
                "exec.run /usr/bin/yara -w -N /etc/rules /tmp/a b",
                "log Warn wazuh-yara: INFO - Scan result: Evil /tmp/a b",
                "log Warn wazuh-yara: INFO - Scan result: Other_2 /tmp/a b",
            ]
        );
        scanner(0, "", "");
        YaraScan::run(&alert("/tmp/clean")).unwrap();
        assert!(host::calls().contains(&"log Info wazuh-yara: INFO - no rule matches /tmp/clean".to_owned()));
    }

    #[test]
    fn no_line_is_forged() {
        for line in ["Evil /tmp/other", "Ev il /tmp/a", "Evil: /tmp/a", " /tmp/a", "Evil", "Evil  /tmp/a"] {
            assert_eq!(rule(line, "/tmp/a"), None, "{line}");
        }
        for path in ["-r", "1", "tmp/a", "/tmp/a\nEvil /etc/passwd"] {
            scanner(0, "", "");
            assert_eq!(YaraScan::run(&alert(path)).unwrap_err().kind, "invalid-input", "{path}");
            assert!(host::calls().is_empty());
        }
    }

    #[test]
    fn what_went_wrong_is_said() {
        scanner(1, "", "error: could not open file: /etc/rules\nmore\n");
        let error = YaraScan::run(&alert("/tmp/a")).unwrap_err();
        assert!(error.message.contains("could not open file: /etc/rules"), "{}", error.message);
        host::reset();
        assert!(YaraScan::run(&alert("/tmp/a")).unwrap_err().message.contains("<config name=\"rules\""));
        assert_eq!(YaraScan::run(&"{}".parse().unwrap()).unwrap_err().kind, "no-key");
    }
}
