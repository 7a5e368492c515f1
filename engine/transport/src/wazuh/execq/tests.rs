use super::*;
use crate::wazuh::ar_conf::Presence;

fn message(text: &str) -> Message {
    Message::parse(text.as_bytes()).unwrap()
}

fn refused(text: &[u8]) -> String {
    Message::parse(text).unwrap_err().text
}

fn here(name: &str) -> Presence {
    if name == "here" { Presence::File } else { Presence::Absent }
}

#[test]
fn a_message_is_an_object_with_a_command() {
    let wire = r#"{"version":1,"origin":{"name":"web7","module":"wazuh-analysisd"},"command":"block90","parameters":{"extra_args":[],"alert":{"data":{"srcip":"198.51.100.4"}}}}"#;
    let read = message(wire);
    assert_eq!(read.text, wire);
    assert_eq!(read.command, "block90");
    assert_eq!(read.origin.as_deref(), Some("web7"));
    assert_eq!(read.alert.as_deref(), Some(r#"{"data":{"srcip":"198.51.100.4"}}"#));
}

#[test]
fn what_is_not_there_is_not_asked_for() {
    for text in [
        r#"{"command":"x"}"#,
        r#"{"command":"x","origin":{"name":null},"parameters":{"alert":5}}"#,
        r#"{"command":"x","origin":[],"parameters":[{"alert":{}}]}"#,
        r#"{"command":"x","origin":{"name":""}}"#,
    ] {
        let read = message(text);
        assert_eq!((read.origin, read.alert), (None, None), "{text}");
    }
}

#[test]
fn the_end_of_the_object_is_the_end_of_the_message() {
    assert_eq!(message("{\"command\":\"x\"} }}trailing").command, "x");
    assert_eq!(message("{\"command\":\"x\"}\0{\"command\":\"y\"}").text, "{\"command\":\"x\"}");
    assert_eq!(message("\u{feff} {\"command\":\"x\"}").command, "x");
}

#[test]
fn names_are_found_as_cjson_finds_them() {
    let text = r#"{"COMMAND":"first","command":"second","Origin":{"NAME":"n"},"Parameters":{"Alert":{}}}"#;
    let read = message(text);
    assert_eq!((read.command.as_str(), read.origin.as_deref()), ("first", Some("n")));
    assert_eq!(read.alert.as_deref(), Some("{}"));
}

#[test]
fn control_characters_inside_strings_are_escaped() {
    let read = message("{\"command\":\"a\nb\",\n \"p\\\"\t\":\"\u{1}\"}");
    assert_eq!(read.command, "a\nb");
    assert_eq!(read.text, "{\"command\":\"a\\nb\",\n \"p\\\"\\t\":\"\\u0001\"}");
}

#[test]
fn what_wazuh_refuses_is_refused_in_its_words() {
    assert_eq!(refused(b"hello"), "(1315): Invalid JSON message: 'hello'");
    assert_eq!(refused(b"{\"command\":"), "(1315): Invalid JSON message: '{\"command\":'");
    assert_eq!(
        refused(b"block90 - 198.51.100.4 -"),
        "(1315): Invalid JSON message: 'block90 - 198.51.100.4 -'"
    );
    assert_eq!(refused(b""), "(1315): Invalid JSON message: ''");
    for text in ["{}", "[]", "5", "{\"command\":null}", "{\"command\":[\"x\"]}"] {
        assert_eq!(refused(text.as_bytes()), format!("(1316): Invalid AR command: '{text}'"));
    }
    assert!(refused(b"\xff\xfe").starts_with("(1315): "));
    let deep = format!("{{\"command\":\"x\",\"a\":{}{}}}", "[".repeat(5000), "]".repeat(5000));
    assert!(refused(deep.as_bytes()).starts_with("(1315): "));
}

fn find(command: &str, conf: &str) -> (Request, Vec<String>, bool) {
    let mut table = Table::read("known5 - here - 5\ngone0 - gone - 0\n", false, here).0;
    let mut asked = false;
    let (request, lines) = Request::find(command, &mut table, || {
        asked = true;
        let (table, lines) = Table::read(conf, false, here);
        (Some(table), lines)
    });
    (request, lines.into_iter().map(|line| line.text).collect(), asked)
}

#[test]
fn a_known_name_needs_no_second_reading() {
    let known = Request::Known { program: "here".to_owned(), timeout: Duration::from_secs(5) };
    assert_eq!(find("known5", "!"), (known, Vec::new(), false));
    assert_eq!(find("gone0", "!"), (Request::Absent, Vec::new(), false));
    assert_eq!(find("restart-wazuh", "!"), (Request::Restart, Vec::new(), false));
}

#[test]
fn an_unknown_name_makes_the_table_be_read_again() {
    let new = Request::Known { program: "here".to_owned(), timeout: Duration::ZERO };
    assert_eq!(find("new0", "new0 - here - 0\n"), (new, Vec::new(), true));
    let (request, lines, asked) = find("nosuch3", "oops\n");
    assert_eq!((request, asked), (Request::Unknown, true));
    assert_eq!(
        lines,
        [
            "(1313): Invalid active response config: 'etc/shared/ar.conf'.",
            "(1311): Invalid command name 'nosuch3' provided."
        ]
    );
}

#[test]
fn a_bang_names_a_program() {
    let custom = |program: &str| Request::Custom { program: program.to_owned() };
    assert_eq!(find("!own.sh", "").0, custom("own.sh"));
    assert_eq!(find("!team/own.sh", "").0, custom("team/own.sh"));

    let (request, lines, _) = find("!a/../../own.sh", "");
    assert_eq!(request, Request::Unknown);
    let warning =
        "Active response command 'a/../../own.sh' vulnerable to directory traversal attack. Ignoring.";
    assert_eq!(lines, [warning, warning, "(1311): Invalid command name '!a/../../own.sh' provided."]);

    let long = "x".repeat(LONGEST_PATH - 19);
    assert_eq!(find(&format!("!{}", &long[1..]), "").0, custom(&long[1..]));
    let (request, lines, _) = find(&format!("!{long}"), "");
    assert_eq!(request, Request::Unknown);
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0], format!("Cannot execute command '{long}...': path too long."));
}

#[tokio::test]
async fn datagrams_arrive_whole_or_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("execq");
    let queue = Execq::bind(&path).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let sender = UnixDatagram::unbound().unwrap();
    for length in [0, 1, LONGEST] {
        sender.send_to(&vec![b'x'; length], &path).await.unwrap();
        assert_eq!(queue.receive().await.unwrap(), Datagram::Whole(vec![b'x'; length]));
    }
    sender.send_to(&vec![b'x'; 71_680], &path).await.unwrap();
    assert_eq!(queue.receive().await.unwrap(), Datagram::TooLong(71_680));
}

#[test]
fn only_a_socket_of_ours_is_opened_to_the_group() {
    let dir = tempfile::tempdir().unwrap();
    let (victim, link) = (dir.path().join("victim"), dir.path().join("execq"));
    std::fs::create_dir(&victim).unwrap();
    std::fs::set_permissions(&victim, std::fs::Permissions::from_mode(0o700)).unwrap();
    std::os::unix::fs::symlink(&victim, &link).unwrap();
    assert!(open_to_group(&link).is_err() && open_to_group(&victim).is_err());
    assert_eq!(std::fs::metadata(&victim).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn a_stolen_path_is_noticed_and_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("execq");
    let first = Execq::bind(&path).unwrap();
    assert_eq!(first.watch(), Standing::Ours);
    let second = Execq::bind(&path).unwrap();
    assert_eq!((first.watch(), second.watch()), (Standing::Stolen, Standing::Ours));
    drop(first);
    assert_eq!(second.watch(), Standing::Ours, "only one's own is removed");
    rustix::fs::unlink(&path).unwrap();
    assert_eq!(second.watch(), Standing::Removed);
    let third = Execq::bind(&path).unwrap();
    assert_eq!(third.watch(), Standing::Ours);
    drop(third);
    assert!(!path.exists());
}
