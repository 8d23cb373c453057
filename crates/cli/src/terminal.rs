//! The terminal that a person sits at: how wide it is, and whether it shows colours.

use std::io;

use anstream::AutoStream;
use clap::ColorChoice;

/// How standard output may look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    /// Whether colours may be used.
    pub colours: bool,
    /// So many columns.
    pub width: u16,
}

/// The width of a pipe or a file, and of a terminal that does not know its own.
const USUAL_WIDTH: u16 = 120;

impl Terminal {
    /// Standard output, with what the command line says about colours. `auto` is for a terminal, and for one alone where
    /// NO_COLOR is not set and TERM is not `dumb`.
    #[must_use]
    pub fn new(color: ColorChoice) -> Self {
        let colours = match color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never,
        };
        let on_screen = comfy_table::Table::new().width();
        Self { colours, width: width(on_screen, columns().as_deref()) }
    }

    /// Whether there is no room for sentences in a column.
    #[must_use]
    pub fn is_narrow(self) -> bool {
        self.width < 100
    }

    /// A file: as wide as a pipe, and without colours.
    #[must_use]
    pub fn of_a_file() -> Self {
        Self { colours: false, width: width(None, columns().as_deref()) }
    }
}

fn columns() -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the width is the terminal's business, and read only here")]
    std::env::var("COLUMNS").ok()
}

/// The terminal's own width, else that of the variable COLUMNS, else the usual one. Some terminals say that they are 0
/// wide.
fn width(on_screen: Option<u16>, columns: Option<&str>) -> u16 {
    let variable = || columns.and_then(|columns| columns.parse().ok()).filter(|width| *width > 0);
    on_screen.filter(|width| *width > 0).or_else(variable).unwrap_or(USUAL_WIDTH)
}

#[cfg(test)]
mod tests {
    use super::width;

    #[test]
    fn the_screen_knows_its_width_best_and_then_the_variable() {
        let cases = [
            (Some(80), Some("100"), 80),
            (Some(0), Some("100"), 100),
            (None, Some("100"), 100),
            (None, Some("0"), 120),
            (None, Some("wide"), 120),
            (Some(0), None, 120),
        ];
        for (screen, columns, wide) in cases {
            assert_eq!(width(screen, columns), wide, "{screen:?} {columns:?}");
        }
    }
}
