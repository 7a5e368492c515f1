//! Writes a line about an alert. What it does is not undone.

use riposte_sdk::{Alert, Error, Oneshot, export, log};

struct {{type}};

impl Oneshot for {{type}} {
    fn run(alert: &Alert) -> Result<(), Error> {
        let rule = alert.text("/rule/id").ok_or_else(|| Error::invalid("the alert names no rule (rule.id)"))?;
        log::info(format!("rule {rule} fired"));
        Ok(())
    }
}

export!({{type}}: Oneshot);

/// Run by `cargo test` on a host that records every call and does nothing.
#[cfg(test)]
mod tests {
    use super::*;
    use riposte_sdk::host;

    #[test]
    fn it_names_the_rule() {
        let alert: Alert = r#"{"rule":{"id":"5712"}}"#.parse().unwrap();
        {{type}}::run(&alert).unwrap();
        assert_eq!(host::calls(), ["log Info rule 5712 fired"]);
    }
}
