//! `<confined>` and `<isolated>`: how a native program is confined.
//!
//! One of them that cannot be read makes the command unusable: a program must
//! never run with more than what the file was meant to say.

use super::block;
use super::findings::Findings;
use super::grants;
use super::xml::Element;
use crate::grant::Confinement;

/// The confinement that a `<command>` asks for; `None` when it asks for none.
pub(super) fn read(command: &Element, sound: &mut bool, findings: &mut Findings<'_>) -> Option<Confinement> {
    let mut named = command.children.iter().filter(|child| ["confined", "isolated"].contains(&&*child.name));
    let element = named.next()?;
    if let Some(again) = named.next() {
        *sound = false;
        let message = format!(
            "<{}> stands here although <{}> in line {} says how the program is confined",
            again.name, element.name, element.spot.line
        );
        let help = "keep one of them. The command is not used.";
        findings.error(again.spot, "element-repeated", message, help);
    }
    *sound &= block::only_text(element, findings);
    let confinement = grants::confinement(element, findings);
    *sound &= confinement.is_some();
    confinement
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Source};
    use crate::grant::NewPrivileges;

    fn read(element: &str) -> Config {
        let text = format!("<command><name>block</name><executable>block.sh</executable>{element}</command>");
        Config::read(&[Source::new("ossec.conf", &text)])
    }

    fn confinement(element: &str) -> Confinement {
        let config = read(element);
        assert!(config.diagnostics.is_empty(), "{:?}", config.diagnostics);
        config.commands[0].confinement.clone()
    }

    #[test]
    fn each_level_is_read() {
        assert_eq!(confinement(""), Confinement::Default);
        assert_eq!(confinement("<isolated/>"), Confinement::Isolated { write: Vec::new() });
        assert_eq!(
            confinement(r#"<confined write="/var/log /etc/hosts.deny" capabilities="net_admin kill"/>"#),
            Confinement::Confined {
                write: vec!["/var/log".into(), "/etc/hosts.deny".into()],
                capabilities: vec!["net_admin".to_owned(), "kill".to_owned()],
                new_privileges: NewPrivileges::Refused,
            }
        );
        let Confinement::Confined { capabilities, new_privileges, .. } =
            confinement(r#"<confined capabilities="all" no_new_privs="no"/>"#)
        else {
            panic!("not confined")
        };
        assert_eq!((capabilities, new_privileges), (vec!["all".to_owned()], NewPrivileges::Allowed));
    }

    #[test]
    fn what_cannot_be_read_leaves_no_command() {
        for (element, code) in [
            (r#"<confined write="var/log"/>"#, "value-invalid"),
            (r#"<confined write="/var/../etc"/>"#, "value-invalid"),
            (r#"<confined capabilities="net_admn"/>"#, "value-invalid"),
            (r#"<confined no_new_privs="false"/>"#, "value-invalid"),
            (r#"<confined writ="/var/log"/>"#, "attribute-unknown"),
            (r#"<isolated capabilities="kill"/>"#, "attribute-unknown"),
            ("<confined>/var/log</confined>", "value-invalid"),
            ("<confined><write>/var/log</write></confined>", "element-nested"),
            ("<confined/><isolated/>", "element-repeated"),
        ] {
            let config = read(element);
            assert!(config.commands.is_empty(), "{element}");
            let codes: Vec<_> = config.diagnostics.iter().map(|found| found.code).collect();
            assert!(codes.contains(&code), "{element}: {codes:?}");
        }
    }
}
