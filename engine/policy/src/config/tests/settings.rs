//! `<riposte>`.

use super::*;

#[test]
fn how_the_engine_does_what_differs() {
    let settings = |text: &str, role| {
        let config =
            Config::read_as(&[Source::new("riposte.conf", &format!("<riposte>{text}</riposte>"))], role);
        (codes(&config), config.settings)
    };
    let all = "<matching>wazuh-4.x</matching><key>wazuh</key><offences>wazuh</offences><offence_quiet>12h</offence_quiet><on_stop>revert</on_stop>\
        <execd>yes</execd><exec_strict>yes</exec_strict><link>firewall-drop</link><link>host-deny</link><link>host-deny</link>";
    let wazuh = Settings {
        firewall: None,
        matching: Way::Wazuh,
        key: Way::Wazuh,
        offences: Way::Wazuh,
        offence_quiet: Some(Duration::from_secs(43_200)),
        on_stop: OnStop::Revert,
        execd: Some(true),
        exec_strict: true,
        links: vec!["firewall-drop".to_owned(), "host-deny".to_owned()],
        guard: Guarding::default(),
        audit: Auditing::default(),
        ledger: Keeping::default(),
    };
    assert_eq!(settings(all, Role::Standalone), (vec![], wazuh));
    let ours = "<matching>documented</matching><key>riposte</key><offences>riposte</offences><on_stop>keep</on_stop>";
    assert_eq!(settings(ours, Role::Execd), (vec![], Settings::of(Role::Standalone)));
    assert_eq!(settings("", Role::Execd).1, Settings::of(Role::Execd));
    for (text, code, help) in [
        ("<matching>wazuh</matching>", "value-invalid", "did you mean wazuh-4.x?"),
        ("<matching>5</matching>", "value-invalid", "write documented or wazuh-4.x."),
        ("<key>wasuh</key>", "value-invalid", "did you mean wazuh?"),
        ("<offence_quiet>7</offence_quiet>", "value-invalid", "write 7d, or 12h."),
        (
            "<offence_quiet>0s</offence_quiet>",
            "value-invalid",
            "write 7d, or leave <repeated_offenders> out.",
        ),
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

#[test]
fn what_the_guard_protects_besides() {
    let config = read(
        "<riposte><guard><trusted_proxies>192.0.2.1, 10.0.0.0/8</trusted_proxies><manager>siem.example</manager>
        <manager>192.0.2.9 siem.example</manager><broker>nats.example</broker><users_below>500</users_below>
        <override rule='gateway' address='192.0.2.254' reason='a spare'/>
        <override rule='system-account' user='guest' reason='made by the installer'/></guard></riposte>
        <ossec_config><client><server><address>2001:db8::9</address><port>1514</port></server>
        <server-ip>192.0.2.8</server-ip><server><address>a b</address></server></client></ossec_config>",
    );
    assert_eq!(codes(&config), [""; 0]);
    let guard = &config.settings.guard;
    assert_eq!(guard.trusted_proxies, ["192.0.2.1".parse().unwrap(), "10.0.0.0/8".parse().unwrap()]);
    assert_eq!(guard.managers, ["siem.example", "192.0.2.9", "2001:db8::9", "192.0.2.8"]);
    assert_eq!((guard.brokers.as_slice(), guard.users_below), (&["nats.example".to_owned()][..], 500));
    let overrides = guard.overrides.iter().map(|o| format!("{} {} {}", o.rule, o.target, o.reason));
    assert_eq!(
        overrides.collect::<Vec<_>>(),
        ["gateway 192.0.2.254 a spare", "system-account guest made by the installer"]
    );
}

#[test]
fn an_override_is_complete_or_none() {
    for (text, help) in [
        ("<override rule='gatewai' address='192.0.2.1' reason='x'/>", "did you mean gateway?"),
        ("<override rule='loopback' address='127.0.0.1' reason='x'/>", "write one of "),
        ("<override rule='root' user='root' reason='x'/>", "write one of "),
        ("<override rule='gateway' address='192.0.2.1'/>", "say why in reason="),
        ("<override rule='gateway' address='192.0.2.1' reason=' '/>", "say why in reason="),
        ("<override rule='gateway' address='192.0.2' reason='x'/>", "This changes nothing."),
        ("<override rule='gateway' user='x' reason='x'/>", "write address=."),
        ("<override rule='system-account' user='a b' reason='x'/>", "This changes nothing."),
        ("<override rule='gateway' address='192.0.2.1' reason='x' for='1h'/>", "it has rule, "),
        ("<trusted_proxies>192.0.2.1/40</trusted_proxies>", "write addresses or prefixes."),
        ("<manager>-x</manager>", "This entry protects nothing."),
        // Meant as an address: as a name it would protect nothing, silently.
        ("<manager>10.0.0.256</manager>", "write one such as 192.0.2.7"),
        ("<broker>10.0.0</broker>", "This entry protects nothing."),
        ("<users_below>-1</users_below>", "write a number such as 1000."),
        ("<allow>192.0.2.1</allow>", "it takes <trusted_proxies>"),
    ] {
        let config = read(&format!("<riposte><guard>{text}</guard></riposte>"));
        assert!(one(&config).help.contains(help), "{text}: {:?}", one(&config));
        assert_eq!((config.has_errors(), config.settings), (true, Settings::default()), "{text}");
    }
}

#[test]
fn how_the_audit_is_kept() {
    let config = read(
        "<riposte><audit><rotate size='1MiB' age='1d'/><retention>30d</retention><redact>/full_log</redact>\
         <redact>data.dstuser</redact><redact>/full_log</redact><ocsf>yes</ocsf>\
         <sign key='/etc/riposte/audit.key' every='10s'/><syslog to='udp://siem.example.com:514'/>\
         <syslog to='tcp://[2001:db8::1]:601' events='yes'/><syslog to='unix:/dev/log'/></audit></riposte>",
    );
    assert_eq!(codes(&config), [""; 0]);
    let audit = &config.settings.audit;
    let seconds = std::time::Duration::from_secs;
    assert_eq!(
        (audit.full_bytes, audit.full_age, audit.retention),
        (1 << 20, seconds(86_400), seconds(30 * 86_400))
    );
    assert_eq!(audit.redact.iter().map(Pointer::as_str).collect::<Vec<_>>(), ["/full_log", "/data/dstuser"]);
    assert_eq!(audit.sign, Some(Signing { key: "/etc/riposte/audit.key".into(), every: seconds(10) }));
    assert!(audit.ocsf);
    let to: Vec<_> = audit.syslog.iter().map(|syslog| (syslog.to.clone(), syslog.events)).collect();
    assert_eq!(
        to,
        [
            (SyslogServer::Udp("siem.example.com:514".into()), false),
            (SyslogServer::Tcp("[2001:db8::1]:601".into()), true),
            (SyslogServer::Unix("/dev/log".into()), false),
        ]
    );
    for (text, code) in [
        ("<rotate/>", "value-invalid"),
        ("<rotate size='1'/>", "value-invalid"),
        ("<rotate age='1s'/>", "value-invalid"),
        ("<rotate sise='1MiB'/>", "attribute-unknown"),
        ("<retention>90</retention>", "value-invalid"),
        ("<redact>/a~x</redact>", "value-invalid"),
        ("<ocsf>maybe</ocsf>", "value-invalid"),
        ("<sign/>", "value-invalid"),
        ("<sign key='audit.key'/>", "value-invalid"),
        ("<sign key='/k' every='1ms'/>", "value-invalid"),
        ("<syslog to='siem:514'/>", "value-invalid"),
        ("<syslog to='udp://siem'/>", "value-invalid"),
        ("<syslog to='udp://:514'/>", "value-invalid"),
        ("<syslog to='unix:dev/log'/>", "value-invalid"),
        ("<syslog to='udp://siem:514' events='all'/>", "value-invalid"),
        ("<syslog>udp://siem:514</syslog>", "value-invalid"),
        ("<format>ocsf</format>", "element-unknown"),
    ] {
        let config = read(&format!("<riposte><audit>{text}</audit></riposte>"));
        assert_eq!(one(&config).code, code, "{text}");
        assert_eq!((config.has_errors(), config.settings), (true, Settings::default()), "{text}");
    }
}
