//! The `<active-response>` blocks of an `ossec.conf`, or the blocks of any
//! other section, with their places in bytes: what `wazuh-execd` reads of it,
//! and what an installation changes without touching anything else.
//!
//! [`riposte_policy::Config`] says what the same file means and what is wrong
//! in it; it keeps no byte offsets.

use std::ops::Range;

use riposte_policy::tags::{Kind, tags};

/// One section of an `<ossec_config>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// From its `<` to behind its last `>`.
    pub span: Range<usize>,
    /// What stands between its tags.
    pub inner: Range<usize>,
    /// Its elements, in order.
    pub children: Vec<Child>,
}

/// An element of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// Its name.
    pub name: String,
    /// What stands between its tags.
    pub value: Range<usize>,
}

impl Block {
    /// Whether it is the agent's own: it names no command.
    #[must_use]
    pub fn is_agents_own(&self) -> bool {
        self.child("command").is_none()
    }

    /// The first element of this name.
    #[must_use]
    pub fn child(&self, name: &str) -> Option<&Child> {
        self.children.iter().find(|child| child.name == name)
    }
}

/// A file's blocks that are sections of this name, in order.
#[must_use]
pub fn blocks(text: &str, section: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut block: Option<Block> = None;
    for tag in tags(text) {
        let (name, span) = (tag.name, tag.span);
        match tag.kind {
            Kind::Open => {
                if path(&open) == ["ossec_config"] && name == section {
                    let inner = span.end..span.end;
                    block = Some(Block { span: span.clone(), inner, children: Vec::new() });
                }
                open.push(Open { name, inner: span.end });
            }
            Kind::Close => {
                // One that closes nothing is passed over, as is what was left open inside.
                let Some(depth) = open.iter().rposition(|open| open.name == name) else { continue };
                let Some(element) = open.get(depth).copied() else { continue };
                open.truncate(depth);
                let Some(current) = &mut block else { continue };
                match path(&open).as_slice() {
                    ["ossec_config", inside] if *inside == section => current
                        .children
                        .push(Child { name: name.to_owned(), value: element.inner..span.start }),
                    ["ossec_config"] => {
                        current.inner.end = span.start;
                        current.span.end = span.end;
                        blocks.extend(block.take());
                    }
                    _ => {}
                }
            }
            Kind::Empty => {}
        }
    }
    blocks
}

/// Where a new block is to stand: before the end of the first root.
#[must_use]
pub fn end_of_root(text: &str) -> Option<usize> {
    let end = tags(text).find(|tag| tag.kind == Kind::Close && tag.name == "ossec_config")?;
    Some(end.span.start)
}

#[derive(Clone, Copy)]
struct Open<'a> {
    name: &'a str,
    inner: usize,
}

fn path<'a>(open: &[Open<'a>]) -> Vec<&'a str> {
    open.iter().map(|open| open.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONF: &str = "<!-- <ossec_config><active-response><disabled>no</disabled></active-response> -->
<ossec_config>
  <localfile><command>df -P</command><active-response>x</active-response></localfile>
  <active-response>
    <!-- <command>no</command> -->
    <disabled>yes</disabled>
    <repeated_offenders>5, 10</repeated_offenders><ca_store/>
  </active-response>
  <active-response>
    <command>a < b</command>
    <disabled>no</disabled>
  </active-response>
</ossec_config>
<agent_config><active-response><disabled>no</disabled></active-response></agent_config>
";

    #[test]
    fn only_blocks_of_the_root_count() {
        let found = blocks(CONF, "active-response");
        assert_eq!(found.len(), 2);
        let own = &found[0];
        assert!(own.is_agents_own() && !found[1].is_agents_own());
        assert_eq!(&CONF[own.child("disabled").unwrap().value.clone()], "yes");
        assert_eq!(&CONF[own.child("repeated_offenders").unwrap().value.clone()], "5, 10");
        assert!(CONF[own.span.clone()].starts_with("<active-response>\n    <!--"));
        assert!(CONF[own.span.clone()].ends_with("</active-response>"));
        assert_eq!(&CONF[found[1].child("command").unwrap().value.clone()], "a < b");
        assert!(CONF[end_of_root(CONF).unwrap()..].starts_with("</ossec_config>\n<agent_config>"));
    }

    #[test]
    fn what_is_broken_ends_nothing_else() {
        for text in
            ["", "<", "<ossec_config", "<a></b>", "<!--", "</ossec_config", "<ossec_config><active-response>"]
        {
            assert!(blocks(text, "active-response").is_empty(), "{text}");
        }
        let unclosed =
            "<ossec_config><active-response><x><disabled>yes</disabled></active-response></ossec_config>";
        let found = blocks(unclosed, "active-response");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].child("disabled"), None);
    }
}
