use super::*;
use crate::report::wazuh_log::append;

fn home(conf: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["etc", "active-response/bin", "queue/alerts", "logs"] {
        std::fs::DirBuilder::new().recursive(true).create(dir.path().join(folder)).unwrap();
    }
    append(&dir.path().join(local::PATH)).unwrap().write_all(conf.as_bytes()).unwrap();
    dir
}

fn read(dir: &tempfile::TempDir, name: &str) -> Option<String> {
    let bytes = files::read_at_most(&dir.path().join(name), LARGEST).ok()?;
    Some(String::from_utf8(bytes).unwrap())
}

const AGENT: &str = "<!-- café -->\r\n<ossec_config>\r\n  <active-response>\r\n    <disabled>no</disabled>\r\n    \
                     <ca_verification>yes</ca_verification>\r\n  </active-response>\r\n</ossec_config>\r\n";

#[test]
fn one_word_is_changed_and_comes_back() {
    let dir = home(AGENT);
    let path = dir.path().join(local::PATH);
    rustix::fs::chmod(&path, 0o660.into()).unwrap();
    let said = install(dir.path(), &[]).unwrap();
    assert!(said.contains("systemctl restart wazuh-agent") && said.contains("ExecStart="), "{said}");
    let changed = AGENT.replace("<disabled>no<", "<disabled>yes<");
    assert_eq!(read(&dir, local::PATH).unwrap(), changed);
    assert_eq!(read(&dir, "etc/ossec.conf.before-riposte").unwrap(), AGENT);
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
    assert!(read(&dir, OURS).unwrap().contains("<execd>yes</execd>"));

    install(dir.path(), &[]).unwrap();
    assert_eq!(read(&dir, local::PATH).unwrap(), changed);
    uninstall(dir.path()).unwrap();
    assert_eq!(read(&dir, local::PATH).unwrap(), AGENT);
    assert_eq!(read(&dir, OURS), None);
    let left: Vec<_> = std::fs::read_dir(dir.path().join("etc")).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    uninstall(dir.path()).unwrap();
    assert_eq!(read(&dir, local::PATH).unwrap(), AGENT);
}

#[test]
fn a_block_is_made_where_there_is_none() {
    for conf in [
        "<ossec_config>\n</ossec_config>\n",
        "<ossec_config><active-response><command>x</command><disabled>no</disabled></active-response></ossec_config>",
        "<ossec_config>\n  <active-response>\n    <ca_store>x</ca_store>\n  </active-response>\n</ossec_config>\n",
        "<ossec_config><active-response></active-response></ossec_config>",
    ] {
        let dir = home(conf);
        install(dir.path(), &[]).unwrap();
        let changed = read(&dir, local::PATH).unwrap();
        assert!(local::Local::read(&changed).unwrap().disabled, "{changed}");
        assert!(!changed.contains("<command>x</command><disabled>yes"), "{changed}");
        uninstall(dir.path()).unwrap();
        assert_eq!(read(&dir, local::PATH).unwrap(), conf);
    }
}

#[test]
fn on_a_manager_the_block_stands_before_its_responses() {
    let response = "  <active-response>\n    <command>x</command>\n    <location>local</location>\n  </active-response>\n";
    let own = "  <active-response>\n    <disabled>no</disabled>\n  </active-response>\n";
    for (conf, disabled_first) in [
        (format!("<ossec_config>\n{response}{own}</ossec_config>\n"), 1),
        (format!("<ossec_config>\n{own}{response}{own}</ossec_config>\n"), 0),
    ] {
        let dir = home(&conf);
        std::fs::DirBuilder::new().create(dir.path().join("bin")).unwrap();
        append(&dir.path().join("bin/wazuh-analysisd")).unwrap();
        install(dir.path(), &[]).unwrap();
        let changed = read(&dir, local::PATH).unwrap();
        let all = blocks(&changed, "active-response");
        assert_eq!(all.len(), blocks(&conf, "active-response").len() + disabled_first, "{changed}");
        assert!(all[0].is_agents_own(), "{changed}");
        assert!(local::Local::read(&changed).unwrap().disabled);
        assert_eq!(changed.matches("<disabled>yes<").count(), 1, "{changed}");
        install(dir.path(), &[]).unwrap();
        assert_eq!(read(&dir, local::PATH).unwrap(), changed);
        uninstall(dir.path()).unwrap();
        assert_eq!(read(&dir, local::PATH).unwrap(), conf);
    }
}

#[test]
fn what_others_changed_since_stays() {
    let dir = home(AGENT);
    install(dir.path(), &[]).unwrap();
    let changed = read(&dir, local::PATH).unwrap().replace("café", "tea");
    replace(&dir.path().join(local::PATH), changed.as_bytes(), dir.path()).unwrap();
    uninstall(dir.path()).unwrap();
    assert_eq!(read(&dir, local::PATH).unwrap(), AGENT.replace("café", "tea"));
}

#[test]
fn our_own_file_is_merged() {
    let ours = "<ossec_config>\n  <command><name>x</name></command>\n  <riposte>\n    <key>riposte</key>\n  </riposte>\n</ossec_config>\n";
    let dir = home(AGENT);
    append(&dir.path().join(OURS)).unwrap().write_all(ours.as_bytes()).unwrap();
    append(&dir.path().join("active-response/bin/firewall-drop")).unwrap().write_all(b"stock").unwrap();
    install(dir.path(), &["firewall-drop".to_owned()]).unwrap();
    let merged = read(&dir, OURS).unwrap();
    assert!(
        merged.contains("<key>riposte</key>\n    <execd>yes</execd>\n    <link>firewall-drop</link>"),
        "{merged}"
    );
    install(dir.path(), &["firewall-drop".to_owned()]).unwrap();
    assert_eq!(read(&dir, OURS).unwrap(), merged);
    assert_eq!(read(&dir, "active-response/bin/firewall-drop.stock").unwrap(), "stock");
    uninstall(dir.path()).unwrap();
    assert_eq!(read(&dir, OURS).unwrap(), ours);
    assert_eq!(read(&dir, "active-response/bin/firewall-drop").unwrap(), "stock");
    assert_eq!(read(&dir, "active-response/bin/firewall-drop.stock"), None);
}

#[test]
fn a_planted_link_is_neither_read_nor_taken_for_the_file() {
    let dir = home(AGENT);
    let secret = dir.path().join("secret");
    append(&secret).unwrap().write_all(b"secret").unwrap();
    for name in [OURS, "etc/ossec.conf.before-riposte"] {
        std::os::unix::fs::symlink(&secret, dir.path().join(name)).unwrap();
    }
    rustix::fs::chmod(&secret, 0o4755.into()).unwrap();
    let refused = install(dir.path(), &[]).unwrap_err();
    assert!(refused.contains("riposte.conf") && refused.contains("it is a link"), "{refused}");
    assert_eq!(read(&dir, local::PATH).unwrap(), AGENT);

    rustix::fs::unlink(dir.path().join(OURS)).unwrap();
    install(dir.path(), &[]).unwrap();
    let kept = dir.path().join("etc/ossec.conf.before-riposte");
    let mode = |path: &Path| std::fs::symlink_metadata(path).unwrap().mode();
    assert_eq!(mode(&kept), mode(&dir.path().join(local::PATH)));
    assert_eq!(read(&dir, "etc/ossec.conf.before-riposte").unwrap(), AGENT);
    assert_eq!(read(&dir, "secret").unwrap(), "secret");
}

#[test]
fn what_is_no_home_or_no_program_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let refused = install(dir.path(), &[]).unwrap_err();
    assert!(refused.contains("no home of Wazuh's") && refused.contains("--root"), "{refused}");
    let dir = home(AGENT);
    let refused = install(dir.path(), &["nosuch".to_owned()]).unwrap_err();
    assert!(refused.contains("firewall-drop"), "{refused}");
    assert_eq!(read(&dir, local::PATH).unwrap(), AGENT);
    assert_eq!(read(&dir, OURS), None);
}
