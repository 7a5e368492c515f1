//! The corpus of exchanges and bad input, where `RIPOSTE_CORPUS` names it.
//! What it teaches stands in `tests/compat/vectors` in words of our own.

use std::path::PathBuf;

use serde_json::Value;

use super::super::local::Local;
use super::lab::{Answer, Lab};
use super::vector::{self, steps};
use crate::files;

/// Every program of the corpus, as one that writes down what it is told.
const PROGRAMS: [&str; 7] = [
    "firewall-drop",
    "restart-wazuh",
    "host-deny",
    "disable-account",
    "custom-multi",
    "custom.sh",
    "netsh.exe",
];

fn corpus(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the corpus is no part of the project")]
    let Ok(folder) = std::env::var("RIPOSTE_CORPUS") else {
        println!("skipped: set RIPOSTE_CORPUS");
        return None;
    };
    let folder = PathBuf::from(folder);
    let folder = if folder.join("wazuh").is_dir() { folder.join("wazuh") } else { folder };
    let bytes = files::read_at_most(&folder.join(name), 16 << 20).unwrap();
    Some(String::from_utf8(bytes).unwrap())
}

/// The corpus' table, with the names that its exchanges use besides.
fn ar_conf(table: &str) -> String {
    format!("{table}firewall-drop0 - firewall-drop - 0\nfirewall-drop60 - firewall-drop - 60\n")
}

/// An exchange of the corpus in the words of [`vector`].
fn translated(id: &str, lines: &[String], left: &str, before: &[String]) -> Vec<String> {
    // A system account, which the guard keeps from every program; which user it
    // is means nothing to execd.
    let left = &left.replace("backup", "mallory");
    let mut out: Vec<String> = Vec::new();
    for line in lines {
        let line = &line.replace("backup", "mallory");
        let (time, rest) = match line.strip_prefix("t=").and_then(|rest| rest.split_once(' ')) {
            Some((time, rest)) => (format!("t={time} "), rest.trim()),
            None => (String::new(), line.trim()),
        };
        let (word, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let rest = rest.trim();
        match word {
            "as" => out.extend(before.iter().take(4).cloned()),
            "same" => {
                let again: Vec<_> = out.iter().take(4).map(|line| after_time(line)).collect();
                out.push(format!("{time}{}", again[0]));
                out.extend(again.into_iter().skip(1));
            }
            "in" if rest.starts_with("same with srcip") => {
                let address = rest.rsplit(' ').next().unwrap();
                let first = after_time(&out[0]).replace("3.3.3.3", address);
                out.push(format!("{time}{first}"));
                let add = after_time(&out[1]).replace("3.3.3.3", address);
                out.push(add);
            }
            "in" => {
                let (message, said) = rest.split_once("  log ").unwrap_or((rest, ""));
                out.push(format!("{time}in {}", message.trim()));
                out.extend(logged(said));
            }
            ">" if rest.starts_with("...") => out.push(format!("{time}> {rest}")),
            ">" => out.push(format!("{time}> {}", object(rest))),
            "<" if rest.starts_with("EOF") => {
                let refuses = rest.contains("255") || rest.contains("Invalid input format");
                out.push(format!("{time}< EOF {}", if refuses { 255 } else { 0 }));
            }
            "<" => out.push(format!("{time}< {}", rest.strip_prefix("any line, e.g. ").unwrap_or(rest))),
            // What a program of Wazuh's then runs is not `wazuh-execd`'s.
            "exec" => {}
            other => panic!("{id}: {other} in {line}"),
        }
    }
    out.push(match left.strip_prefix("list: key \"").and_then(|rest| rest.split_once('"')) {
        Some((key, _)) => format!("list {key} 60"),
        None => "list empty".to_owned(),
    });
    out
}

fn after_time(line: &str) -> String {
    match line.strip_prefix("t=").and_then(|rest| rest.split_once(' ')) {
        Some((_, rest)) => rest.to_owned(),
        None => line.to_owned(),
    }
}

/// A line without what the corpus says about it.
fn object(line: &str) -> &str {
    let mut values = serde_json::Deserializer::from_str(line).into_iter::<Value>();
    values.next();
    line.get(..values.byte_offset()).unwrap_or(line)
}

/// `2x TEXT then TEXT   (remark)`, as lines of the log.
fn logged(said: &str) -> Vec<String> {
    let said = said.split("   (").next().unwrap_or(said).trim();
    if said.is_empty() {
        return Vec::new();
    }
    let Some(rest) = said.strip_prefix("2x ") else { return vec![format!("log {said}")] };
    let (text, then) = rest.split_once(" then ").unwrap();
    // The corpus leaves out the middle of this one.
    let (_, name) = then.split_once("... ").unwrap();
    let unknown = format!("log (1311): Invalid command name {name} provided.");
    vec![format!("log {text}"), format!("log {text}"), unknown]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_exchanges() {
    let (Some(vectors), Some(table)) = (corpus("vectors.jsonl"), corpus("ar.conf")) else { return };
    let mut before = Vec::new();
    let mut ran = 0;
    for vector in vectors.lines() {
        let vector: Value = serde_json::from_str(vector).unwrap();
        let id = vector["id"].as_str().unwrap();
        let lines: Vec<String> = vector["steps"]
            .as_array()
            .unwrap()
            .iter()
            .map(|line| line.as_str().unwrap().to_owned())
            .collect();
        println!("{id}: {}", vector["title"]);
        match id {
            "G11" => newest_timeout(&table, &lines).await,
            "G12" => offenders(&table, &lines).await,
            "G13" => stop(&table, &lines).await,
            "G14" => restart(&table, &lines).await,
            "G16" => which_address(&lines).await,
            // What a program of Wazuh's does with its file: ours is none of it.
            "G17" => continue,
            _ => {
                let translated = translated(id, &lines, vector["final"].as_str().unwrap(), &before);
                let mut lab = Lab::new(&ar_conf(&table), "", &PROGRAMS).await;
                vector::run(&mut lab, &steps(translated.iter().map(String::as_str))).await;
                if id == "G1" {
                    before = translated;
                }
            }
        }
        ran += 1;
    }
    assert_eq!(ran, 16);
}

fn hit(at: &str, command: &str, verb: &str) -> [String; 4] {
    hit_by(at, command, verb, "3.3.3.3")
}

fn hit_by(at: &str, command: &str, verb: &str, srcip: &str) -> [String; 4] {
    let message = |module: &str, command: &str, program: &str| {
        format!(
            r#"{{"version":1,"origin":{{"name":"n1","module":"{module}"}},"command":"{command}","parameters":{{"extra_args":[],"alert":{{"data":{{"srcip":"{srcip}"}}}}{program}}}}}"#
        )
    };
    let program = r#","program":"active-response/bin/firewall-drop""#;
    [
        format!("t={at} in {}", message("wazuh-analysisd", command, "")),
        format!("> {}", message("wazuh-execd", "add", program)),
        format!(
            r#"< {{"version":1,"origin":{{"name":"firewall-drop","module":"active-response"}},"command":"check_keys","parameters":{{"keys":["{srcip}"]}}}}"#
        ),
        format!("> {}", message("wazuh-execd", verb, program)),
    ]
}

fn delete(at: &str) -> String {
    hit(at, "firewall-drop5", "delete")[3].replacen('>', &format!("t={at} >"), 1)
}

async fn run(table: &str, block: &str, lines: Vec<String>) {
    let mut lab = Lab::new(&ar_conf(table), block, &PROGRAMS).await;
    vector::run(&mut lab, &steps(lines.iter().map(String::as_str))).await;
}

fn time(line: &str) -> &str {
    line.strip_prefix("t=").unwrap().split(' ').next().unwrap()
}

async fn newest_timeout(table: &str, lines: &[String]) {
    let mut all = Vec::new();
    all.extend(hit(time(&lines[0]), "firewall-drop600", "continue"));
    all.push("list firewall-drop-3.3.3.3 600".to_owned());
    all.extend(hit(time(&lines[2]), "firewall-drop5", "abort"));
    all.push("list firewall-drop-3.3.3.3 5".to_owned());
    all.push(delete(time(&lines[4])));
    all.push("list empty".to_owned());
    run(table, "", all).await;
}

/// `t=20 hit: counter 0    -> 1, ttl 60,  abort`
async fn offenders(table: &str, lines: &[String]) {
    let mut all = Vec::new();
    for line in lines {
        let Some((_, ttl)) = line.split_once("ttl ") else {
            all.push(delete(time(line)));
            continue;
        };
        let (ttl, verb) = ttl.split_once(',').unwrap();
        let verb = verb.trim().split(' ').next().unwrap();
        all.extend(hit(time(line), "firewall-drop60", verb));
        all.push(format!("list firewall-drop-3.3.3.3 {ttl}"));
    }
    all.push(delete("1301"));
    run(table, "<repeated_offenders>1,5,10</repeated_offenders>", all).await;
}

async fn stop(table: &str, lines: &[String]) {
    let mut all = Vec::new();
    all.extend(hit("0", "firewall-drop600", "continue"));
    all.extend(hit_by("1", "firewall-drop5", "continue", "4.4.4.4"));
    all.push("stop".to_owned());
    let logged = lines.iter().filter(|line| line.starts_with("log "));
    let logged: Vec<_> = logged.map(|line| line.replacen("log INFO ", "log INFO: ", 1)).collect();
    assert_eq!(logged.len(), 2);
    all.push(logged[0].clone());
    all.push(delete("1").split_once(' ').unwrap().1.to_owned());
    all.push(hit_by("1", "firewall-drop5", "delete", "4.4.4.4")[3].clone());
    all.push(logged[1].clone());
    all.push("list empty".to_owned());
    run(table, "", all).await;
}

/// `{"data":…}  -> 192.0.2.66`, as the component blocks. Two rows differ, as
/// docs/differences.md has it: a `-` counts as absent, and a text that the C
/// library takes for an address is none.
async fn which_address(lines: &[String]) {
    let mut lab = Lab::new("firewall-drop5 - firewall-drop - 5\n", "", &[]).await;
    for line in lines {
        let (alert, wanted) =
            line.split_once("  -> ").map(|(alert, rest)| (alert.trim(), rest.trim())).unwrap();
        let wanted = match wanted {
            "failure, no fallback" => Some("3.3.3.3"),
            _ if wanted.starts_with("accepted as IPv4 (octal") => None,
            address => Some(address),
        };
        assert_eq!(blocked(&mut lab, alert).await, Vec::from_iter(wanted), "{line}");
    }
    // The last row names more texts: of its address, and of what is none.
    let last = lines.last().unwrap();
    let (alert, texts) = last.split_once("  -> ").unwrap();
    let texts: Vec<_> = texts.split('"').skip(1).step_by(2).collect();
    assert_eq!(texts, ["1.2.3", "0x7f.1", "1.2.3.4/32", "[::1]", ""]);
    for text in texts {
        let alert = alert.replace("010.0.0.1", text);
        assert_eq!(blocked(&mut lab, &alert).await, Vec::<String>::new(), "{text}");
    }
}

/// What `firewall-drop` holds for this alert.
async fn blocked(lab: &mut Lab, alert: &str) -> Vec<String> {
    let message = format!(
        r#"{{"version":1,"origin":{{"name":"n1","module":"wazuh-analysisd"}},"command":"firewall-drop5","parameters":{{"extra_args":[],"alert":{alert}}}}}"#
    );
    lab.send(&message, &Answer::Nothing(0)).await;
    let keys = lab.open().await.into_iter().flat_map(|entry| entry.keys).collect();
    lab.pass().await;
    keys
}

async fn restart(table: &str, lines: &[String]) {
    let mut lab = Lab::new(&ar_conf(table), "", &PROGRAMS).await;
    lab.write(
        "active-response/bin/restart.sh",
        "#!/bin/sh\necho \"$0 $*\" >rec/new\nmv rec/new rec/restarted\n",
    );
    rustix::fs::chmod(lab.path("active-response/bin/restart.sh"), 0o750.into()).unwrap();
    lab.send(lines[0].strip_prefix("in ").unwrap().trim(), &Answer::Nothing(0)).await;
    while lab.read("rec/restarted").is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let wanted = lines[1].strip_prefix("exec ").unwrap().split(" (").next().unwrap().trim_end();
    assert_eq!(lab.read("rec/restarted").trim_end(), wanted);
    assert_eq!(lab.children(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_messages() {
    let (Some(messages), Some(table)) = (corpus("execq.jsonl"), corpus("ar.conf")) else { return };
    for message in messages.lines().filter(|line| !line.trim().is_empty()) {
        let mut lab = Lab::new(&ar_conf(&table), "", &PROGRAMS).await;
        lab.write("active-response/bin/restart.sh", "#!/bin/sh\n");
        rustix::fs::chmod(lab.path("active-response/bin/restart.sh"), 0o750.into()).unwrap();
        lab.send(message, &Answer::Nothing(255)).await;
        let errors: Vec<_> = lab.log().into_iter().filter(|line| line.starts_with("ERROR")).collect();
        assert!(errors.is_empty(), "{message}: {errors:?}");
        let children = lab.children();
        let sent = serde_json::Deserializer::from_str(message).into_iter::<Value>().next().unwrap().unwrap();
        if sent["command"] == "restart-wazuh" {
            assert_eq!(children, []);
            continue;
        }
        assert_eq!(children.len(), 1, "{message}");
        let [heard] = children[0].heard.as_slice() else { panic!("{children:?}") };
        let mut wanted = sent.clone();
        wanted["command"] = "add".into();
        if sent["origin"].get("module").is_some() {
            wanted["origin"]["module"] = "wazuh-execd".into();
        }
        if sent["parameters"].is_object() {
            wanted["parameters"]["program"] = children[0].called.as_str().into();
        }
        assert_eq!(serde_json::from_str::<Value>(heard).unwrap(), wanted);
        // Without blanks, and without escapes that are not needed.
        assert!(!heard.contains("\\u") && !heard.contains("\\/") && !heard.contains("\": "), "{heard}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_bad_input() {
    let (Some(expected), Some(table)) = (corpus("bad/EXPECTED.tsv"), corpus("ar.conf")) else { return };
    let mut looked = 0;
    for line in expected.lines().skip(1) {
        let [file, who, wanted] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        if !who.starts_with("execd") {
            continue;
        }
        looked += 1;
        let bad = corpus(&format!("bad/{file}")).unwrap();
        let log = if file.starts_with("ossec-") {
            let read = Local::read(&bad);
            read.map(|local| local.lines)
                .unwrap_or_else(|lines| lines)
                .into_iter()
                .map(|line| line.text)
                .collect()
        } else {
            let (conf, message) = match file.starts_with("ar-") {
                true => (bad.clone(), r#"{"command":"nosuchname"}"#.to_owned()),
                false => (ar_conf(&table), bad.clone()),
            };
            let mut lab = Lab::new(&conf, "", &PROGRAMS).await;
            lab.send(&message, &Answer::Nothing(255)).await;
            assert_eq!(lab.children(), [], "{file}");
            lab.log()
        };
        let all = log.join("\n");
        // What a row names, without what it says about it.
        for part in wanted.split("  ").next().unwrap().split(" (twice) then ") {
            let part = part.trim_start_matches("INFO ").trim_start_matches("WARNING ");
            let part = part.trim_start_matches("no error; INFO ").split(" -> ").next().unwrap();
            let part = part.replace("<the text>", bad.trim_end()).replace("<first 256 characters>", "nnnn");
            assert!(all.contains(&part), "{file}: {part} is not in {all}");
        }
    }
    assert_eq!(looked, 14, "every row of execd's was looked at");
}
