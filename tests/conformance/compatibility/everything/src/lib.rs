//! Calls every function that the first version of the package has. What was built
//! of it stands in `../0.1.0/` and is never built again: it is what an author of
//! that time has installed.

use riposte_sdk::http::Request;
use riposte_sdk::{
    Alert, Error, Oneshot, accounts, config, exec, export, firewall, folder, invocation, isolation, lines,
    log, mail, processes, quarantine, routes, secret, services, state,
};

struct Everything;

impl Oneshot for Everything {
    fn run(alert: &Alert) -> Result<(), Error> {
        let address = alert.srcip()?;
        firewall::block(&address)?;
        firewall::blocked(&address)?;
        firewall::unblock(&address)?;
        routes::blackhole(&address)?;
        routes::blackholed(&address)?;
        routes::restore(&address)?;
        accounts::lock("eve")?;
        accounts::locked("eve")?;
        accounts::end_sessions("eve")?;
        accounts::unlock("eve")?;
        services::restart("a.service")?;
        services::reload("a.service")?;
        services::start("a.service")?;
        services::stop("a.service")?;
        services::active("a.service")?;
        lines::ensure("/etc/hosts.deny", "ALL:192.0.2.7")?;
        lines::contains("/etc/hosts.deny", "ALL:192.0.2.7")?;
        lines::remove("/etc/hosts.deny", "ALL:192.0.2.7")?;
        processes::running("miner")?;
        processes::kill(4711, "miner")?;
        exec::run("/usr/bin/yara", &["-w".to_owned()], b"input")?;
        state::set("key", b"value")?;
        state::get("key")?;
        state::keys("k")?;
        state::remove("key")?;
        secret::get("token")?;
        quarantine::put("/srv/a")?;
        quarantine::holds("/srv/a")?;
        quarantine::restore("/srv/a")?;
        isolation::isolate()?;
        isolation::isolated()?;
        isolation::release()?;
        mail::send("subject", "text")?;
        Request::post_json("https://example.com/x", "{}").send()?;
        let file = folder::read("/srv/folder/file.txt")?;
        let names = folder::names("/srv/folder")?;
        log::info(format!(
            "{} {} {} {} {:?} {} {} {} {:?} {:?} {:?} {:?} {:?} {} {} {:?}",
            invocation::command(),
            invocation::id(),
            invocation::attempt(),
            invocation::offence(),
            invocation::timeout(),
            invocation::tenant(),
            invocation::location(),
            alert.json().len(),
            invocation::arguments(),
            invocation::keys(),
            config::get("name"),
            config::names(),
            alert.number("/rule/level"),
            address,
            String::from_utf8_lossy(&file),
            names,
        ));
        Ok(())
    }
}

export!(Everything: Oneshot);
