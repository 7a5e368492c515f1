//! The exact vectors, and the backend over programs that only remember.

#![expect(clippy::disallowed_methods, reason = "tests write the programs that they start")]

use std::fs::{Permissions, read_to_string, set_permissions, write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use riposte_policy::order::EntryId;

use super::*;
use crate::claim::{Memory, Standing};

fn target(set: &str, prefix: &str) -> Target {
    by(FirewallBackend::Pf, set, prefix)
}

fn by(kind: FirewallBackend, set: &str, prefix: &str) -> Target {
    Target::by(kind, &set.parse().unwrap(), prefix.parse().unwrap())
}

/// As one would type them, with `<<< stdin`; a word with a blank is quoted.
fn typed(invocations: &[Invocation]) -> Vec<String> {
    let word = |word: &String| if word.contains(' ') { format!("'{word}'") } else { word.clone() };
    let one = |i: &Invocation| {
        let words: Vec<String> =
            std::iter::once(i.program.to_owned()).chain(i.arguments.iter().map(word)).collect();
        let stdin = if i.stdin.is_empty() { String::new() } else { format!(" <<< {}", i.stdin.trim_end()) };
        format!("{}{stdin}", words.join(" "))
    };
    invocations.iter().map(one).collect()
}

fn vector(tool: &Tool, change: Change, set: &str, prefix: &str) -> Vec<String> {
    typed(&(tool.change)(change, &target(set, prefix), "").unwrap())
}

fn checks(tool: &Tool, set: &str) -> Vec<String> {
    let checks = (tool.ready)(&set.parse().unwrap());
    checks.into_iter().flat_map(|c| c.any).flat_map(|(i, text)| [typed(&[i]).remove(0), text]).collect()
}

#[test]
fn pf_is_wazuhs_with_the_states_of_both_directions() {
    assert_eq!(
        vector(&pf::TOOL, Change::Block, "wazuh_fwtable", "192.0.2.7"),
        ["pfctl -t wazuh_fwtable -T add 192.0.2.7", "pfctl -k 192.0.2.7", "pfctl -k 0.0.0.0/0 -k 192.0.2.7",]
    );
    assert_eq!(
        vector(&pf::TOOL, Change::Block, "drop", "2001:db8::/48"),
        ["pfctl -t drop -T add 2001:db8::/48", "pfctl -k 2001:db8::/48", "pfctl -k ::/0 -k 2001:db8::/48",]
    );
    assert_eq!(
        vector(&pf::TOOL, Change::Unblock, "wazuh_fwtable", "192.0.2.7"),
        ["pfctl -t wazuh_fwtable -T delete 192.0.2.7"]
    );
    assert_eq!(
        checks(&pf::TOOL, "wazuh_fwtable"),
        ["pfctl -s info", "Status: Enabled", "pfctl -s rules", "<wazuh_fwtable>"]
    );
    let shown = (pf::TOOL.listed)(&"drop".parse().unwrap(), "   192.0.2.7\n   2001:db8::/48\n");
    assert_eq!(shown, ["192.0.2.7".parse().unwrap(), "2001:db8::/48".parse().unwrap()]);
}

#[test]
fn npf_is_wazuhs_with_the_documented_word() {
    assert_eq!(
        vector(&npf::TOOL, Change::Block, "wazuh_blacklist", "192.0.2.7"),
        ["npfctl table wazuh_blacklist add 192.0.2.7"]
    );
    assert_eq!(
        vector(&npf::TOOL, Change::Unblock, "wazuh_blacklist", "2001:db8::7"),
        ["npfctl table wazuh_blacklist rem 2001:db8::7"]
    );
    assert_eq!(
        checks(&npf::TOOL, "wazuh_blacklist"),
        [
            "npfctl show",
            "filtering: active",
            "npfctl show",
            "filtering:\tactive",
            "npfctl show",
            "table <wazuh_blacklist>"
        ]
    );
}

#[test]
fn ipfw_has_a_table_of_its_own_name() {
    assert_eq!(vector(&ipfw::TOOL, Change::Block, "drop", "192.0.2.7"), ["ipfw -q table drop add 192.0.2.7"]);
    assert_eq!(
        vector(&ipfw::TOOL, Change::Unblock, "drop", "2001:db8::/48"),
        ["ipfw -q table drop delete 2001:db8::/48"]
    );
    let Prepare { show, make } = ipfw::TOOL.prepare.unwrap();
    assert_eq!(typed(&[show()]), ["ipfw show"]);
    let expected = [
        "ipfw -q table drop create type addr",
        "ipfw -q add 00001 deny ip from table(drop) to any",
        "ipfw -q add 00001 deny ip from any to table(drop)",
    ];
    let set = "drop".parse().unwrap();
    let one = "00001 0 0 deny ip from table(drop) to any\n";
    let other = "00001 0 0 deny ip from any to table(drop)\n65535 0 0 allow ip from any to any\n";
    let foreign = one.replace("drop", "drop2") + &other.replace("00001", "00100");
    for shown in ["", one, other, &foreign] {
        assert_eq!(typed(&make(&set, shown)), expected, "{shown}");
    }
    assert_eq!(make(&set, &format!("{one}{other}")), []);
    let shown = (ipfw::TOOL.listed)(&set, "--- table(drop), set(0) ---\n192.0.2.7/32 0\n2001:db8::/48 0\n");
    assert_eq!(shown, ["192.0.2.7".parse().unwrap(), "2001:db8::/48".parse().unwrap()]);
}

#[test]
fn ipf_is_wazuhs_for_ipv4() {
    assert_eq!(
        vector(&ipf::TOOL, Change::Block, "drop", "192.0.2.7"),
        [
            "ipf -f - <<< block out quick from any to 192.0.2.7",
            "ipf -f - <<< block in quick from 192.0.2.7 to any",
        ]
    );
    assert_eq!(
        vector(&ipf::TOOL, Change::Unblock, "drop", "192.0.2.7"),
        [
            "ipf -rf - <<< block out quick from any to 192.0.2.7",
            "ipf -rf - <<< block in quick from 192.0.2.7 to any",
        ]
    );
    let refused = (ipf::TOOL.change)(Change::Block, &target("drop", "2001:db8::7"), "").unwrap_err();
    assert_eq!(refused.kind, "unsupported");
    let both =
        "block out quick from any to 192.0.2.7/32\npass out all\nblock in quick from 192.0.2.7/32 to any\n";
    let set = "drop".parse().unwrap();
    assert_eq!((ipf::TOOL.listed)(&set, both), ["192.0.2.7".parse().unwrap()]);
    assert_eq!((ipf::TOOL.listed)(&set, "block in quick from 192.0.2.7/32 to any\n"), []);
}

#[test]
fn aix_denies_both_ways_and_removes_by_whole_fields() {
    assert_eq!(
        vector(&aix::TOOL, Change::Block, "drop", "192.0.2.7"),
        [
            "genfilt -v 4 -a D -s 192.0.2.7 -m 255.255.255.255 -d 0.0.0.0 -M 0.0.0.0 -w B -D 'Riposte drop'",
            "mkfilt -v 4 -u",
        ]
    );
    let wide = vector(&aix::TOOL, Change::Block, "drop", "192.0.2.0/24");
    assert!(wide.first().unwrap().contains("-s 192.0.2.0 -m 255.255.255.0 "), "{wide:?}");
    let listing = "1|permit|0.0.0.0|0.0.0.0|0.0.0.0|0.0.0.0|no|udp|eq|4001|eq|4001|both|both|no|all packets|0\n\
                   2|*** Dynamic filter placement rule for IKE tunnels ***|no\n\
                   3|deny|192.0.2.7|255.255.255.255|0.0.0.0|0.0.0.0|yes|all|any|0|any|0|both|both|no|all packets|0\n\
                   4|deny|192.0.2.70|255.255.255.255|0.0.0.0|0.0.0.0|yes|all|any|0|any|0|both|both|no|all packets|0\n\
                   5|deny|192.0.2.7|255.255.255.255|192.0.2.1|255.255.255.255|yes|tcp|any|0|eq|22|both|both|no\n\
                   6|deny|192.0.2.7|255.255.255.255|0.0.0.0|0.0.0.0|yes|all|any|0|any|0|both|both|no|all packets|0\n";
    let removed = (aix::TOOL.change)(Change::Unblock, &target("drop", "192.0.2.7"), listing).unwrap();
    assert_eq!(typed(&removed), ["rmfilt -v 4 -n 6", "rmfilt -v 4 -n 3", "mkfilt -v 4 -u"]);
    let none = (aix::TOOL.change)(Change::Unblock, &target("drop", "192.0.2.8"), listing).unwrap();
    assert_eq!(none, []);
    let refused = (aix::TOOL.change)(Change::Block, &target("drop", "2001:db8::7"), "").unwrap_err();
    assert_eq!(refused.kind, "unsupported");
}

#[test]
fn netsh_has_one_rule_name_for_each_target() {
    assert_eq!(
        vector(&netsh::TOOL, Change::Block, "drop", "192.0.2.7"),
        [
            "netsh.exe advfirewall firewall delete rule name=riposte-drop-192.0.2.7",
            "netsh.exe advfirewall firewall add rule name=riposte-drop-192.0.2.7 interfacetype=any dir=in \
             action=block remoteip=192.0.2.7/32",
            "netsh.exe advfirewall firewall add rule name=riposte-drop-192.0.2.7 interfacetype=any dir=out \
             action=block remoteip=192.0.2.7/32",
        ]
    );
    let six = vector(&netsh::TOOL, Change::Block, "drop", "2001:db8::7");
    assert!(six.last().unwrap().ends_with("remoteip=2001:db8::7/128"), "{six:?}");
    assert_eq!(
        vector(&netsh::TOOL, Change::Unblock, "drop", "192.0.2.0/24"),
        ["netsh.exe advfirewall firewall delete rule name=riposte-drop-192.0.2.0/24"]
    );
    let checks = checks(&netsh::TOOL, "drop");
    let key = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy";
    let first = format!(r"reg.exe query {key}\DomainProfile /v EnableFirewall");
    assert_eq!((checks.len(), &checks[0], &*checks[1]), (6, &first, "0x1"));
    let german = "\r\nRegelname:              riposte-drop-192.0.2.7\r\nAktiviert:   Ja\r\n\
                  Regelname:  riposte-web-192.0.2.9\r\nRemoteIP:  192.0.2.7/32\r\n";
    assert_eq!((netsh::TOOL.listed)(&"drop".parse().unwrap(), german), ["192.0.2.7".parse().unwrap()]);
}

#[test]
fn none_of_them_is_one_of_linux() {
    for (name, which) in FirewallBackend::ALL {
        let refusal = backend(which, Arc::new(Memory::default())).err().unwrap();
        assert_eq!(refusal.kind, "unsupported", "{name}");
        assert!(refusal.message.contains(name), "{refusal}");
    }
}

/// A folder with stand-ins for a tool's programs: each keeps what it was
/// called with in `calls`, and a table in `table`.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Folder {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("riposte-vectors-{}-{test}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        write(path.join("table"), "").unwrap();
        Self(path)
    }

    fn program(&self, name: &str, body: &str) {
        let path = self.0.join(name);
        let folder = self.0.display();
        let head = format!("#!/bin/sh\necho \"{name} $*\" >> {folder}/calls\ntable={folder}/table\n");
        write(&path, head + body).unwrap();
        set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }

    fn vectors(&self, tool: &'static Tool, claims: &Arc<Memory>) -> run::Vectors {
        run::Vectors::new(tool, vec![self.0.join("not-here"), self.0.clone()], Arc::clone(claims) as _)
    }

    /// What was called since the last time.
    fn calls(&self) -> Vec<String> {
        let calls = self.read("calls").lines().map(str::to_owned).collect();
        write(self.0.join("calls"), "").unwrap();
        calls
    }

    fn read(&self, name: &str) -> String {
        read_to_string(Path::new(&self.0).join(name)).unwrap_or_default()
    }
}

/// A pf that keeps a table. `-T add` of what is there, and `-T delete` of what
/// is not, are no failures.
const PF: &str = r#"
case "$*" in
"-s info") echo "Status: Enabled for 3 days" ;;
"-s rules") echo "block drop in quick from <drop> to any" ;;
*"-T add "*) grep -qxF "$5" "$table" || echo "$5" >> "$table" ;;
*"-T delete "*) grep -vxF "$5" "$table" > "$table.new"; mv "$table.new" "$table" ;;
*"-T show") sed 's/^/   /' "$table" ;;
"-k "*) ;;
*) exit 64 ;;
esac
"#;

#[tokio::test]
async fn the_host_follows_the_claims() {
    let (folder, claims) = (Folder::new("follows"), Arc::new(Memory::default()));
    folder.program("pfctl", PF);
    let vectors = folder.vectors(&pf::TOOL, &claims);
    let (one, two) = (target("drop", "192.0.2.7"), target("drop", "2001:db8::7"));
    claims.set(EntryId(1), one.effect(), Standing::For(Duration::from_secs(60)));
    claims.set(EntryId(2), two.effect(), Standing::Permanent);
    vectors.sync(vec![one.clone(), two.clone()]).await.unwrap();
    vectors.sync(vec![one.clone()]).await.unwrap();
    assert_eq!(folder.read("table"), "192.0.2.7\n2001:db8::7\n");
    // What others put there is neither listed nor touched.
    write(folder.0.join("table"), "192.0.2.7\n2001:db8::7\n203.0.113.9\n").unwrap();
    let listed = vectors.list().await.unwrap();
    let remaining: Vec<_> = listed.iter().map(|e| (e.target.to_string(), e.remaining)).collect();
    assert_eq!(
        remaining,
        [
            ("pf:drop 192.0.2.7".to_owned(), Some(Duration::from_secs(62))),
            ("pf:drop 2001:db8::7".to_owned(), None),
        ]
    );
    claims.set(EntryId(1), one.effect(), Standing::Free);
    folder.calls();
    vectors.sync(vec![one.clone()]).await.unwrap();
    vectors.sync(vec![one]).await.unwrap();
    assert_eq!(folder.calls(), ["pfctl -t drop -T delete 192.0.2.7"; 2]);
    assert_eq!(folder.read("table"), "2001:db8::7\n203.0.113.9\n");
}

#[tokio::test]
async fn a_block_that_would_do_nothing_is_refused() {
    let (folder, claims) = (Folder::new("refused"), Arc::new(Memory::default()));
    folder.program("pfctl", &PF.replace("<drop>", "<other>"));
    let vectors = folder.vectors(&pf::TOOL, &claims);
    let one = target("drop", "192.0.2.7");
    claims.set(EntryId(1), one.effect(), Standing::Permanent);
    let refusal = vectors.sync(vec![one.clone()]).await.unwrap_err();
    assert!(refusal.message.contains("table <drop> persist"), "{refusal}");
    assert_eq!(folder.calls(), ["pfctl -s info", "pfctl -s rules"]);
    assert_eq!(vectors.probe().await.unwrap_err(), refusal);
    folder.program("pfctl", &PF.replace("Enabled", "Disabled"));
    assert!(vectors.probe().await.unwrap_err().message.contains("pfctl -e"));
    // The way back needs no rule.
    claims.set(EntryId(1), one.effect(), Standing::Free);
    vectors.sync(vec![one]).await.unwrap();
}

#[tokio::test]
async fn where_a_program_fails_what_is_shown_decides() {
    let (folder, claims) = (Folder::new("decides"), Arc::new(Memory::default()));
    // NetBSD's program fails on what is there already, or not there.
    folder.program(
        "npfctl",
        r#"
case "$*" in
show) printf '# filtering:\tactive\ntable <drop> type ipset\n' ;;
"table drop add "*) grep -qxF "$4" "$table" && exit 1; echo "$4" >> "$table" ;;
"table drop rem 192.0.2.66") exit 1 ;;
"table drop rem "*) grep -qxF "$4" "$table" || exit 1; : > "$table" ;;
"table drop list") cat "$table" ;;
esac
"#,
    );
    let vectors = folder.vectors(&npf::TOOL, &claims);
    let (one, stuck) = (target("drop", "192.0.2.7"), target("drop", "192.0.2.66"));
    claims.set(EntryId(1), one.effect(), Standing::Permanent);
    vectors.sync(vec![one.clone()]).await.unwrap();
    vectors.sync(vec![one.clone()]).await.unwrap();
    claims.set(EntryId(1), one.effect(), Standing::Free);
    vectors.sync(vec![one.clone()]).await.unwrap();
    vectors.sync(vec![one]).await.unwrap();
    write(folder.0.join("table"), "192.0.2.66\n").unwrap();
    let refusal = vectors.sync(vec![stuck]).await.unwrap_err();
    assert_eq!(
        (refusal.kind, &*refusal.message),
        ("failed", "npfctl table drop rem 192.0.2.66: exit code 1")
    );
}

#[tokio::test]
async fn rules_are_not_made_twice() {
    let (folder, claims) = (Folder::new("twice"), Arc::new(Memory::default()));
    folder
        .program("ipf", r#"rule=$(cat); case $1 in -f) echo "$rule" >> "$table";; -rf) : > "$table";; esac"#);
    folder.program("ipfstat", r#"sed 's/192.0.2.7/&\/32/' "$table""#);
    let vectors = folder.vectors(&ipf::TOOL, &claims);
    let one = target("drop", "192.0.2.7");
    claims.set(EntryId(1), one.effect(), Standing::Permanent);
    vectors.sync(vec![one.clone()]).await.unwrap();
    vectors.sync(vec![one.clone()]).await.unwrap();
    assert_eq!(folder.calls(), ["ipfstat -io", "ipf -f -", "ipf -f -", "ipfstat -io"]);
    assert_eq!(
        folder.read("table"),
        "block out quick from any to 192.0.2.7\nblock in quick from 192.0.2.7 to any\n"
    );
    claims.set(EntryId(1), one.effect(), Standing::Free);
    vectors.sync(vec![one.clone()]).await.unwrap();
    vectors.sync(vec![one]).await.unwrap();
    assert_eq!(folder.calls(), ["ipfstat -io", "ipf -rf -", "ipf -rf -", "ipfstat -io"]);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let (folder, claims) = (Folder::new("named"), Arc::new(Memory::default()));
    let vectors = folder.vectors(&aix::TOOL, &claims);
    let six = by(FirewallBackend::Aix, "drop", "2001:db8::7");
    assert_eq!(Backend::ready(&vectors, &six).unwrap_err().kind, "unsupported");
    Backend::ready(&vectors, &by(FirewallBackend::Aix, "drop", "192.0.2.7")).unwrap();
    let refusal = vectors.probe().await.unwrap_err();
    assert!(refusal.message.starts_with("genfilt cannot be started: "), "{refusal}");
}
