//! One file: what is in it, and what of that would survive.

use crate::random::Random;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// What becomes of what was not synced when the power goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// All of it is lost.
    All,
    /// None of it is.
    None,
    /// What was written first is there, up to some moment.
    Later,
    /// Any of its sectors are there, written in any order.
    Torn,
}

/// A file.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    data: Vec<u8>,
    /// What was changed since the last sync, with what it takes to go back.
    changes: Vec<Change>,
}

#[derive(Clone, Debug)]
enum Change {
    /// From `at` on, `len` bytes; what of them was there `before`, and how long
    /// the file `was`.
    Write { at: usize, len: usize, before: Vec<u8>, was: usize },
    /// The file lost its `tail`.
    Truncate { tail: Vec<u8> },
}

/// A change, forward.
enum Deed {
    Write { at: usize, data: Vec<u8> },
    Truncate { to: usize },
}

impl File {
    pub(super) fn data(&self) -> &[u8] {
        &self.data
    }

    pub(super) fn is_synced(&self) -> bool {
        self.changes.is_empty()
    }

    pub(super) fn write(&mut self, at: usize, data: &[u8]) {
        let was = self.data.len();
        let end = at + data.len();
        let before = self.data.get(at..end.min(was)).unwrap_or_default().to_vec();
        self.changes.push(Change::Write { at, len: data.len(), before, was });
        put(&mut self.data, at, data);
    }

    pub(super) fn truncate(&mut self, to: usize) {
        if to < self.data.len() {
            let tail = self.data.split_off(to);
            self.changes.push(Change::Truncate { tail });
        }
    }

    pub(super) fn sync(&mut self) {
        self.changes.clear();
    }

    /// The file as it was when it was last synced.
    pub(super) fn synced(&self) -> Self {
        let mut back = self.clone();
        back.lose(Loss::All, &mut Random::new(0, 0));
        back
    }

    /// The power goes; what is left is on the disk for good.
    pub(super) fn lose(&mut self, loss: Loss, random: &mut Random) {
        let deeds = self.go_back();
        match loss {
            Loss::All => {}
            Loss::None => deeds.iter().for_each(|deed| self.redo(deed)),
            Loss::Later => {
                let kept = random.index(deeds.len() + 1);
                deeds.iter().take(kept).for_each(|deed| self.redo(deed));
            }
            Loss::Torn => {
                let mut pieces: Vec<Deed> = deeds.into_iter().flat_map(sectors).collect();
                let kept = u32::try_from(random.below(101)).unwrap_or(100);
                if random.percent(50) {
                    shuffle(&mut pieces, random);
                }
                for piece in &pieces {
                    if random.percent(kept) {
                        self.redo(piece);
                    }
                }
            }
        }
    }

    /// Goes back to the last sync; what was done since, in order.
    fn go_back(&mut self) -> Vec<Deed> {
        let mut deeds = Vec::with_capacity(self.changes.len());
        while let Some(change) = self.changes.pop() {
            deeds.push(match change {
                Change::Write { at, len, before, was } => {
                    let data = self.data[at..at + len].to_vec();
                    self.data.truncate(was);
                    put(&mut self.data, at.min(was), &before);
                    Deed::Write { at, data }
                }
                Change::Truncate { tail } => {
                    let to = self.data.len();
                    self.data.extend_from_slice(&tail);
                    Deed::Truncate { to }
                }
            });
        }
        deeds.reverse();
        deeds
    }

    fn redo(&mut self, deed: &Deed) {
        match deed {
            Deed::Write { at, data } => put(&mut self.data, *at, data),
            Deed::Truncate { to } => self.data.truncate(*to),
        }
    }
}

/// Zeros fill what lies between the end of the file and `at`.
fn put(data: &mut Vec<u8>, at: usize, new: &[u8]) {
    let end = at + new.len();
    if data.len() < at {
        data.resize(at, 0);
    }
    let inside = data.len().min(end) - at;
    data[at..at + inside].copy_from_slice(&new[..inside]);
    data.extend_from_slice(&new[inside..]);
}

fn sectors(deed: Deed) -> Vec<Deed> {
    let Deed::Write { mut at, data } = deed else { return vec![deed] };
    let mut rest = data.as_slice();
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let len = (SECTOR - at % SECTOR).min(rest.len());
        let (piece, others) = rest.split_at(len);
        pieces.push(Deed::Write { at, data: piece.to_vec() });
        at += len;
        rest = others;
    }
    pieces
}

fn shuffle<T>(list: &mut [T], random: &mut Random) {
    for last in (1..list.len()).rev() {
        list.swap(last, random.index(last + 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_synced_stays_and_the_rest_goes_or_stays() {
        let mut random = Random::new(1, 1);
        let mut file = File::default();
        file.write(0, b"kept");
        file.sync();
        file.write(2, b"later");
        file.truncate(3);
        file.write(6, b"!");
        assert_eq!(file.data(), b"kel\0\0\0!");
        assert_eq!(file.synced().data(), b"kept");
        let mut kept = file.clone();
        kept.lose(Loss::None, &mut random);
        assert_eq!(kept.data(), b"kel\0\0\0!");
        assert!(kept.is_synced());
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..64 {
            let mut some = file.clone();
            some.lose(Loss::Later, &mut random);
            seen.insert(some.data().to_vec());
        }
        let states: [&[u8]; 4] = [b"kept", b"kelater", b"kel", b"kel\0\0\0!"];
        assert_eq!(seen, states.map(<[u8]>::to_vec).into());
    }

    #[test]
    fn a_torn_write_leaves_whole_sectors() {
        let mut file = File::default();
        file.write(0, &[1; 4 * SECTOR]);
        file.sync();
        file.write(100, &[2; 3 * SECTOR]);
        let mut random = Random::new(2, 1);
        let mut mixed = 0;
        for _ in 0..64 {
            let mut torn = file.clone();
            torn.lose(Loss::Torn, &mut random);
            assert_eq!(torn.data().len(), 4 * SECTOR);
            for (number, sector) in torn.data().chunks(SECTOR).enumerate() {
                let written = if number == 0 {
                    &sector[100..]
                } else if number == 3 {
                    &sector[..100]
                } else {
                    sector
                };
                assert!(written.iter().all(|byte| *byte == written[0]), "sector {number}");
            }
            mixed += u32::from(torn.data()[SECTOR] != torn.data()[2 * SECTOR]);
        }
        assert!(mixed > 5, "{mixed}");
    }
}
