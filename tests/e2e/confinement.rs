//! Confined native programs and granted ones, with a real engine.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the user"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use riposte_tests::{Host, alert, sshd, until};

const LOG: &str = "logs/active-responses.log";

/// Tries what a confined or isolated program may not, and says what it could.
const TRIES: &str = r#"#!/bin/sh
read -r message
try() { if "$@" 2>/dev/null; then echo "could $*"; else echo "not $*"; fi >>free/said; }
write() { echo x >"$1"; }
echo "id $(id -u)" >>free/said
try write free/new
try write outside
try chown 1:1 free/new
try unshare -m true
try ip address add 192.0.2.1/32 dev lo
try grep -q secret secret
echo end >>free/said
"#;

fn response(name: &str, executable: &str, inside: &str) -> String {
    format!(
        "<command><name>{name}</name><executable>{executable}</executable><timeout_allowed>no</timeout_allowed>{inside}</command>
         <active-response><command>{name}</command><location>local</location><rules_id>5712</rules_id></active-response>"
    )
}

/// What the program said that ran with this in its command.
fn tries(confinement: impl FnOnce(&Host) -> String) -> Vec<String> {
    let host = Host::new();
    host.write(LOG, "");
    host.program("tries.sh", TRIES);
    host.write("free/said", "");
    host.write("secret", "secret");
    for (name, mode) in [
        ("free", 0o777),
        ("free/said", 0o666),
        ("secret", 0o600),
        ("active-response", 0o755),
        ("active-response/bin", 0o755),
        ("active-response/bin/tries.sh", 0o755),
    ] {
        fs::set_permissions(host.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    host.configure(&response("tries", "tries.sh", &confinement(&host)));
    let _engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it has tried", || host.read("free/said").ends_with("end\n"));
    assert_eq!(host.path("outside").exists(), host.read("free/said").contains("could write outside"));
    host.read("free/said").lines().map(str::to_owned).collect()
}

#[test]
fn a_program_can_do_what_its_level_leaves_it() {
    let free = |host: &Host| host.path("free").display().to_string();
    for (level, expected) in [
        (
            tries(|_| String::new()),
            [
                "id 0",
                "could write free/new",
                "could write outside",
                "could chown",
                "not unshare",
                "could ip address",
                "could grep",
            ],
        ),
        (
            tries(|host| format!(r#"<confined write="{}" capabilities="net_admin"/>"#, free(host))),
            [
                "id 0",
                "could write free/new",
                "not write outside",
                "not chown",
                "not unshare",
                "could ip address",
                "could grep",
            ],
        ),
        (
            tries(|host| format!(r#"<isolated write="{}"/>"#, free(host))),
            [
                "id 65534",
                "could write free/new",
                "not write outside",
                "not chown",
                "not unshare",
                "not ip address",
                "not grep",
            ],
        ),
    ] {
        assert_eq!(level.len(), expected.len() + 1, "{level:?}");
        for (line, expected) in level.iter().zip(expected) {
            assert!(line.starts_with(expected), "{expected:?} in {level:?}");
        }
    }
}

#[test]
fn a_program_that_cannot_be_confined_does_not_run() {
    let host = Host::new();
    host.write(LOG, "");
    host.program("tell.sh", "#!/bin/sh\necho told >ran\n");
    host.configure(&response("tell", "tell.sh", r#"<confined write="/no/such/folder"/>"#));
    let check = host.riposte(&["check"]);
    assert_eq!(check.code, 1, "{}", check.out);
    assert!(check.out.contains("error[confinement-unavailable]"), "{}", check.out);
    assert!(check.out.contains("create it, or correct write="), "{}", check.out);
}

/// An alert of file integrity monitoring.
fn changed(id: u32, path: &str) -> String {
    let mut alert: serde_json::Value = serde_json::from_str(&alert(id, "")).unwrap();
    alert["syscheck"] = serde_json::json!({ "path": path, "event": "added" });
    alert.to_string()
}

#[test]
fn yara_scans_the_file_of_an_alert() {
    let host = Host::new();
    host.write(LOG, "");
    host.write("rules", "rule Evil_File { strings: $a = \"riposte evil\" condition: $a }\n");
    host.write("has it", "a riposte evil b");
    host.write("clean", "nothing");
    let rules = host.path("rules");
    let grants = format!(
        r#"<capabilities><exec program="/usr/bin/yara" arguments="-w -N * /*" confinement="confined" capabilities="dac_read_search"/>
           <config name="rules" value="{}"/></capabilities>"#,
        rules.display()
    );
    host.configure(&response("scan", "yara-scan", &grants));
    let _engine = host.start(&[]);
    let [evil, clean] = ["has it", "clean"].map(|name| host.path(name).display().to_string());
    host.alerts(&[changed(1, &evil), changed(2, &clean), changed(3, "-r"), changed(4, "/no/such/file")]);
    let line = |text: String| host.read(LOG).lines().any(|line| line.ends_with(&text));
    until("the rule is logged", || {
        line(format!("yara-scan: wazuh-yara: INFO - Scan result: Evil_File {evil}"))
    });
    until("a clean file is said to be one", || line(format!("no rule matches {clean}")));
    until("what is no path is refused", || host.read(LOG).contains("is not an absolute path"));
    until("what yara says is told", || host.read(LOG).contains("/no/such/file"));
    assert_eq!(host.read(LOG).matches("Scan result").count(), 1);
}

#[test]
fn kaspersky_gets_each_argument_as_one() {
    let host = Host::new();
    host.write(LOG, "");
    let control = host.path("active-response/bin/kesl-control");
    let record = host.path("record");
    // Both run at once: each line is one write, so that neither is cut by the other's.
    host.program(
        "kesl-control",
        &format!(
            "#!/bin/sh\n[ \"$1\" != --fail ] || exit 3\nsaid=$(printf '[%s]' \"$@\"); printf '%s\\n' \"$said\" >>{0}\n",
            record.display()
        ),
    );
    let grants = format!(
        r#"<capabilities><exec program="{0}" arguments="--scan-file /*"/><exec program="{0}" arguments="--start-task *"/>
           <config name="program" value="{0}"/></capabilities>"#,
        control.display()
    );
    let extra = |words: &str| format!("<extra_args>{words}</extra_args>{grants}");
    host.configure(&format!(
        "{}{}{}",
        response("file", "kaspersky", &grants),
        response("memory", "kaspersky", &extra("--memory_scan")),
        response("flags", "kaspersky", &extra("--custom_flags --set-settings 2"))
    ));
    let _engine = host.start(&[]);
    let hostile = "/tmp/a b;$(touch pwned)'\"`";
    host.alerts(&[changed(1, hostile)]);
    until("both ran", || fs::read_to_string(&record).is_ok_and(|text| text.lines().count() == 2));
    until("what no grant has is refused", || host.read(LOG).contains("has the shape of these arguments"));
    let text = host.read("record");
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, [format!("[--scan-file][{hostile}]"), "[--start-task][5]".to_owned()]);
}
