//! `riposte plugin new`: a project to begin with.

use std::path::Path;

use clap::Args;
use riposte_author::project::{self, New as Wanted};
use riposte_author::{Capability, Error, Language};
use riposte_runtime::Kind;
use serde_json::json;

use crate::commands::ask;
use crate::exit::Exit;

/// What it ends with.
pub const EXIT_CODES: &str = "Languages: rust, python, js, ts, c, cpp; experimental: zig, go.\n\
    Exit codes: 0 the project is there; 1 it could not be made; 2 usage.";

/// `riposte plugin new`.
#[derive(Args, Clone, Debug)]
pub struct New {
    /// In which language: rust, python, js, ts, c, cpp, zig or go
    #[arg(value_parser = language)]
    pub language: Language,
    /// Its name, and that of the folder that is made here
    pub name: String,
    /// Undone after a time (reversible), or once and never undone (oneshot)
    #[arg(long, value_parser = kind)]
    pub kind: Option<Kind>,
    /// What it may ask the host for beside what the template does, such as `http,secret`
    #[arg(long, value_delimiter = ',', value_parser = Capability::named)]
    pub capabilities: Option<Vec<Capability>>,
    /// Name a version of the SDK in a registry of your own, in place of carrying its sources; none is published
    #[arg(long)]
    pub registry: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

/// Makes the project, and says how to go on.
pub fn new(args: &New) -> Exit {
    if let Some(taken) = super::install::built_in(&args.name) {
        let why = format!(
            "{taken}; choose another, or, if that is meant, install it with `riposte plugin install --name {} --replace`",
            args.name
        );
        ask::complain(args.json, &why);
        return Exit::Failed;
    }
    let wanted = Wanted {
        language: args.language,
        name: &args.name,
        kind: args.kind,
        capabilities: args.capabilities.clone(),
        registry: args.registry,
    };
    match project::new(Path::new(""), &wanted) {
        Ok(folder) if args.json => {
            ask::say(&json!({"folder": folder, "language": args.language.as_str()}));
            Exit::Done
        }
        Ok(folder) => {
            ask::say_text(&next(&folder, args));
            Exit::Done
        }
        Err(error) => {
            ask::complain(args.json, &error.to_string());
            if matches!(error, Error::Name(_)) { Exit::Usage } else { Exit::Failed }
        }
    }
}

fn next(folder: &Path, args: &New) -> String {
    let language = args.language;
    let shown = folder.display();
    let unpublished = if args.registry {
        "\n\nIts SDK, riposte-sdk, has to be in a registry that your tools ask: no release of it is published. Without \
         --registry its sources are written into the project."
    } else {
        ""
    };
    let once = language.prepare().map(|line| format!("{line}    # once\n  ")).unwrap_or_default();
    format!(
        "{shown}/ holds a response in {language}. From here:\n\n  \
         cd {shown}\n  \
         {once}\
         riposte plugin test       # builds it and tries its scenarios in the sandbox\n  \
         riposte plugin install    # puts it where the engine finds it\n\n\
         {shown}/README.md says what is where; {} says the rest.{unpublished}",
        language.page()
    )
}

fn language(word: &str) -> Result<Language, String> {
    Language::named(word).ok_or_else(|| {
        let known: Vec<_> = Language::ALL.iter().map(|language| language.as_str()).collect();
        format!("there is no such template; there are {}", known.join(", "))
    })
}

fn kind(word: &str) -> Result<Kind, String> {
    match word {
        "reversible" => Ok(Kind::Reversible),
        "oneshot" => Ok(Kind::Oneshot),
        _ => Err("it is `reversible` or `oneshot`".to_owned()),
    }
}
