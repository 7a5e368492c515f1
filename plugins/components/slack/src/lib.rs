//! Posts an alert to a channel of Slack, or of whatever takes Slack's incoming
//! webhooks (Mattermost, Rocket.Chat), as Wazuh's integration words it.

use riposte_sdk::http::{self, Request};
use riposte_sdk::json::{array, object, string};
use riposte_sdk::{Alert, Error, Oneshot, export, invocation, log, secret};

/// Longest text of one field of the message, in characters. Slack cuts what is
/// longer, and refuses what is much longer.
const LONGEST: usize = 2_000;

struct Slack;

impl Oneshot for Slack {
    fn run(alert: &Alert) -> Result<(), Error> {
        let response = http::send(&Request::post_json(hook()?, message(alert)))?;
        match response.status {
            200..300 => {
                log::info("posted");
                Ok(())
            }
            // Slack limits messages per channel, and has bad days.
            429 | 500.. => Err(Error::unavailable(format!("the server answered {}", response.status))),
            status => Err(Error::failed(format!("the server answered {status}: check the hook"))),
        }
    }
}

/// The URL to post to, which is a secret: the first of `<extra_args>`, where
/// Wazuh has it, or `<secret name="hook"/>`.
fn hook() -> Result<String, Error> {
    match invocation::arguments().into_iter().next() {
        Some(argument) => Ok(argument),
        None => secret::get("hook"),
    }
}

fn message(alert: &Alert) -> String {
    let text = |pointer: &str| alert.text(pointer).map(|text| shown(&text));
    let mut fields = Vec::new();
    let mut field = |title: &str, value: Option<String>| {
        if let Some(value) = value {
            fields.push(object(&[("title", string(title)), ("value", string(&value))]));
        }
    };
    let agent = text("/agent/id").map(|id| format!("({id}) - {}", text("/agent/name").unwrap_or_default()));
    field("Agent", agent);
    field("Agentless Host", text("/agentless/host"));
    field("Location", text("/location"));
    let level = alert.number("/rule/level");
    let shown_level = level.map_or(String::new(), |level| format!(" _(level {level})_"));
    field("Rule ID", text("/rule/id").map(|id| id + &shown_level));

    let mut attachment = vec![
        ("color", string(colour(level))),
        ("pretext", string("WAZUH Alert")),
        ("title", string(&text("/rule/description").unwrap_or_else(|| "N/A".to_owned()))),
        ("text", string(&text("/full_log").unwrap_or_default())),
        ("fields", array(&fields)),
    ];
    attachment.extend(text("/id").map(|id| ("ts", string(&id))));
    object(&[("attachments", array(&[object(&attachment)]))])
}

/// Wazuh's: up to 4, 5 to 7, above.
fn colour(level: Option<i64>) -> &'static str {
    match level {
        None | Some(..=4) => "good",
        Some(5..=7) => "warning",
        Some(8..) => "danger",
    }
}

/// As Slack wants text that is not markup: an alert must not call everybody
/// (`<!channel>`) or show a link under another name.
fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(LONGEST).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

export!(Slack: Oneshot);

#[cfg(test)]
mod tests {
    use super::*;
    use riposte_sdk::host;

    fn run(json: &str) -> Result<String, Error> {
        host::reset();
        host::answer_with("secret.get", "https://hooks.slack.com/services/T0/B0/x".to_owned());
        Slack::run(&json.parse().unwrap())?;
        Ok(host::calls().into_iter().find(|call| call.starts_with("http.send")).unwrap_or_default())
    }

    #[test]
    fn posts_what_wazuh_posts() {
        let sent = run(
            r#"{"id":"17.2","rule":{"level":10,"description":"brute force","id":"5712"},"agent":{"id":"001","name":"web"},
                "location":"/var/log/auth.log","full_log":"Failed \"password\"\nfor root"}"#,
        )
        .unwrap();
        assert_eq!(
            sent,
            concat!(
                "http.send POST https://hooks.slack.com/services/T0/B0/x Content-Type: application/json ",
                r#"{"attachments":[{"color":"danger","pretext":"WAZUH Alert","title":"brute force","#,
                r#""text":"Failed \"password\"\nfor root","fields":[{"title":"Agent","value":"(001) - web"},"#,
                r#"{"title":"Location","value":"/var/log/auth.log"},{"title":"Rule ID","value":"5712 _(level 10)_"}],"ts":"17.2"}]}"#
            )
        );
    }

    #[test]
    fn what_an_alert_says_is_text_and_nothing_else() {
        let sent = run(
            r#"{"rule":{"description":"<!channel> & <http://evil|here>"},"full_log":"\"}],\"text\":\"x"}"#,
        )
        .unwrap();
        assert!(sent.contains("&lt;!channel&gt; &amp; &lt;http://evil|here&gt;"), "{sent}");
        assert!(sent.contains(r#""text":"\"}],\"text\":\"x""#), "{sent}");
        let long = run(&format!(r#"{{"full_log":"{}"}}"#, "x".repeat(100_000))).unwrap();
        assert!(long.len() < 3_000);
    }

    #[test]
    fn the_hook_may_be_an_argument_as_in_wazuh() {
        host::reset();
        let arguments = vec!["https://hooks.slack.com/services/argument".to_owned()];
        host::set_invocation(host::Invocation { arguments, ..host::Invocation::default() });
        Slack::run(&"{}".parse().unwrap()).unwrap();
        let calls = host::calls();
        assert!(
            calls[0].starts_with("http.send POST https://hooks.slack.com/services/argument "),
            "{calls:?}"
        );
    }

    #[test]
    fn what_the_server_refuses_is_a_failure() {
        for (status, retry) in
            [(200, None), (404, Some(false)), (302, Some(false)), (429, Some(true)), (503, Some(true))]
        {
            host::reset();
            host::answer_with("http.send", http::Response { status, ..Default::default() });
            host::answer_with("secret.get", "https://hooks.slack.com/x".to_owned());
            let outcome = Slack::run(&"{}".parse().unwrap());
            assert_eq!(outcome.err().map(|error| error.retry), retry, "{status}");
        }
    }
}
