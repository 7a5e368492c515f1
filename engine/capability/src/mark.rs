//! What the host shows as this engine's own.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use riposte_policy::order::EntryId;

use crate::firewall::Element;
use crate::{Capabilities, Effect, INTERFACES, Refusal};

/// An effect that the host shows with the engine's mark: an element of its
/// table, a route of its protocol, a line with its comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What is there.
    pub effect: Effect,
    /// The entry that made it first, where the mark says so. Others may hold it
    /// too, and that one may be over.
    pub entry: Option<EntryId>,
    /// When the host drops it by itself; `None`: never.
    pub remaining: Option<Duration>,
}

impl From<Element> for Mark {
    fn from(Element { target, remaining, entry }: Element) -> Self {
        Self { effect: target.effect().clone(), entry, remaining }
    }
}

impl Capabilities {
    /// Every mark on this host, whoever claims it. For a ledger that lost what
    /// it knew, and for the day the engine is removed.
    ///
    /// # Errors
    ///
    /// When a part of the host could not be read: the others were, but a caller
    /// that needs all of them has none.
    pub async fn marks(&self) -> Result<Vec<Mark>, Refusal> {
        let listed = self.backends.firewall.list().await?;
        let mut marks: Vec<Mark> = listed.into_iter().map(Mark::from).collect();
        for holding in INTERFACES.iter().filter_map(|interface| self.held(interface)) {
            marks.extend(holding.marks(&[]).await?);
        }
        Ok(marks)
    }
}

/// What stands beside something that the engine may have made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comment {
    /// Nothing: an earlier version named no entry.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "only what the kernel keeps has none"))]
    None,
    /// The entry that made it first.
    Of(EntryId),
    /// Somebody else's words: it is theirs.
    Foreign,
}

/// Before the number of the entry, wherever a text is the mark.
const WORD: &str = "entry ";

/// Between the number of an entry and whose entry it is.
#[cfg(target_os = "linux")]
const OF: &str = " of ";

/// The entry of a mark that another ledger's engine has made: none of this one's
/// has such a number.
pub const OTHERS: EntryId = EntryId(-1);

/// Which ledger this process marks for; 0: it does not say.
static LEDGER: AtomicU32 = AtomicU32::new(0);

/// From now on marks tell that they are of the ledger in this folder. Two
/// engines, each with a folder of its own, may block in one table, and count
/// their entries alike.
pub fn of_ledger_in(folder: &Path) {
    // FNV-1a: whoever could choose a folder's name to collide can write marks.
    let mut hash = 0x811c_9dc5_u32;
    for byte in folder.as_os_str().as_encoded_bytes() {
        hash = (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    }
    LEDGER.store(hash.max(1), Ordering::Relaxed);
}

/// `NFTNL_UDATA_SET_ELEM_COMMENT`: what nft writes behind `comment`.
#[cfg(target_os = "linux")]
const COMMENT: u8 = 0;

impl fmt::Display for Comment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(entry) => write!(f, "{WORD}{entry}"),
            Self::None | Self::Foreign => Ok(()),
        }
    }
}

impl Comment {
    #[cfg(target_os = "linux")]
    pub(crate) fn of(entry: EntryId) -> Self {
        Self::Of(entry)
    }

    /// The entry that it names.
    pub(crate) fn entry(self) -> Option<EntryId> {
        match self {
            Self::Of(entry) => Some(entry),
            Self::None | Self::Foreign => None,
        }
    }

    /// Reads the words of a comment.
    pub(crate) fn parse(text: &str) -> Self {
        let number = text.strip_prefix(WORD).and_then(|number| number.parse().ok());
        number.map_or(Self::Foreign, |number| Self::Of(EntryId(number)))
    }

    /// The same, where it may tell whose entry that is.
    #[cfg(target_os = "linux")]
    fn of_some_ledger(text: &str, own: u32) -> Self {
        let Some((comment, ledger)) = text.split_once(OF) else { return Self::parse(text) };
        match (Self::parse(comment), u32::from_str_radix(ledger, 16)) {
            (Self::Of(entry), Ok(ledger)) if ledger == own => Self::Of(entry),
            (Self::Of(_), Ok(_)) => Self::Of(OTHERS),
            _ => Self::Foreign,
        }
    }

    /// As nftables keeps it with an element: type, length, text with a zero
    /// byte at its end. Empty for none.
    #[cfg(target_os = "linux")]
    pub(crate) fn as_userdata(self) -> Vec<u8> {
        let Self::Of(entry) = self else { return Vec::new() };
        let text = match LEDGER.load(Ordering::Relaxed) {
            0 => format!("{WORD}{entry}\0"),
            ledger => format!("{WORD}{entry}{OF}{ledger:08x}\0"),
        };
        // A number of 64 bits is far from 255 bytes.
        let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
        [&[COMMENT, length], text.as_bytes()].concat()
    }

    /// The comment in what nftables keeps with an element.
    #[cfg(target_os = "linux")]
    pub(crate) fn in_userdata(mut data: &[u8]) -> Self {
        while let Some((&[kind, length], rest)) = data.split_first_chunk::<2>() {
            let Some((value, rest)) = rest.split_at_checked(usize::from(length)) else { return Self::None };
            if kind == COMMENT {
                let text = std::str::from_utf8(value.strip_suffix(&[0]).unwrap_or(value));
                return text.map_or(Self::Foreign, |text| {
                    Self::of_some_ledger(text, LEDGER.load(Ordering::Relaxed))
                });
            }
            data = rest;
        }
        Self::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_read_back() {
        for number in [0, 1, 7, i64::MAX, -1] {
            let comment = Comment::of(EntryId(number));
            assert_eq!(Comment::in_userdata(&comment.as_userdata()), comment);
        }
        assert_eq!(Comment::of(EntryId(5)).as_userdata(), b"\x00\x08entry 5\0");
        assert_eq!(Comment::None.as_userdata(), b"");
    }

    #[test]
    fn another_ledgers_entry_is_not_one_of_this() {
        let read = |text: &str| Comment::of_some_ledger(text, 0x1a2b);
        assert_eq!(read("entry 5 of 00001a2b"), Comment::of(EntryId(5)));
        assert_eq!(read("entry 5 of 00001a2c"), Comment::of(OTHERS));
        assert_eq!(read("entry 5"), Comment::of(EntryId(5)), "from before marks told that");
        for theirs in ["entry 5 of mine", "ticket of 00001a2b", "entry of 00001a2b"] {
            assert_eq!(read(theirs), Comment::Foreign, "{theirs}");
        }
    }

    #[test]
    fn what_others_write_is_theirs() {
        assert_eq!(Comment::in_userdata(b"\x00\x0aby ticket\0"), Comment::Foreign);
        assert_eq!(Comment::in_userdata(b"\x00\x06entry\0"), Comment::Foreign);
        assert_eq!(Comment::in_userdata(b"\x01\x04\0\0\0\0"), Comment::None);
        assert_eq!(Comment::in_userdata(b"\x01\x01x\x00\x08entry 5\0"), Comment::of(EntryId(5)));
        for cut in [&b""[..], b"\x00", b"\x00\xff", b"\x00\x08entry"] {
            assert_eq!(Comment::in_userdata(cut), Comment::None);
        }
        assert_eq!(Comment::in_userdata(b"\x00\x02\xff\xfe"), Comment::Foreign);
    }
}
