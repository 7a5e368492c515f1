//! Ends the process that an alert names, by its number and the program that it
//! runs; without a number, all processes that run the program.

use riposte_sdk::{Alert, Error, Oneshot, export, invocation, log, processes};

/// Where the number and the program stand: auditd, Sysmon on Windows and on
/// Linux, osquery, Wazuh 5 and other writers of ECS.
const PLACES: [(&str, &[&str]); 6] = [
    ("/data/audit/pid", &["/data/audit/exe"]),
    ("/data/win/eventdata/processId", &["/data/win/eventdata/image"]),
    ("/data/eventdata/processId", &["/data/eventdata/image"]),
    ("/data/osquery/columns/pid", &["/data/osquery/columns/path", "/data/osquery/columns/name"]),
    ("/data/process/pid", &["/data/process/executable", "/data/process/name"]),
    ("/process/pid", &["/process/executable", "/process/name"]),
];

struct KillProcess;

impl Oneshot for KillProcess {
    fn run(alert: &Alert) -> Result<(), Error> {
        let (number, program) = target(alert)?;
        let Some(number) = number else { return all(&program) };
        if processes::kill(number, &program)? {
            log::info(format!("ended process {number} ({program})"));
        } else {
            log::info(format!("process {number} does not run {program}, or not any more"));
        }
        Ok(())
    }
}

/// Ends all that run the program. One that cannot be ended keeps no other one.
fn all(program: &str) -> Result<(), Error> {
    let (mut ended, mut failed) = (0, None);
    for number in processes::running(program)? {
        match processes::kill(number, program) {
            Ok(true) => ended += 1,
            Ok(false) => {}
            Err(error) => failed = Some(error),
        }
    }
    log::info(format!("ended {ended} processes of {program}"));
    failed.map_or(Ok(()), Err)
}

/// The number, if any, and the name of the program file: what `<keys>` found,
/// in any order, else what stands in the alert.
fn target(alert: &Alert) -> Result<(Option<u32>, String), Error> {
    let keys = invocation::keys();
    let (number, program) = if keys.is_empty() {
        let found = PLACES.iter().map(|(pid, programs)| {
            (
                alert.text(pid),
                programs.iter().find_map(|place| alert.text(place)).filter(|text| !text.is_empty()),
            )
        });
        found.into_iter().find(|(_, program)| program.is_some()).unwrap_or_default()
    } else {
        let number = keys.iter().find(|key| number(key).is_some()).cloned();
        (number, keys.iter().find(|key| self::number(key).is_none()).cloned())
    };
    let program = program.ok_or_else(|| {
        Error::no_key("the alert does not name a program (data.audit.exe): <keys> can tell where it stands")
    })?;
    // A number that cannot be read must not become all processes.
    let number =
        match number.filter(|text| !matches!(text.as_str(), "" | "-")) {
            None => None,
            Some(text) => Some(self::number(&text).ok_or_else(|| {
                Error::invalid(format!("the process of the alert, {text:?}, is not a number"))
            })?),
        };
    let name = program.rsplit(['/', '\\']).next().unwrap_or_default();
    Ok((number, name.to_owned()))
}

/// A number in decimal digits, or in hexadecimal ones as Windows writes it.
fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

export!(KillProcess: Oneshot);

#[cfg(test)]
mod tests {
    use super::*;
    use riposte_sdk::host;

    fn run(keys: &[&str], alert: &str) -> Result<Vec<String>, Error> {
        host::reset();
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        host::set_invocation(host::Invocation { keys, ..host::Invocation::default() });
        host::answer_with("processes.running", vec![7_u32, 9]);
        KillProcess::run(&alert.parse().unwrap())?;
        Ok(host::calls().into_iter().filter(|call| call.starts_with("processes")).collect())
    }

    #[test]
    fn each_source_names_its_process() {
        for alert in [
            r#"{"data":{"audit":{"pid":"4711","exe":"/tmp/.x/xmrig"}}}"#,
            r#"{"data":{"win":{"eventdata":{"processId":"0x1267","image":"C:\\Temp\\xmrig"}}}}"#,
            r#"{"data":{"eventdata":{"processId":"4711","image":"/tmp/xmrig"}}}"#,
            r#"{"data":{"osquery":{"columns":{"pid":"4711","name":"xmrig"}}}}"#,
            r#"{"process":{"pid":4711,"name":"xmrig"}}"#,
        ] {
            assert_eq!(run(&[], alert).unwrap(), ["processes.kill 4711 xmrig"], "{alert}");
        }
        assert_eq!(run(&["/opt/xmrig", "4711"], "{}").unwrap(), ["processes.kill 4711 xmrig"]);
    }

    #[test]
    fn without_a_number_all_of_the_program() {
        let all = ["processes.running xmrig", "processes.kill 7 xmrig", "processes.kill 9 xmrig"];
        assert_eq!(run(&["xmrig"], "{}").unwrap(), all);
        assert_eq!(run(&[], r#"{"data":{"audit":{"exe":"/tmp/xmrig"}}}"#).unwrap(), all);
    }

    #[test]
    fn half_an_answer_is_none() {
        assert_eq!(run(&[], r#"{"data":{"audit":{"pid":"4711"}}}"#).unwrap_err().kind, "no-key");
        assert_eq!(run(&["4711"], "{}").unwrap_err().kind, "no-key");
        let odd = r#"{"data":{"audit":{"pid":"47 11","exe":"/tmp/xmrig"}}}"#;
        assert_eq!(run(&[], odd).unwrap_err().kind, "invalid-input");
    }
}
