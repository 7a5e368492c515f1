//! `<command>`.

use super::*;

#[test]
fn the_first_definition_counts_in_one_file_and_a_later_file_refines() {
    let first = Source::new(
        "ossec.conf",
        "<command><name>b</name><executable>b.sh</executable><expect>srcip</expect></command>
         <command><name>b</name><executable>other.sh</executable></command>",
    );
    let second = Source::new(
        "riposte.conf",
        "<command><name>b</name><timeout_allowed>yes</timeout_allowed><keys>data.user</keys>
         <capabilities><firewall/></capabilities><limits cpu=\"1s\"/></command>",
    );
    let config = Config::read(&[first, second]);
    assert_eq!(found(&config), [(Warning, "command-duplicate", 2, 10)]);
    let [command] = config.commands.as_slice() else { panic!("{:?}", config.commands) };
    assert_eq!(command.executable, "b.sh");
    assert_eq!(
        (command.timeout_allowed, command.expect.as_slice()),
        (Some(true), [Expect::SourceIp].as_slice())
    );
    assert_eq!(command.keys, ["/data/user".parse().unwrap()]);
    assert_eq!(
        command.capabilities.as_ref().and_then(|grants| grants.firewall.clone()),
        Some(Default::default())
    );
    assert_eq!(command.limits, Limits { cpu: Duration::from_secs(1), ..Limits::default() });
    assert_eq!(&*command.place.file, "ossec.conf");
    // The other way round: what a program is may be said later.
    let config = Config::read(&[second, first]);
    assert_eq!(codes(&config), ["command-duplicate"]);
    assert_eq!(
        (config.commands[0].executable.as_str(), config.commands[0].limits.cpu.as_secs()),
        ("b.sh", 1)
    );
}

#[test]
fn commands_in_full() {
    let config = read(
        "<command><name> yara </name><executable runtime=\"wasm\">yara</executable><expect>filename, user</expect>
         <timeout_allowed>no</timeout_allowed><extra_args> -r  /opt/rules&amp;more </extra_args>
         <keys>/data/srcip data.cloud.ip</keys><keys>/data/user</keys>
         <limits memory=\"32MiB\" cpu=\"250ms\" wall=\"1m\" concurrency=\"4\" answer=\"2s\" run=\"5m\"/></command>
         <command><name>mail</name><executable>mail-test.sh</executable><expect /></command>",
    );
    assert_eq!(codes(&config), [""; 0]);
    let [yara, mail] = config.commands.as_slice() else { panic!("{:?}", config.commands) };
    assert_eq!((&*yara.name, yara.runtime, yara.timeout_allowed), ("yara", Some(Runtime::Wasm), Some(false)));
    assert_eq!(yara.expect, [Expect::FileName, Expect::User]);
    assert_eq!(yara.extra_args, ["-r", "/opt/rules&more"]);
    assert_eq!(
        yara.keys.iter().map(Pointer::as_str).collect::<Vec<_>>(),
        ["/data/srcip", "/data/cloud/ip", "/data/user"]
    );
    let expected = Limits {
        memory: 32 << 20,
        cpu: Duration::from_millis(250),
        wall: Duration::from_secs(60),
        concurrency: Some(4),
        answer: Duration::from_secs(2),
        run: Duration::from_secs(300),
    };
    assert_eq!(yara.limits, expected);
    assert_eq!((mail.expect.len(), mail.timeout_allowed, mail.capabilities.clone()), (0, None, None));
}

#[test]
fn a_program_says_how_it_is_spoken_to() {
    let protocol = |executable: &str, expect: &str| {
        let config = read(&format!("<command><name>b</name>{executable}{expect}</command>"));
        assert_eq!(codes(&config), [""; 0], "{executable}");
        config.commands[0].protocol
    };
    assert_eq!(protocol("<executable>b.sh</executable>", ""), None);
    for (value, expected) in
        [("json", Protocol::Json), ("argv", Protocol::Argv), ("both", Protocol::Both), ("5", Protocol::Five)]
    {
        let executable = format!("<executable runtime=\"native\" protocol=\"{value}\">b.sh</executable>");
        assert_eq!(protocol(&executable, "<expect>srcip</expect>"), Some(expected));
    }
    for expect in ["<expect>srcip</expect>", "<expect />", "<expect></expect>"] {
        assert_eq!(protocol("<executable>b.sh</executable>", expect), Some(Protocol::Both));
    }
    for attributes in ["protocol=\"xml\"", "protocol=\"\"", "runtime=\"wasm\" protocol=\"json\""] {
        let config =
            read(&format!("<command><name>b</name><executable {attributes}>b</executable></command>"));
        assert_eq!(codes(&config), ["value-invalid"], "{attributes}");
        assert!(config.commands.is_empty());
    }
}

#[test]
fn commands_with_errors() {
    for (text, code, usable) in [
        ("<command><executable>b</executable></command>", "command-incomplete", false),
        ("<command><name>b</name></command>", "command-incomplete", false),
        ("<command><name>!b</name><executable>b</executable></command>", "value-invalid", false),
        ("<command><name>b\nc</name><executable>b</executable></command>", "value-invalid", false),
        ("<command><name>b</name><executable>../b</executable></command>", "value-invalid", false),
        ("<command><name>b</name><executable>/bin/b</executable></command>", "value-invalid", false),
        (
            "<command><name>b</name><executable runtime=\"jvm\">b</executable></command>",
            "value-invalid",
            false,
        ),
        (
            "<command><name>b</name><executable run=\"wasm\">b</executable></command>",
            "attribute-unknown",
            false,
        ),
        (
            "<command><name>b</name><executable>b</executable><executable>c</executable></command>",
            "element-repeated",
            false,
        ),
        (
            "<command><name>b</name><name>c</name><executable>b</executable></command>",
            "element-repeated",
            false,
        ),
        (
            "<command><name>b</name><executable>b</executable><keys>/a~</keys></command>",
            "value-invalid",
            false,
        ),
        (
            "<command><name>b</name><executable>b</executable><timeout_allowed>true</timeout_allowed></command>",
            "value-invalid",
            true,
        ),
        (
            "<command><name>b</name><executable>b</executable><expect>json</expect></command>",
            "expect-unknown",
            true,
        ),
        (
            "<command><name>b</name><executable>b</executable><expects>srcip</expects></command>",
            "element-unknown",
            true,
        ),
        (
            "<command><name>b</name><executable>b</executable><limits cpu=\"5\"/></command>",
            "value-invalid",
            true,
        ),
        (
            "<command><name>b</name><executable>b</executable><limits memory=\"1KiB\"/></command>",
            "value-invalid",
            true,
        ),
        (
            "<command><name>b</name><executable>b</executable><limits concurrency=\"0\"/></command>",
            "value-invalid",
            true,
        ),
        (
            "<command><name>b</name><executable>b</executable><limits disk=\"1GiB\"/></command>",
            "attribute-unknown",
            true,
        ),
    ] {
        let config = read(text);
        assert_eq!((codes(&config), config.commands.len() == 1), (vec![code], usable), "{text}");
    }
    let config = read(
        "<command><name>b</name><executable></executable></command>
<active-response><command>b</command><location>local</location><level>3</level></active-response>
<command><name>c</name><executable>c</executable></command>",
    );
    // A bad block is never silent, and never takes another with it.
    assert_eq!(found(&config), [(Error, "value-invalid", 1, 24), (Error, "command-unusable", 2, 18)]);
    assert_eq!(config.commands.len(), 1);
}

#[test]
fn commands_that_are_not_there() {
    let used = |name: &str| {
        with_block(&format!(
            "\n<active-response><command>{name}</command><location>local</location><level>3</level></active-response>"
        ))
    };
    assert_eq!(used("block").responses.len(), 1);
    let config = used("blokc");
    assert_eq!(found(&config), [(Error, "command-undefined", 2, 18)]);
    assert_eq!(one(&config).help, "did you mean block?");
    let config = with_block(
        "<active-response><command><name>inner</name><executable>x</executable></command></active-response>
<active-response><command>inner</command><location>local</location><level>3</level></active-response>",
    );
    assert_eq!(codes(&config), ["command-nested", "command-undefined"]);
    assert!(config.diagnostics[1].help.contains("ossec.conf:1:"), "{}", config.diagnostics[1]);
    // What is switched off may name anything.
    let config = with_block(
        "<active-response><disabled>yes</disabled><command>later</command><level>3</level></active-response>",
    );
    assert_eq!(codes(&config), ["response-disabled"]);
}
