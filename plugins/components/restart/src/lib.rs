//! Restarts the unit that the operator names, never one that an alert names.

use riposte_sdk::{Alert, Error, Oneshot, config, export, invocation, log, services};

struct Restart;

impl Oneshot for Restart {
    fn run(_: &Alert) -> Result<(), Error> {
        let unit = unit()?;
        services::restart(&unit)?;
        log::info(format!("restarted {unit}"));
        Ok(())
    }
}

/// `<config name="unit" value="nginx.service"/>`, or the first word of
/// `<extra_args>`; a name without a suffix is a service.
fn unit() -> Result<String, Error> {
    let named = config::get("unit").or_else(|| invocation::arguments().into_iter().next());
    let Some(unit) = named else {
        return Err(Error::invalid(
            "no unit is named: add <config name=\"unit\" value=\"nginx.service\"/> to the command's <capabilities>",
        ));
    };
    Ok(if unit.contains('.') { unit } else { format!("{unit}.service") })
}

export!(Restart: Oneshot);

#[cfg(test)]
mod tests {
    use super::*;
    use riposte_sdk::host;

    fn run(config: Option<&str>, arguments: &[&str]) -> Result<Vec<String>, Error> {
        host::reset();
        config.into_iter().for_each(|unit| host::set_config("unit", unit));
        let arguments = arguments.iter().map(|one| (*one).to_owned()).collect();
        host::set_invocation(host::Invocation { arguments, ..host::Invocation::default() });
        Restart::run(&r#"{"data":{"unit":"sshd.service"}}"#.parse().unwrap())?;
        Ok(host::calls().into_iter().filter(|call| call.starts_with("services")).collect())
    }

    #[test]
    fn the_operator_names_the_unit() {
        assert_eq!(run(Some("nginx.service"), &[]).unwrap(), ["services.restart nginx.service"]);
        assert_eq!(run(None, &["nginx"]).unwrap(), ["services.restart nginx.service"]);
        assert_eq!(run(Some("a.socket"), &["b"]).unwrap(), ["services.restart a.socket"]);
    }

    #[test]
    fn nobody_else_does() {
        assert_eq!(run(None, &[]).unwrap_err().kind, "invalid-input");
    }
}
