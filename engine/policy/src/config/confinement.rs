//! `<confined>` and `<isolated>`: how a native program is confined.
//!
//! One of them that cannot be read makes the command unusable: a program must
//! never run with more than what the file was meant to say.

use std::path::{Path, PathBuf};

use super::block;
use super::command::words;
use super::findings::Findings;
use super::suggest::nearest;
use super::xml::{Attribute, Element};
use crate::diagnostic::shown;
use crate::grant::{Confinement, NewPrivileges, PRIVILEGES};

const UNUSED: &str = "The command is not used.";

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
        findings.error(again.spot, "element-repeated", message, format!("keep one of them. {UNUSED}"));
    }
    *sound &= block::only_text(element, findings);
    if !element.value().is_empty() {
        *sound = false;
        let message = format!("<{}> has no text, only attributes: {}", element.name, shown(element.value()));
        findings.error(element.text_spot(), "value-invalid", message, UNUSED);
    }
    match element.name.as_str() {
        "confined" => Some(confined(element, sound, findings)),
        _ => Some(isolated(element, sound, findings)),
    }
}

fn confined(element: &Element, sound: &mut bool, findings: &mut Findings<'_>) -> Confinement {
    let (mut write, mut capabilities) = (Vec::new(), Vec::new());
    let mut new_privileges = NewPrivileges::Refused;
    for attribute in &element.attributes {
        match attribute.name.as_str() {
            "write" => write = paths(attribute, sound, findings),
            "capabilities" => capabilities = privileges(attribute, sound, findings),
            "no_new_privs" => match attribute.value.trim() {
                "yes" => new_privileges = NewPrivileges::Refused,
                "no" => new_privileges = NewPrivileges::Allowed,
                other => {
                    let help = format!("write yes or no. {UNUSED}");
                    invalid(attribute, &format!("{} is neither", shown(other)), &help, sound, findings);
                }
            },
            _ => {
                *sound = false;
                let known = &["write", "capabilities", "no_new_privs"];
                block::unknown_attribute(element, attribute, known, findings);
            }
        }
    }
    Confinement::Confined { write, capabilities, new_privileges }
}

fn isolated(element: &Element, sound: &mut bool, findings: &mut Findings<'_>) -> Confinement {
    let mut write = Vec::new();
    for attribute in &element.attributes {
        if attribute.name == "write" {
            write = paths(attribute, sound, findings);
        } else {
            *sound = false;
            block::unknown_attribute(element, attribute, &["write"], findings);
        }
    }
    Confinement::Isolated { write }
}

/// Absolute paths, between blanks and commas.
fn paths(attribute: &Attribute, sound: &mut bool, findings: &mut Findings<'_>) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for word in words(&attribute.value) {
        let wrong = if !word.starts_with('/') {
            "is not an absolute path"
        } else if word.split('/').any(|part| part == "..") {
            "leads upwards"
        } else {
            let path = Path::new(word).to_owned();
            if !paths.contains(&path) {
                paths.push(path);
            }
            continue;
        };
        let help = format!("write whole paths, such as /var/log. {UNUSED}");
        invalid(attribute, &format!("{} {wrong}", shown(word)), &help, sound, findings);
    }
    paths
}

/// Names of capabilities; `all` is every one of them.
fn privileges(attribute: &Attribute, sound: &mut bool, findings: &mut Findings<'_>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for word in words(&attribute.value) {
        let lower = word.to_ascii_lowercase();
        let name = lower.strip_prefix("cap_").unwrap_or(&lower);
        match name {
            "all" => return PRIVILEGES.iter().map(|name| (*name).to_owned()).collect(),
            name if PRIVILEGES.contains(&name) => {
                if !kept.iter().any(|known| known == name) {
                    kept.push(name.to_owned());
                }
            }
            name => {
                let near = nearest(name, PRIVILEGES.iter().copied());
                let near = near.map_or_else(String::new, |near| format!("did you mean {near}? "));
                let help = format!("{near}capabilities(7) lists them, and `all` is every one. {UNUSED}");
                let message = format!("Linux has no capability {}", shown(word));
                invalid(attribute, &message, &help, sound, findings);
            }
        }
    }
    kept
}

fn invalid(attribute: &Attribute, message: &str, help: &str, sound: &mut bool, findings: &mut Findings<'_>) {
    *sound = false;
    block::invalid_at(attribute.spot, &attribute.name, message, help, findings);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Source};

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
            confinement(
                r#"<confined write="/var/log, /etc/hosts.deny /var/log" capabilities="CAP_NET_ADMIN kill"/>"#
            ),
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
        assert_eq!((capabilities.len(), new_privileges), (PRIVILEGES.len(), NewPrivileges::Allowed));
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
        let help = &read(r#"<confined capabilities="net_admn"/>"#).diagnostics[0].help;
        assert!(format!("{help:?}").contains("did you mean net_admin?"), "{help:?}");
    }
}
