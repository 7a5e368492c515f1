//! Documents of Wazuh 5.

use riposte_policy::Severity;
use riposte_policy::config::{Config, Source};
use riposte_policy::migrate::{from_five, to_five};

/// What is made of documents is a configuration without errors, and what it
/// says survives the way there and back.
pub fn migrate(data: &[u8]) {
    let four = from_five(&[("0.json", data)]);
    // One monitor may call many channels, and is quoted beside each, cut.
    assert!(four.xml.len() <= 64 * data.len() + 4_096, "{} bytes of XML", four.xml.len());
    let mut config = Config::read(&[Source::new("0.conf", &four.xml)]);
    assert!(!config.has_errors(), "{}\n{:?}", four.xml, config.diagnostics);
    for found in &four.findings {
        assert!(!found.to_string().contains(|c: char| c.is_control() && c != '\n'), "{found}");
    }
    let xml = four.xml.replace("<!-- TODO", "<rules_id>1</rules_id> <!--");
    config = Config::read(&[Source::new("0.conf", &xml)]);
    there_and_back(&config);
}

/// Responses to documents and back: nothing panics, nothing new is refused.
pub(crate) fn there_and_back(config: &Config) {
    let five = to_five(config);
    let json = serde_json::to_vec(&five.documents).unwrap();
    let four = from_five(&[("0.json", &json)]);
    let lost = four.findings.iter().find(|found| found.severity == Severity::Error);
    assert!(lost.is_none(), "{lost:?}");
    let again = Config::read(&[Source::new("0.conf", &four.xml)]);
    assert!(!again.has_errors(), "{}\n{:?}", four.xml, again.diagnostics);
}
