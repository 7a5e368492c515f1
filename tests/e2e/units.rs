//! Units: against something that answers like systemd on a bus of its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::PathBuf;

use riposte_capability::bus::Bus;
use riposte_capability::services::Backend;
use riposte_capability::services::host::Host as Services;
use riposte_policy::grant::ServiceAction;
use riposte_policy::unit::UnitName;
use riposte_tests::units::Units;
use riposte_tests::{Host, sshd, until};

fn unit(name: &str) -> UnitName {
    name.parse().unwrap()
}

fn services(units: &Units) -> Services {
    let nowhere = PathBuf::from("/nonexistent");
    Services::new(Bus::at(&units.address()), nowhere.clone()).with_scripts(nowhere)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_act_waits_for_the_end_of_its_job() {
    let dir = tempfile::tempdir().unwrap();
    let units = tokio::task::block_in_place(|| Units::start(dir.path(), &["a.service"]));
    let host = services(&units);
    let a = unit("a.service");
    assert_eq!(host.act(&a, ServiceAction::Restart).await, Ok(true));
    assert_eq!(host.act(&a, ServiceAction::Reload).await, Ok(true));
    assert_eq!(host.act(&a, ServiceAction::Start).await, Ok(false));
    assert_eq!(host.act(&a, ServiceAction::Stop).await, Ok(true));
    assert_eq!(host.act(&a, ServiceAction::Stop).await, Ok(false));
    assert_eq!(host.active(&a).await, Ok(false));
    assert_eq!(host.act(&a, ServiceAction::Start).await, Ok(true));
    assert_eq!(host.active(&a).await, Ok(true));
    assert_eq!(
        units.asked(),
        [
            "RestartUnit a.service replace",
            "ReloadOrRestartUnit a.service replace",
            "StopUnit a.service replace",
            "StartUnit a.service replace",
        ]
    );
    tokio::task::block_in_place(|| drop(units));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_did_not_end_well_is_no_success() {
    let dir = tempfile::tempdir().unwrap();
    let units = tokio::task::block_in_place(|| Units::start(dir.path(), &["a.service"]));
    let host = services(&units);
    for (result, kind, retry, words) in [
        ("failed", "failed", false, "systemctl status b.service"),
        ("timeout", "failed", false, "(timeout)"),
        ("dependency", "failed", false, "(dependency)"),
        ("canceled", "unavailable", true, "cancelled"),
        ("masked", "failed", false, "systemctl unmask b.service"),
    ] {
        let name = format!("{result}.service").replace("masked", "b").replace("failed", "b");
        tokio::task::block_in_place(|| units.add(&name, result));
        let refusal = host.act(&unit(&name), ServiceAction::Restart).await.unwrap_err();
        assert_eq!((refusal.kind, refusal.retry), (kind, retry), "{result}: {refusal}");
        assert!(refusal.message.contains(words), "{result}: {refusal}");
        if name == "b.service" {
            tokio::task::block_in_place(|| units.remove(&name));
        }
    }
    let refusal = host.act(&unit("nobody.service"), ServiceAction::Restart).await.unwrap_err();
    assert!(refusal.message.contains("there is no unit nobody.service"), "{refusal}");
    assert_eq!(host.active(&unit("nobody.service")).await, Ok(false));
    tokio::task::block_in_place(|| drop(units));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_restart_of_the_engine_itself() {
    let dir = tempfile::tempdir().unwrap();
    let units = tokio::task::block_in_place(|| Units::start(dir.path(), &["riposte-execd.service"]));
    let host = services(&units);
    // Its jobs never end: who waited for one would wait for ever.
    tokio::task::block_in_place(|| units.add("wazuh-agent.service", ""));
    let agent = unit("wazuh-agent.service");
    assert_eq!(host.carries_us(&agent).await, Ok(false));
    units.run_in("riposte-execd.service", &["wazuh-agent.service"]);
    assert_eq!(host.carries_us(&agent).await, Ok(true));
    assert_eq!(host.carries_us(&unit("riposte-execd.service")).await, Ok(true));
    assert_eq!(host.act(&agent, ServiceAction::Restart).await, Ok(true));
    assert_eq!(units.asked(), ["RestartUnit wazuh-agent.service replace"]);
    tokio::task::block_in_place(|| drop(units));
}

#[test]
fn alerts_restart_units() {
    let host = Host::with_machine();
    let units = Units::start(&host.path("machine/run/dbus"), &["nginx.service", "wazuh-agent.service"]);
    host.configure(
        r#"<command><name>web</name><executable>restart</executable>
             <capabilities><service unit="nginx.service"/><config name="unit" value="nginx"/></capabilities>
           </command>
           <command><name>wazuh</name><executable>restart-wazuh</executable></command>
           <command><name>ossec</name><executable>restart-ossec.sh</executable></command>
           <command><name>other</name><executable>restart</executable>
             <capabilities><service unit="nginx.service"/><config name="unit" value="sshd"/></capabilities>
           </command>
           <active-response><command>web</command><location>local</location><rules_id>5712</rules_id></active-response>
           <active-response><command>wazuh</command><location>local</location><rules_id>5712</rules_id></active-response>
           <active-response><command>ossec</command><location>local</location><rules_id>5712</rules_id></active-response>
           <active-response><command>other</command><location>local</location><rules_id>5712</rules_id></active-response>"#,
    );
    let engine = host.start(&[]);
    host.alerts(&[sshd(1, "198.18.0.1")]);
    until("all have run", || host.count("done") == 3 && host.entries().len() == 4);
    let mut asked = units.asked();
    asked.sort();
    let agent = "RestartUnit wazuh-agent.service replace";
    assert_eq!(asked, ["RestartUnit nginx.service replace", agent, agent]);
    until("the refusal is told", || {
        engine.log().contains(r#"add <service unit="sshd.service" actions="restart"/>"#)
    });
    assert_eq!(host.count("failed"), 1);
}
