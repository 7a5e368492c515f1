use proptest::prelude::*;

use super::super::arbitrary;
use super::*;

proptest! {
    #[test]
    fn what_is_written_is_read_again(grants in arbitrary::grants()) {
        for detail in [Detail::Least, Detail::Full] {
            let xml = grants.to_xml(detail);
            let read = Grants::from_xml(&xml);
            prop_assert!(read.as_ref() == Ok(&grants), "{xml}\n{read:?}\n{grants:?}");
        }
    }

    #[test]
    fn the_least_is_the_shortest_and_canonical(grants in arbitrary::grants()) {
        let least = grants.to_xml(Detail::Least);
        prop_assert!(least.len() <= grants.to_xml(Detail::Full).len());
        prop_assert_eq!(Grants::from_xml(&least).unwrap().to_xml(Detail::Least), least);
    }
}

#[test]
fn defaults_are_left_out() {
    let read = |xml: &str| Grants::from_xml(&format!("<capabilities>{xml}</capabilities>")).unwrap();
    for (written, least) in [
        ("<firewall set='drop' widest4='32' confirm='gateway'/>", "<firewall/>"),
        ("<service unit='a.service' actions='restart'/>", r#"<service unit="a.service"/>"#),
        ("<lines file='/a' match='*'/>", r#"<lines file="/a"/>"#),
        ("<http host='A.example.' methods='POST' port='443'/>", r#"<http host="a.example"/>"#),
        ("<http host='a.example' scheme='http' port='80'/>", r#"<http host="a.example" scheme="http"/>"#),
        (
            "<mail server='localhost' security='none' from='a@b.c' to='d@e.f, g@h.i'/>",
            r#"<mail server="localhost" from="a@b.c" to="d@e.f g@h.i"/>"#,
        ),
        ("<config name='n' value=' &lt;&#10;'/>", r#"<config name="n" value=" &lt;&#10;"/>"#),
    ] {
        assert_eq!(read(written).elements(Detail::Least), [least]);
    }
    assert_eq!(Grants::default().to_string(), "<capabilities/>");
    let two = read("<state/><firewall/>").to_string();
    assert_eq!(two, "<capabilities>\n  <firewall/>\n  <state/>\n</capabilities>");
}

#[test]
fn confinement_is_an_element_of_a_native_program() {
    assert_eq!(Confinement::Default.to_xml(), None);
    let confined = Confinement::Confined {
        write: vec!["/a".into(), "/b".into()],
        capabilities: vec!["kill".to_owned()],
        new_privileges: NewPrivileges::Allowed,
    };
    assert_eq!(
        confined.to_xml().unwrap(),
        r#"<confined write="/a /b" capabilities="kill" no_new_privs="no"/>"#
    );
    assert_eq!(Confinement::Isolated { write: vec![] }.to_xml().unwrap(), "<isolated/>");
}
