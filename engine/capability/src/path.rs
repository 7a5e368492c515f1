//! Paths of the host as responses name them.

use std::fmt;
use std::path::Path;

use riposte_policy::diagnostic::shown;

use crate::refusal::Refusal;

/// Longest path in bytes (`PATH_MAX` without its final zero).
const LONGEST: usize = 4095;
/// An absolute path in one spelling: no empty part, no `.` and no `..`, no
/// control characters, and a name at its end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct HostPath(String);

impl HostPath {
    /// # Errors
    ///
    /// `invalid-input` for any other text.
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        let wrong = |why: &str| {
            Err(Refusal::invalid_input(format!("{} is not the path of a file: {why}", shown(text))))
        };
        let Some(parts) = text.strip_prefix('/') else { return wrong("it does not begin with `/`") };
        if text.len() > LONGEST {
            return wrong("it is longer than 4095 bytes");
        }
        if text.chars().any(char::is_control) {
            return wrong("it holds a control character");
        }
        if parts.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return wrong("it has an empty part, `.` or `..`; write the path that it stands for");
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }

    /// The folder that holds it.
    #[cfg(target_os = "linux")]
    pub(crate) fn folder(&self) -> &Path {
        self.as_path().parent().unwrap_or(Path::new("/"))
    }

    /// Its name in that folder.
    pub(crate) fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// Whether it lies below `folder`, however deep.
    pub(crate) fn is_below(&self, folder: &Path) -> bool {
        self.as_path() != folder && self.as_path().starts_with(folder)
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;

    #[test]
    fn one_spelling() {
        for text in ["/a", "/etc/hosts.deny", "/a b/ü", "/-rf", "/a\\b"] {
            assert_eq!(HostPath::parse(text).unwrap().as_str(), text);
        }
        let long = format!("/{}", "a".repeat(LONGEST));
        for text in [
            "", "a", "/", "//a", "/a/", "/a//b", "/./a", "/a/..", "/../a", "/a\0", "/a\nb", "/a\u{7f}", &long,
        ] {
            assert_eq!(HostPath::parse(text).unwrap_err().kind, "invalid-input", "{text:?}");
        }
        let path = HostPath::parse("/a/b").unwrap();
        assert_eq!((path.folder(), path.name()), (Path::new("/a"), "b"));
        assert_eq!(HostPath::parse("/a").unwrap().folder(), Path::new("/"));
        assert!(path.is_below(Path::new("/a")) && path.is_below(Path::new("/")));
        assert!(!path.is_below(Path::new("/a/b")) && !path.is_below(Path::new("/a/b/c")));
        assert!(!HostPath::parse("/ab/c").unwrap().is_below(Path::new("/a")));
    }
}
