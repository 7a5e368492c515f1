//! Alerts read and matched, one core.

use std::time::Instant;

use riposte_policy::Config;
use riposte_policy::alert::Alert;
use riposte_policy::config::Source;
use riposte_policy::matching::Index;

use crate::{address, sshd};

pub(crate) fn measure() {
    println!(
        "\n2. Alerts parsed and matched, one core, none of the responses firing (aim: 400,000 a second)"
    );
    let alerts: Vec<_> = (0..20_000).map(|n| sshd(n, &address(n))).collect();
    let bytes: usize = alerts.iter().map(String::len).sum();
    println!("   mean length of an alert                  {:>10} bytes", bytes / alerts.len());
    for responses in [10, 1_000] {
        let config = configuration(responses);
        let index = Index::new(&config.responses);
        let mut best = 0.0_f64;
        for _ in 0..5 {
            let begun = Instant::now();
            let fired: usize =
                alerts.iter().map(|line| index.fires(&Alert::parse(line.as_bytes()).unwrap()).len()).sum();
            assert_eq!(fired, 0);
            best = best.max(alerts.len() as f64 / begun.elapsed().as_secs_f64());
        }
        let verdict = if best >= 400_000.0 { "met" } else { "MISSED" };
        println!("   with {responses:>5} responses                     {best:>10.0} a second ({verdict})");
    }
}

/// Responses for rules, groups and levels that the alerts do not have.
fn configuration(responses: usize) -> Config {
    let mut xml = String::from("<ossec_config><command><name>c</name><executable>c</executable></command>");
    for n in 0..responses {
        let trigger = match n % 3 {
            0 => format!("<rules_id>{}</rules_id>", 100_000 + n),
            1 => format!("<rules_group>group{n}</rules_group>"),
            _ => "<level>15</level>".to_owned(),
        };
        xml.push_str(&format!(
            "<active-response><command>c</command><location>local</location>{trigger}</active-response>"
        ));
    }
    xml.push_str("</ossec_config>");
    let config = Config::read(&[Source::new("bench", &xml)]);
    assert_eq!(config.responses.len(), responses);
    config
}
