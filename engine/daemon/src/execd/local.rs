//! What `wazuh-execd` reads of the local `ossec.conf` (`os_execd/config.c`,
//! `ExecdConfig`): whether it works at all, and how long repeated offenders stay.

use std::time::Duration;

use riposte_transport::wazuh::ossec_log::{Line, text};

use super::blocks::{Block, blocks};

/// The file below Wazuh's home, as the log calls it.
pub const PATH: &str = "etc/ossec.conf";
/// Most values of `<repeated_offenders>`.
const OFFENDERS: usize = 5;

/// What the file says to `wazuh-execd`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Local {
    /// `<disabled>yes</disabled>`.
    pub disabled: bool,
    /// `<repeated_offenders>`, always in minutes here: from the second offence on.
    pub offenders: Vec<Duration>,
    /// What is to be logged about it.
    pub lines: Vec<Line>,
}

impl Local {
    /// Reads the file's text.
    ///
    /// # Errors
    ///
    /// What Wazuh logs before it ends, when `<disabled>` is neither yes nor no.
    pub fn read(conf: &str) -> Result<Self, Vec<Line>> {
        let own: Vec<Block> =
            blocks(conf, "active-response").into_iter().filter(Block::is_agents_own).collect();
        let first = |name: &str| {
            let child = own.iter().find_map(|block| block.child(name))?;
            conf.get(child.value.clone()).map(str::trim)
        };
        let disabled = match first("disabled") {
            None | Some("no") => false,
            Some("yes") => true,
            Some(other) => return Err(vec![text::value("disabled", other), text::configuration(PATH)]),
        };
        let values = first("repeated_offenders").into_iter().flat_map(|list| list.split(','));
        let values: Vec<u64> =
            values.map(str::trim).filter(|value| !value.is_empty()).take(OFFENDERS).map(number).collect();
        let lines = (1..).zip(&values).map(|(n, &minutes)| text::offenders(minutes, n)).collect();
        // A 0, or what is no number, ends the list.
        let offenders = values
            .into_iter()
            .take_while(|&minutes| minutes > 0)
            .map(|minutes| Duration::from_secs(minutes * 60));
        Ok(Self { disabled, offenders: offenders.collect(), lines })
    }
}

/// `atoi`, without less than nothing: that ends the list too, where Wazuh
/// would undo at once.
fn number(text: &str) -> u64 {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let digits = text.get(..end).unwrap_or_default();
    if digits.is_empty() { 0 } else { digits.parse::<u32>().unwrap_or(u32::MAX).into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(own: &str) -> Result<Local, Vec<String>> {
        let conf = format!("<ossec_config>\n<active-response>{own}</active-response>\n</ossec_config>\n");
        Local::read(&conf).map_err(|lines| lines.into_iter().map(|line| line.text).collect())
    }

    #[test]
    fn the_agents_block_switches_it_off() {
        assert!(read("<disabled>yes</disabled>").unwrap().disabled);
        assert!(!read("<disabled> no </disabled>").unwrap().disabled);
        assert!(!read("").unwrap().disabled);
        assert!(
            !read("<command>x</command><disabled>yes</disabled>").unwrap().disabled,
            "that is one response"
        );
        assert_eq!(
            read("<disabled>perhaps</disabled>").unwrap_err(),
            [
                "(1235): Invalid value for element 'disabled': perhaps.",
                "(1202): Configuration error at 'etc/ossec.conf'."
            ]
        );
    }

    #[test]
    fn offenders_are_minutes_up_to_the_first_that_is_none() {
        let minutes = |list: &str| {
            let read = read(&format!("<repeated_offenders>{list}</repeated_offenders>")).unwrap();
            let minutes: Vec<u64> = read.offenders.iter().map(|length| length.as_secs() / 60).collect();
            (minutes, read.lines.into_iter().map(|line| line.text).collect::<Vec<_>>())
        };
        assert_eq!(minutes("2, 7,,30").0, [2, 7, 30]);
        assert_eq!(minutes("2,x,30").0, [2]);
        assert_eq!(minutes("1,2,3,4,5,6,7").0, [1, 2, 3, 4, 5]);
        assert_eq!(minutes("1800,3600").0, [1800, 3600], "never seconds here");
        let (none, lines) = minutes("often");
        assert!(none.is_empty());
        assert_eq!(lines, ["Adding offenders timeout: 0 (for #1)"]);
        assert_eq!(
            minutes("2,7").1,
            ["Adding offenders timeout: 2 (for #1)", "Adding offenders timeout: 7 (for #2)"]
        );
    }
}
