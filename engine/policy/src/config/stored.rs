//! The definition of a command as the ledger keeps it: what is in force is
//! undone with the definition it was made with, also after the file changed.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Command, Expect, Protocol, Runtime};
use crate::diagnostic::Place;
use crate::grant::{Confinement, Detail, FirewallGrant, Grants, NewPrivileges};
use crate::keys::Pointer;
use crate::limit::Limits;

/// The form that is written now. A form that an older version cannot read
/// takes the next number.
const FORM: u32 = 2;
/// The oldest form that is read. It knew one grant, `<firewall/>`.
const OLDEST: u32 = 1;

impl Command {
    /// The definition as one line of JSON.
    #[must_use]
    pub fn to_stored(&self) -> String {
        // Texts, numbers and lists: there is nothing in it that JSON cannot hold.
        serde_json::to_string(&Stored::of(self)).unwrap_or_default()
    }

    /// Reads what [`Command::to_stored`] wrote.
    ///
    /// # Errors
    ///
    /// When the text is something else, or was written by a newer version. A
    /// grant that this version does not know is never passed over.
    pub fn from_stored(text: &str) -> Result<Self, StoredError> {
        #[derive(Deserialize)]
        struct Form {
            form: u32,
        }

        let unreadable = |error: serde_json::Error| StoredError::Unreadable(error.to_string());
        let Form { form } = serde_json::from_str(text).map_err(unreadable)?;
        if !(OLDEST..=FORM).contains(&form) {
            return Err(StoredError::OtherForm(form));
        }
        let stored: Stored = serde_json::from_str(text).map_err(unreadable)?;
        stored.restore()
    }
}

/// The text is no stored definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoredError {
    /// It is not of the shape that this version writes.
    Unreadable(String),
    /// It was written in another form, by another version.
    OtherForm(u32),
}

impl fmt::Display for StoredError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "the stored definition of the command cannot be read: {why}"),
            Self::OtherForm(form) => write!(
                f,
                "the stored definition of the command has form {form}, and this version reads form {OLDEST} to {FORM}: \
                 use the version that wrote it to undo what it did"
            ),
        }
    }
}

impl std::error::Error for StoredError {}

/// The form: names are part of it, so it does not follow the types by itself.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    form: u32,
    name: String,
    executable: String,
    runtime: Option<StoredRuntime>,
    /// Added later: what was stored without it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    protocol: Option<StoredProtocol>,
    timeout_allowed: Option<bool>,
    expect: Vec<StoredExpect>,
    extra_args: Vec<String>,
    keys: Vec<Pointer>,
    capabilities: Option<StoredGrants>,
    limits: StoredLimits,
    /// Added later: what was stored without it has the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    confinement: Option<StoredConfinement>,
    place: StoredPlace,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredRuntime {
    Native,
    Wasm,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredProtocol {
    Json,
    Argv,
    Both,
    Five,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum StoredExpect {
    SrcIp,
    User,
    FileName,
}

/// The grants as the element that gives them, with every default written out:
/// one language, and one reader of it. Form 1 had members of its own.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredGrants {
    Xml(String),
    First(FirstGrants),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstGrants {
    sha256: Vec<String>,
    firewall: Option<FirstFirewall>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FirstFirewall {
    set: String,
    widest4: u8,
    widest6: u8,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredLimits {
    memory: u64,
    cpu: Duration,
    wall: Duration,
    concurrency: Option<u32>,
    answer: Duration,
    run: Duration,
}

/// How a program is confined; nothing is the default.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
enum StoredConfinement {
    Confined { write: Vec<PathBuf>, capabilities: Vec<String>, new_privileges: bool },
    Isolated { write: Vec<PathBuf> },
}

impl StoredConfinement {
    fn of(confinement: &Confinement) -> Option<Self> {
        match confinement.clone() {
            Confinement::Default => None,
            Confinement::Confined { write, capabilities, new_privileges } => {
                let new_privileges = new_privileges == NewPrivileges::Allowed;
                Some(Self::Confined { write, capabilities, new_privileges })
            }
            Confinement::Isolated { write } => Some(Self::Isolated { write }),
        }
    }

    fn restore(self) -> Confinement {
        match self {
            Self::Confined { write, capabilities, new_privileges } => {
                let new_privileges =
                    if new_privileges { NewPrivileges::Allowed } else { NewPrivileges::Refused };
                Confinement::Confined { write, capabilities, new_privileges }
            }
            Self::Isolated { write } => Confinement::Isolated { write },
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredPlace {
    file: String,
    line: u32,
    column: u32,
}

impl Stored {
    fn of(command: &Command) -> Self {
        let Command {
            name,
            executable,
            timeout_allowed,
            expect,
            extra_args,
            keys,
            capabilities,
            limits,
            confinement,
            runtime,
            protocol,
            place,
        } = command;
        let Limits { memory, cpu, wall, concurrency, answer, run } = limits.clone();
        Self {
            form: FORM,
            name: name.to_string(),
            executable: executable.clone(),
            runtime: runtime.map(|runtime| match runtime {
                Runtime::Native => StoredRuntime::Native,
                Runtime::Wasm => StoredRuntime::Wasm,
            }),
            protocol: protocol.map(|protocol| match protocol {
                Protocol::Json => StoredProtocol::Json,
                Protocol::Argv => StoredProtocol::Argv,
                Protocol::Both => StoredProtocol::Both,
                Protocol::Five => StoredProtocol::Five,
            }),
            timeout_allowed: *timeout_allowed,
            expect: expect
                .iter()
                .map(|expect| match expect {
                    Expect::SourceIp => StoredExpect::SrcIp,
                    Expect::User => StoredExpect::User,
                    Expect::FileName => StoredExpect::FileName,
                })
                .collect(),
            extra_args: extra_args.clone(),
            keys: keys.clone(),
            capabilities: capabilities.as_ref().map(StoredGrants::of),
            limits: StoredLimits { memory, cpu, wall, concurrency, answer, run },
            confinement: StoredConfinement::of(confinement),
            place: StoredPlace { file: place.file.to_string(), line: place.line, column: place.column },
        }
    }

    fn restore(self) -> Result<Command, StoredError> {
        let StoredLimits { memory, cpu, wall, concurrency, answer, run } = self.limits;
        let StoredPlace { file, line, column } = self.place;
        Ok(Command {
            name: self.name.into(),
            executable: self.executable,
            timeout_allowed: self.timeout_allowed,
            expect: self
                .expect
                .into_iter()
                .map(|expect| match expect {
                    StoredExpect::SrcIp => Expect::SourceIp,
                    StoredExpect::User => Expect::User,
                    StoredExpect::FileName => Expect::FileName,
                })
                .collect(),
            extra_args: self.extra_args,
            keys: self.keys,
            capabilities: self.capabilities.map(|grants| grants.restore(self.form)).transpose()?,
            limits: Limits { memory, cpu, wall, concurrency, answer, run },
            confinement: self.confinement.map(StoredConfinement::restore).unwrap_or_default(),
            runtime: self.runtime.map(|runtime| match runtime {
                StoredRuntime::Native => Runtime::Native,
                StoredRuntime::Wasm => Runtime::Wasm,
            }),
            protocol: self.protocol.map(|protocol| match protocol {
                StoredProtocol::Json => Protocol::Json,
                StoredProtocol::Argv => Protocol::Argv,
                StoredProtocol::Both => Protocol::Both,
                StoredProtocol::Five => Protocol::Five,
            }),
            place: Place { file: file.into(), line, column },
        })
    }
}

impl StoredGrants {
    fn of(grants: &Grants) -> Self {
        Self::Xml(grants.to_xml(Detail::Full))
    }

    fn restore(self, form: u32) -> Result<Grants, StoredError> {
        match self {
            Self::Xml(text) if form != OLDEST => {
                Grants::from_xml(&text).map_err(|error| StoredError::Unreadable(error.to_string()))
            }
            Self::First(first) if form == OLDEST => first.restore(),
            _ => Err(StoredError::Unreadable(format!("its grants are not those of form {form}"))),
        }
    }
}

impl FirstGrants {
    fn restore(self) -> Result<Grants, StoredError> {
        let unreadable = |error: &dyn fmt::Display| StoredError::Unreadable(error.to_string());
        let digests = self.sha256.iter().map(|digest| digest.parse().map_err(|error| unreadable(&error)));
        let firewall = self.firewall.map(|FirstFirewall { set, widest4, widest6 }| {
            let set = set.parse().map_err(|error| unreadable(&error))?;
            if widest4 > 32 || widest6 > 128 {
                return Err(unreadable(&"a prefix has more bits than an address"));
            }
            Ok(FirewallGrant { set, widest4, widest6, ..FirewallGrant::default() })
        });
        Ok(Grants {
            digests: digests.collect::<Result<_, _>>()?,
            firewall: firewall.transpose()?,
            ..Grants::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::grant::{Digest, arbitrary};

    fn confinements() -> impl Strategy<Value = Confinement> {
        let write = || prop::collection::vec("/[a-z/]{1,20}".prop_map(PathBuf::from), 0..3);
        let privileges = prop::sample::select(vec![NewPrivileges::Refused, NewPrivileges::Allowed]);
        prop_oneof![
            Just(Confinement::Default),
            (write(), prop::collection::vec("[a-z_]{1,10}", 0..3), privileges).prop_map(
                |(write, capabilities, new_privileges)| Confinement::Confined {
                    write,
                    capabilities,
                    new_privileges
                }
            ),
            write().prop_map(|write| Confinement::Isolated { write }),
        ]
    }

    fn spans() -> impl Strategy<Value = Duration> {
        (0_u64..1 << 40, 0_u32..1_000_000_000).prop_map(|(seconds, nanos)| Duration::new(seconds, nanos))
    }

    prop_compose! {
        fn commands()(
            (name, executable, file) in ("\\PC{1,20}", "\\PC{1,20}", ".{0,20}"),
            (timeout_allowed, native) in any::<(Option<bool>, Option<bool>)>(),
            expect in prop::collection::vec(prop::sample::select(vec![Expect::SourceIp, Expect::User, Expect::FileName]), 0..3),
            extra_args in prop::collection::vec(".{0,10}", 0..3),
            keys in prop::collection::vec("(/[a-z~]{0,3}){1,3}", 0..3),
            capabilities in prop::option::of(arbitrary::grants()).boxed(),
            (memory, concurrency, line, column) in any::<(u64, Option<u32>, u32, u32)>(),
            (cpu, wall, answer, run) in (spans(), spans(), spans(), spans()),
            confinement in confinements().boxed(),
            protocol in prop::sample::select(vec![None, Some(Protocol::Json), Some(Protocol::Argv), Some(Protocol::Both), Some(Protocol::Five)]),
        ) -> Command {
            Command {
                name: name.into(),
                executable,
                timeout_allowed,
                expect,
                extra_args,
                keys: keys.iter().filter_map(|key| key.parse().ok()).collect(),
                capabilities,
                limits: Limits { memory, cpu, wall, concurrency, answer, run },
                confinement,
                runtime: native.map(|native| if native { Runtime::Native } else { Runtime::Wasm }),
                protocol,
                place: Place { file: file.into(), line, column },
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_stored_comes_back(command in commands()) {
            let text = command.to_stored();
            prop_assert!(!text.contains('\n'));
            prop_assert_eq!(Command::from_stored(&text), Ok(command));
        }
    }

    #[test]
    fn the_form_does_not_change_by_itself() {
        let mut command = crate::config::tests::command("block");
        command.keys = vec!["/data/srcip".parse().unwrap()];
        command.capabilities = Some(Grants {
            digests: vec![Digest([1; 32])],
            firewall: Some(FirewallGrant::default()),
            ..Grants::default()
        });
        let text = command.to_stored();
        let digest = "01".repeat(32);
        let rest = concat!(
            r#""limits":{"memory":67108864,"cpu":{"secs":0,"nanos":500000000},"wall":{"secs":10,"nanos":0},"#,
            r#""concurrency":null,"answer":{"secs":5,"nanos":0},"run":{"secs":1800,"nanos":0}},"#,
            r#""place":{"file":"ossec.conf","line":1,"column":1}}"#
        );
        let expected = |form: u32, grants: String| {
            format!(
                concat!(
                    r#"{{"form":{},"name":"block","executable":"block","runtime":null,"timeout_allowed":null,"expect":[],"#,
                    r#""extra_args":[],"keys":["/data/srcip"],"capabilities":{},{}"#,
                ),
                form, grants, rest
            )
        };
        let grants = concat!(
            r#"\n  <firewall set=\"drop\" widest4=\"32\" widest6=\"128\" "#,
            r#"established=\"starve\" confirm=\"gateway\"/>\n</capabilities>""#
        );
        let second = expected(2, format!(r#""<capabilities sha256=\"{digest}\">{grants}"#));
        assert_eq!(text, second);
        // What the first version wrote means the same.
        let first =
            format!(r#"{{"sha256":["{digest}"],"firewall":{{"set":"drop","widest4":32,"widest6":128}}}}"#);
        assert_eq!(Command::from_stored(&expected(1, first.clone())), Ok(command));
        let mixed = Command::from_stored(&expected(2, first));
        assert!(matches!(mixed, Err(StoredError::Unreadable(_))), "{mixed:?}");
    }

    #[test]
    fn what_another_version_wrote_is_refused() {
        let text = crate::config::tests::command("block").to_stored();
        let form = |from: &str, to: &str| Command::from_stored(&text.replacen(from, to, 1));
        assert_eq!(form("\"form\":2", "\"form\":3"), Err(StoredError::OtherForm(3)));
        assert_eq!(form("\"form\":2", "\"form\":0"), Err(StoredError::OtherForm(0)));
        assert!(matches!(form("\"name\"", "\"nom\""), Err(StoredError::Unreadable(_))));
        for wrong in [
            r#""<capabilities><rockets/></capabilities>""#,
            r#""<capabilities><firewall range=\"9\"/></capabilities>""#,
            r#""<capabilities sha256=\"9f\"/>""#,
            r#""<firewall/>""#,
            r#""<capabilities/><capabilities/>""#,
            r#""""#,
        ] {
            let granted = form("\"capabilities\":null", &format!("\"capabilities\":{wrong}"));
            assert!(matches!(granted, Err(StoredError::Unreadable(_))), "{granted:?}");
        }
        let first = text.replacen("\"form\":2", "\"form\":1", 1);
        for wrong in [
            r#"{"sha256":["9f"],"firewall":null}"#,
            r#"{"sha256":[],"firewall":null,"exec":{}}"#,
            r#"{"sha256":[],"firewall":{"set":"drop","widest4":33,"widest6":128}}"#,
            r#""<capabilities/>""#,
        ] {
            let granted = first.replacen("\"capabilities\":null", &format!("\"capabilities\":{wrong}"), 1);
            let granted = Command::from_stored(&granted);
            assert!(matches!(granted, Err(StoredError::Unreadable(_))), "{granted:?}");
        }
        assert!(matches!(Command::from_stored(""), Err(StoredError::Unreadable(_))));
    }
}
