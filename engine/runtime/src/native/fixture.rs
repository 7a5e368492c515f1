//! Orders for the tests.

use std::sync::Arc;
use std::time::Duration;

use riposte_policy::Order;
use riposte_policy::config::{Command, Expect, Mode, Way};
use riposte_policy::diagnostic::Place;
use riposte_policy::grant::Confinement;
use riposte_policy::limit::Limits;
use riposte_policy::order::Actor;

pub(super) const ALERT: &str = r#"{"id":"1510376401.0","rule":{"id":"5710","level":5,"description":"sshd: no such user"},"agent":{"id":"001","name":"web\n1"},"data":{"srcip":"192.0.2.7","srcport":"52111","dstuser":"eve","other":"x"},"syscheck":{"path":"/a b"},"full_log":"no such \"user\""}"#;

pub(super) fn command(expect: &[Expect]) -> Command {
    Command {
        name: "block".into(),
        executable: "block.sh".to_owned(),
        timeout_allowed: None,
        expect: expect.to_vec(),
        extra_args: vec!["-a".to_owned()],
        keys: vec!["/data/other".parse().unwrap()],
        capabilities: None,
        limits: Limits::default(),
        confinement: Confinement::default(),
        runtime: None,
        protocol: None,
        place: Place { file: "ossec.conf".into(), line: 1, column: 1 },
    }
}

pub(super) fn order(command: Command, alert: &str) -> Order {
    Order {
        tenant: "default".into(),
        command: Arc::new(command),
        response: None,
        location: "local",
        agent: "001".into(),
        alert: alert.into(),
        alert_id: "1510376401.0".into(),
        rule_id: "5710".into(),
        timeout: Some(Duration::from_secs(600)),
        offenders: Arc::new([]),
        mode: Mode::Enforce,
        actor: Actor::Alert,
        reason: None,
        source: None,
        message: None,
        key: Way::Riposte,
        offences: Way::Riposte,
    }
}
