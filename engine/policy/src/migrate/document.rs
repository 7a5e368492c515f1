//! The documents of Wazuh 5.x.
//!
//! A channel is what `POST _plugins/_notifications/configs` of the indexer
//! takes; its fields are those of `ActiveResponse.kt` in Wazuh's fork of
//! OpenSearch's common-utils. A monitor is what `POST _plugins/_alerting/monitors`
//! takes, of the type `active_response_monitor`; its action is the one that
//! the dashboard writes. `docs/migrate.md` says what was found where.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The type of a channel that runs a program.
pub const CHANNEL: &str = "active_response";
/// The type of a monitor that calls such a channel.
pub const MONITOR: &str = "active_response_monitor";

/// One document for the indexer.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Document {
    /// What runs, where, for how long.
    Channel(Channel),
    /// When it runs.
    Monitor(Monitor),
}

impl Document {
    /// A file name for it, of `[a-z0-9_-]` and without extension.
    #[must_use]
    pub fn file_stem(&self) -> String {
        match self {
            Self::Channel(channel) => format!("channel-{}", channel.config_id),
            Self::Monitor(monitor) => format!("monitor-{}", monitor.channel),
        }
    }
}

/// A notification channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// What monitors call it by.
    #[serde(default)]
    pub config_id: String,
    /// What it is.
    pub config: ChannelConfig,
}

/// What a channel is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelConfig {
    /// Name of the response.
    pub name: String,
    /// For people.
    #[serde(default, deserialize_with = "text_or_null")]
    pub description: String,
    /// [`CHANNEL`].
    pub config_type: String,
    /// Whether it acts; the dashboard calls it muted otherwise.
    #[serde(default = "yes")]
    pub is_enabled: bool,
    /// What it runs.
    pub active_response: ActiveResponse,
}

/// What a channel runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveResponse {
    /// A program below `active-response/bin` of the agent.
    pub executable: String,
    /// Its arguments, in one text. The beta refuses a channel without it.
    #[serde(default, deserialize_with = "text_or_null", alias = "extra_arguments")]
    pub extra_args: String,
    /// `local`, `all` or `defined-agent`.
    pub location: String,
    /// `stateful` or `stateless`.
    pub r#type: String,
    /// The agent of `defined-agent`: digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// Seconds until a stateful one is undone, 1 to 2^31-1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stateful_timeout: Option<u64>,
}

/// A monitor that calls one channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Monitor {
    /// The `config_id` of the channel.
    pub channel: String,
    /// For people.
    pub name: Arc<str>,
    /// Which triggers of 4.x it stands for.
    pub description: Arc<str>,
    /// Lucene queries over the findings, any of which fires.
    pub queries: Arc<[String]>,
}

/// The monitor as the indexer takes it; switched off, since its queries are drafts.
impl Serialize for Monitor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let queries: Vec<Value> = (1..)
            .zip(&*self.queries)
            .map(|(n, query)| json!({"id": format!("q{n}"), "name": format!("q{n}"), "query": query, "tags": []}))
            .collect();
        let any =
            (1..=self.queries.len()).map(|n| format!("query[name=q{n}]")).collect::<Vec<_>>().join(" || ");
        json!({
            "type": "monitor",
            "monitor_type": MONITOR,
            "name": &*self.name,
            "enabled": false,
            "schedule": {"period": {"interval": 1, "unit": "MINUTES"}},
            "inputs": [{"doc_level_input": {
                "description": &*self.description,
                "indices": ["wazuh-findings-v5-*"],
                "queries": queries,
            }}],
            "triggers": [{"document_level_trigger": {
                "name": &*self.name,
                "severity": "1",
                "condition": {"script": {"source": any, "lang": "painless"}},
                "actions": [{
                    "name": &*self.name,
                    "destination_id": self.channel,
                    "subject_template": {"source": "Alerting Active Response action", "lang": "mustache"},
                    "message_template": {"source": "{{ctx.alerts.0.related_doc_ids}}", "lang": "mustache"},
                    "throttle_enabled": false,
                    "action_execution_policy": {"action_execution_scope": {"per_alert": {"actionable_alerts": []}}},
                }],
            }}],
        })
        .serialize(serializer)
    }
}

impl Monitor {
    /// The monitors that `value` calls channels with, one for each channel;
    /// none when it is another kind of document.
    #[must_use]
    pub fn read(value: &Value) -> Vec<Self> {
        if value["monitor_type"].as_str().is_none() {
            return Vec::new();
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let input = &value["inputs"][0]["doc_level_input"];
        let queries: Arc<[String]> = each(&input["queries"]).map(|query| text(&query["query"])).collect();
        let (name, description): (Arc<str>, Arc<str>) =
            (text(&value["name"]).into(), text(&input["description"]).into());
        let mut called = HashSet::new();
        each(&value["triggers"])
            .flat_map(|trigger| trigger.as_object().into_iter().flat_map(serde_json::Map::values))
            .flat_map(|trigger| each(&trigger["actions"]))
            .filter_map(|action| action["destination_id"].as_str())
            .filter(|channel| !channel.is_empty() && called.insert(*channel))
            .map(|channel| Self {
                channel: channel.to_owned(),
                name: Arc::clone(&name),
                description: Arc::clone(&description),
                queries: Arc::clone(&queries),
            })
            .collect()
    }
}

/// The items of an array; none of anything else.
fn each(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn yes() -> bool {
    true
}

fn text_or_null<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Option::<String>::deserialize(deserializer).map(Option::unwrap_or_default)
}
