//! What programs written for Wazuh 5 are told.
//!
//! There the event lies at the top of the message, under the names of its
//! common schema (`source.ip`, `user.name`), and what is known of the response
//! under `wazuh.active_response`. It is made here from an alert of 4.x: the
//! address and the user typed, everything else as text.

use riposte_policy::config::Expect;
use riposte_policy::{Address, Order, UserName, alert};

use super::cjson::{joined, printed, quoted};
use super::positional::expected;

/// The message for an order: what stands before its verb, and behind it.
pub(super) fn around(order: &Order, name: &str, extra_args: &[String]) -> (String, String) {
    let event = Event(&order.alert);
    let mut members = vec![("wazuh".to_owned(), printed(&wazuh(order, name, extra_args)))];
    let target = |expect| expected(&order.command, expect, &order.alert);
    let address = target(Expect::SourceIp).and_then(|text| text.parse::<Address>().ok());
    let user = target(Expect::User).and_then(|text| text.parse::<UserName>().ok());
    let groups = [
        ("event", vec![event.text("original", "/full_log"), event.text("doc_id", "/id")]),
        (
            "source",
            vec![address.map(|ip| text("ip", &ip.to_string())), event.number("port", "/data/srcport")],
        ),
        ("user", vec![user.map(|user| text("name", user.as_str()))]),
        ("file", vec![target(Expect::FileName).map(|path| text("path", &path))]),
    ];
    for (name, group) in groups {
        let group: Vec<_> = group.into_iter().flatten().collect();
        if !group.is_empty() {
            members.push((name.to_owned(), printed(&group)));
        }
    }
    (format!("{{{},\"command\":\"", joined(&members)), "\"}".to_owned())
}

type Member = (String, String);

fn wazuh(order: &Order, name: &str, extra_args: &[String]) -> Vec<Member> {
    let event = Event(&order.alert);
    let mut response = vec![text("name", &order.command.name), text("executable", name)];
    match order.timeout {
        Some(timeout) => {
            response.push(text("type", "stateful"));
            response.push(("stateful_timeout".to_owned(), timeout.as_secs().to_string()));
        }
        None => response.push(text("type", "stateless")),
    }
    // There is no `server` in 5: the machine itself is `local`.
    let location = if order.location == "server" { "local" } else { order.location };
    response.push(text("location", location));
    if location == "defined-agent" {
        response.push(text("agent_id", &order.agent));
    }
    // One text there, since the form of a response has one field for them.
    let extra = extra_args.join(" ");
    let extra = if extra.is_empty() { "null".to_owned() } else { quoted(&extra) };
    response.push(("extra_arguments".to_owned(), extra));
    let groups = [
        ("agent", vec![event.text("id", "/agent/id"), event.text("name", "/agent/name")]),
        ("rule", vec![event.text("id", "/rule/id"), event.text("title", "/rule/description")]),
    ];
    let mut members = vec![("active_response".to_owned(), printed(&response))];
    for (name, group) in groups {
        let group: Vec<_> = group.into_iter().flatten().collect();
        if !group.is_empty() {
            members.push((name.to_owned(), printed(&group)));
        }
    }
    members
}

/// An alert of 4.x.
struct Event<'a>(&'a str);

impl Event<'_> {
    fn text(&self, name: &str, pointer: &str) -> Option<Member> {
        let found = alert::text(self.0, &pointer.parse().ok()?)?;
        (!found.is_empty()).then(|| text(name, &found))
    }

    fn number(&self, name: &str, pointer: &str) -> Option<Member> {
        let found = alert::number(self.0, &pointer.parse().ok()?)?;
        Some((name.to_owned(), found.to_string()))
    }
}

fn text(name: &str, value: &str) -> Member {
    (name.to_owned(), quoted(value))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{ALERT, command, order};
    use super::*;

    #[test]
    fn an_alert_is_told_in_the_names_of_5() {
        let order = order(command(&[]), ALERT);
        let (before, after) = around(&order, "block.sh", &["-a".to_owned(), "b".to_owned()]);
        assert_eq!(
            format!("{before}enable{after}"),
            concat!(
                r#"{"wazuh":{"active_response":{"name":"block","executable":"block.sh","type":"stateful","#,
                r#""stateful_timeout":600,"location":"local","extra_arguments":"-a b"},"#,
                r#""agent":{"id":"001","name":"web\n1"},"rule":{"id":"5710","title":"sshd: no such user"}},"#,
                r#""event":{"original":"no such \"user\"","doc_id":"1510376401.0"},"#,
                r#""source":{"ip":"192.0.2.7","port":52111},"user":{"name":"eve"},"file":{"path":"/a b"},"#,
                r#""command":"enable"}"#
            )
        );
    }

    #[test]
    fn what_the_alert_has_not_is_not_there() {
        let mut order = order(command(&[]), r#"{"data":{"srcip":"$(reboot)","dstuser":"-x y"}}"#);
        order.timeout = None;
        order.location = "server";
        let (before, _) = around(&order, "block.sh", &[]);
        assert_eq!(
            before,
            concat!(
                r#"{"wazuh":{"active_response":{"name":"block","executable":"block.sh","type":"stateless","#,
                r#""location":"local","extra_arguments":null}},"command":""#
            )
        );
        order.location = "defined-agent";
        let (before, _) = around(&order, "block.sh", &[]);
        assert!(before.contains(r#""location":"defined-agent","agent_id":"001","#), "{before}");
    }
}
