//! What must hold before a change lands.

use anyhow::Result;

use crate::shell::{cargo, must};
use crate::suite::{Suite, Tally};
use crate::{codegen, dependencies, test, tidy};

pub(crate) const TIDY: Suite = Suite { name: "tidy", run: tidy::check };
pub(crate) const CODEGEN: Suite = Suite { name: "codegen", run: codegen_is_fresh };

/// The suites of CI, in the order in which they are most likely to complain.
pub(crate) fn suites() -> Vec<Suite> {
    let mut suites = vec![
        Suite { name: "fmt", run: fmt },
        TIDY,
        CODEGEN,
        Suite { name: "dependencies", run: dependencies::check },
        Suite { name: "clippy", run: clippy },
        Suite { name: "docs", run: docs },
    ];
    suites.extend(test::suites());
    suites
}

fn fmt() -> Result<Tally> {
    must("fmt", &mut cargo(&["fmt", "--all", "--check"]))?;
    Ok(Tally::pass())
}

fn codegen_is_fresh() -> Result<Tally> {
    codegen::run(codegen::Check::Verify)?;
    Ok(Tally::pass())
}

fn clippy() -> Result<Tally> {
    must("clippy", &mut cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"]))?;
    Ok(Tally::pass())
}

fn docs() -> Result<Tally> {
    let mut command = cargo(&["doc", "--workspace", "--no-deps", "--locked", "--document-private-items"]);
    // Private items are documented too, so a link to one leads somewhere.
    must("docs", command.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links"))?;
    Ok(Tally::pass())
}
