//! Why scenarios could not be played.

use std::fmt;
use std::path::{Path, PathBuf};

use riposte_policy::diagnostic::inline;

/// Why scenarios could not be read, or a component could not be put on stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScenarioError {
    /// A file or a folder could not be read or made.
    File {
        /// Which.
        path: PathBuf,
        /// What was tried, and the system's words.
        why: String,
    },
    /// There is no scenario to play.
    None {
        /// Where they were looked for.
        place: PathBuf,
        /// The name that was asked for, and those that there are.
        named: Option<(String, Vec<String>)>,
    },
    /// A place in a file is wrong.
    Field {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The name of the scenario; empty outside of all.
        scenario: String,
        /// The field: `expect.calls`; empty for the whole.
        field: String,
        /// What is wrong, and what to write.
        what: String,
    },
    /// The sandbox did not start.
    Stage(String),
    /// The component cannot be run.
    Component(String),
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, why } => write!(f, "{}: {why}", shown(path)),
            Self::None { place, named: Some((name, known)) } => write!(
                f,
                "no scenario in {} is named {name:?}: there are {}",
                shown(place),
                known.iter().map(|known| inline(known)).collect::<Vec<_>>().join(", ")
            ),
            Self::None { place, named: None } => write!(
                f,
                "{} holds no scenario: write one, such as {{\"scenarios\": [{{\"name\": \"blocks the source\", \"call\": \"add\", \
                 \"alert\": {{\"data\": {{\"srcip\": \"192.0.2.7\"}}}}, \"expect\": {{\"calls\": [\"firewall.block 192.0.2.7\"]}}}}]}}",
                shown(place)
            ),
            Self::Field { file, line, scenario, field, what } => {
                write!(f, "{}:{line}: ", shown(file))?;
                if !scenario.is_empty() {
                    write!(f, "scenario {scenario:?}: ")?;
                }
                if !field.is_empty() {
                    write!(f, "{field}: ")?;
                }
                f.write_str(what)
            }
            Self::Stage(why) => f.write_str(why),
            Self::Component(why) => write!(f, "the component cannot be run: {why}"),
        }
    }
}

impl std::error::Error for ScenarioError {}

/// A path on one line: whoever made the file chose its name.
fn shown(path: &Path) -> String {
    inline(&path.display().to_string())
}
