//! Pages that say what the program says: `docs/cli.md`, `docs/configuration.md`.

use anyhow::Result;
use clap::Command;

use crate::config::{Config, Effective, KEYS, Source};
use crate::output;

const GENERATED: &str = "<!-- Written by `omnibus docs`; `cargo xtask codegen` refreshes it. -->\n";

/// A page that can be printed.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Page {
    Cli,
    Config,
}

/// Prints a page; `command` is what the page of the command line describes.
pub(crate) fn print(page: Page, command: Command) -> Result<()> {
    let text = match page {
        Page::Cli => command_line(command),
        Page::Config => configuration(),
    };
    output::raw(text.as_bytes())
}

/// The effective configuration as a commented file.
pub(crate) fn config_file(effective: &Effective) -> String {
    let mut text = String::new();
    let mut section = "";
    for key in KEYS {
        let (its_section, name) = key.name.split_once('.').unwrap_or(("", key.name));
        if its_section != section {
            section = its_section;
            text += &format!("\n[{section}]\n");
        }
        let source = effective.source(key);
        let value = toml_value(&key.show(&effective.config));
        text += &format!("{name} = {value}");
        text += &if source == Source::Default { "\n".to_owned() } else { format!("  # {source}\n") };
    }
    text.trim_start().to_owned()
}

fn toml_value(text: &str) -> String {
    // A number that begins with zeros is a name of digits.
    let is_number = text.parse::<i64>().is_ok_and(|number| number.to_string() == text);
    let is_bare = is_number || text.parse::<bool>().is_ok();
    if is_bare { text.to_owned() } else { toml::Value::String(text.to_owned()).to_string() }
}

fn configuration() -> String {
    let mut page = format!(
        "{GENERATED}# Configuration\n\n\
         Every key can stand in a TOML file (`--config FILE`), in an environment variable and in a flag\n\
         (`--set KEY=VALUE`; the most used have flags of their own, see [the command line](cli.md)).\n\
         Flags win over variables, variables over the file, the file over the defaults.\n\
         A key that nobody knows is an error. `omnibus config show` prints what is in effect, as a file.\n\n\
         Sizes are written `4096`, `64KiB`, `256MiB` or `1GiB`; spans of time `500ms`, `30s`, `1h30m` or `7d`.\n\n\
         | Key | Default | Meaning |\n|---|---|---|\n"
    );
    let config = Config::default();
    for key in KEYS {
        let default = key.show(&config);
        let default = if default.is_empty() { "empty".to_owned() } else { format!("`{default}`") };
        page += &format!("| `{}`<br>`{}` | {default} | {} |\n", key.name, key.variable(), key.meaning);
    }
    page += "\n## Topics\n\nWhat `omnibus topic create --set KEY=VALUE` and `omnibus topic alter` take. Kafka's tools \
             use Kafka's names\nfor the same settings.\n\n| Key | Kafka's name | Meaning |\n|---|---|---|\n";
    for key in omnibus_admin::TOPIC_KEYS {
        page += &format!("| `{}` | `{}` | {} |\n", key.name, key.kafka, key.meaning);
    }
    page
}

fn command_line(command: Command) -> String {
    let mut page = format!(
        "{GENERATED}# Command line\n\n\
         Exit codes: 0 done, 1 failed (or `verify` found damage), 2 a wrong command line or configuration, 3 `serve` could no longer\n\
         write to its disk, 130 `serve` was told twice to end.\n"
    );
    let mut command = command.term_width(100);
    command.build();
    describe(&command, "", &mut page);
    page
}

fn describe(command: &Command, parents: &str, page: &mut String) {
    let name = format!("{parents}{}", command.get_name());
    let help = command.clone().bin_name(&name).render_help().to_string();
    *page += &format!("\n## {name}\n\n```text\n");
    for line in help.trim_end().lines() {
        *page += &format!("{}\n", line.trim_end());
    }
    *page += "```\n";
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        describe(verb, &format!("{name} "), page);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Given;

    /// Compares a page with what is in `docs/`; `UPDATE_EXPECT=1` rewrites it.
    fn is_fresh(name: &str, text: &str) {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&path, text).unwrap();
        }
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == text, "docs/{name} is stale: run `cargo xtask codegen`");
    }

    #[test]
    fn pages_are_fresh() {
        is_fresh("cli.md", &command_line(crate::cli::command()));
        is_fresh("configuration.md", &configuration());
    }

    #[test]
    fn shown_configuration_reads_back() {
        let given = Given { flags: vec![("cluster.rack".into(), "r\"1".into())], ..Given::default() };
        let shown = config_file(&Effective::new(&given).unwrap());
        assert!(shown.contains("rack = 'r\"1'  # flag"), "{shown}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &shown).unwrap();
        let again = Effective::new(&Given { file: Some(file.path().to_owned()), ..Given::default() }).unwrap();
        assert_eq!(again.config.cluster.rack.as_deref(), Some("r\"1"));
    }
}
