//! Bytes to lines, with their places, without ever holding more than one
//! line's worth of memory.

/// One line of input and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The bytes without their line end.
    pub text: Text<'a>,
    /// Number of the line since reading began, from 1.
    pub number: u64,
    /// Offset of the first byte.
    pub start: u64,
    /// Offset behind the line end.
    pub end: u64,
}

/// What a line holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text<'a> {
    /// The whole line.
    Whole(&'a [u8]),
    /// The line was longer than allowed: its length, and none of its bytes.
    TooLong(u64),
}

/// Splits what is fed to it into lines.
#[derive(Debug)]
pub struct Lines {
    longest: usize,
    buffer: Vec<u8>,
    /// Where the unread part of the buffer begins, and up to where it is known
    /// to hold no line end.
    head: usize,
    searched: usize,
    /// Bytes of an over-long line that were dropped already.
    dropped: u64,
    number: u64,
    offset: u64,
}

impl Lines {
    /// Lines of at most `longest` bytes, the next of which begins at `offset`.
    #[must_use]
    pub fn new(longest: usize, offset: u64) -> Self {
        Self { longest, buffer: Vec::new(), head: 0, searched: 0, dropped: 0, number: 0, offset }
    }

    /// Takes the next bytes of the input.
    pub fn feed(&mut self, bytes: &[u8]) {
        if self.head > 0 {
            self.buffer.drain(..self.head);
            self.searched -= self.head;
            self.head = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole line, if its end was fed.
    pub fn next(&mut self) -> Option<Line<'_>> {
        let unsearched = self.buffer.get(self.searched..)?;
        let Some(found) = memchr::memchr(b'\n', unsearched) else {
            self.searched = self.buffer.len();
            self.drop_too_long();
            return None;
        };
        let end = self.searched + found;
        Some(self.take(end, 1))
    }

    /// The last line, if the input ended without a line end.
    pub fn rest(&mut self) -> Option<Line<'_>> {
        let end = self.buffer.len();
        (end > self.head || self.dropped > 0).then(|| self.take(end, 0))
    }

    /// Offset of the first byte that no line was made of yet.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    fn take(&mut self, end: usize, line_end: usize) -> Line<'_> {
        let (head, start) = (self.head, self.offset);
        let length = self.dropped + (end - head) as u64;
        self.head = end + line_end;
        self.searched = self.head;
        self.dropped = 0;
        self.number += 1;
        self.offset = start + length + line_end as u64;
        let text = match self.buffer.get(head..end) {
            Some(bytes) if length <= self.longest as u64 => {
                Text::Whole(bytes.strip_suffix(b"\r").unwrap_or(bytes))
            }
            _ => Text::TooLong(length),
        };
        Line { text, number: self.number, start, end: self.offset }
    }

    /// Forgets the bytes of a line that is over-long already.
    fn drop_too_long(&mut self) {
        let held = self.buffer.len() - self.head;
        if self.dropped > 0 || held > self.longest {
            self.dropped += held as u64;
            self.buffer.clear();
            self.head = 0;
            self.searched = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &mut Lines) -> Vec<(String, u64, u64)> {
        let mut out = Vec::new();
        while let Some(line) = lines.next() {
            let text = match line.text {
                Text::Whole(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                Text::TooLong(length) => format!("too long: {length}"),
            };
            out.push((text, line.start, line.end));
        }
        out
    }

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        let input = b"one\r\n\nthree\nan over-long line\nfive\nend";
        let expected = [
            ("one".to_owned(), 0, 5),
            (String::new(), 5, 6),
            ("three".to_owned(), 6, 12),
            ("too long: 17".to_owned(), 12, 30),
            ("five".to_owned(), 30, 35),
        ];
        for piece in 1..=input.len() {
            let mut lines = Lines::new(8, 0);
            let mut found = Vec::new();
            for bytes in input.chunks(piece) {
                lines.feed(bytes);
                found.extend(all(&mut lines));
            }
            assert_eq!(found, expected, "pieces of {piece}");
            assert_eq!(lines.offset(), 35);
            let rest = lines.rest().unwrap();
            assert_eq!((rest.text, rest.start, rest.end), (Text::Whole(b"end".as_slice()), 35, 38));
            assert_eq!(lines.rest(), None);
        }
    }

    #[test]
    fn an_endless_line_takes_no_memory() {
        let mut lines = Lines::new(16, 100);
        for _ in 0..1_000 {
            lines.feed(&[b'x'; 64]);
            assert_eq!(lines.next(), None);
            assert!(lines.buffer.len() <= 64 + 16);
        }
        lines.feed(b"\nok\n");
        assert_eq!(lines.next().unwrap().text, Text::TooLong(64_000));
        let line = lines.next().unwrap();
        assert_eq!((line.text, line.start), (Text::Whole(b"ok".as_slice()), 64_101));
    }
}
