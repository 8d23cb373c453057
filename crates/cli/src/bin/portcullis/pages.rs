//! `portcullis completions` and `portcullis man`: what an installation puts beside the program.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::Shell;
use clap_mangen::Man;

use crate::Arguments;

#[derive(clap::Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_name = "SHELL", value_enum)]
    shell: Shell,
}

pub(crate) const COMPLETIONS_HELP: &str = "\
Examples:
  portcullis completions bash > ~/.local/share/bash-completion/completions/portcullis
  portcullis completions zsh > ~/.zfunc/_portcullis
  portcullis completions fish > ~/.config/fish/completions/portcullis.fish

Exit status: 0 written; 2 trouble.";

pub(crate) const MAN_HELP: &str = "\
Examples:
  portcullis man > ~/.local/share/man/man1/portcullis.1
  portcullis man | man -l -

Exit status: 0 written; 2 trouble.";

/// Writes what makes a shell complete the commands and their options.
///
/// # Errors
/// Those of standard output.
pub(crate) fn completions(arguments: &Completions) -> io::Result<u8> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "portcullis", &mut text);
    written(&text)
}

/// Writes one page with all commands.
///
/// # Errors
/// Those of standard output.
pub(crate) fn man() -> io::Result<u8> {
    let mut command = Arguments::command();
    // Fills in what a subcommand inherits, and its full name.
    command.build();
    let mut page = Vec::new();
    let man = Man::new(command.clone()).manual("Portcullis").source("portcullis");
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    sections(&command, &mut page)?;
    commands(&command, &mut page)?;
    man.render_version_section(&mut page)?;
    written(&page)
}

/// A command's own sections, as they come.
fn sections(command: &clap::Command, page: &mut Vec<u8>) -> io::Result<()> {
    let man = Man::new(command.clone());
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    if command.get_arguments().any(|argument| !argument.is_hide_set()) {
        man.render_options_section(page)?;
    }
    let help = command.get_after_long_help().or_else(|| command.get_after_help()).map(ToString::to_string);
    help.map_or(Ok(()), |help| write!(page, ".SH NOTES\n{}", notes(&help)))
}

/// What stands below a long help. Examples keep their lines; the rest is filled.
fn notes(help: &str) -> String {
    let mut notes = String::new();
    for paragraph in help.split("\n\n") {
        let text = paragraph.replace('\\', "\\\\").replace('-', "\\-");
        // A line that begins like this would be a request to roff.
        let lines = text.lines().map(|line| match line.starts_with(['.', '\'']) {
            true => format!("\\&{line}\n"),
            false => format!("{line}\n"),
        });
        let text: String = lines.collect();
        notes += &if paragraph.contains("\n  ") { format!(".PP\n.nf\n{text}.fi\n") } else { format!(".PP\n{text}") };
    }
    notes
}

/// A section for each command below, whose own sections are parts of it.
fn commands(of: &clap::Command, page: &mut Vec<u8>) -> io::Result<()> {
    for command in of.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned();
        writeln!(page, ".SH \"{}\"", name.to_uppercase())?;
        let mut parts = Vec::new();
        sections(command, &mut parts)?;
        for line in String::from_utf8_lossy(&parts).lines() {
            match line.strip_prefix(".SH ") {
                Some(title) => writeln!(page, ".SS {title}")?,
                None => writeln!(page, "{line}")?,
            }
        }
        commands(command, page)?;
    }
    Ok(())
}

/// Both are made in memory: who reads only the head of them is no reason to panic.
fn written(text: &[u8]) -> io::Result<u8> {
    let mut out = io::stdout().lock();
    out.write_all(text)?;
    out.flush()?;
    Ok(0)
}
