//! Has Kaspersky Endpoint Security for Linux scan the file of an alert, or do
//! what the `<extra_args>` of the command say, as Wazuh's `kaspersky.py` takes
//! them. What needs another grant than those of the definition, such as an
//! action of its own, says so.

use riposte_sdk::{Alert, Error, Oneshot, config, exec, export, invocation, log};

/// The control program, when `<config name="program"/>` names no other.
const PROGRAM: &str = "/opt/kaspersky/kesl/bin/kesl-control";

/// Where the file stands: Wazuh 4, Wazuh 5.
const FILE: [&str; 2] = ["/syscheck/path", "/file/path"];

/// Options without a value, and what the control program is told. The tasks
/// have these numbers in every installation: 1 protects files as they are used,
/// 2 scans the computer, 4 what it boots from, 5 its memory.
const OPTIONS: [(&str, &[&str]); 7] = [
    ("--full_scan", &["--start-task", "2"]),
    ("--boot_scan", &["--start-task", "4"]),
    ("--memory_scan", &["--start-task", "5"]),
    ("--enable_realtime", &["--start-task", "1"]),
    ("--disable_realtime", &["--stop-task", "1"]),
    ("--update_application", &["--update-application"]),
    ("--get_task_list", &["--get-task-list"]),
];

struct Kaspersky;

impl Oneshot for Kaspersky {
    fn run(alert: &Alert) -> Result<(), Error> {
        let program = config::get("program").unwrap_or_else(|| PROGRAM.to_owned());
        for arguments in asked(&invocation::arguments(), alert)? {
            let shown = arguments.join(" ");
            let ended = exec::run(&program, &arguments, &[])?;
            if ended.status != 0 {
                let said = [ended.stderr, ended.stdout].concat();
                let said = String::from_utf8_lossy(&said);
                let said = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it did not say why");
                return Err(Error::failed(format!(
                    "kesl-control {shown:?} ended with status {}: {said:?}",
                    ended.status
                )));
            }
            log::info(format!("kesl-control {shown}"));
        }
        Ok(())
    }
}

/// What the control program is to do, each with its arguments as separate
/// words. Without `<extra_args>` the file of the alert is scanned.
fn asked(words: &[String], alert: &Alert) -> Result<Vec<Vec<String>>, Error> {
    let mut all: Vec<Vec<String>> = Vec::new();
    let mut words = words.iter().filter(|word| !matches!(word.as_str(), "-v" | "--verbose"));
    while let Some(word) = words.next() {
        if let Some((_, told)) = OPTIONS.iter().find(|(option, _)| option == word) {
            all.push(told.iter().map(|word| (*word).to_owned()).collect());
            continue;
        }
        let (option, value) = match word.split_once('=') {
            Some((option, value)) => (option, Some(value)),
            None => (word.as_str(), None),
        };
        let mut value = || match value.or_else(|| words.next().map(String::as_str)) {
            Some(value) => Ok(unquoted(value)),
            None => Err(Error::invalid(format!("<extra_args> has {option} without its value"))),
        };
        match option {
            "--custom_scan_file" | "--custom_scan_folder" => {
                all.push(vec!["--scan-file".to_owned(), path(value()?)?]);
            }
            "--action" => match all.last_mut() {
                Some(last) if last.first().is_some_and(|first| first == "--scan-file") => {
                    last.extend(["--action".to_owned(), plain(value()?)?]);
                }
                _ => {
                    return Err(Error::invalid(
                        "<extra_args> has --action without --custom_scan_file before it",
                    ));
                }
            },
            "--get_task_state" => all.push(vec!["--get-task-state".to_owned(), plain(value()?)?]),
            // Each word becomes one argument; the grant decides whether it may.
            "--custom_flags" => {
                let first = value()?;
                let own = [first].into_iter().chain(words.by_ref().map(|word| unquoted(word)));
                let own: Vec<_> = own.filter(|word| !word.is_empty()).collect();
                if let Some(wrong) = own.iter().find(|word| word.contains(char::is_control)) {
                    return Err(Error::invalid(format!("{wrong:?} holds control characters")));
                }
                all.push(own);
            }
            _ => {
                let known: Vec<_> = OPTIONS.iter().map(|(option, _)| *option).collect();
                return Err(Error::invalid(format!(
                    "<extra_args> has {word:?}: it takes {}, --custom_scan_file, --custom_scan_folder, --action, \
                     --get_task_state and --custom_flags",
                    known.join(", ")
                )));
            }
        }
    }
    if all.is_empty() {
        all.push(vec!["--scan-file".to_owned(), file(alert)?]);
    }
    Ok(all)
}

/// `<extra_args>` are split at blanks alone, so quotes of a shell are still there.
fn unquoted(word: &str) -> String {
    word.trim_matches(['\'', '"']).to_owned()
}

/// The file to scan: what `<keys>` found, or that of a file integrity alert.
fn file(alert: &Alert) -> Result<String, Error> {
    let file = invocation::keys().into_iter().next();
    let file = file.or_else(|| FILE.iter().find_map(|pointer| alert.text(pointer)));
    match file.filter(|file| !file.is_empty()) {
        Some(file) => path(file),
        None => Err(Error::no_key("the alert has no file (syscheck.path)")),
    }
}

fn path(text: String) -> Result<String, Error> {
    if text.starts_with('/') && !text.contains(char::is_control) {
        return Ok(text);
    }
    Err(Error::invalid(format!("{text:?} is not an absolute path")))
}

/// The name or number of a task, or an action.
fn plain(text: String) -> Result<String, Error> {
    if !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Ok(text);
    }
    Err(Error::invalid(format!("{text:?} is no task and no action: use letters, digits and _")))
}

export!(Kaspersky: Oneshot);

#[cfg(test)]
mod tests {
    use super::*;
    use riposte_sdk::{exec::Output, host};

    fn run(arguments: &[&str]) -> Result<Vec<String>, Error> {
        host::reset();
        let arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
        host::set_invocation(host::Invocation { arguments, ..host::Invocation::default() });
        Kaspersky::run(&r#"{"syscheck":{"path":"/tmp/a b"}}"#.parse().unwrap())?;
        Ok(host::calls()
            .into_iter()
            .filter_map(|call| Some(call.strip_prefix("exec.run ")?.to_owned()))
            .collect())
    }

    #[test]
    fn each_option_becomes_words_of_its_own() {
        let control = |arguments: &str| format!("{PROGRAM} {arguments}");
        for (arguments, expected) in [
            (&[][..], "--scan-file /tmp/a b"),
            (&["-v", "--full_scan"], "--start-task 2"),
            (&["--boot_scan"], "--start-task 4"),
            (&["--memory_scan"], "--start-task 5"),
            (&["--enable_realtime"], "--start-task 1"),
            (&["--disable_realtime"], "--stop-task 1"),
            (&["--update_application"], "--update-application"),
            (&["--get_task_list"], "--get-task-list"),
            (&["--get_task_state", "2"], "--get-task-state 2"),
            (&["--custom_scan_file=/etc/passwd"], "--scan-file /etc/passwd"),
            (&["--custom_scan_folder", "'/etc'"], "--scan-file /etc"),
            (&["--custom_scan_file", "/a", "--action", "Cure"], "--scan-file /a --action Cure"),
            (&["--custom_flags", "'--get-task-state", "Scan'"], "--get-task-state Scan"),
            (&["--custom_flags=--set-settings", "2", "A=B"], "--set-settings 2 A=B"),
        ] {
            assert_eq!(run(arguments), Ok(vec![control(expected)]), "{arguments:?}");
        }
        assert_eq!(run(&["--memory_scan", "--boot_scan"]).unwrap().len(), 2);
    }

    #[test]
    fn what_is_no_option_runs_nothing() {
        for arguments in [
            &["--scan"][..],
            &["/tmp/a"],
            &["--get_task_state"],
            &["--get_task_state", "a;b"],
            &["--get_task_state=-x"],
            &["--custom_scan_file=a"],
            &["--custom_flags=a\nb"],
            &["--full_scan", "--x"],
            &["--action", "Cure"],
            &["--full_scan", "--action", "Cure"],
        ] {
            assert_eq!(run(arguments).unwrap_err().kind, "invalid-input", "{arguments:?}");
            assert!(!host::calls().iter().any(|call| call.starts_with("exec.run")));
        }
    }

    #[test]
    fn a_failure_is_told_with_its_first_words() {
        host::reset();
        let stdout = b"\nTask not found\n".to_vec();
        host::answer_with("exec.run", Output { status: 65, stdout, ..Output::default() });
        let error = Kaspersky::run(&r#"{"syscheck":{"path":"/tmp/a"}}"#.parse().unwrap()).unwrap_err();
        assert!(error.message.contains("status 65: \"Task not found\""), "{}", error.message);
    }
}
