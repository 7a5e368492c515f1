//! The languages that a response can be written in, and their tools.

use std::fmt;

/// A language with a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Language {
    /// Rust.
    Rust,
    /// Python.
    Python,
    /// JavaScript.
    JavaScript,
    /// TypeScript.
    TypeScript,
    /// C.
    C,
    /// C++.
    Cpp,
    /// Zig: experimental.
    Zig,
    /// Go: experimental.
    Go,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Rust,
        Self::Python,
        Self::JavaScript,
        Self::TypeScript,
        Self::C,
        Self::Cpp,
        Self::Zig,
        Self::Go,
    ];

    /// Its word on the command line and in `plugin.toml`; also the name of its
    /// template.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::JavaScript => "js",
            Self::TypeScript => "ts",
            Self::C => "c",
            Self::Cpp => "cpp",
            Self::Zig => "zig",
            Self::Go => "go",
        }
    }

    /// The language of this word; `javascript`, `c++` and the like too.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        let word = match word.as_str() {
            "py" => "python",
            "javascript" => "js",
            "typescript" => "ts",
            "c++" | "cxx" => "cpp",
            "golang" => "go",
            word => word,
        };
        Self::ALL.into_iter().find(|language| language.as_str() == word)
    }

    /// Whether two builds of the same sources make other bytes.
    #[must_use]
    pub fn builds_differ(self) -> bool {
        matches!(self, Self::Python | Self::JavaScript | Self::TypeScript)
    }

    /// The folder of `sdk/` whose sources a project gets.
    #[must_use]
    pub fn sdk(self) -> &'static str {
        match self {
            Self::JavaScript | Self::TypeScript => "javascript",
            // One SDK with two headers.
            Self::Cpp => "c",
            other => other.as_str(),
        }
    }

    /// Whether its SDK is a package of a registry, so that a project can name a
    /// version in place of a folder.
    #[must_use]
    pub fn in_registry(self) -> bool {
        matches!(self, Self::Rust | Self::Python | Self::JavaScript | Self::TypeScript)
    }

    /// What a new project needs once before its first build; none: nothing but
    /// the language itself.
    #[must_use]
    pub fn prepare(self) -> Option<&'static str> {
        match self {
            Self::Python => Some("python3 -m venv .venv && .venv/bin/pip install -r requirements.txt"),
            Self::Rust => Some("rustup target add wasm32-unknown-unknown"),
            Self::C => Some("apt install make gcc clang-16 lld-16 wasi-libc libclang-rt-16-dev-wasm32"),
            Self::Cpp => Some(
                "apt install make gcc g++ clang-16 lld-16 wasi-libc libclang-rt-16-dev-wasm32 \
                 libc++-16-dev-wasm32 libc++abi-16-dev-wasm32",
            ),
            // The first build of the two runs `npm install` by itself.
            Self::JavaScript | Self::TypeScript | Self::Zig | Self::Go => None,
        }
    }

    /// Where its page stands.
    #[must_use]
    pub fn page(self) -> &'static str {
        match self {
            Self::Rust => "docs/sdk/rust.md",
            Self::Python => "docs/sdk/python.md",
            Self::JavaScript | Self::TypeScript => "docs/sdk/javascript.md",
            Self::C | Self::Cpp => "docs/sdk/c.md",
            Self::Zig => "docs/sdk/zig.md",
            Self::Go => "docs/sdk/go.md",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a program is, and the line that installs it. For a program that is not
/// in the table, where to look.
#[must_use]
pub fn how_to_get(program: &str) -> &'static str {
    let found = TOOLS.iter().find(|(names, _)| names.contains(&program));
    found.map_or("install it, or name another program under [build] in plugin.toml", |(_, install)| install)
}

/// Programs of build steps.
const TOOLS: &[(&[&str], &str)] = &[
    (
        &["cargo", "rustc", "rustup"],
        "it comes with Rust; install that with `curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh`, \
         then `rustup target add wasm32-unknown-unknown`",
    ),
    (
        &["componentize-py"],
        "it makes components of Python; run `python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1` \
         in the project's folder (on Debian and Ubuntu after `apt install python3-venv`)",
    ),
    (&["python3", "python"], "install Python 3.11 or newer, on Debian and Ubuntu with `apt install python3`"),
    (&["componentize-qjs", "esbuild", "tsc"], "run `npm install` in the project's folder"),
    (
        &["node", "npm", "npx"],
        "install Node.js 18 or newer, on Debian and Ubuntu with `apt install nodejs npm`",
    ),
    (
        &["clang-16", "clang++-16", "clang", "clang++", "wasm-ld-16", "wasm-ld"],
        "it compiles C for WebAssembly; on Debian and Ubuntu run `apt install make gcc g++ clang-16 lld-16 wasi-libc \
         libclang-rt-16-dev-wasm32 libc++-16-dev-wasm32 libc++abi-16-dev-wasm32`",
    ),
    (
        &["wasm-component-ld"],
        "it links components and comes with Rust (`rustup target add wasm32-unknown-unknown`); without Rust's rustup: \
         `cargo install wasm-component-ld`",
    ),
    (&["make"], "on Debian and Ubuntu run `apt install make`"),
    (
        &["cc", "gcc", "c++", "g++"],
        "the native tests need a compiler; on Debian and Ubuntu run `apt install gcc g++`",
    ),
    (
        &["zig"],
        "run `python3 -m venv .venv && .venv/bin/pip install ziglang==0.17.0` and `ln -s \"$PWD\"/.venv/lib/python3*/site-packages/ziglang/zig .venv/bin/` \
         in the project's folder, or get it from https://ziglang.org/download",
    ),
    (&["go"], "install Go 1.24 or newer from https://go.dev/dl"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_languages() {
        for language in Language::ALL {
            assert_eq!(Language::named(language.as_str()), Some(language));
        }
        assert_eq!(Language::named("C++"), Some(Language::Cpp));
        assert_eq!(Language::named("cobol"), None);
    }

    #[test]
    fn an_unknown_program_has_a_way_out_too() {
        assert!(how_to_get("cargo").contains("rustup"));
        assert!(how_to_get("emcc").contains("plugin.toml"));
    }
}
