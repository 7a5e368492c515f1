//! Restarts the Wazuh manager or agent of this host, whichever runs.

use riposte_sdk::{Alert, Error, Oneshot, export, log, services};

/// One host has one of them.
const UNITS: [&str; 2] = ["wazuh-manager.service", "wazuh-agent.service"];

struct RestartWazuh;

impl Oneshot for RestartWazuh {
    fn run(_: &Alert) -> Result<(), Error> {
        let mut missing = None;
        for unit in UNITS {
            if services::active(unit)? {
                return restart(unit);
            }
        }
        // None runs: the first one that can be started is what is installed.
        for unit in UNITS {
            match restart(unit) {
                Ok(()) => return Ok(()),
                Err(error) => missing = missing.or(Some(error)),
            }
        }
        Err(missing.unwrap_or_else(|| Error::failed("no unit is known")))
    }
}

fn restart(unit: &str) -> Result<(), Error> {
    services::restart(unit)?;
    log::info(format!("restarted {unit}"));
    Ok(())
}

export!(RestartWazuh: Oneshot);

#[cfg(test)]
mod tests {
    use super::*;
    use riposte_sdk::host;

    fn alert() -> Alert {
        "{}".parse().unwrap()
    }

    fn restarted() -> Vec<String> {
        host::calls().into_iter().filter(|call| call.starts_with("services.restart")).collect()
    }

    #[test]
    fn what_runs_is_restarted() {
        for unit in UNITS {
            host::reset();
            services::start(unit).unwrap();
            RestartWazuh::run(&alert()).unwrap();
            assert_eq!(restarted(), [format!("services.restart {unit}")]);
        }
    }

    #[test]
    fn what_does_not_run_is_started_and_what_fails_is_said() {
        host::reset();
        RestartWazuh::run(&alert()).unwrap();
        assert_eq!(restarted(), [format!("services.restart {}", UNITS[0])]);
        host::refuse("services.restart", Error::failed("there is no unit"));
        assert_eq!(RestartWazuh::run(&alert()).unwrap_err().message, "there is no unit");
        assert_eq!(restarted().len(), UNITS.len());
    }
}
