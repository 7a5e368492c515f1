//! Readers that look for tags and edit files in place.

use riposte_policy::config::{Config, Role, Source};
use riposte_policy::ruleset::{Ruleset, Selection};
use riposte_policy::stock::{blocks, give_back, take_over};

/// Rules, and a manager's file whose responses are switched off and on again.
pub(crate) fn edits(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut rules = Ruleset::default();
    rules.read(text);
    let source = [Source { file: "0.conf", bytes }];
    let selection = Selection::of(&source);
    let held: usize = selection.paths.iter().chain(&selection.excluded).map(String::len).sum();
    assert!(held <= text.len() + 64, "{held} bytes of paths out of {}", text.len());
    let config = Config::read_as(&source, Role::Manager);
    let _ = rules.check(&config).len();
    if text.contains("riposte takeover") {
        // What was taken over before is given back too.
        let _ = give_back(text);
        return;
    }
    if let Ok((taken, were)) = take_over(text, |_| true) {
        let now = blocks(&taken).unwrap();
        assert!(now.iter().all(|block| !block.enabled), "{taken}");
        let (back, number) = give_back(&taken).unwrap();
        assert_eq!((back.as_str(), number), (text, were.len()), "through {taken}");
    }
}
