use super::super::{FirewallBackend, ServiceAction};
use super::*;

#[test]
fn the_words_are_those_of_the_types() {
    assert!(BACKENDS.iter().copied().eq(FirewallBackend::ALL.iter().map(|(name, _)| *name)));
    let actions = element("service").and_then(|service| service.attribute("actions"));
    let words: Vec<_> = ServiceAction::ALL.iter().map(|(name, _)| *name).collect();
    assert_eq!(actions.map(|actions| actions.takes), Some(Takes::SomeOf(words.leak())));
}

#[test]
fn names_and_interfaces_are_unique_and_the_needed_comes_first() {
    for (n, one) in ELEMENTS.iter().enumerate() {
        assert!(
            ELEMENTS.iter().skip(n + 1).all(|two| two.name != one.name && two.interface != one.interface)
        );
        let needed = |attribute: &Attribute| attribute.need == Need::Required;
        assert!(one.attributes.is_sorted_by_key(|attribute| !needed(attribute)), "{}", one.name);
        for attribute in one.attributes.iter().filter(|attribute| needed(attribute)) {
            assert!(one.least.contains(&format!(" {}=\"", attribute.name)), "{}", one.least);
        }
        if let Times::OnceFor(name) = one.times {
            assert!(one.attribute(name).is_some_and(needed), "{}", one.name);
        }
    }
}
