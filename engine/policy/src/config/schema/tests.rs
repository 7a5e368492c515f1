use super::*;

/// The blocks within `<riposte>`.
const INNER: [(&str, &Shape); 3] =
    [("guard", &guard::SHAPE), ("audit", &audit::SHAPE), ("ledger", &ledger::SHAPE)];

#[test]
fn every_element_of_a_block_has_its_row() {
    for (name, shape) in SECTIONS {
        for child in shape.children {
            assert!(row(name, child).is_some(), "<{child}> of <{name}> has no row in this file");
        }
    }
    for (name, shape) in INNER {
        for child in shape.children {
            assert!(row(name, child).is_some(), "<{child}> of <{name}> has no row in this file");
        }
    }
}

#[test]
fn every_row_is_of_an_element_that_is_read() {
    for (block, name, ..) in ROWS {
        let mut blocks = SECTIONS.into_iter().chain(INNER);
        let (_, shape) = blocks.find(|(section, _)| section == block).unwrap();
        assert!(shape.children.contains(name) || shape.unenforced.contains(name), "<{name}> of <{block}>");
    }
}

#[test]
fn every_name_that_is_read_is_in_the_schema() {
    let schema = relax_ng();
    for element in ELEMENTS {
        assert!(schema.contains(&format!("<element name=\"{}\">", element.name)), "{}", element.name);
        for attribute in element.attributes {
            assert!(
                schema.contains(&format!("<attribute name=\"{}\"", attribute.name)),
                "{}",
                attribute.name
            );
        }
    }
    for limit in LIMITS {
        assert!(schema.contains(&format!("<attribute name=\"{limit}\">")), "{limit}");
    }
    // It is XML, and every name that is referred to is defined once.
    let mut findings = super::super::findings::Findings::default();
    let file = findings.add("schema", schema.as_str().into());
    let roots = super::super::xml::read(file, &schema, &mut findings);
    assert!(findings.into_diagnostics().is_empty());
    let [grammar] = roots.as_slice() else { panic!("not one root") };
    let named = |tag: &str| {
        let mut names: Vec<_> = schema
            .split(&format!("<{tag} name=\""))
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        names.sort_unstable();
        names
    };
    let (defined, mut used) = (named("define"), named("ref"));
    used.dedup();
    assert_eq!(defined, used);
    assert_eq!(grammar.children.len(), defined.len() + 1);
}
