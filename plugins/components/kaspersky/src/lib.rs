//! Has Kaspersky Endpoint Security for Linux scan the file of an alert, or do
//! what the `<extra_args>` of the command say, as Wazuh's `kaspersky.py` takes
//! them. What needs another grant than those of the definition, such as an
//! action of its own, says so.

use riposte_sdk::{Alert, Error, Oneshot, config, exec, export_oneshot, invocation, log};

/// The control program, when `<config name="program"/>` names no other.
const PROGRAM: &str = "/opt/kaspersky/kesl/bin/kesl-control";

/// Where the file stands: Wazuh 4, Wazuh 5.
const FILE: [&str; 2] = ["/syscheck/path", "/file/path"];

/// The tasks that every installation has, by the option that asks for one.
const TASKS: [(&str, &str); 4] = [
    ("--full_scan", "Scan_My_Computer"),
    ("--boot_scan", "Boot_Scan"),
    ("--memory_scan", "Memory_Scan"),
    ("--update_application", "Update"),
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
    if words.is_empty() {
        return Ok(vec![scan(&file(alert)?)]);
    }
    let mut all = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if let Some((_, task)) = TASKS.iter().find(|(option, _)| option == word) {
            all.push(vec!["--start-task".to_owned(), (*task).to_owned()]);
            continue;
        }
        let (option, value) = match word.split_once('=') {
            Some((option, value)) => (option, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        let mut value = || value.clone().or_else(|| words.next().cloned()).ok_or_else(|| lacks(option));
        match option {
            "--scan_file" if word == "--scan_file" => all.push(scan(&file(alert)?)),
            "--scan_file" => all.push(scan(&path(value()?)?)),
            "--start_task" => all.push(vec!["--start-task".to_owned(), task(value()?)?]),
            "--stop_task" => all.push(vec!["--stop-task".to_owned(), task(value()?)?]),
            "--get_task_state" => all.push(vec!["--get-task-state".to_owned(), task(value()?)?]),
            // Each word becomes one argument; the grant decides whether it may.
            "--custom_action" => {
                let mut own = vec![value()?];
                own.extend(words.by_ref().cloned());
                if let Some(wrong) = own.iter().find(|word| word.contains(char::is_control)) {
                    return Err(Error::invalid(format!("{wrong:?} holds control characters")));
                }
                all.push(own);
            }
            _ => {
                return Err(Error::invalid(format!(
                    "<extra_args> has {word:?}: it takes --scan_file, --full_scan, --boot_scan, --memory_scan, \
                     --update_application, --start_task, --stop_task, --get_task_state and --custom_action"
                )));
            }
        }
    }
    Ok(all)
}

fn scan(file: &str) -> Vec<String> {
    vec!["--scan-file".to_owned(), file.to_owned()]
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

/// The name or number of a task.
fn task(text: String) -> Result<String, Error> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !text.is_empty() && text.chars().all(plain) {
        return Ok(text);
    }
    Err(Error::invalid(format!("{text:?} is no name of a task: use letters, digits and _")))
}

fn lacks(option: &str) -> Error {
    Error::invalid(format!("<extra_args> has {option} without its value"))
}

export_oneshot!(Kaspersky);

#[cfg(test)]
mod tests {
    use super::*;
    use riposte_sdk::{exec::Output, host};

    fn run(arguments: &[&str]) -> Result<Vec<String>, Error> {
        host::reset();
        let arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
        host::set_invocation(host::Invocation { arguments, ..host::Invocation::default() });
        Kaspersky::run(&r#"{"syscheck":{"path":"/tmp/a b"}}"#.parse().unwrap())?;
        Ok(host::calls().into_iter().filter_map(|call| Some(call.strip_prefix("exec.run ")?.to_owned())).collect())
    }

    #[test]
    fn each_option_becomes_words_of_its_own() {
        let control = |arguments: &str| format!("{PROGRAM} {arguments}");
        for (arguments, expected) in [
            (&[][..], "--scan-file /tmp/a b"),
            (&["--scan_file"], "--scan-file /tmp/a b"),
            (&["--scan_file=/etc/passwd"], "--scan-file /etc/passwd"),
            (&["--full_scan"], "--start-task Scan_My_Computer"),
            (&["--boot_scan"], "--start-task Boot_Scan"),
            (&["--memory_scan"], "--start-task Memory_Scan"),
            (&["--update_application"], "--start-task Update"),
            (&["--start_task", "7"], "--start-task 7"),
            (&["--stop_task=File_Threat_Protection"], "--stop-task File_Threat_Protection"),
            (&["--get_task_state", "2"], "--get-task-state 2"),
            (&["--custom_action", "--app-info"], "--app-info"),
            (&["--custom_action=--set-settings", "2", "A=B"], "--set-settings 2 A=B"),
        ] {
            assert_eq!(run(arguments), Ok(vec![control(expected)]), "{arguments:?}");
        }
        assert_eq!(run(&["--memory_scan", "--boot_scan"]).unwrap().len(), 2);
    }

    #[test]
    fn what_is_no_option_runs_nothing() {
        for arguments in
            [&["--scan"][..], &["/tmp/a"], &["--start_task"], &["--start_task", "a;b"], &["--start_task=-x"], &["--scan_file=a"], &["--custom_action=a\nb"], &["--full_scan", "--x"]]
        {
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
