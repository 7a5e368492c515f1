//! What is to become of addresses, and how that is written.

use riposte_policy::grant::SetName;
use rustix::io::Errno;

use super::schema::Kind;
use super::transaction::{Item, LARGEST_MESSAGE, Label, Transaction};

/// What is to become of one address.
pub(super) struct Change<'a> {
    /// Which target this answers.
    pub(super) target: usize,
    pub(super) set: &'a SetName,
    pub(super) kind: Kind,
    pub(super) goal: Goal,
    pub(super) sight: Sight,
    pub(super) form: Form,
    pub(super) failed: Option<Errno>,
    pub(super) item: Item,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Goal {
    Present,
    Absent,
}

/// How a change is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As if the kernel were as expected.
    Expected,
    /// So that it fits whatever the kernel has.
    Any,
    /// The same, in messages of its own, so that its failure is its own.
    Alone,
}

/// Whether the kernel has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sight {
    There,
    NotThere,
    Unknown,
}

/// Writes changes, neighbours of one set and goal together.
pub(super) fn write(transaction: &mut Transaction, pending: &[&mut Change<'_>]) {
    let together = |a: &&mut Change<'_>, b: &&mut Change<'_>| {
        (a.kind, a.goal, a.sight, a.form, a.set) == (b.kind, b.goal, b.sight, b.form, b.set)
            && a.form != Form::Alone
    };
    let mut at = 0;
    for group in pending.chunk_by(together) {
        // One range for each message, so that an error is about few.
        for part in group.chunks(LARGEST_MESSAGE) {
            let range = at..at + part.len();
            at = range.end;
            let items: Vec<Item> = part.iter().map(|change| change.item).collect();
            let Some(Change { set, kind, goal, sight, form, .. }) = part.first() else { continue };
            // To remove what should not be there is to doubt what is known.
            let doubtful = *form != Form::Expected
                || *sight == Sight::Unknown
                || (*sight == Sight::NotThere && *goal == Goal::Absent);
            if doubtful {
                transaction.ensure(set, *kind, &items, range.clone());
            }
            if doubtful || *sight == Sight::There {
                transaction.remove(set, *kind, &items, range.clone());
            }
            if *goal == Goal::Present {
                transaction.create(set, *kind, &items, range);
            }
        }
    }
}

/// What a message's failure means for the changes in it.
pub(super) fn reconsider(pending: &mut [&mut Change<'_>], label: &Label, errno: Errno) {
    let (Label::Adds(range) | Label::Removes(range)) = label else { return };
    // The set is gone, which is no fault of theirs.
    if errno == Errno::NOENT && matches!(label, Label::Adds(_)) {
        return;
    }
    for change in pending.get_mut(range.clone()).unwrap_or_default() {
        change.form = match change.form {
            Form::Expected if matches!(errno, Errno::EXIST | Errno::NOENT) => Form::Any,
            Form::Expected | Form::Any => Form::Alone,
            Form::Alone => {
                change.failed = Some(errno);
                Form::Alone
            }
        };
    }
}
