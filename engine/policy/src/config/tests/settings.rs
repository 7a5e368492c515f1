//! `<riposte>`.

use super::*;

#[test]
fn how_the_engine_does_what_differs() {
    let settings = |text: &str, role| {
        let config =
            Config::read_as(&[Source::new("riposte.conf", &format!("<riposte>{text}</riposte>"))], role);
        (codes(&config), config.settings)
    };
    let all = "<matching>wazuh-4.x</matching><key>wazuh</key><offences>wazuh</offences><on_stop>revert</on_stop>\
        <execd>yes</execd><exec_strict>yes</exec_strict><link>firewall-drop</link><link>host-deny</link><link>host-deny</link>";
    let wazuh = Settings {
        matching: Way::Wazuh,
        key: Way::Wazuh,
        offences: Way::Wazuh,
        on_stop: OnStop::Revert,
        execd: Some(true),
        exec_strict: true,
        links: vec!["firewall-drop".to_owned(), "host-deny".to_owned()],
    };
    assert_eq!(settings(all, Role::Standalone), (vec![], wazuh));
    let ours = "<matching>documented</matching><key>riposte</key><offences>riposte</offences><on_stop>keep</on_stop>";
    assert_eq!(settings(ours, Role::Execd), (vec![], Settings::of(Role::Standalone)));
    assert_eq!(settings("", Role::Execd).1, Settings::of(Role::Execd));
    for (text, code, help) in [
        ("<matching>wazuh</matching>", "value-invalid", "did you mean wazuh-4.x?"),
        ("<matching>5</matching>", "value-invalid", "write documented or wazuh-4.x."),
        ("<key>wasuh</key>", "value-invalid", "did you mean wazuh?"),
        ("<execd/>", "value-invalid", "write yes or no."),
        ("<link>../x</link>", "value-invalid", "name a program of active-response/bin, without its folder."),
        ("<onstop>keep</onstop>", "element-unknown", "did you mean on_stop?"),
    ] {
        let config = read(&format!("<riposte>{text}</riposte>"));
        assert_eq!((one(&config).code, one(&config).help.as_str()), (code, help), "{text}");
        assert_eq!((config.has_errors(), config.settings), (true, Settings::default()), "{text}");
    }
}

#[test]
fn a_later_file_says_otherwise_and_one_file_only_once() {
    let first = Source::new(
        "a",
        "<riposte><key>wazuh</key></riposte><riposte>\n<key>riposte</key><link>x</link></riposte>",
    );
    let second = Source::new("b", "<riposte><key>riposte</key><link>y</link></riposte>");
    let config = Config::read(&[first]);
    assert_eq!(found(&config), [(Warning, "element-repeated", 2, 1)]);
    assert_eq!(config.settings.key, Way::Wazuh);
    let config = Config::read(&[first, second]);
    assert_eq!((codes(&config).len(), config.settings.key), (1, Way::Riposte));
    assert_eq!(config.settings.links, ["x", "y"]);
}
