//! A project is made whole or not at all, and is known again by its sources.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a failed unwrap is a failed test; it plays the author"
)]

use riposte_author::project::{self, New};
use riposte_author::sameness::Sources;
use riposte_author::{Error, Language, Manifest};

#[test]
fn a_project_that_cannot_be_written_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    // So deep that its folder fits, and not all that is to be in it.
    let mut parent = dir.path().to_owned();
    while parent.as_os_str().len() < 4_060 {
        parent.push("x".repeat((4_060 - parent.as_os_str().len()).min(200)));
    }
    std::fs::create_dir_all(&parent).unwrap();
    let wanted =
        New { language: Language::Rust, name: "block", kind: None, capabilities: None, registry: false };
    assert!(matches!(project::new(&parent, &wanted), Err(Error::File { .. })));
    assert_eq!(std::fs::read_dir(&parent).unwrap().count(), 0);
    assert!(matches!(project::new(dir.path(), &wanted), Ok(made) if made.is_dir()));
    assert!(matches!(project::new(dir.path(), &wanted), Err(Error::Exists(_))));
}

#[test]
fn what_a_build_makes_is_no_source() {
    let at = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = at.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let text = "name = \"x\"\nversion = \"1\"\nlanguage = \"python\"\nkind = \"oneshot\"\n\
                [build]\nsteps = []\nartifact = \"./x.wasm\"\n";
    write("plugin.toml", text);
    write("response.py", "a");
    write("riposte/sdk/python/riposte_sdk/__init__.py", "b");
    let manifest = Manifest::read(at.path()).unwrap();
    let now = || Sources::read(at.path(), &manifest, &[at.path().join("home")]).unwrap();
    let before = now();
    for made in [
        "x.wasm",
        "__pycache__/x.pyc",
        "build/x.js",
        "riposte/world/world.wit",
        ".venv/bin/python",
        "home/state/x",
    ] {
        write(made, "made");
        assert_eq!(now(), before, "{made}");
    }
    // What a build adds is nothing that was edited while it went on.
    write("package-lock.json", "added");
    let added = now();
    assert!(added.keeps(&before) && added.digest() != before.digest());
    let mut seen = vec![before];
    for source in ["response.py", "plugin.toml", "riposte/sdk/python/riposte_sdk/__init__.py", "more.py"] {
        write(source, "changed");
        assert!(!seen.contains(&now()), "{source}");
        assert!(!now().keeps(&added), "{source}");
        seen.push(now());
    }
}
