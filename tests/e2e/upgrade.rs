//! From one version to the next, while something is in force.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; it plays the administrator"
)]

use std::fs;
use std::process::Stdio;

use riposte_tests::{Host, address, sshd, until};

fn response(timeout: &str) -> String {
    format!(
        "<command><name>mine</name><executable>mine</executable><timeout_allowed>yes</timeout_allowed>
           <capabilities><route/></capabilities></command>
         <active-response><command>mine</command><location>local</location><rules_id>5712</rules_id>{timeout}</active-response>"
    )
}

/// The component that is built in under that name, as one of the user's.
fn route_null() -> &'static [u8] {
    riposte_plugins::builtins().iter().find(|builtin| builtin.name == "route-null").unwrap().wasm
}

/// The routes of the engine's in the kernel, which has no timeout for them.
fn routes(host: &Host) -> usize {
    let shown = host.command("ip").args(["route", "show", "proto", "199"]).output().unwrap();
    String::from_utf8(shown.stdout).unwrap().lines().count()
}

/// What compiled code is there.
fn compiled(host: &Host) -> usize {
    let names = fs::read_dir(host.path("state/compiled")).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name != "key").count()
}

fn number(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        if number == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn section(id: u8, body: &[u8]) -> Vec<u8> {
    [vec![id], number(body.len()), body.to_vec()].concat()
}

/// The same component with a module in it that nobody uses and that takes long
/// to compile: `functions` long functions.
fn slow_to_compile(component: &[u8], functions: usize) -> Vec<u8> {
    // local.get 0, i32.const 7, i32.mul, local.set 0, some hundred times.
    let step = [0x20, 0, 0x41, 7, 0x6c, 0x21, 0];
    let code = [vec![0], step.repeat(500), vec![0x20, 0, 0x0b]].concat();
    let code = [number(code.len()), code].concat();
    let types = [1, 0x60, 1, 0x7f, 1, 0x7f];
    let module = [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, &types),
        section(3, &[number(functions), vec![0; functions]].concat()),
        section(10, &[number(functions), code.repeat(functions)].concat()),
    ]
    .concat();
    [component.to_vec(), section(1, &module)].concat()
}

#[test]
fn what_is_overdue_is_off_the_host_before_its_component_is_compiled() {
    let host = Host::new();
    host.command("ip").args(["addr", "add", "192.0.2.1/24", "dev", "lo"]).status().unwrap();
    host.configure(&response("<timeout>5</timeout>"));
    host.plugin("mine", &slow_to_compile(route_null(), 2_500));
    let engine = host.start(&[]);
    host.alerts(&(1..=50).map(|n| sshd(n, &address(n))).collect::<Vec<_>>());
    until("all are in force", || routes(&host) == 50);
    engine.kill();
    assert_eq!(compiled(&host), 1);
    for entry in fs::read_dir(host.path("state/compiled")).unwrap() {
        let path = entry.unwrap().path();
        if !path.ends_with("key") {
            fs::remove_file(path).unwrap();
        }
    }
    let last =
        host.entries().iter().filter_map(|entry| entry["due"].as_str().map(str::to_owned)).max().unwrap();
    until("all are overdue", || {
        let now = host.command("date").args(["-u", "+%Y-%m-%dT%H:%M:%S.%3NZ"]).output().unwrap();
        String::from_utf8(now.stdout).unwrap().trim() > last.as_str()
    });
    assert_eq!(routes(&host), 50, "no engine runs");

    let seen = host.path("routes.log");
    let mut watching = host
        .command("ip")
        .args(["-ts", "monitor", "route"])
        .env("TZ", "UTC")
        .stdout(fs::File::create(&seen).unwrap())
        .spawn()
        .unwrap();
    let seen = || fs::read_to_string(&seen).unwrap();
    // Nothing is told of what changes nothing, and nothing before it listens.
    until("the kernel tells of routes", || {
        for act in ["add", "del"] {
            host.command("ip").args(["route", act, "blackhole", "203.0.113.1"]).status().unwrap();
        }
        seen().contains("203.0.113.1")
    });
    let alerts = host.path("alerts.json").display().to_string();
    let mut starting =
        host.riposte_command(&["run", "--alerts", &alerts]).stderr(Stdio::null()).spawn().unwrap();
    until("their deletes have run", || host.count("closed") == 50);
    starting.kill().unwrap();
    starting.wait().unwrap();
    let deleted = || {
        let lines = seen();
        let of_engine = lines.lines().filter(|line| line.contains("Deleted") && line.contains("proto 199"));
        // `[2026-05-07T03:17:27.104000] Deleted blackhole ...`
        of_engine.map(|line| line[1..].split(']').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    until("the kernel told of all of them", || deleted().len() == 50);
    watching.kill().unwrap();
    watching.wait().unwrap();
    // Compiling ends with the file.
    assert_eq!(compiled(&host), 1);
    let compiled = host
        .command("find")
        .arg(host.path("state/compiled"))
        .args(["-type", "f", "!", "-name", "key", "-printf", "%TY-%Tm-%TdT%TT"])
        .env("TZ", "UTC")
        .output()
        .unwrap();
    let compiled = String::from_utf8(compiled.stdout).unwrap();
    let last = deleted().into_iter().max().unwrap();
    assert!(last < compiled, "the last was gone at {last}, and the component compiled at {compiled}");
    let undoing = host.events("undoing");
    let begun = undoing.iter().filter(|event| event["time"].as_str().is_some_and(|time| time < &*compiled));
    assert_eq!(begun.count(), 50, "{undoing:?}");
}

#[test]
fn the_new_program_tries_everything_while_the_old_one_runs() {
    let host = Host::new();
    host.configure(&response("<timeout>600</timeout>"));
    host.plugin("mine", route_null());
    let mut engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("it is in force", || host.count("in-force") == 1);
    let config = host.path("etc").display().to_string();
    let check = |more: &[&str]| host.riposte(&[&["upgrade-check", "--config", &config], more].concat());

    let ended = check(&["--json"]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let said = ended.json();
    assert_eq!((&said["starts"], &said["ledger"]["open"]), (&true.into(), &1.into()), "{said}");
    assert_eq!(said["ledger"]["version"], said["ledger"]["becomes"]);
    assert!(engine.runs());

    // The version in force is compiled too, when the file has long been replaced.
    for entry in fs::read_dir(host.path("state/compiled")).unwrap() {
        let path = entry.unwrap().path();
        if !path.ends_with("key") {
            fs::remove_file(path).unwrap();
        }
    }
    host.plugin("mine", &slow_to_compile(route_null(), 1));
    let said = check(&["--json"]).json();
    assert_eq!(said["compiled"], 2, "{said}");
    assert_eq!(compiled(&host), 2);

    // Without it the start is possible: the engine itself takes back what is recorded.
    fs::remove_dir_all(host.path("state/versions")).unwrap();
    fs::create_dir(host.path("state/versions")).unwrap();
    fs::remove_dir_all(host.path("state/compiled")).unwrap();
    let ended = check(&[]);
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(ended.out.contains("the engine reverses what is recorded"), "{ended:?}");

    host.configure(&format!("{}<command><name>x</name></command><active-response>", response("")));
    let ended = check(&[]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.out.contains("this program would not start") && ended.out.contains("xml-"), "{ended:?}");
    assert!(engine.runs());
    let left: Vec<_> =
        fs::read_dir(host.path("state")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("upgrade-check")), "{left:?}");
}

#[test]
fn a_refused_component_stops_no_unit_and_is_told_before() {
    let host = Host::new();
    host.configure(&response(""));
    host.plugin("mine", b"no component");
    let config = host.path("etc").display().to_string();
    // As the unit of the archive asks it.
    let unit = include_str!("../../packaging/riposte.service");
    let before =
        unit.lines().find_map(|line| line.strip_prefix("ExecStartPre=/usr/local/bin/riposte ")).unwrap();
    let words: Vec<_> = before.split(' ').map(|word| word.replace("/etc/riposte", &config)).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let starts = host.riposte(&words);
    assert!(starts.code == 0 && starts.out.contains("component-refused"), "{starts:?}");
    assert!(starts.out.ends_with("an engine starts all the same, without what is refused\n"), "{starts:?}");
    assert_eq!(host.riposte(&["check", "--config", &config]).code, 1);
    let counted = host.riposte(&["upgrade-check", "--config", &config]);
    assert_eq!(counted.code, 0, "{counted:?}");
    assert!(counted.out.contains("configuration: 1 error that an engine starts with"), "{counted:?}");
    host.start(&[]).stop();

    // With what no engine starts with, all of them say so.
    host.configure(&response("").replace("<executable>mine", "<executable>nothing-there"));
    assert_eq!(host.riposte(&words).code, 1);
    let refused = host.riposte(&["upgrade-check", "--config", &config]);
    assert!(refused.out.contains("\nerror[executable-missing]"), "{refused:?}");
    assert!(refused.out.contains("would not start: 1 error."), "{refused:?}");
}

#[test]
fn an_older_program_refuses_a_newer_ledger_with_the_way_out() {
    let host = Host::new();
    host.configure("");
    host.start(&[]).stop();
    let newer = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('PRAGMA user_version = 99'); c.commit()";
    let ledger = host.path("state/ledger.db");
    assert!(host.command("python3").args(["-c", newer]).arg(&ledger).status().unwrap().success());
    let alerts = host.path("alerts.json").display().to_string();
    for command in [
        &["run", "--once", "--alerts", &alerts][..],
        &["undo", "--all", "--offline"],
        &["upgrade-check"],
        &["uninstall", "--purge"],
    ] {
        let ended = host.riposte(command);
        assert_eq!(ended.code, 1, "{ended:?}");
        let said = format!("{}{}", ended.out, ended.err);
        assert!(said.contains("version 99") && said.contains("undo --all --offline"), "{ended:?}");
        assert!(ledger.exists());
    }
}

#[test]
fn the_script_of_the_archive_replaces_the_program_and_restarts_what_runs() {
    let host = Host::new();
    host.configure(&response(""));
    host.plugin("mine", route_null());
    // Like systemd's where one unit runs and the other is not installed.
    host.program(
        "systemctl",
        "#!/bin/sh\necho \"$@\" >> \"$(dirname \"$0\")/asked\"\ncase \"$*\" in *riposte-execd*) exit 4;; esac\n",
    );
    let place = host.path("bin/riposte");
    host.write("bin/riposte", "the old one");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/upgrade");
    let path = format!("{}:/usr/bin:/bin:/usr/sbin", host.path("active-response/bin").display());
    let upgrade = |config: &str| {
        let mut command = host.command(script);
        command.arg(riposte_tests::binary()).arg("--home").arg(host.path("")).args(["--config", config]);
        command.env("PATH", &path).env("RIPOSTE", &place).output().unwrap()
    };
    let refused = upgrade("/nonexistent");
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert_eq!(fs::read(&place).unwrap(), b"the old one");

    let done = upgrade(host.path("etc").to_str().unwrap());
    assert!(done.status.success(), "{done:?}");
    assert!(fs::metadata(&place).unwrap().len() > 1_000_000 && !host.path("bin/riposte.new").exists());
    let asked = fs::read_to_string(host.path("active-response/bin/asked")).unwrap();
    let restarted: Vec<_> = asked.lines().filter(|line| line.contains("restart")).collect();
    assert_eq!(restarted, ["restart riposte.service"]);
}
