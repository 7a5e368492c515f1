//! `<capabilities>`: what each element grants, and what grants nothing.

use super::*;
use crate::grant::language::{ELEMENTS, Need, Takes, Times};
use crate::grant::{Pattern, *};

/// Reads a command with these grants, of which one has an error of this code;
/// what is left is granted.
#[track_caller]
fn refused(grants: &str, code: &str) -> Grants {
    let config = defined(&format!("<capabilities>{grants}</capabilities>"));
    assert_eq!(codes(&config), [code], "{grants}");
    let found = one(&config);
    assert_eq!(found.severity, Error, "{grants}");
    config.commands[0].capabilities.clone().unwrap()
}

#[track_caller]
fn granted(grants: &str) -> Grants {
    let config = defined(&format!("<capabilities>{grants}</capabilities>"));
    assert_eq!(codes(&config), [""; 0], "{grants}: {:?}", config.diagnostics);
    config.commands[0].capabilities.clone().unwrap()
}

fn patterns(text: &str) -> Vec<Pattern> {
    text.split(' ').map(Pattern::new).collect()
}

#[test]
fn every_grant_in_full() {
    let digest = "9f".repeat(32);
    let config = defined(&format!("<capabilities sha256=\"{digest}, {digest}\"/>"));
    assert_eq!(config.commands[0].capabilities.clone().unwrap().digests, [Digest([0x9f; 32]); 2]);
    let every = granted("<lines file=\"/ipblock/*\"/>");
    assert_eq!(every.lines[0].file, std::path::Path::new("/ipblock/*"));
    let all = granted(
        r#"<firewall set="web" widest4="24" widest6="64" widen="3" backend="ipset" established="cut" confirm="manager"/>
           <route widest4="28" confirm="none"/>
           <account users="*" except="deploy, backup" sessions="end"/>
           <service unit="nginx.service" actions="restart reload"/>
           <lines file="/etc/hosts.deny" match="ALL: * | sshd:*"/>
           <process names="xmrig miner-*" except="sshd"/>
           <exec program="/usr/bin/yara" arguments="-r * **" confinement="confined" write="/tmp/ /var/tmp"
             capabilities="net_admin"/>
           <exec program="/usr/bin/id" confinement="isolated"/>
           <state size="1MiB"/>
           <config name="channel" value=" #alerts "/><config name="empty" value=""/>
           <secret name="webhook" file="/etc/riposte/secrets/webhook"/><secret name="smtp" credential="smtp"/>
           <quarantine folders="/home /tmp"/>
           <isolation allow="192.0.2.10 198.51.100.7/24" confirm="tcp:[2001:db8::7]:443"/>
           <mail server="Mail.example.com" security="tls" from="r@example.com" to="a@example.com b@example.com"
             user="r" secret="smtp" ca="/etc/ssl/mail.pem"/>
           <folder path="/var/lib/incoming" access="write"/>
           <http host="*.example.com" methods="POST GET" private="yes" request="4KiB" time="500ms"/>
           <http host="192.0.2.7" port="8080" scheme="http"/>"#,
    );
    let confined = Confinement::Confined {
        write: vec!["/tmp".into(), "/var/tmp".into()],
        capabilities: vec!["net_admin".to_owned()],
        new_privileges: crate::grant::NewPrivileges::Refused,
    };
    let expected = Grants {
        digests: vec![],
        firewall: Some(FirewallGrant {
            set: "web".parse().unwrap(),
            widest4: 24,
            widest6: 64,
            widen: Some(3),
            backend: Some(FirewallBackend::Ipset),
            established: Established::Cut,
            confirm: Confirm::Manager,
        }),
        routes: Some(RouteGrant { widest4: 28, widest6: 128, confirm: Confirm::None }),
        accounts: Some(AccountGrant {
            users: patterns("*"),
            except: patterns("deploy backup"),
            sessions: Sessions::End,
        }),
        services: vec![ServiceGrant {
            unit: "nginx.service".to_owned(),
            actions: vec![ServiceAction::Restart, ServiceAction::Reload],
        }],
        lines: vec![LinesGrant {
            file: "/etc/hosts.deny".into(),
            lines: vec![Pattern::new("ALL: *"), Pattern::new("sshd:*")],
        }],
        processes: Some(ProcessGrant { names: patterns("xmrig miner-*"), except: patterns("sshd") }),
        exec: vec![
            ExecGrant {
                program: "/usr/bin/yara".into(),
                arguments: Arguments::new(["-r", "*", "**"]),
                confinement: confined,
            },
            ExecGrant {
                program: "/usr/bin/id".into(),
                arguments: Arguments::default(),
                confinement: Confinement::Isolated { write: vec![] },
            },
        ],
        state: Some(StateGrant { size: 1 << 20 }),
        config: vec![
            ConfigValue { name: "channel".to_owned(), value: " #alerts ".to_owned() },
            ConfigValue { name: "empty".to_owned(), value: String::new() },
        ],
        secrets: vec![
            SecretGrant {
                name: "webhook".to_owned(),
                source: SecretSource::File("/etc/riposte/secrets/webhook".into()),
            },
            SecretGrant { name: "smtp".to_owned(), source: SecretSource::Credential("smtp".to_owned()) },
        ],
        quarantine: Some(QuarantineGrant { folders: vec!["/home".into(), "/tmp".into()] }),
        isolation: Some(IsolationGrant {
            allow: vec!["192.0.2.10".parse().unwrap(), "198.51.100.0/24".parse().unwrap()],
            confirm: Confirm::Tcp { host: "2001:db8::7".to_owned(), port: 443 },
        }),
        mail: Some(MailGrant {
            server: "mail.example.com".to_owned(),
            port: 465,
            security: MailSecurity::Tls,
            from: "r@example.com".to_owned(),
            to: vec!["a@example.com".to_owned(), "b@example.com".to_owned()],
            login: Some(("r".to_owned(), "smtp".to_owned())),
            ca: Some("/etc/ssl/mail.pem".into()),
        }),
        folders: vec![FolderGrant { path: "/var/lib/incoming".into(), access: Access::Write }],
        http: vec![
            HttpGrant {
                methods: vec!["POST".to_owned(), "GET".to_owned()],
                private: PrivateNetworks::Allowed,
                request: 4096,
                time: Duration::from_millis(500),
                ..HttpGrant::new("*.example.com")
            },
            HttpGrant { port: 8080, tls: false, ..HttpGrant::new("192.0.2.7") },
        ],
    };
    assert_eq!(all, expected);
}

/// The table is the reader's: each row is read, its least element is complete
/// once it is filled in, and every default is what leaving it out means.
#[test]
fn the_table_says_what_the_reader_does() {
    for element in ELEMENTS {
        let least =
            ["NAME.service", "NAME", "HOST", "VALUE"].iter().fold(element.least.to_owned(), |text, word| {
                text.replace(word, if *word == "NAME.service" { "a.service" } else { "a.example" })
            });
        let least = least.replace("ADDRESS", "a@a.example").replace("/PATH", "/a/b");
        let grants = granted(&least);
        assert_eq!(grants.elements(Detail::Least), [least.as_str()], "the least <{}> is not", element.name);
        for attribute in element.attributes {
            let attribute_is_there = least.contains(&format!(" {}=", attribute.name));
            if let Need::Default(default) = attribute.need {
                let explicit = least.replace("/>", &format!(" {}=\"{default}\"/>", attribute.name));
                assert_eq!(granted(&explicit), grants, "{explicit}");
            }
            // Of the two places of a secret, one is needed.
            let one_of_two = element.name == "secret" && attribute.name == "file";
            let is_needed = attribute.need == Need::Required || one_of_two;
            assert_eq!(is_needed, attribute_is_there, "{} {}", element.name, attribute.name);
            // Without it, nothing.
            if attribute.need == Need::Required {
                let start = least.find(&format!(" {}=\"", attribute.name)).unwrap();
                let end = start + attribute.name.len() + 3;
                let end = end + least[end..].find('"').unwrap() + 1;
                let without = format!("{}{}", &least[..start], &least[end..]);
                assert_eq!(refused(&without, "grant-incomplete"), Grants::default(), "{without}");
            }
            // Closed words.
            if let Takes::OneOf(_) | Takes::SomeOf(_) | Takes::Number(..) = attribute.takes {
                let wrong = least.replace("/>", &format!(" {}=\"rockets\"/>", attribute.name));
                let config = defined(&format!("<capabilities>{wrong}</capabilities>"));
                assert!(config.diagnostics.iter().any(|found| found.code == "value-invalid"), "{wrong}");
            }
        }
        let twice = defined(&format!("<capabilities>{least}{least}</capabilities>"));
        let repeated = codes(&twice) == ["element-repeated"];
        assert_eq!(repeated, element.times != Times::Often, "{least}");
        let inside = least.replace("/>", &format!("><x/></{}>", element.name));
        assert_eq!(refused(&inside, "element-unknown"), Grants::default());
        let text = least.replace("/>", &format!(">x</{}>", element.name));
        assert_eq!(refused(&text, "value-invalid"), Grants::default());
        let unknown = least.replace("/>", " frobnicate=\"1\"/>");
        assert_eq!(refused(&unknown, "attribute-unknown"), Grants::default());
    }
}

#[test]
fn what_cannot_be_read_grants_nothing_and_the_rest_is_given() {
    for wrong in [
        "<firewall set=\"Not A Set\"/>",
        "<firewall widest4=\"33\"/>",
        "<firewall widest6=\"129\"/>",
        "<firewall widest4=\"-1\"/>",
        "<firewall widen=\"3\"/>",
        "<firewall widest4=\"24\" widen=\"1\"/>",
        "<firewall widest4=\"24\" widen=\"always\"/>",
        "<firewall backend=\"windows\"/>",
        "<firewall established=\"\"/>",
        "<firewall confirm=\"tcp:a.example\"/>",
        "<firewall confirm=\"probably\"/>",
        "<route confirm=\"tcp:*:1\"/>",
        "<account users=\"\"/>",
        "<account users=\" , \"/>",
        "<account users=\"*\" sessions=\"yes\"/>",
        "<service unit=\"nginx\"/>",
        "<service unit=\"*.service\"/>",
        "<service unit=\"../x.service\"/>",
        "<service unit=\"a b.service\"/>",
        "<service unit=\"-.service\"/>",
        "<service unit=\"a.service\" actions=\"destroy\"/>",
        "<lines file=\"etc/hosts.deny\"/>",
        "<lines file=\"/etc/../hosts\"/>",
        "<lines file=\"/etc//hosts\"/>",
        "<lines file=\"/etc/./hosts\"/>",
        "<lines file=\"/etc/\"/>",
        "<lines file=\"/*\"/>",
        "<lines file=\"/etc/*.deny\"/>",
        "<lines file=\"/etc/*/*\"/>",
        "<lines file=\"/etc//*\"/>",
        "<lines file=\"/a\" match=\" | \"/>",
        "<process names=\"/usr/bin/x\"/>",
        "<exec program=\"yara\"/>",
        "<exec program=\"/usr/bin/*\"/>",
        "<exec program=\"*\"/>",
        "<exec program=\"/\"/>",
        "<exec program=\"/usr/../bin/x\"/>",
        "<exec program=\"/bin/x\" write=\"/tmp\"/>",
        "<exec program=\"/bin/x\" capabilities=\"kill\"/>",
        "<exec program=\"/bin/x\" confinement=\"isolated\" capabilities=\"kill\"/>",
        "<exec program=\"/bin/x\" confinement=\"confined\" capabilities=\"CAP_KILL\"/>",
        "<exec program=\"/bin/x\" confinement=\"confined\" write=\"/\"/>",
        "<exec program=\"/bin/x\" confinement=\"confined\" write=\"tmp\"/>",
        "<state size=\"0KiB\"/>",
        "<state size=\"65MiB\"/>",
        "<state size=\"64\"/>",
        "<config name=\"a b\" value=\"\"/>",
        "<config name=\"..\" value=\"\"/>",
        "<config name=\"\" value=\"\"/>",
        "<config name=\"a\" value=\"&#1;\"/>",
        "<secret name=\"a\"/>",
        "<secret name=\"a\" file=\"/b\" credential=\"c\"/>",
        "<secret name=\"a\" file=\"b\"/>",
        "<secret name=\"a\" credential=\"../b\"/>",
        "<quarantine folders=\"\"/>",
        "<quarantine folders=\"/\"/>",
        "<quarantine folders=\"/home ../tmp\"/>",
        "<quarantine folders=\"/home/*\"/>",
        "<isolation allow=\"0.0.0.0/0\"/>",
        "<isolation allow=\"example.com\"/>",
        "<isolation allow=\"\"/>",
        "<mail server=\"smtp://a.example\" from=\"a@a.example\" to=\"b@b.example\"/>",
        "<mail server=\"a.example\" from=\"a\" to=\"b@b.example\"/>",
        "<mail server=\"a.example\" from=\"a@[192.0.2.7]\" to=\"b@b.example\"/>",
        "<mail server=\"a.example\" from=\"a@b.example&gt;&#13;&#10;RCPT\" to=\"b@b.example\"/>",
        "<mail server=\"a.example\" from=\"a@a.example\" to=\"\"/>",
        "<mail server=\"a.example\" from=\"a@a.example\" to=\"b@b.example\" port=\"0\"/>",
        "<mail server=\"a.example\" from=\"a@a.example\" to=\"b@b.example\" user=\"u\"/>",
        "<mail server=\"a.example\" from=\"a@a.example\" to=\"b@b.example\" secret=\"s\"/>",
        "<mail server=\"localhost\" from=\"a@a.example\" to=\"b@b.example\" ca=\"/a\"/>",
        "<mail server=\"a.example\" from=\"a@a.example\" to=\"b@b.example\" user=\"u\" secret=\"nowhere\"/>",
        "<folder path=\"/\"/>",
        "<folder path=\"var\"/>",
        "<folder path=\"/var/..\"/>",
        "<folder path=\"/var\" access=\"all\"/>",
        "<http host=\"*\"/>",
        "<http host=\"*foo.example\"/>",
        "<http host=\"*.com\"/>",
        "<http host=\"https://a.example\"/>",
        "<http host=\"a.example/hook\"/>",
        "<http host=\"a.example:8080\"/>",
        "<http host=\"user@a.example\"/>",
        "<http host=\"0x7f.0.0.1\"/>",
        "<http host=\"\"/>",
        "<http host=\"a.example\" port=\"65536\"/>",
        "<http host=\"a.example\" scheme=\"ftp\"/>",
        "<http host=\"a.example\" methods=\"post\"/>",
        "<http host=\"a.example\" methods=\"CONNECT\"/>",
        "<http host=\"a.example\" private=\"maybe\"/>",
        "<http host=\"a.example\" scheme=\"http\" ca=\"/etc/ca.pem\"/>",
        "<http host=\"a.example\" response=\"1GiB\"/>",
        "<http host=\"a.example\" time=\"0s\"/>",
        "<http host=\"a.example\" time=\"1h\"/>",
    ] {
        let beside = if wrong.starts_with("<state") { "<route/>" } else { "<state/>" };
        let left = refused(&format!("{wrong}{beside}"), "value-invalid");
        assert_eq!(left.elements(Detail::Least), [beside], "{wrong}");
    }
    let password = "<mail server=\"a.example\" security=\"none\" from=\"a@a.example\" to=\"b@b.example\" user=\"u\" \
                    secret=\"s\"/><secret name=\"s\" file=\"/s\"/>";
    assert!(refused(password, "value-invalid").mail.is_none());
}

#[test]
fn the_help_names_what_is_meant() {
    for (wrong, help) in [
        ("<firewal/>", "did you mean firewall?"),
        ("<routes/>", "did you mean route?"),
        ("<accounts users=\"*\"/>", "did you mean account?"),
        ("<htp host=\"a.example\"/>", "did you mean http?"),
        ("<firewall sets=\"x\"/>", "did you mean set?"),
        ("<http host=\"a.example\" method=\"POST\"/>", "did you mean methods?"),
        ("<firewall backend=\"nftable\"/>", "did you mean nftables?"),
        ("<firewall confirm=\"gatway\"/>", "did you mean gateway?"),
        ("<service unit=\"nginx\"/>", "write nginx.service."),
        ("<service unit=\"a.service\" actions=\"restrat\"/>", "did you mean restart?"),
        ("<http/>", "write <http host=\"HOST\"/>."),
        ("<exec program=\"/x\" confinement=\"confined\" capabilities=\"cap_kill\"/>", "write kill."),
        ("<rockets/>", "there are <firewall>, <route>,"),
    ] {
        let config = defined(&format!("<capabilities>{wrong}</capabilities>"));
        let found = one(&config);
        assert!(found.help.starts_with(help), "{wrong}: {}", found.help);
    }
}

#[test]
fn an_error_in_the_digest_or_a_second_list_grants_nothing_at_all() {
    for attribute in ["sha256=\"9f2c\"", "sha256=\"\"", "sha265=\"\"", "users=\"*\""] {
        let config = defined(&format!("<capabilities {attribute}><firewall/></capabilities>"));
        assert_eq!(config.commands[0].capabilities, Some(Grants::default()), "{attribute}");
        assert!(config.has_errors(), "{attribute}");
    }
    let config = defined("<capabilities><firewall/></capabilities><capabilities/>");
    assert_eq!(
        (codes(&config), config.commands[0].capabilities.clone()),
        (vec!["element-repeated"], Some(Grants::default()))
    );
    assert_eq!(defined("<capabilities/>").commands[0].capabilities, Some(Grants::default()));
}

#[test]
fn of_two_grants_for_one_thing_the_second_is_an_error() {
    let left = refused("<firewall set=\"a\"/><firewall set=\"b\"/>", "element-repeated");
    assert_eq!(left.elements(Detail::Least), ["<firewall set=\"a\"/>"]);
    let left =
        refused("<secret name=\"a\" file=\"/a\"/><secret name=\" a \" file=\"/b\"/>", "element-repeated");
    assert_eq!(left.secrets.len(), 1);
    assert_eq!(granted("<secret name=\"a\" file=\"/a\"/><secret name=\"b\" file=\"/a\"/>").secrets.len(), 2);
    // A first one with an error gives way to no second one.
    let config = defined("<capabilities><firewall set=\"?\"/><firewall/></capabilities>");
    assert_eq!(codes(&config), ["value-invalid", "element-repeated"]);
    assert_eq!(config.commands[0].capabilities, Some(Grants::default()));
}

#[test]
fn what_grants_more_than_it_seems_is_said() {
    for (text, code) in [
        ("<firewall widest4=\"8\"/>", "grant-beyond-guard"),
        ("<route widest6=\"32\"/>", "grant-beyond-guard"),
        ("<exec program=\"/bin/sh\" arguments=\"-c *\"/>", "grant-wide"),
        ("<exec program=\"/usr/bin/python3.11\" arguments=\"**\"/>", "grant-wide"),
    ] {
        let config = defined(&format!("<capabilities>{text}</capabilities>"));
        assert_eq!((codes(&config), one(&config).severity), (vec![code], Warning), "{text}");
        assert_eq!(config.commands[0].capabilities.as_ref().unwrap().elements(Detail::Least), [text]);
    }
    granted("<exec program=\"/bin/sh\" arguments=\"/opt/x.sh\"/>");
    granted("<exec program=\"/usr/bin/yara\" arguments=\"-r * **\"/>");
}
